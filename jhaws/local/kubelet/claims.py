"""Binds PersistentVolumeClaims to volumes, and makes volumes for them.

A claim gets the PersistentVolume it names, or a free one of its class that is big enough, or a new one if its
StorageClass exists. The new one is the folder `pv/<namespace>/<claim>`: the objects of a cluster end with it, the
folder does not, so a claim of the same name finds its files after a restart. Deleting the claim deletes them,
unless the class says Retain. A claim of an unknown class stays Pending and says so. Every class binds at once,
also one with WaitForFirstConsumer, since each folder is as near to each node. `volumes` finds the folders.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import Any

from jhaws.local.api.events import EventRecorder, follow
from jhaws.local.api.quantities import parse_quantity
from jhaws.local.api.resources import PVCS, PVS, STORAGECLASSES
from jhaws.local.api.storage import NotFound, Storage
from jhaws.local.kubelet.folders import path_parts
from jhaws.local.kubelet.volumes import DRIVER
from jhaws.local.scheduling.affinity import matches_label_selector

Obj = dict[str, Any]

DEFAULT_CLASS = "standard"
DEFAULT_CLASS_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
TRASH = "deleted"


def make_default_class() -> Obj:
    """Build the StorageClass a claim gets that names none."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": DEFAULT_CLASS, "annotations": {DEFAULT_CLASS_ANNOTATION: "true"}},
        "provisioner": DRIVER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def make_volume(claim: Obj, storage_class: Obj) -> Obj:
    """Build the PersistentVolume for a claim; its folder is named after the claim."""
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"pvc-{meta['uid']}",
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER},
        },
        "spec": {
            "capacity": {"storage": _requested(claim)},
            "accessModes": list(spec.get("accessModes") or ["ReadWriteOnce"]),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "claimRef": make_claim_ref(claim),
            "csi": {"driver": DRIVER, "volumeHandle": f"{meta['namespace']}/{meta['name']}"},
        },
    }


def make_claim_ref(claim: Obj) -> Obj:
    """Build what a volume says about the claim that has it."""
    meta = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }


def is_match(claim: Obj, volume: Obj) -> bool:
    """Tell whether a volume that exists can be bound to a claim."""
    meta, wanted, spec = claim["metadata"], claim["spec"], volume["spec"]
    ref = spec.get("claimRef")
    if ref is not None:
        if (ref.get("namespace"), ref.get("name")) != (meta["namespace"], meta["name"]):
            return False
        if ref.get("uid") not in (None, "", meta["uid"]):
            return False
    elif (volume.get("status") or {}).get("phase") in ("Bound", "Released", "Failed"):
        return False
    if wanted.get("volumeName"):
        return bool(wanted["volumeName"] == volume["metadata"]["name"])
    if (wanted.get("storageClassName") or "") != (spec.get("storageClassName") or ""):
        return False
    if not set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ()):
        return False
    if not matches_label_selector(wanted.get("selector") or {}, volume["metadata"].get("labels") or {}):
        return False
    return parse_quantity(spec["capacity"]["storage"]) >= parse_quantity(_requested(claim))


def _requested(claim: Obj) -> str:
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


