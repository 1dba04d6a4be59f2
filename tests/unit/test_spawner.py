"""JhawsSpawner's pods, compared with those of KubeSpawner itself."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes_asyncio.client import V1Container, V1SecurityContext
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhaws.errors import ConfigError
from jhaws.pods.ends import restarts_of
from jhaws.spawner import JhawsSpawner

pytestmark = pytest.mark.usefixtures("no_cluster")

# What z2jh's jupyterhub_config.py sets for `singleuser.storage.type: dynamic`, its default.
Z2JH_HOME = {
    "volumes": {"v": {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}},
    "volume_mounts": {"v": {"mountPath": "/home/jovyan", "name": "volume-{user_server}", "subPath": None}},
    "storage_pvc_ensure": True,
}


def make_spawner(cls: type, *, name: str = "ada", groups: tuple[str, ...] = (), **sections: Any) -> Any:
    user = SimpleNamespace(name=name, id=1, url="/user/x/", groups=[SimpleNamespace(name=each) for each in groups])
    return cls(_mock=True, user=user, config=Config(sections))


async def manifest_of(spawner: Any) -> dict[str, Any]:
    pod = await spawner.get_pod_manifest()
    return spawner.api.api_client.sanitize_for_serialization(pod)


async def test_without_options_the_pod_is_kubespawners_own() -> None:
    """An operator who only changes the image gets the pods that they had; a crashing one's last words are kept."""
    options = {
        **Z2JH_HOME,
        "node_selector": {"a": "b"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "init_containers": [{"name": "i", "image": "busybox", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}],
        "lifecycle_hooks": {"postStart": {"exec": {"command": ["true"]}}},
        "service_account": "sa",
        "extra_pod_config": {"dnsPolicy": "None"},
        "uid": 1000,
        "fs_gid": 100,
    }
    expected = await manifest_of(make_spawner(KubeSpawner, KubeSpawner=options))
    expected["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError"

    assert await manifest_of(make_spawner(JhawsSpawner, KubeSpawner=options)) == expected


async def test_everything_at_once_comes_into_one_pod() -> None:
    """Home, share, nodegroup, role and course are in the manifest beside what KubeSpawner put there."""
    spawner = make_spawner(
        JhawsSpawner,
        groups=("staff",),
        KubeSpawner={"image": "jupyter/base:1", "uid": 1234, "fs_gid": 555, "extra_annotations": {"a": "b"}},
        JhawsSpawner={
            "nfs_server": "drive",
            "shares": [{"name": "data"}],
            "nodegroups": {"jhusers": {"taints": ["dedicated=user:NoSchedule"]}},
            "iam_roles": [{"groups": ["staff"], "role": "arn:aws:iam::1:role/{username}-role"}],
            "git_repos": [{"url": "https://example.org/course"}],
        },
    )
    pod = await manifest_of(spawner)
    spec, server = pod["spec"], pod["spec"]["containers"][0]

    assert spec["volumes"] == [{"name": "jhaws-nfs", "nfs": {"server": "drive", "path": "/"}}]
    assert [mount["mountPath"] for mount in server["volumeMounts"]] == ["/home/jovyan", "/data"]
    assert spec["initContainers"][0]["command"][-3:] == ["/jhaws-nfs/ada", "1234", "555"]
    assert spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "eks.amazonaws.com/nodegroup", "operator": "In", "values": ["jhusers"]}]}
        ]
    }
    assert {"key": "dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"} in spec["tolerations"]
    assert pod["metadata"]["annotations"]["iam.amazonaws.com/role"] == "arn:aws:iam::1:role/ada-role"
    assert pod["metadata"]["annotations"]["a"] == "b"
    assert "gitpuller" in server["lifecycle"]["postStart"]["exec"]["command"][2]


async def test_the_home_that_z2jh_always_mounts_gives_way_to_ours() -> None:
    """One path has one mount: with an NFS server z2jh's volume, its mount and its PVC are not made."""
    spawner = make_spawner(JhawsSpawner, KubeSpawner=Z2JH_HOME, JhawsSpawner={"nfs_server": "drive"})
    pod = await manifest_of(spawner)

    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["jhaws-nfs"]
    assert [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]] == ["jhaws-nfs"]


async def test_a_volume_that_something_else_still_mounts_stays() -> None:
    """Only a volume that nobody uses any more goes with the mount."""
    options = {
        "volumes": [{"name": "home", "emptyDir": {}}, {"name": "other", "emptyDir": {}}],
        "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan/"}, {"name": "other", "mountPath": "/other"}],
        "extra_containers": [{"name": "s", "image": "i", "volumeMounts": [{"name": "home", "mountPath": "/h"}]}],
    }
    pod = await manifest_of(make_spawner(JhawsSpawner, KubeSpawner=options, JhawsSpawner={"nfs_server": "drive"}))

    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["home", "other", "jhaws-nfs"]
    assert [each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]] == ["/other", "/home/jovyan"]


