from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jhaws.local.api.resources import CONFIGMAPS, PODS, PVCS, PVS, SECRETS
from jhaws.local.api.storage import Storage
from jhaws.local.cluster import LocalCluster
from jhaws.local.kubelet.claims import is_match
from jhaws.local.kubelet.folders import OutsideError, ensure_inside, path_parts
from jhaws.local.kubelet.volumes import MountError, Volumes, expand
from tests.unit.local.pods_for_tests import (
    create,
    is_ready,
    make_pod,
    make_settings,
    placed,
    until,
    wait_event,
    wait_file,
    wait_for,
    wait_gone,
)


def with_volume(source: dict, name: str = "pod", sub_path: str = "", mount: str = "/vol", **spec: Any) -> dict:
    """Build a pod with one volume."""
    mounts = [{"name": "v", "mountPath": mount, **({"subPath": sub_path} if sub_path else {})}]
    container = {"volumeMounts": mounts, **spec.pop("container", {})}
    return make_pod(name, volumes=[{"name": "v", **source}], container=container, **spec)


def mount_of(tmp_path: Path, pod: dict, storage: Storage | None = None) -> Path:
    """Give the folder of the pod's one mount."""
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    volumes = Volumes(storage or Storage(), state)
    folders = volumes.ensure_volumes(placed(pod), env={})
    return volumes.ensure_mounts(pod["spec"]["containers"][0], folders, env={})[0].folder


def nfs(path: str = "/", server: str = "drive") -> dict:
    """Build an NFS source."""
    return {"nfs": {"server": server, "path": path}}


def test_nfs_home(tmp_path: Path) -> None:
    """An NFS home is a folder of the server's folder, made at the first start."""
    folder = mount_of(tmp_path, with_volume(nfs("/export"), sub_path="home/alice"))
    assert folder == tmp_path / "state/nfs/drive/export/home/alice"
    assert folder.is_dir()


def test_host_path_is_never_the_machines(tmp_path: Path) -> None:
    """A hostPath is a folder of the state directory, not the machine's."""
    folder = mount_of(tmp_path, with_volume({"hostPath": {"path": "/etc"}}))
    assert folder == tmp_path / "state/hostpath/etc"
    assert list(folder.iterdir()) == []


def test_host_path_that_has_to_exist(tmp_path: Path) -> None:
    """A hostPath of type Directory is not made."""
    with pytest.raises(MountError, match="hostPath type check failed: /data is not a directory"):
        mount_of(tmp_path, with_volume({"hostPath": {"path": "/data", "type": "Directory"}}))
    assert mount_of(tmp_path, with_volume({"hostPath": {"path": "/data", "type": "DirectoryOrCreate"}})).is_dir()


