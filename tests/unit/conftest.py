"""Unit tests reach no network and no cluster: a connection beyond this machine's loopback fails the test."""

import socket
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anything but loopback and Unix sockets."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(("127.", "::1")):
            raise AssertionError(f"a unit test connects to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a KubeSpawner be made without a kubeconfig; it has a client, but no API server to talk to."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **options: None)


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which hub a test configured: a hub marks its pods by an attribute of the spawner's class."""
    monkeypatch.setattr("jhaws.spawner.JhawsSpawner.hub_id", "")
    monkeypatch.setattr("jhaws.spawner.JhawsSpawner.database_id", staticmethod(lambda: ""))
