"""What KubeSpawner makes of a server with z2jh's values."""

from __future__ import annotations

from typing import Any

import pytest

from jhaws.errors import ConfigError
from jhaws.upgrade.servers import NO_HOME, Made, make_server
from jhaws.upgrade.setups import make_setup
from jhaws.upgrade.users import Server, User

ODD = User("cleo.müller/x")
NEW = {"kubespawner_version": "7.1.0", "pod_name": "old"}
OLD = {"pod_name": "old"}


async def made(values: dict[str, Any], user: User | str = "ann", server: Server | None = None, **more: Any) -> Made:
    owner = User(user) if isinstance(user, str) else user
    return await make_server(make_setup(values, option="--to"), owner, server or Server(), **more)


def storage(**values: Any) -> dict[str, Any]:
    return {"singleuser": {"storage": values}}


def jhaws(**options: Any) -> dict[str, Any]:
    return {"hub": {"config": {"JhawsSpawner": options}}}


@pytest.mark.parametrize(
    ("values", "home"),
    [
        ({}, "PVC claim-ann"),
        (storage(type="dynamic", dynamic={"pvcNameTemplate": "home-{username}"}), "PVC home-ann"),
        (storage(dynamic={"subPath": "{username}"}), "PVC claim-ann, folder ann"),
        (storage(type="static", static={"pvcName": "homes"}), "PVC homes, folder ann"),
        (storage(type="static", static={"pvcName": "homes", "subPath": "h/{username}"}), "PVC homes, folder h/ann"),
        (storage(type="none"), NO_HOME),
        (jhaws(nfs_server="drive"), "NFS drive:/home/ann"),
        (jhaws(nfs_server="drive", nfs_path="/export"), "NFS drive:/export/home/ann"),
        (storage(type="static", static={"pvcName": "homes"}) | jhaws(nfs_server="drive"), "NFS drive:/home/ann"),
        (jhaws(), "PVC claim-ann"),
    ],
)
async def test_the_home_of_each_kind_of_storage(values: dict[str, Any], home: str) -> None:
    """z2jh's dynamic, static and no storage, and ours, each give the folder that the pod would have."""
    assert await made(values) == Made("jupyter-ann", home, "/home/jovyan")


@pytest.mark.parametrize("in_a_list", [True, False])
async def test_a_home_in_extra_volumes_is_the_same_folder_as_ours(in_a_list: bool) -> None:
    """Who mounts NFS by hand and goes to `nfs_server` with the same folder moves nothing."""
    volume: dict[str, Any] = {"name": "drive", "nfs": {"server": "drive", "path": "/"}}
    mount = {"name": "drive", "mountPath": "/home/jovyan/", "subPath": "home/{username}"}
    volumes: Any = [volume] if in_a_list else {"a": volume}
    mounts: Any = [mount] if in_a_list else {"a": mount}
    by_hand = await made(storage(type="none", extraVolumes=volumes, extraVolumeMounts=mounts))

    assert by_hand == await made(jhaws(nfs_server="drive"))
    del volume["nfs"]["server"]
    incomplete = await made(storage(type="none", extraVolumes=volumes, extraVolumeMounts=mounts))
    assert incomplete.home == "NFS None:/home/ann"


async def test_another_mount_path_of_the_home() -> None:
    """`homeMountPath` is where the home is looked for; ours has its own option, and must say the same."""
    values = storage(homeMountPath="/home/rstudio")

    assert (await made(values)).home == "PVC claim-ann"
    assert (await made(values)).mount == "/home/rstudio"
    ours = await made(values | jhaws(nfs_server="drive", home_mount="/home/rstudio"))
    assert ours == Made("jupyter-ann", "NFS drive:/home/ann", "/home/rstudio")
    assert "so the user's PVC is not made" in (await made(values | jhaws(nfs_server="drive"))).refusal


async def test_a_mount_path_with_a_slash_at_its_end_is_the_same_path() -> None:
    """Kubernetes mounts the home there alike, so it is found, and no other mount is told."""
    values = storage(homeMountPath="/home/rstudio/")

    assert await made(values) == await made(storage(homeMountPath="/home/rstudio"))
    assert await made(values) == Made("jupyter-ann", "PVC claim-ann", "/home/rstudio")


@pytest.mark.parametrize(("number", "said"), [(7, "7"), (None, "unknown-userid")])
async def test_names_by_the_users_id(number: int | None, said: str) -> None:
    """The id is in the names where it is told, and a word that nobody takes for one where it is not."""
    values = storage(dynamic={"pvcNameTemplate": "claim-{userid}"})
    values["singleuser"]["podNameTemplate"] = "nb-{userid}"

    assert await made(values, User("ann", id=number)) == Made(f"nb-{said}", f"PVC claim-{said}", "/home/jovyan")