@pytest.mark.parametrize(
    ("source", "sub_path"),
    [
        (nfs("/../../etc"), ""),
        (nfs("/a/../../.."), ""),
        (nfs(server=".."), ""),
        (nfs(server="../../etc"), ""),
        (nfs(server="a/b"), ""),
        (nfs(server=""), ""),
        ({"hostPath": {"path": "/../../etc"}}, ""),
        (nfs(), "../bob"),
        (nfs(), "home/../../../../etc"),
        (nfs(), "/etc"),
        (nfs(), "home/a\0b"),
        (nfs(), "home/" + "ü" * 200),
    ],
    ids=repr,
)
def test_paths_that_lead_outside(tmp_path: Path, source: dict, sub_path: str) -> None:
    """No path or server name of a manifest leads out of the state directory."""
    with pytest.raises(MountError):
        mount_of(tmp_path, with_volume(source, sub_path=sub_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state"]


@pytest.mark.parametrize("target", ["/etc", "../../..", "../bob", "nowhere"])
def test_link_in_the_home(tmp_path: Path, target: str) -> None:
    """A link in a user's home is no way out of the home's volume."""
    home = tmp_path / "state/nfs/drive/home/alice"
    home.mkdir(parents=True)
    (tmp_path / "state/nfs/drive/home/bob").mkdir()
    (home / "link").symlink_to(target)
    if target == "../bob":
        # Inside the volume it is followed, as the kubelet does.
        folder = mount_of(tmp_path, with_volume(nfs(), sub_path="home/alice/link"))
        assert folder == tmp_path / "state/nfs/drive/home/bob"
    else:
        with pytest.raises(MountError, match="link"):
            mount_of(tmp_path, with_volume(nfs(), sub_path="home/alice/link/x"))
    with pytest.raises(MountError, match="link"):
        mount_of(tmp_path, with_volume(nfs("/home/alice"), sub_path="link/x"))


def test_file_on_the_way(tmp_path: Path) -> None:
    """A file where a folder has to be is a sentence."""
    (tmp_path / "f").write_text("")
    with pytest.raises(OutsideError, match="'f' is a file"):
        ensure_inside(tmp_path, ("f", "x"), what="subPath")


def test_uid_is_one_name(tmp_path: Path) -> None:
    """A uid, which names the folder that is deleted at the end, is never a path."""
    volumes = Volumes(Storage(), tmp_path)
    for uid in ("../x", "a/b", "", "..", "."):
        with pytest.raises(OutsideError):
            volumes.pod_dir(uid)


def test_path_parts() -> None:
    """Slashes and dots between the names do not matter."""
    assert path_parts("//a/./b//c/", what="x") == ("a", "b", "c")


def test_secret_and_config_map(tmp_path: Path) -> None:
    """Secrets and ConfigMaps become read-only files, all keys or the named items."""
    storage = Storage()
    data = {"k": base64.b64encode(b"\xff").decode()}
    storage.create(SECRETS, {"metadata": {"name": "s"}, "data": data}, namespace="default")
    storage.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}, namespace="default")
    folder = mount_of(tmp_path, with_volume({"secret": {"secretName": "s", "defaultMode": 0o640}}), storage)
    assert (folder / "k").read_bytes() == b"\xff"
    assert (folder / "k").stat().st_mode & 0o777 == 0o440
    items = [{"key": "a", "path": "sub/dir/x", "mode": 0o400}]
    source = {"configMap": {"name": "c", "items": items}}
    folder = mount_of(tmp_path, with_volume(source, name="other"), storage)
    assert [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()] == ["sub/dir/x"]
    assert (folder / "sub/dir/x").stat().st_mode & 0o777 == 0o400
    one = mount_of(tmp_path, with_volume({"configMap": {"name": "c"}}, name="third", sub_path="b"), storage)
    assert one.read_text() == "2"


@pytest.mark.parametrize("path", ["../x", "a/../../x"])
def test_item_that_leads_outside(tmp_path: Path, path: str) -> None:
    """An item's path stays in the volume."""
    storage = Storage()
    storage.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}}, namespace="default")
    source = {"configMap": {"name": "c", "items": [{"key": "a", "path": path}]}}
    with pytest.raises(MountError, match=r"must not contain '\.\.'"):
        mount_of(tmp_path, with_volume(source), storage)


def test_missing_and_optional(tmp_path: Path) -> None:
    """A missing Secret is an error that names it, unless it is optional."""
    with pytest.raises(MountError, match='MountVolume.SetUp failed for volume "v" : secret "no" not found'):
        mount_of(tmp_path, with_volume({"secret": {"secretName": "no"}}))
    folder = mount_of(tmp_path, with_volume({"secret": {"secretName": "no", "optional": True}}))
    assert list(folder.iterdir()) == []


def test_unknown_type(tmp_path: Path) -> None:
    """A volume of a type the cluster has not says so."""
    with pytest.raises(MountError, match="no volumes of type 'iscsi'"):
        mount_of(tmp_path, with_volume({"iscsi": {}}))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    """References are replaced as Kubernetes does, and only those."""
    assert expand(text, {"A": "1"}) == expanded


# Claims and pods


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    """Run a cluster on `state`."""
    async with LocalCluster(make_settings(tmp_path / "state")) as running:
        yield running


def make_claim(name: str = "c", **spec: Any) -> dict:
    """Build a claim of 1 GiB."""
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": {**base, **spec}}


def is_bound(claim: dict) -> bool:
    """Tell whether a claim or volume is bound."""
    return claim["status"].get("phase") == "Bound"


CLAIM = {"persistentVolumeClaim": {"claimName": "c"}}


