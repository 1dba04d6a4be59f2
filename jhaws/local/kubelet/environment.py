"""What a container runs: command, environment and paths, translated from the container's view to this machine's.

There is no chroot. Where a mount path stands as a path in a command, an argument, a variable or the working
directory, the real folder takes its place; a server that would listen on all addresses gets the pod's own. The
environment is clean: nothing of whoever started the cluster gets in. Pure functions; `podworker` starts the result.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jhaws.errors import LocalError
from jhaws.local.api.quantities import parse_quantity
from jhaws.local.api.resources import CONFIGMAPS, SECRETS
from jhaws.local.api.storage import Storage
from jhaws.local.kubelet.volumes import Mount, decode_secret, expand

Obj = dict[str, Any]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Behind these a path is over; in front of one of the others it has not begun, as in `/mnt/data` for `/data`.
PATH_END = r"""(?=/|$|[\s"'`;|&<>(){}\[\]\\,:=?*#])"""
PATH_START = r"(?<![\w./~*$)}\]-])"

# `0.0.0.0` as a host; not `10.0.0.0.0`, not the network `0.0.0.0/0`.
ANY_HOST = re.compile(
    r"(?:(?<=//)0\.0\.0\.0(?![\w.])|(?<![\w./])0\.0\.0\.0(?![\w./]))|(?<![\w)\]])\[::\]|(?:^|(?<==))::$"
)

# Their values begin with a slash and are no paths of files.
URL_NAMES = re.compile(r".*_(URL|URI|PREFIX|ORIGIN|PATHNAME)$")

PAUSE_IMAGE = re.compile(r"(.*/)?pause([:@].*)?$")
PAUSE_COMMAND = ("sleep", "infinity")


class MissingValueError(LocalError):
    """A variable refers to something that is not there; becomes CreateContainerConfigError."""


def make_rewriter(mounts: Iterable[Mount], *, pod_ip: str) -> Callable[[str], str]:
    """Build the function that translates paths and hosts in a text.

    Args:
        mounts: What is where; of nested mounts the inner one wins.
        pod_ip: Takes the place of `0.0.0.0`, `[::]` and `::` where they are hosts.
    """
    folders = {mount.path: str(mount.folder) for mount in mounts if mount.path != "/"}
    # The longest first, so that `/home/jovyan/data` is not taken for a folder in the home.
    names = "|".join(re.escape(path) for path in sorted(folders, key=len, reverse=True))
    pattern = re.compile(f"{PATH_START}({names}){PATH_END}") if names else None

    def rewrite(text: str) -> str:
        if pattern is not None:
            text = pattern.sub(lambda match: folders[match[1]], text)
        return replace_any_host(text, pod_ip)

    return rewrite


def replace_any_host(text: str, pod_ip: str) -> str:
    """Put the pod's address where a server would listen on all addresses."""
    return ANY_HOST.sub(pod_ip, text)


def make_base_environment(*, home: Path, temp_dir: Path) -> dict[str, str]:
    """Build what every container has, whatever the pod says."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TMPDIR": str(temp_dir),
        "HOME": str(home),
    }
    if "TZ" in os.environ:
        env["TZ"] = os.environ["TZ"]
    return env


def choose_command(container: Obj, *, image_command: Sequence[str]) -> list[str]:
    """Choose what runs: the container's command, else what its image would run.

    An image's entry point is taken to be one that runs its arguments, as `tini --` does.
    """
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    if command:
        return command + args
    if PAUSE_IMAGE.match(container.get("image") or ""):
        return list(PAUSE_COMMAND)
    if args and not args[0].startswith("-"):
        return args
    return list(image_command) + args


def make_fields(pod: Obj, *, pod_ip: str) -> Obj:
    """Collect what a `fieldRef` can ask for, by field path."""
    meta, spec = pod["metadata"], pod["spec"]
    fields: Obj = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "metadata.labels": dict(meta.get("labels") or {}),
        "metadata.annotations": dict(meta.get("annotations") or {}),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }
    for kind in ("labels", "annotations"):
        for key, value in fields[f"metadata.{kind}"].items():
            fields[f"metadata.{kind}['{key}']"] = value
    return fields


def make_pod_environment(container: Obj, *, namespace: str, fields: Obj, storage: Storage) -> dict[str, str]:
    """Build the variables a pod sets, as the pod sees them: `envFrom`, then `env`, then `$(NAME)`.

    Raises:
        MissingValueError: A Secret, ConfigMap, key or field is missing and not optional.
    """
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for kind in ("configMapRef", "secretRef"):
            if source.get(kind) is not None:
                values = _read_object(kind, namespace, source[kind], storage) or {}
                env |= {f"{source.get('prefix') or ''}{key}": value for key, value in values.items()}
    for item in container.get("env") or []:
        if "valueFrom" in item and item["valueFrom"] is not None:
            value = _read_source(item["valueFrom"], container, namespace, fields, storage)
            if value is None:
                continue
        else:
            value = expand(item.get("value") or "", env)
        env[item["name"]] = value
    return env


def _read_source(source: Obj, container: Obj, namespace: str, fields: Obj, storage: Storage) -> str | None:
    if source.get("fieldRef"):
        path = source["fieldRef"]["fieldPath"]
        if path not in fields and not path.startswith(("metadata.labels[", "metadata.annotations[")):
            raise MissingValueError(f"field {path} is not supported in a fieldRef")
        return str(fields.get(path, ""))
    if source.get("resourceFieldRef"):
        return _read_resource(source["resourceFieldRef"], container)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        ref = source.get(kind)
        if ref is None:
            continue
        values = _read_object(kind, namespace, ref, storage)
        if values is None:
            return None
        if ref["key"] not in values and not ref.get("optional"):
            what = "Secret" if kind == "secretKeyRef" else "ConfigMap"
            raise MissingValueError(f"couldn't find key {ref['key']} in {what} {namespace}/{ref['name']}")
        return values.get(ref["key"])
    return None


def _read_object(kind: str, namespace: str, ref: Obj, storage: Storage) -> dict[str, str] | None:
    """Read the values of a Secret or ConfigMap; `None` if it is missing and optional."""
    is_secret = kind.startswith("secret")
    found = storage.find(SECRETS if is_secret else CONFIGMAPS, namespace, ref["name"])
    if found is None:
        if ref.get("optional"):
            return None
        raise MissingValueError(f'{"secret" if is_secret else "configmap"} "{ref["name"]}" not found')
    if not is_secret:
        return dict(found.get("data") or {})
    try:
        return {key: value.decode(errors="replace") for key, value in decode_secret(found).items()}
    except ValueError as exc:
        raise MissingValueError(str(exc)) from exc


def _read_resource(ref: Obj, container: Obj) -> str:
    kind, _, name = ref["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(name, "0")
    divisor = parse_quantity(ref.get("divisor") or "1") or 1
    return str(math.ceil(parse_quantity(amount) / divisor))


def rewrite_environment(env: Mapping[str, str], rewrite: Callable[[str], str], *, pod_ip: str) -> dict[str, str]:
    """Translate the values; in a `…_URL` or `…_PREFIX` only the host."""
    return {
        name: replace_any_host(value, pod_ip) if URL_NAMES.match(name) else rewrite(value)
        for name, value in env.items()
        # A NUL or "=" would end in an error of the operating system that says nothing.
        if name and "=" not in name and "\0" not in name + value
    }
