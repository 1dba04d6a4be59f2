"""The volumes of a pod as folders of the state directory.

    nfs/<server>/<path>             an NFS export; stays for ever
    hostpath/<path>                 a hostPath, never the machine's own folder; stays for ever
    pv/<namespace>/<claim>          what a StorageClass made for a claim; stays until the claim is deleted
    pods/<uid>/volumes/<volume>     emptyDir, Secret, ConfigMap, projected, downwardAPI; goes with the pod

Names of objects and links in users' homes never lead out of their folder: see `folders`. A read-only mount is
read-only for Secrets and ConfigMaps; a shared folder is as writable as the folder is for the user who started the
cluster, because there are no mounts. `claims` binds claims; `kubelet` asks for a pod's mounts.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jhaws.errors import LocalError
from jhaws.local.api.resources import CONFIGMAPS, PVCS, PVS, SECRETS
from jhaws.local.api.storage import Storage
from jhaws.local.kubelet.folders import OutsideError, ensure_inside, host_part, path_parts

Obj = dict[str, Any]

# `csi.driver` of the volumes that `claims` makes; the handle is `<namespace>/<claim>`.
DRIVER = "local.jhaws"

DEFAULT_MODE = 0o644


class MountError(LocalError):
    """A volume cannot be mounted now; the pod waits, and the sentence becomes its FailedMount event."""


@dataclass(frozen=True)
class Mount:
    """One mount of a container.

    Attributes:
        path: Where the container expects it, absolute, without a slash at the end.
        folder: Where it really is: a folder, or a file for a `subPath` of a Secret or ConfigMap.
        read_only: What the manifest says.
    """

    path: str
    folder: Path
    read_only: bool = False


class Volumes:
    """Finds and makes the folders.

    Args:
        storage: For claims, volumes, Secrets and ConfigMaps.
        state_dir: The cluster's folder.
    """

    def __init__(self, storage: Storage, state_dir: Path) -> None:
        self._storage = storage
        self._state_dir = state_dir

    def pod_dir(self, uid: str) -> Path:
        """Give the folder of a pod; it may not exist yet.

        Raises:
            OutsideError: The uid is none.
        """
        parts = path_parts(uid, what="uid")
        if len(parts) != 1:
            raise OutsideError(f"metadata.uid must be one name, got {uid!r}: let the API server choose it.")
        return self._state_dir / "pods" / parts[0]

    def ensure_volumes(self, pod: Obj, *, env: Obj) -> dict[str, Path]:
        """Make the folders of all volumes of a pod.

        Args:
            pod: The pod, bound to a node.
            env: What `fieldRef`s of a downwardAPI volume give, by field path.

        Returns:
            Folder by volume name.

        Raises:
            MountError: Something is missing or wrong; try again when it may have changed.
        """
        folders = {}
        for volume in pod["spec"].get("volumes") or []:
            try:
                folders[volume["name"]] = self._ensure_volume(pod, volume, env)
            except (OutsideError, OSError, ValueError) as exc:
                raise MountError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {exc}') from exc
        return folders

    def ensure_mounts(self, container: Obj, folders: dict[str, Path], *, env: dict[str, str]) -> list[Mount]:
        """Make the `subPath`s of a container's mounts.

        Args:
            container: A container of the pod.
            folders: From `ensure_volumes`.
            env: The container's environment, for `subPathExpr`.

        Raises:
            MountError: A subPath leads out of its volume or cannot be made.
        """
        mounts = []
        for mount in container.get("volumeMounts") or []:
            sub_path = mount.get("subPath") or ""
            if mount.get("subPathExpr"):
                sub_path = expand(mount["subPathExpr"], env)
            try:
                folder = folders[mount["name"]]
                if sub_path:
                    if sub_path.startswith("/"):
                        raise OutsideError(f"subPath must be relative, got {sub_path!r}: drop the first slash.")
                    folder = ensure_inside(folder, path_parts(sub_path, what="subPath"), what="subPath")
            except (OutsideError, OSError) as exc:
                raise MountError(
                    f'failed to prepare subPath for volumeMount "{mount["name"]}" of container '
                    f'"{container["name"]}": {exc}'
                ) from exc
            path = "/" + "/".join(path_parts(mount["mountPath"], what="mountPath"))
            mounts.append(Mount(path, folder, bool(mount.get("readOnly"))))
        return mounts

    def check_mounts(self, container: Obj, folders: dict[str, Path]) -> None:
        """Try the `subPath`s of a container before anything of the pod starts.

        Raises:
            MountError: As `ensure_mounts`.
        """
        plain = [m for m in container.get("volumeMounts") or [] if not m.get("subPathExpr")]
        self.ensure_mounts({**container, "volumeMounts": plain}, folders, env={})

    # One volume

    def _ensure_volume(self, pod: Obj, volume: Obj, env: Obj) -> Path:
        namespace = pod["metadata"]["namespace"]
        if "nfs" in volume or "hostPath" in volume:
            return self._shared(volume)
        if "persistentVolumeClaim" in volume:
            return self._claimed(namespace, volume["persistentVolumeClaim"]["claimName"])
        own = self.pod_dir(pod["metadata"]["uid"]) / "volumes"
        own.mkdir(parents=True, exist_ok=True)
        folder = ensure_inside(own, path_parts(volume["name"], what="volume name"), what="volume")
        if "secret" in volume or "configMap" in volume or "projected" in volume or "downwardAPI" in volume:
            files = self._files(namespace, volume, env)
            _write_files(folder, files)
        elif "emptyDir" not in volume and set(volume) - {"name"}:
            kind = next(iter(set(volume) - {"name"}))
            raise OutsideError(f"the local cluster has no volumes of type {kind!r}: use another type.")
        else:
            folder.chmod(0o777)
        return folder

    def _shared(self, source: Obj) -> Path:
        """Find the folder of an `nfs` or `hostPath` source, of a pod or of a PersistentVolume."""
        if "nfs" in source:
            nfs = source["nfs"]
            parts = (host_part(nfs["server"]), *path_parts(nfs["path"], what="nfs.path"))
            return ensure_inside(self._base("nfs"), parts, what="nfs.path")
        host_path = source["hostPath"]
        parts = path_parts(host_path["path"], what="hostPath.path")
        wanted = host_path.get("type") or ""
        create = wanted in ("", "DirectoryOrCreate")
        try:
            return ensure_inside(self._base("hostpath"), parts, what="hostPath.path", create=create)
        except FileNotFoundError as exc:
            path = host_path["path"]
            raise OutsideError(f"hostPath type check failed: {path} is not a {wanted.lower()}") from exc

    def _claimed(self, namespace: str, name: str) -> Path:
        claim = self._storage.find(PVCS, namespace, name)
        if claim is None:
            raise OutsideError(f'persistentvolumeclaim "{name}" not found')
        volume = self._storage.find(PVS, "", claim["spec"].get("volumeName") or "")
        if volume is None:
            raise OutsideError(f'persistentvolumeclaim "{name}" is not bound')
        return self.volume_folder(volume)

    def volume_folder(self, volume: Obj) -> Path:
        """Find the folder of a PersistentVolume, and make it if need be.

        Raises:
            OutsideError: Its type is unknown or its path leads outside.
        """
        spec = volume["spec"]
        if "nfs" in spec or "hostPath" in spec:
            return self._shared(spec)
        if "local" in spec:
            return self._shared({"hostPath": {"path": spec["local"]["path"]}})
        csi = spec.get("csi") or {}
        # A volume of a driver that is not here (EFS, EBS) is a folder too, so that its claims can be tried.
        top = "pv" if csi.get("driver") == DRIVER else "csi"
        parts = path_parts(csi.get("volumeHandle") or volume["metadata"]["name"], what="csi.volumeHandle")
        return ensure_inside(self._base(top), parts, what="csi.volumeHandle")

    def _base(self, name: str) -> Path:
        folder = self._state_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # Files from objects

    def _files(self, namespace: str, volume: Obj, env: Obj) -> dict[str, tuple[bytes, int]]:
        files: dict[str, tuple[bytes, int]] = {}
        projected = volume.get("projected")
        default = DEFAULT_MODE
        for source in (projected.get("sources") or []) if projected else [volume]:
            for kind, reader in self._readers(namespace, env).items():
                if source.get(kind) is not None:
                    mode = (projected or source[kind]).get("defaultMode")
                    files |= reader(source[kind], default if mode is None else mode)
        return files

    def _readers(self, namespace: str, env: Obj) -> dict[str, Callable[[Obj, int], dict[str, tuple[bytes, int]]]]:
        def secret(source: Obj, mode: int) -> dict[str, tuple[bytes, int]]:
            name = source.get("secretName") or source["name"]
            return _select(source, self._secret_data(namespace, name, source), mode, f'secret "{name}"')

        def config_map(source: Obj, mode: int) -> dict[str, tuple[bytes, int]]:
            name = source["name"]
            return _select(source, self._config_data(namespace, name, source), mode, f'configmap "{name}"')

        def downward(source: Obj, mode: int) -> dict[str, tuple[bytes, int]]:
            items = source.get("items") or []
            return {i["path"]: (_field(env, i).encode(), i.get("mode") or mode) for i in items}

        def token(source: Obj, mode: int) -> dict[str, tuple[bytes, int]]:
            # Nothing here checks such tokens; the file is there because programs refuse to start without it.
            return {source["path"]: (b"local", mode)}

        return {"secret": secret, "configMap": config_map, "downwardAPI": downward, "serviceAccountToken": token}

    def _secret_data(self, namespace: str, name: str, source: Obj) -> dict[str, bytes] | None:
        secret = self._storage.find(SECRETS, namespace, name)
        if secret is None:
            _check_optional(source, f'secret "{name}" not found')
            return None
        return decode_secret(secret)

    def _config_data(self, namespace: str, name: str, source: Obj) -> dict[str, bytes] | None:
        config_map = self._storage.find(CONFIGMAPS, namespace, name)
        if config_map is None:
            _check_optional(source, f'configmap "{name}" not found')
            return None
        data = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
        return data | {k: base64.b64decode(v) for k, v in (config_map.get("binaryData") or {}).items()}


def decode_secret(secret: Obj) -> dict[str, bytes]:
    """Give the values of a Secret, which are base64 in the object.

    Raises:
        ValueError: A value is not base64.
    """
    try:
        return {k: base64.b64decode(v, validate=True) for k, v in (secret.get("data") or {}).items()}
    except binascii.Error as exc:
        raise ValueError(f"Secret {secret['metadata']['name']} has a value that is not base64") from exc


def _check_optional(source: Obj, sentence: str) -> None:
    if not source.get("optional"):
        raise OutsideError(sentence)


def _select(source: Obj, data: dict[str, bytes] | None, mode: int, what: str) -> dict[str, tuple[bytes, int]]:
    if data is None:
        return {}
    if not source.get("items"):
        return {key: (value, mode) for key, value in data.items()}
    files = {}
    for item in source["items"]:
        if item["key"] in data:
            files[item["path"]] = (data[item["key"]], item.get("mode") or mode)
        elif not source.get("optional"):
            raise OutsideError(f"{what} has no key {item['key']!r}: references non-existent secret key")
    return files


def _field(env: Obj, item: Obj) -> str:
    path = (item.get("fieldRef") or {}).get("fieldPath", "")
    value = env.get(path, "")
    if isinstance(value, dict):
        return "\n".join(f"{k}={json.dumps(v)}" for k, v in sorted(value.items()))
    return str(value)


def _write_files(folder: Path, files: dict[str, tuple[bytes, int]]) -> None:
    for name, (content, mode) in files.items():
        *parents, last = path_parts(name, what="path of an item")
        target = ensure_inside(folder, tuple(parents), what="path of an item") / last
        # Away with an older file: it may be read-only, and must not be written through if it is a link.
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)
        # Never writable: the real mount is read-only whatever the mode says.
        target.chmod(mode & ~0o222)


def expand(text: str, env: dict[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$(NAME)` is a literal `$(NAME)`, an unknown name stays as it is."""
    out, rest = [], text
    while rest:
        head, dollar, rest = rest.partition("$")
        out.append(head)
        if not dollar:
            break
        if rest.startswith("$"):
            out.append("$")
            rest = rest[1:]
        elif rest.startswith("(") and ")" in rest:
            name, _, rest = rest[1:].partition(")")
            out.append(env.get(name, f"$({name})"))
        else:
            out.append("$")
    return "".join(out)
