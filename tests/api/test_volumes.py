"""The default StorageClass of the real node: folders for claims, on a real API server."""

from __future__ import annotations

import secrets
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client, config

from tests.api.cluster import eventually
from tests.api.conftest import MISSING, make_namespace
from tests.kube import volumes
from tests.kube.programs import Program

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
async def api(kubernetes: str) -> AsyncIterator[client.ApiClient]:
    """A client of the shared control plane."""
    settings = client.Configuration()
    await config.load_kube_config(kubernetes, client_configuration=settings)
    async with client.ApiClient(settings) as api:
        yield api


@pytest.fixture
async def folder(kubernetes: str, tmp_path: Path) -> AsyncIterator[Path]:
    """Where the volumes of a running provisioner are."""
    program = Program("volumes", tmp_path, command=(sys.executable, volumes.__file__))
    await program.start([kubernetes, tmp_path / "volumes"])
    yield tmp_path / "volumes"
    await program.kill()


def make_claim(name: str, storage_class: str) -> dict[str, Any]:
    """Build a claim."""
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": storage_class}
    return {"metadata": {"name": name}, "spec": spec}


async def test_claim_gets_a_folder_for_as_long_as_it_is_there(
    api: client.ApiClient, kubernetes: str, folder: Path
) -> None:
    """A claim of the class is bound to a folder that all may write to, which ends with it; others are left alone."""
    core, namespace = client.CoreV1Api(api), await make_namespace(client.CoreV1Api(api))
    ours, other = f"ours-{secrets.token_hex(4)}", f"other-{secrets.token_hex(4)}"
    for name, provisioner in ((ours, volumes.PROVISIONER), (other, "example.org/else")):
        await client.StorageV1Api(api).create_storage_class({"metadata": {"name": name}, "provisioner": provisioner})
        await core.create_namespaced_persistent_volume_claim(namespace, make_claim(name, name))

    async def is_bound() -> bool:
        return (await core.read_namespaced_persistent_volume_claim(ours, namespace)).status.phase == "Bound"

    await eventually(is_bound)
    claim = await core.read_namespaced_persistent_volume_claim(ours, namespace)
    (made,) = folder.iterdir()
    assert (made.name, stat.S_IMODE(made.stat().st_mode)) == (claim.spec.volume_name, 0o777)
    volume = await core.read_persistent_volume(made.name)
    assert (volume.spec.host_path.path, volume.spec.capacity) == (str(made), {"storage": "1Gi"})
    assert (await core.read_namespaced_persistent_volume_claim(other, namespace)).status.phase == "Pending"

    (made / "work").touch()
    await core.delete_namespaced_persistent_volume_claim(ours, namespace)

    async def is_gone() -> bool:
        volumes_left = [volume.metadata.name for volume in (await core.list_persistent_volume()).items]
        return not any(folder.iterdir()) and made.name not in volumes_left

    await eventually(is_gone)