async def test_the_nodegroup_is_demanded_on_top_of_the_operators_affinity() -> None:
    """Terms of a node affinity are alternatives, so every one of them gets our requirement too."""
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    field = {"key": "metadata.name", "operator": "Exists"}
    spawner = make_spawner(
        JhawsSpawner,
        KubeSpawner={"node_affinity_required": [term, {"matchFields": [field]}]},
        JhawsSpawner={"nodegroups": {"g": {"node_labels": {"pool": "g"}}}},
    )
    required = (await manifest_of(spawner))["spec"]["affinity"]["nodeAffinity"]
    ours = {"key": "pool", "operator": "In", "values": ["g"]}

    assert required["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {"matchExpressions": [*term["matchExpressions"], ours]},
        {"matchExpressions": [ours], "matchFields": [field]},
    ]


async def test_options_are_taken_from_kubespawners_section_too() -> None:
    """`c.KubeSpawner.*` in extraConfig counts for JhawsSpawner as it did for KubeSpawner."""
    pod = await manifest_of(make_spawner(JhawsSpawner, KubeSpawner={"image": "own:1", "priority_class_name": "high"}))

    assert pod["spec"]["containers"][0]["image"] == "own:1"
    assert pod["spec"]["priorityClassName"] == "high"


async def test_a_service_account_of_the_table_brings_no_token_for_kubernetes() -> None:
    """IRSA and Pod Identity need the ServiceAccount; the user needs no key to the cluster."""
    rows = [{"service_account": "{username}-sa"}]
    spec = (await manifest_of(make_spawner(JhawsSpawner, JhawsSpawner={"iam_roles": rows})))["spec"]

    assert spec["serviceAccountName"] == "ada-sa"
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "name",
    ["ada.lovelace", "../ada", "a/b", "ü" * 43, "x" * 300, "$(id)", "{username}", "a" * 47 + "-"],
)
async def test_an_odd_name_is_escaped_the_same_way_everywhere(name: str) -> None:
    """Whatever the name is, pod, home and role stay one safe word of the user's own."""
    spawner = make_spawner(
        JhawsSpawner,
        name=name,
        JhawsSpawner={"nfs_server": "drive", "iam_roles": [{"role": "{username}"}]},
    )
    pod = await manifest_of(spawner)
    folder, home = pod["spec"]["containers"][0]["volumeMounts"][0]["subPath"].split("/")
    role = pod["metadata"]["annotations"]["iam.amazonaws.com/role"]

    assert folder == "home"
    assert set(home) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(home) <= 255
    assert set(role) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(pod["metadata"]["name"]) <= 63
    assert pod["metadata"]["annotations"]["hub.jupyter.org/username"] == name


async def test_no_two_users_share_a_home() -> None:
    """Names that differ in case, dots, accents or only in their last character have different homes."""
    names = ["ada", "Ada", "a.da", "a-da", "a-2eda", "ádá", "x" * 300, "x" * 299 + "y", "ü" * 43, "ü" * 44]
    homes = []
    for name in names:
        pod = await manifest_of(make_spawner(JhawsSpawner, name=name, JhawsSpawner={"nfs_server": "drive"}))
        homes.append(pod["spec"]["containers"][0]["volumeMounts"][0]["subPath"])

    assert len(set(homes)) == len(names)


async def test_hooks_get_the_pod_they_know() -> None:
    """Containers given as models, as z2jh does for its metadata block, stay the models they are."""
    block = V1Container(name="block", image="i", security_context=V1SecurityContext(privileged=True))
    spawner = make_spawner(JhawsSpawner, JhawsSpawner={"nfs_server": "drive"})
    spawner.init_containers = [block]
    pod = await spawner.get_pod_manifest()

    assert [each.name for each in pod.spec.init_containers] == ["jhaws-home", "block"]
    assert pod.spec.init_containers[1].security_context.privileged is True
    assert pod.spec.containers[0].volume_mounts[0].mount_path == "/home/jovyan"


TWO_POOLS = {"small": {"node_labels": {"pool": "s"}}, "large": {"node_labels": {"pool": "l"}}}
PROFILES = [{"display_name": "Small"}, {"display_name": "Large", "nodegroup": "large"}]


async def pool_of(spawner: Any) -> str:
    affinity = (await manifest_of(spawner))["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchExpressions"][0]["values"][0])


@pytest.mark.parametrize(
    ("profile", "hook", "expected"), [("small", "", "s"), ("large", "", "l"), ("small", "large", "l")]
)
async def test_a_profile_or_a_hook_chooses_the_nodegroup(profile: str, hook: str, expected: str) -> None:
    """`nodegroup` in a profile works; one that names none leaves what a pre_spawn_hook has set, or the default."""
    spawner = make_spawner(JhawsSpawner, JhawsSpawner={"nodegroups": TWO_POOLS, "profile_list": PROFILES})
    spawner.nodegroup = hook
    spawner.user_options = {"profile": profile}
    await spawner.load_user_options()

    assert await pool_of(spawner) == expected