async def test_claim_survives_a_restart(tmp_path: Path) -> None:
    """The files of a claim are there again after a restart of the cluster, for a claim of that name."""
    for text in ("first", "second"):
        async with LocalCluster(make_settings(tmp_path / "state")) as cluster:
            cluster.storage.create(PVCS, make_claim(), namespace="default")
            claim = await wait_for(cluster.storage, PVCS, "c", is_bound)
            assert claim["status"]["capacity"] == {"storage": "1Gi"}
            volume = cluster.storage.get(PVS, "", claim["spec"]["volumeName"])
            assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
            create(cluster, with_volume(CLAIM, script=f"echo {text} >> /vol/f; echo ok > /vol/ok; sleep 1000"))
            await wait_file(tmp_path / "state/pv/default/c/ok")
            (tmp_path / "state/pv/default/c/ok").unlink()
    assert (tmp_path / "state/pv/default/c/f").read_text() == "first\nsecond\n"


async def test_deleted_claim_deletes_its_files(cluster: LocalCluster, tmp_path: Path) -> None:
    """Deleting a claim deletes its volume and files, so that a new claim of that name begins empty."""
    cluster.storage.create(PVCS, make_claim(), namespace="default")
    claim = await wait_for(cluster.storage, PVCS, "c", is_bound)
    folder = tmp_path / "state/pv/default/c"
    folder.mkdir(parents=True)
    (folder / "f").write_text("x")
    cluster.storage.delete(PVCS, "default", "c")
    await wait_gone(cluster.storage, claim["spec"]["volumeName"], resource=PVS, namespace="")
    await until(lambda: not folder.exists())


async def test_unknown_class_stays_pending(cluster: LocalCluster) -> None:
    """A claim of an unknown StorageClass stays Pending and says so."""
    cluster.storage.create(PVCS, make_claim(storageClassName="gp9"), namespace="default")
    event = await wait_event(cluster.storage, "c", "ProvisioningFailed")
    assert event["message"] == 'storageclass.storage.k8s.io "gp9" not found'
    assert not is_bound(cluster.storage.get(PVCS, "default", "c"))


async def test_static_volume(cluster: LocalCluster, tmp_path: Path) -> None:
    """A claim of no class takes the volume that was made for it, here an NFS one, and leaves its files alone."""
    volume = {
        "metadata": {"name": "drive"},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain",
            **nfs("/shared"),
        },
    }
    cluster.storage.create(PVS, volume)
    claim = make_claim(
        storageClassName="",
        volumeName="drive",
        accessModes=["ReadWriteMany"],
        resources={"requests": {"storage": "1Mi"}},
    )
    cluster.storage.create(PVCS, claim, namespace="default")
    await wait_for(cluster.storage, PVCS, "c", is_bound)
    create(cluster, with_volume(CLAIM, script="echo here > /vol/f; sleep 1000"))
    assert await wait_file(tmp_path / "state/nfs/drive/shared/f") == "here\n"
    cluster.storage.delete(PVCS, "default", "c")
    released = await wait_for(
        cluster.storage, PVS, "drive", lambda v: v["status"].get("phase") == "Released", namespace=""
    )
    assert released["metadata"]["name"] == "drive"
    assert (tmp_path / "state/nfs/drive/shared/f").exists()


@pytest.mark.parametrize(
    ("claim", "volume", "matches"),
    [
        ({}, {}, True),
        ({"storageClassName": "x"}, {}, False),
        ({"resources": {"requests": {"storage": "2Gi"}}}, {}, False),
        ({"accessModes": ["ReadWriteMany"]}, {}, False),
        ({"volumeName": "other"}, {}, False),
        ({}, {"claimRef": {"namespace": "default", "name": "c"}}, True),
        ({}, {"claimRef": {"namespace": "default", "name": "d"}}, False),
        ({}, {"claimRef": {"namespace": "default", "name": "c", "uid": "older"}}, False),
        ({"selector": {"matchLabels": {"a": "b"}}}, {}, False),
    ],
)
def test_matching(claim: dict, volume: dict, matches: bool) -> None:
    """A volume fits a claim by class, size, access, selector, and by who it is reserved for."""
    wanted = make_claim(**claim)
    wanted["metadata"] |= {"namespace": "default", "uid": "u"}
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **volume}
    assert is_match(wanted, {"metadata": {"name": "v"}, "spec": spec, "status": {}}) == matches


