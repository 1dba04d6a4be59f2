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
        homes: Folder of all homes below `path`, relative.
        home: The user's folder below `path`, relative; it lies in `homes`.
        home_mount: Where the home is in the server, absolute.
        shares: The shares this user gets.
    """

    server: str
    path: str
    homes: str
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
        path=check_share_path(f"{place}.path", reader.text("path", f"shares/{name}")),
        read_only=reader.flag("read_only", True),
        groups=reader.names("groups"),
    )


def check_share_path(place: str, path: str) -> str:
    """Return the folder of a share, refused when it looks like a template: a share is one folder for all.

    Raises:
        ConfigError: It has a brace in it, or is no relative path.
    """
    if "{" in path or "}" in path:
        raise ConfigError(f"{place} is one folder for all who get the share, so it has no fields; got {path!r}.")
    return folder_path(path)


def check_mount(place: str, mount: str) -> str:
    """Return a path inside a server, refused unless it is absolute and plain.

    Raises:
        ConfigError: It is relative, `/` itself, or has `..` or anything but letters, digits and `_.@+=,-` in a part.
    """
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[\w.@+=,-]+)+", mount):
        raise ConfigError(f"{place} must be an absolute path such as /data, got {describe(mount)}.")
    return mount


def check_home_template(template: str) -> str:
    """Return the template of the home folder, refused when two users could share a folder or leave it.

    Raises:
        ConfigError: It holds no field of the user, or more than one; an unsafe field; it is no relative path; or it
            does not begin with a folder of its own for homes.
    """
    option = "JhawsSpawner.nfs_home"
    fields = template_fields(option, template, example="home/{escaped_username}")
    if not fields <= USER_FIELDS or template.count("{") != 1:
        raise ConfigError(
            f"{option} must name the user by one field and no other, or users could share a home; got {template!r}. "
            "Write home/{escaped_username}."
        )
    folder_path(template)
    if not homes_folder(template):
        raise ConfigError(
            f"{option} must begin with a folder for homes alone, or a user could be named like another folder of the "
            f"server; got {template!r}. Write home/{template}."
        )
    return template


def homes_folder(template: str) -> str:
    """Return the folder that holds all homes and nothing else: the template's parts before the user's."""
    return template[: template.index("{")].rpartition("/")[0]


def check_shares(shares: tuple[Share, ...], *, home_template: str, home_mount: str) -> None:
    """Refuse shares that would meet the homes, on the server or in the pod.

    Raises:
        ConfigError: A share holds homes or lies among them, or is mounted where the home is.
    """
    homes = homes_folder(home_template) + "/"
    for share in shares:
        folder = share.path + "/"
        if folder.startswith(homes) or homes.startswith(folder):
            raise ConfigError(
                f"JhawsSpawner.shares: the share {share.name!r} has the path {share.path!r}, which would open homes "
                f"({homes}) to others. Give it a path beside that, such as shares/{share.name}."
            )
        if share.mount == home_mount:
            raise ConfigError(
                f"JhawsSpawner.shares: the share {share.name!r} is mounted at {share.mount}, where the home is. Write "
                f"mount: {home_mount}/{share.name}."
            )


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

    It runs as root with the capabilities it needs (CHOWN; DAC_OVERRIDE to enter folders of others) and sees the folder
    of all homes, so its image must be the operator's and never one that a user chose.

    Args:
        storage: Where the home is.
        image: An image that the operator trusts, `registry/name:tag`; it must have `sh`.
        uid: Owner of a home that is made, numeric.
        gid: Its group, numeric.
    """
    below = storage.home.removeprefix(storage.homes + "/")
    return {
        "name": INIT_CONTAINER,
        "image": image,
        "command": [
            "sh",
            "-c",
            PREPARE_HOME,
            INIT_CONTAINER,
            f"{INIT_MOUNT}/{below}",
            str(uid),
            str(gid),
        ],
        "volumeMounts": [{"name": VOLUME, "mountPath": INIT_MOUNT, "subPath": storage.homes}],
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
