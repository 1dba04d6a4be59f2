"""Which NFS servers the hub looks up itself."""

import pytest

from jhaws.starts.addresses import names_service, resolve_service


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("drive", True),
        ("drive.hubs.svc", True),
        ("drive.hubs.svc.cluster.local", True),
        ("drive.hubs.svc.cluster.local.", True),
        ("fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com", False),
        ("nfs.example.org", False),
        ("svc.example.org", False),
        ("nfs.svc", False),
        ("10.1.2.3", False),
        ("fd00::1", False),
        ("[fd00::1]", False),
    ],
)
def test_services_are_told_from_hosts(host: str, expected: bool) -> None:
    """A name without a dot or with `.svc` after a namespace is a Kubernetes Service's, and no other."""
    assert names_service(host) is expected


async def test_a_service_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cluster the address is found by the hub's own resolver."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    assert await resolve_service("localhost") in ("127.0.0.1", "::1")


async def test_outside_a_cluster_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub outside a cluster cannot know its Services, and does not ask."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    assert await resolve_service("localhost") == "localhost"


async def test_an_unknown_service_keeps_its_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the cluster's DNS knows no such Service, the node may; and the log says so."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    assert await resolve_service("no-such-service-here") == "no-such-service-here"
    assert "does not know the Service 'no-such-service-here'" in caplog.text
