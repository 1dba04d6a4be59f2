"""Gives folders to claims: the default StorageClass of the tests' node, as a program of its own.

`volumes.py KUBECONFIG FOLDER` does what a cloud's driver does: for each claim of its class it makes a volume, here a
folder that everybody may write to, and when the claim is gone it deletes both. It runs until it is killed, and goes on
after outages of the API server.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config, watch

# As manifests/storage.yaml has it.
PROVISIONER = "jhaws.test/folders"

# What Kubernetes writes: on a claim, who shall make its volume; on a volume, who made it.
WANTED = "volume.kubernetes.io/storage-provisioner"
MADE = "pv.kubernetes.io/provisioned-by"

# Seconds until it asks again after an outage.
PAUSE_SECONDS = 1


class Provisioner:
    """Makes and deletes volumes.

    Args:
        core: The client.
        folder: Where the volumes' folders are.
    """

    def __init__(self, core: client.CoreV1Api, folder: Path) -> None:
        self._core = core
        self._folder = folder

    async def provision(self, claim: client.V1PersistentVolumeClaim) -> None:
        """Make the volume of a claim that waits for one."""
        if claim.spec.volume_name or (claim.metadata.annotations or {}).get(WANTED) != PROVISIONER:
            return
        volume = make_volume(claim, self._folder)
        path = Path(volume["spec"]["hostPath"]["path"])
        path.mkdir(exist_ok=True)
        # Nobody changes its owner, and pods have users of their own.
        path.chmod(0o777)
        try:
            await self._core.create_persistent_volume(volume)
        except client.ApiException as error:
            if error.status != 409:
                raise

    async def delete(self, volume: client.V1PersistentVolume) -> None:
        """Delete a volume whose claim is gone."""
        ours = (volume.metadata.annotations or {}).get(MADE) == PROVISIONER
        if not ours or volume.status.phase != "Released" or volume.spec.persistent_volume_reclaim_policy != "Delete":
            return
        shutil.rmtree(volume.spec.host_path.path, ignore_errors=True)
        try:
            await self._core.delete_persistent_volume(volume.metadata.name)
        except client.ApiException as error:
            if error.status != 404:
                raise


def make_volume(claim: client.V1PersistentVolumeClaim, folder: Path) -> dict[str, Any]:
    """Build the volume that a claim asks for."""
    name = f"pvc-{claim.metadata.uid}"
    return {
        "metadata": {"name": name, "annotations": {MADE: PROVISIONER}},
        "spec": {
            "storageClassName": claim.spec.storage_class_name,
            "capacity": {"storage": claim.spec.resources.requests["storage"]},
            "accessModes": claim.spec.access_modes,
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": str(folder / name)},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.metadata.namespace,
                "name": claim.metadata.name,
                "uid": claim.metadata.uid,
            },
        },
    }


async def follow(fetch: Callable[..., Any], act: Callable[[Any], Awaitable[None]]) -> None:
    """Act on each object of a kind as it is now, and whenever it changes."""
    while True:
        try:
            async with watch.Watch() as events:
                async for event in events.stream(fetch):
                    if event["type"] != "DELETED":
                        await act(event["object"])
        except (client.ApiException, aiohttp.ClientError, TimeoutError) as error:
            print(f"asks again: {error!r}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE_SECONDS)


async def main(kubeconfig: str, folder: Path) -> None:
    """Follow claims and volumes until the end."""
    # What it makes is for everybody.
    os.umask(0)
    folder.mkdir(exist_ok=True)
    await config.load_kube_config(kubeconfig)
    async with client.ApiClient() as api, asyncio.TaskGroup() as tasks:
        core = client.CoreV1Api(api)
        provisioner = Provisioner(core, folder)
        tasks.create_task(follow(core.list_persistent_volume_claim_for_all_namespaces, provisioner.provision))
        tasks.create_task(follow(core.list_persistent_volume, provisioner.delete))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
