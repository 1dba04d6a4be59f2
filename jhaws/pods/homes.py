"""NFS homes and shares: the volume, its mounts, and the folder that must be there before Jupyter starts.

One `nfs` volume serves the home and all shares; each is a `subPath` of it, so a server sees its own folders and
nothing beside them. Kubernetes makes a missing subPath as root, where a user of uid 1000 cannot write; so an init
container makes the home first and gives it to the user, once. Nothing here reads or writes a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..names import folder_path
from .records import Reader, applies_to, describe, entries
from .templates import USER_FIELDS, template_fields

VOLUME = "jhaws-nfs"
INIT_CONTAINER = "jhaws-home"
INIT_MOUNT = "/jhaws-nfs"
# $1 folder, $2 uid, $3 gid. Only root can give a folder away; elsewhere the folder is the user's already.
PREPARE_HOME = """\
set -eu
mkdir -p "$1"
[ "$(id -u)" = 0 ] || exit 0
[ "$(stat -c %u "$1")" = 0 ] || exit 0
chown "$2:$3" "$1"
"""


@dataclass(frozen=True)
class Share:
    """A folder of the NFS server that several users see.

    Attributes:
        name: What operators call it.
        mount: Absolute path in the server, `/data`.
        path: Folder on the NFS server, relative to `nfs_path`.
        read_only: Whether the server can only read it.
        groups: JupyterHub groups whose members get it; None is everybody.
    """

    name: str
    mount: str
    path: str
    read_only: bool
    groups: frozenset[str] | None


@dataclass(frozen=True)
class Storage:
    """Where one server's folders are.

    Attributes:
        server: Host name or address of the NFS server, as the node's kubelet resolves it.
        path: Exported folder, absolute.
        home: The user's folder below `path`, relative.
        home_mount: Where the home is in the server, absolute.
        shares: The shares this user gets.
    """

    server: str
    path: str
    home: str
    home_mount: str
    shares: tuple[Share, ...]


def read_shares(option: str, value: Any) -> tuple[Share, ...]:
    """Return the shares that an operator wrote as `[{name, mount, path, read_only, groups}, …]`.

    Raises:
        ConfigError: A field is unknown, missing or of the wrong type, or `mount` is not an absolute path.
    """
    return tuple(_read_share(place, entry) for place, entry in entries(option, value))


def _read_share(place: str, entry: Any) -> Share:
    reader = Reader(place, entry, ("name", "mount", "path", "read_only", "groups"))
    name = reader.text("name")
    return Share(
        name=name,
        mount=check_mount(f"{place}.mount", reader.text("mount", f"/{name}")),
        path=folder_path(reader.text("path", f"shares/{name}")),
        read_only=reader.flag("read_only", True),
        groups=reader.names("groups"),
    )


def check_mount(place: str, mount: str) -> str:
    """Return a path inside a server, refused unless it is absolute and means what it says.

    Raises:
        ConfigError: It is relative, `/` itself, or has `..`, a colon or white space in it.
    """
    if not re.fullmatch(r"(/[^/\s:]+)+", mount) or "/.." in mount or "/./" in mount:
        raise ConfigError(f"{place} must be an absolute path such as /data, got {describe(mount)}.")
    return mount


def check_home_template(template: str) -> str:
    """Return the template of the home folder, refused when two users could share a folder or leave it.

    Raises:
        ConfigError: It holds no field of the user, an unsafe field, or is no relative path.
    """
    option = "JhawsSpawner.nfs_home"
    fields = template_fields(option, template, example="home/{escaped_username}")
    if not fields & USER_FIELDS:
        raise ConfigError(
            f"{option} must name the user, or all users share one home; got {template!r}. "
            "Write home/{escaped_username}."
        )
    folder_path(template)
    return template


def shares_for(shares: tuple[Share, ...], member_of: frozenset[str]) -> tuple[Share, ...]:
    """Return the shares of a user who is in the groups `member_of`, one per mount: the first that applies.

    So `[{name: data, groups: [staff], read_only: false}, {name: data}]` lets staff write where others read.
    """
    chosen: dict[str, Share] = {}
    for share in shares:
        if applies_to(share.groups, member_of):
            chosen.setdefault(share.mount, share)
    return tuple(chosen.values())


def make_volumes(storage: Storage) -> list[dict[str, Any]]:
    """Build the volumes of a pod, v1 Volume, camelCase keys."""
    return [{"name": VOLUME, "nfs": {"server": storage.server, "path": storage.path}}]


def make_mounts(storage: Storage) -> list[dict[str, Any]]:
    """Build the mounts of a server's container, v1 VolumeMount, camelCase keys."""
    home = {"name": VOLUME, "mountPath": storage.home_mount, "subPath": storage.home}
    return [home] + [
        {"name": VOLUME, "mountPath": share.mount, "subPath": share.path, "readOnly": share.read_only}
        for share in storage.shares
    ]


def make_init_container(storage: Storage, *, image: str, uid: int, gid: int) -> dict[str, Any]:
    """Build the init container that makes the home folder and gives it to the user.

    It runs as root with the one capability it needs (CHOWN; DAC_OVERRIDE to enter folders of others), on the image
    of the server itself, which the node needs anyway.

    Args:
        storage: Where the home is.
        image: Image of the server, `registry/name:tag`; it must have `sh`.
        uid: Owner of a home that is made, numeric.
        gid: Its group, numeric.
    """
    return {
        "name": INIT_CONTAINER,
        "image": image,
        "command": [
            "sh",
            "-c",
            PREPARE_HOME,
            INIT_CONTAINER,
            f"{INIT_MOUNT}/{storage.home}",
            str(uid),
            str(gid),
        ],
        "volumeMounts": [{"name": VOLUME, "mountPath": INIT_MOUNT}],
        "securityContext": {
            "runAsUser": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "1", "memory": "128Mi"},
        },
    }