async def test_a_named_server_has_its_own_claim_and_pod() -> None:
    """KubeSpawner's templates know the server's name."""
    lab = Server("lab", state=NEW)

    assert await made({}, server=lab) == Made("jupyter-ann--lab", "PVC claim-ann--lab", "/home/jovyan")
    assert (await made(jhaws(nfs_server="drive"), server=lab)).home == "NFS drive:/home/ann"


async def test_a_remembered_claim_stays_and_a_remembered_pod_does_not() -> None:
    """The hub goes on with the claim that it knows; the next pod has the template's name."""
    known = Server(state=NEW | {"pvc_name": "claim-of-before"})

    assert await made({}, server=known) == Made("jupyter-ann", "PVC claim-of-before", "/home/jovyan")
    forgetful = {"hub": {"config": {"KubeSpawner": {"remember_pvc_name": False}}}}
    assert (await made(forgetful, server=known)).home == "PVC claim-ann"


async def test_names_of_kubespawner_6() -> None:
    """A server last started by it has names of the old scheme now, and keeps its claim, but no folder, under 7."""
    old = Server(state=OLD)
    escaped = "cleo-2em-c3-bcller-2fx"
    before = await made({}, ODD, old, before=True)
    then = await made({}, ODD, old)

    assert before == Made(f"jupyter-{escaped}", f"PVC claim-{escaped}", "/home/jovyan")
    assert (then.pod, then.home) == ("jupyter-cleo-m-ller-x---77f6e6d9", before.home)
    static = storage(type="static", static={"pvcName": "homes"})
    assert (await made(static, ODD, old, before=True)).home == f"PVC homes, folder {escaped}"
    assert (await made(static, ODD, old)).home == "PVC homes, folder cleo-m-ller-x---77f6e6d9"
    unhandled = {"hub": {"config": {"KubeSpawner": {"handle_legacy_names": False}}}}
    assert (await made(unhandled, ODD, old)).home == "PVC claim-cleo-m-ller-x---77f6e6d9"


async def test_templates_of_the_operator() -> None:
    """A pod's name comes from z2jh's own value or from KubeSpawner's section, which wins."""
    values = {"singleuser": {"podNameTemplate": "nb-{username}"}}

    assert (await made(values)).pod == "nb-ann"
    assert (
        await made(values | {"hub": {"config": {"KubeSpawner": {"pod_name_template": "x-{username}"}}}})
    ).pod == "x-ann"


async def test_the_last_choice_of_a_profile_counts() -> None:
    """A profile may bring a home of its own; one that is gone keeps the server from starting."""
    override: dict[str, Any] = {"volumes": [], "volume_mounts": []}
    values = {
        "singleuser": {
            "profileList": [
                {"display_name": "With"},
                {"display_name": "Without", "slug": "without", "kubespawner_override": override},
            ]
        }
    }

    assert (await made(values)).home == "PVC claim-ann"
    assert (await made(values, server=Server(user_options={"profile": "without"}))).home == NO_HOME
    assert "gone" in (await made(values, server=Server(user_options={"profile": "gone"}))).refusal


async def test_a_server_that_cannot_start_is_told_with_the_reason() -> None:
    """What our spawner would refuse at the start is found before."""
    init = [{"name": "i", "image": "b", "volumeMounts": [{"name": "volume-{user_server}", "mountPath": "/h"}]}]
    refused = await made({"singleuser": {"initContainers": init}} | jhaws(nfs_server="drive"))

    assert refused.refusal.startswith("The home comes from JhawsSpawner.nfs_server")
    wrong = {"hub": {"config": {"KubeSpawner": {"pod_name_template": 3}}}}
    assert "pod_name_template" in (await made(wrong)).refusal
    assert "nosuch" in (await made({"singleuser": {"podNameTemplate": "x-{nosuch}"}})).refusal
    assert (await made(storage(homeMountPath=3))).refusal


def test_another_spawner_is_refused() -> None:
    """Names of a spawner that is no KubeSpawner, or is not installed, cannot be told."""
    for name in ("simple", "somebodys.Spawner"):
        with pytest.raises(ConfigError, match=f"--to: JupyterHub.spawner_class is '{name}', which is not installed"):
            make_setup({"hub": {"config": {"JupyterHub": {"spawner_class": name}}}}, option="--to")


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ({}, "KubeSpawner and DummyAuthenticator"),
        ({"hub": {"image": {"name": "example.org/jhaws/hub"}}}, "JhawsSpawner and JhawsAuthenticator"),
        (jhaws(), "JhawsSpawner and JhawsAuthenticator"),
        ({"custom": {"jhaws": {"authenticator": False}}}, "JhawsSpawner and DummyAuthenticator"),
        ({"custom": {"jhaws": False}}, "KubeSpawner and DummyAuthenticator"),
        ({"hub": {"config": {"JupyterHub": {"authenticator_class": "github"}}}}, "KubeSpawner and github"),
    ],
)
def test_the_classes_are_those_that_the_hub_would_take(values: dict[str, Any], classes: str) -> None:
    """Jhaws is in a hub whose image or options name it; what the operator chose stays."""
    assert make_setup(values, option="--to").classes == classes