class Claims:
    """The controller of claims and volumes.

    Args:
        storage: The objects.
        state_dir: The cluster's folder.
    """

    def __init__(self, storage: Storage, state_dir: Path) -> None:
        self._storage = storage
        self._state_dir = state_dir
        self._events = EventRecorder(storage, "persistentvolume-controller")
        self._said: dict[str, str] = {}

    def ensure_default_class(self) -> None:
        """Make the default StorageClass."""
        self._storage.create(STORAGECLASSES, make_default_class())

    async def run(self) -> None:
        """Bind until cancelled."""
        await asyncio.to_thread(shutil.rmtree, self._state_dir / TRASH, ignore_errors=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._storage, STORAGECLASSES, self._on_other), name="claims-classes")
            group.create_task(follow(self._storage, PVS, self._on_volume), name="claims-volumes")
            group.create_task(follow(self._storage, PVCS, self._on_claim), name="claims-claims")

    def _on_other(self, kind: str, _obj: Obj) -> None:
        if kind == "DELETED":
            return
        for claim in self._storage.list(PVCS):
            self._bind(claim)

    def _on_volume(self, kind: str, volume: Obj) -> None:
        if kind == "ADDED" and not (volume.get("status") or {}).get("phase") == "Bound":
            self._set_phase(volume, "Available")
        self._on_other(kind, volume)

    def _on_claim(self, kind: str, claim: Obj) -> None:
        if kind == "DELETED":
            self._said.pop(claim["metadata"]["uid"], None)
            self._release(claim)
        else:
            self._bind(claim)

    def _bind(self, claim: Obj) -> None:
        meta = claim["metadata"]
        # Watches are late: what counts is what is stored now.
        current = self._storage.find(PVCS, meta["namespace"], meta["name"])
        if current is None or (current.get("status") or {}).get("phase") == "Bound":
            return
        matching = [v for v in self._storage.list(PVS) if is_match(current, v)]
        if matching:
            # The smallest that is enough; one that was reserved for this claim first.
            best = min(matching, key=lambda v: ("claimRef" not in v["spec"], parse_quantity(_capacity(v))))
            self._tie(current, best)
        elif not current["spec"].get("volumeName"):
            self._provision(current)

    def _provision(self, claim: Obj) -> None:
        name = claim["spec"].get("storageClassName")
        if not name:
            self._say(
                claim, "FailedBinding", "no persistent volumes available for this claim and no storage class is set"
            )
            return
        storage_class = self._storage.find(STORAGECLASSES, "", name)
        if storage_class is None:
            self._say(claim, "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found')
            return
        if storage_class["provisioner"] == "kubernetes.io/no-provisioner":
            return
        volume = self._storage.create(PVS, make_volume(claim, storage_class))
        self._events.record(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {_name(volume)}")
        self._tie(claim, volume)

    def _say(self, claim: Obj, reason: str, message: str) -> None:
        """Say once why a claim waits."""
        uid = claim["metadata"]["uid"]
        if self._said.get(uid) != message:
            self._said[uid] = message
            self._events.record(claim, reason, message, warning=reason == "ProvisioningFailed")

    def _tie(self, claim: Obj, volume: Obj) -> None:
        def own(new: Obj) -> None:
            new["spec"]["claimRef"] = make_claim_ref(claim)
            new.setdefault("status", {})["phase"] = "Bound"

        def bound(new: Obj) -> None:
            new["spec"]["volumeName"] = _name(volume)
            new["metadata"].setdefault("annotations", {})["pv.kubernetes.io/bind-completed"] = "yes"
            status = new.setdefault("status", {})
            status |= {
                "phase": "Bound",
                "capacity": dict(volume["spec"]["capacity"]),
                "accessModes": list(volume["spec"].get("accessModes") or []),
            }

        self._storage.modify(PVS, "", _name(volume), own)
        self._storage.modify(PVCS, claim["metadata"]["namespace"], claim["metadata"]["name"], bound)

    def _release(self, claim: Obj) -> None:
        volume = self._storage.find(PVS, "", claim["spec"].get("volumeName") or "")
        if volume is None or (volume["spec"].get("claimRef") or {}).get("uid") != claim["metadata"]["uid"]:
            return
        csi = volume["spec"].get("csi") or {}
        policy = volume["spec"].get("persistentVolumeReclaimPolicy")
        if policy == "Delete" and csi.get("driver") == DRIVER:
            self._storage.delete(PVS, "", _name(volume))
            self._delete_folder(csi["volumeHandle"])
        else:
            self._set_phase(volume, "Released")

    def _delete_folder(self, handle: str) -> None:
        """Move the folder aside at once, so that a new claim of that name begins empty; then delete it."""
        folder = self._state_dir.joinpath("pv", *path_parts(handle, what="csi.volumeHandle"))
        if not folder.is_dir() or folder.is_symlink():
            return
        trash = self._state_dir / TRASH
        trash.mkdir(exist_ok=True)
        aside = folder.rename(trash / uuid.uuid4().hex)
        asyncio.get_running_loop().run_in_executor(None, lambda: shutil.rmtree(aside, ignore_errors=True))

    def _set_phase(self, volume: Obj, phase: str) -> None:
        def change(new: Obj) -> None:
            new.setdefault("status", {})["phase"] = phase

        try:
            self._storage.modify(PVS, "", _name(volume), change)
        except NotFound:
            return


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _capacity(volume: Obj) -> str:
    return str(volume["spec"]["capacity"]["storage"])