async def test_missing_secret_is_waited_for(cluster: LocalCluster) -> None:
    """A pod whose Secret volume is missing says FailedMount, and starts when the Secret is there."""
    create(cluster, with_volume({"secret": {"secretName": "s"}}))
    event = await wait_event(cluster.storage, "pod", "FailedMount")
    assert event["type"] == "Warning"
    cluster.storage.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}}, namespace="default")
    await wait_for(cluster.storage, PODS, "pod", is_ready)


async def test_empty_dir_goes_with_the_pod(cluster: LocalCluster, tmp_path: Path) -> None:
    """An emptyDir is shared by the containers of a pod and gone after it; the homes stay."""
    pod = with_volume(
        {"emptyDir": {}}, script="until test -e /vol/f; do sleep 0.01; done; echo saw > /home/jovyan/f; sleep 1000"
    )
    pod["spec"]["volumes"].append({"name": "home", **nfs()})
    pod["spec"]["containers"][0]["volumeMounts"].append(
        {"name": "home", "mountPath": "/home/jovyan", "subPath": "home/a"}
    )
    second = {**pod["spec"]["containers"][0], "name": "second", "command": ["sh", "-c", "touch /vol/f; sleep 1000"]}
    pod["spec"]["containers"].append(second)
    stored = create(cluster, pod)
    home = tmp_path / "state/nfs/drive/home/a"
    await wait_file(home / "f")
    folder = tmp_path / "state/pods" / stored["metadata"]["uid"]
    assert (folder / "volumes/v/f").exists()
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    assert not folder.exists()
    assert (home / "f").read_text() == "saw\n"


async def test_mount_in_a_mount(cluster: LocalCluster, tmp_path: Path) -> None:
    """A share mounted in the home is seen there, by its path and from the home, and survives the pod."""
    pod = with_volume(
        nfs(),
        sub_path="home/a",
        mount="/home/jovyan",
        script="cd; echo x > data/f; cat /home/jovyan/data/f > g; sleep 1000",
    )
    pod["spec"]["volumes"].append({"name": "s", **nfs("/share")})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "s", "mountPath": "/home/jovyan/data"})
    create(cluster, pod)
    assert await wait_file(tmp_path / "state/nfs/drive/home/a/g") == "x\n"
    assert (tmp_path / "state/nfs/drive/share/f").read_text() == "x\n"
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    assert (tmp_path / "state/nfs/drive/share/f").exists()


async def test_users_folder_is_not_overwritten_by_a_mount(cluster: LocalCluster, tmp_path: Path) -> None:
    """Where the user already has files, a mount in the home leaves them; the mount's path still works."""
    own = tmp_path / "state/nfs/drive/home/a/data"
    own.mkdir(parents=True)
    (own / "mine").write_text("mine")
    pod = with_volume(nfs(), sub_path="home/a", mount="/home/jovyan", script="echo x > /home/jovyan/data/f; sleep 1000")
    pod["spec"]["volumes"].append({"name": "s", **nfs("/share")})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "s", "mountPath": "/home/jovyan/data"})
    create(cluster, pod)
    await wait_file(tmp_path / "state/nfs/drive/share/f")
    assert [p.name for p in own.iterdir()] == ["mine"]


async def test_evil_link_in_the_home_stops_only_that_pod(cluster: LocalCluster, tmp_path: Path) -> None:
    """A user who replaces a folder on the way to a mount by a link outside gets FailedMount, others run."""
    outside = tmp_path / "outside"
    outside.mkdir()
    home = tmp_path / "state/nfs/drive/home/a"
    home.mkdir(parents=True)
    (home / "evil").symlink_to(outside)
    create(cluster, with_volume(nfs(), sub_path="home/a/evil/x"))
    event = await wait_event(cluster.storage, "pod", "FailedMount")
    assert "leads out of the volume" in event["message"]
    create(cluster, make_pod("other"))
    await wait_for(cluster.storage, PODS, "other", is_ready)
    assert list(outside.iterdir()) == []
