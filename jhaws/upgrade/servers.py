"""What KubeSpawner makes of a server under one setup: the name of its pod, and which folder is its home.

Its own code is asked: a spawner is made as the hub makes it, and its pod's manifest is looked at. No cluster is there
and none is needed, so what a start would ask one is told from what the hub remembers of the server.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import kubespawner.spawner
from jupyterhub import orm
from kubespawner import KubeSpawner
from traitlets.config import Config

from ..spawner import JhawsSpawner
from .setups import Setup
from .users import Server, User

# Made up: what is in a pod's environment decides neither its name nor its home.
HUB = SimpleNamespace(public_host="", url="http://hub", base_url="/hub/", api_url="http://hub/hub/api")
Manifest = dict[str, Any]
# Stands in names for {userid} where an id is not told; letters that Kubernetes takes in a name.
UNKNOWN_ID = "unknown-userid"
NO_HOME = "none, what is written is lost"


@dataclass(frozen=True)
class Made:
    """What a server has at its next start.

    Attributes:
        pod: The pod's name.
        home: Which folder it is, for people; the same text is the same folder.
        mount: Where that is mounted.
        refusal: Why it cannot start at all, "" where it can.
    """

    pod: str
    home: str
    mount: str
    refusal: str = ""


def is_legacy(server: Server) -> bool:
    """Tell whether a server last ran under KubeSpawner 6 or older, which made names otherwise."""
    return bool(server.state) and "kubespawner_version" not in (server.state or {})


async def make_server(setup: Setup, user: User, server: Server, *, before: bool = False) -> Made:
    """Ask KubeSpawner what a server has under a setup.

    Args:
        setup: The hub.
        user: The server's owner.
        server: The server.
        before: Whether this is the hub that the server's state comes from.

    Returns:
        What it has; with a refusal, nothing else.
    """
    try:
        spawner = _make_spawner(setup, user, server, escape=before and is_legacy(server))
        pod_name = str(spawner.pod_name)
        await spawner.load_user_options()
        spawner.load_state(dict(server.state or {}))
        if not before and is_legacy(server):
            _keep_legacy_claim(spawner)
        pod = await spawner.get_pod_manifest()
        path = spawner.home_mount if isinstance(spawner, JhawsSpawner) and spawner.nfs_server else setup.home_mount
        plain = spawner.api.api_client.sanitize_for_serialization  # the manifest as the API server gets it
        mounts = plain(pod.spec.containers[0].volume_mounts) or []
        home = describe_home(plain(pod.spec.volumes) or [], mounts, path)
        return Made(pod_name, home, posixpath.normpath(path))
    except Exception as error:  # noqa: BLE001  # whatever a start would fail with is told of this user
        return Made("", NO_HOME, "", refusal=next(iter(str(error).splitlines()), type(error).__name__))


def _make_spawner(setup: Setup, user: User, server: Server, *, escape: bool) -> KubeSpawner:
    """Make a spawner as a hub does at its start, before it remembers anything; `escape` gives KubeSpawner 6's names."""
    config = setup.config
    if escape:
        config = Config(config)
        config.merge(Config({"KubeSpawner": {"slug_scheme": "escape"}}))
    groups = [SimpleNamespace(name=group) for group in user.groups]
    user_id = UNKNOWN_ID if user.id is None else user.id
    owner = SimpleNamespace(name=user.name, id=user_id, url="/", groups=groups)
    with without_cluster():
        spawner = setup.spawner_class(user=owner, hub=HUB, orm_spawner=orm.Spawner(name=server.name), config=config)
    spawner.user_options = dict(server.user_options)
    return spawner


def _keep_legacy_claim(spawner: KubeSpawner) -> None:
    """Do what KubeSpawner's start does when there is the claim that KubeSpawner 6 has made, and none of a new name."""
    if spawner.storage_pvc_ensure and spawner.handle_legacy_names and spawner.remember_pvc_name:
        spawner.pvc_name = spawner._expand_user_properties(spawner.pvc_name_template, slug_scheme="escape")


@contextlib.contextmanager
def without_cluster() -> Iterator[None]:
    """Let a spawner be made where no cluster is configured; it has a client that is never used.

    Delete this when KubeSpawner loads its configuration at the first request instead of at its own making.
    """
    load_config = kubespawner.spawner.load_config
    kubespawner.spawner.load_config = lambda **options: None
    try:
        yield
    finally:
        kubespawner.spawner.load_config = load_config


def describe_home(volumes: Sequence[Manifest], mounts: Sequence[Manifest], path: str) -> str:
    """Return which folder a server has at `path`, for people.

    Args:
        volumes: The pod's, v1 Volume each, camelCase keys.
        mounts: The server's, v1 VolumeMount each.
        path: Where the home is in the server.
    """
    wanted = posixpath.normpath(path)
    mount = next((each for each in mounts if posixpath.normpath(each["mountPath"]) == wanted), None)
    if mount is None:
        return NO_HOME
    volume = next((each for each in volumes if each["name"] == mount["name"]), {})
    folder = mount.get("subPath") or ""
    if nfs := volume.get("nfs"):
        return f"NFS {nfs.get('server')}:{posixpath.join(nfs.get('path', ''), folder)}"
    if claim := volume.get("persistentVolumeClaim"):
        return f"PVC {claim.get('claimName')}{folder and ', folder ' + folder}"
    kind = next((key for key in volume if key != "name"), "nothing")
    return f"volume {mount['name']} ({kind}){folder and ', folder ' + folder}"