async def test_an_image_that_a_user_chose_never_sees_the_homes_of_others() -> None:
    """The init container that makes the home runs as root, so its image is the configured one whatever was chosen."""
    choice = {"display_name": "i", "unlisted_choice": {"enabled": True, "kubespawner_override": {"image": "{value}"}}}
    spawner = make_spawner(
        JhawsSpawner,
        KubeSpawner={"image": "ops/i:1", "profile_list": [{"display_name": "x", "profile_options": {"image": choice}}]},
        JhawsSpawner={"nfs_server": "d"},
    )
    spawner.user_options = {"profile": "x", "image--unlisted-choice": "evil/i:1"}
    await spawner.load_user_options()
    spec = (await manifest_of(spawner))["spec"]

    assert spec["containers"][0]["image"] == "evil/i:1"
    assert spec["initContainers"][0]["image"] == "ops/i:1"
    assert spec["initContainers"][0]["volumeMounts"][0]["subPath"] == "home"


@pytest.mark.parametrize(("configured", "override", "ensured"), [("d", "", True), ("", "d", False)])
async def test_the_pvc_follows_the_profiles_storage(configured: str, override: str, ensured: bool) -> None:
    """A profile may turn the NFS home on or off; the PVC is made where it is the home."""
    spawner = make_spawner(
        JhawsSpawner,
        KubeSpawner={
            **Z2JH_HOME,
            "profile_list": [{"display_name": "x", "kubespawner_override": {"nfs_server": override}}],
        },
        JhawsSpawner={"nfs_server": configured},
    )
    await spawner.load_user_options()

    assert spawner.storage_pvc_ensure is ensured


async def test_a_second_mount_of_the_home_that_jhaws_replaced_is_a_sentence() -> None:
    """An init container that still wants the user's PVC would wait for ever for a claim that nobody makes."""
    init = [{"name": "i", "image": "i", "volumeMounts": [{"name": "volume-ada", "mountPath": "/x"}]}]
    spawner = make_spawner(
        JhawsSpawner, KubeSpawner={**Z2JH_HOME, "init_containers": init}, JhawsSpawner={"nfs_server": "d"}
    )
    with pytest.raises(ConfigError, match="still wants it"):
        await spawner.get_pod_manifest()


async def test_two_ways_to_write_the_homes_path_are_one_mount() -> None:
    """`//home/jovyan/` gives way to ours too."""
    options = {
        "volumes": [{"name": "h", "emptyDir": {}}],
        "volume_mounts": [{"name": "h", "mountPath": "//home/jovyan/"}],
    }
    pod = await manifest_of(make_spawner(JhawsSpawner, KubeSpawner=options, JhawsSpawner={"nfs_server": "d"}))

    assert [each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]] == ["/home/jovyan"]


async def test_a_profile_of_an_unknown_nodegroup_is_a_sentence() -> None:
    """A start on a nodegroup that nobody configured says which ones there are."""
    spawner = make_spawner(JhawsSpawner, JhawsSpawner={"nodegroups": {"small": {}}, "nodegroup": "smal"})

    with pytest.raises(ConfigError, match="No nodegroup 'smal' is configured. Did you mean 'small'"):
        await spawner.get_pod_manifest()


async def test_a_hook_that_is_no_command_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """An operator's httpGet hook stays, and the log says why no course comes."""
    hook = {"postStart": {"httpGet": {"path": "/", "port": 80}}}
    spawner = make_spawner(
        JhawsSpawner,
        KubeSpawner={"lifecycle_hooks": hook},
        JhawsSpawner={"git_repos": [{"url": "https://example.org/c"}]},
    )
    spawner.log.propagate = True
    pod = await manifest_of(spawner)

    assert pod["spec"]["containers"][0]["lifecycle"] == hook
    assert "git_repos is not pulled" in caplog.text


async def test_the_manifest_is_json_that_an_api_server_reads(tmp_path: Path) -> None:
    """Nothing in the finished pod is left as a Python object."""
    import json

    pod = await manifest_of(
        make_spawner(
            JhawsSpawner,
            JhawsSpawner={"nfs_server": "d", "git_repos": [{"url": "https://e.org/c"}], "nodegroups": {"g": {}}},
        )
    )

    assert json.loads(json.dumps(pod)) == pod


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, (0, "")),
        ({"containerStatuses": [{"name": "notebook", "restartCount": 0}]}, (0, "")),
        ({"containerStatuses": [{"name": "sidecar", "restartCount": 3}]}, (0, "")),
        (
            {
                "containerStatuses": [
                    {
                        "name": "notebook",
                        "restartCount": 2,
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            },
            (2, "exit status 137, OOMKilled"),
        ),
        ({"containerStatuses": [{"name": "notebook", "restartCount": 1}]}, (1, "exit status unknown")),
    ],
)
def test_a_restart_is_read_from_the_pods_status(status: dict, expected: tuple) -> None:
    """Only the server's own container counts, with its last exit status and reason."""
    assert restarts_of({"status": status}) == expected
