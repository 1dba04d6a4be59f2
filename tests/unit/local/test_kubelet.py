from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from jhaws.local.api.events import follow
from jhaws.local.api.resources import CONFIGMAPS, NODES, PODS, SECRETS
from jhaws.local.api.storage import Storage
from jhaws.local.cluster import LocalCluster
from jhaws.local.kubelet.kubelet import Addresses
from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.unit.local.pods_for_tests import (
    condition,
    create,
    is_ready,
    is_running,
    make_pod,
    make_settings,
    reasons,
    until,
    wait_event,
    wait_file,
    wait_for,
    wait_gone,
)


@pytest.fixture
async def cluster(tmp_path: Path) -> Any:
    """Run a cluster of one node that retries fast; the image `gone/…` cannot be pulled."""
    settings = make_settings(tmp_path / "state", missing_images=("gone/*",))
    async with LocalCluster(settings) as running:
        yield running


def main_status(pod: dict) -> dict:
    """Give the status of the first container, or nothing."""
    return (pod["status"].get("containerStatuses") or [{}])[0]


def state_of(pod: dict, kind: str) -> dict:
    """Give a container state of that kind, or nothing."""
    return main_status(pod).get("state", {}).get(kind) or {}


async def test_ready_pod_has_the_whole_status(cluster: LocalCluster) -> None:
    """A running pod has phase, address, conditions and container status as a real one, and the usual events."""
    create(cluster, make_pod())
    pod = await wait_for(cluster.storage, PODS, "pod", is_ready)
    status = pod["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "True",
    }
    assert all(c["lastTransitionTime"] for c in status["conditions"])
    assert status["phase"] == "Running"
    assert status["podIP"].startswith("127.")
    assert status["startTime"]
    main = main_status(pod)
    assert (main["ready"], main["started"], main["restartCount"]) == (True, True, 0)
    assert set(main["state"]) == {"running"}
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        event = await wait_event(cluster.storage, "pod", reason)
        assert event["involvedObject"]["uid"] == pod["metadata"]["uid"]
    assert event["involvedObject"]["fieldPath"] == "spec.containers{main}"


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [("Never", 0, "Succeeded", 0), ("Never", 3, "Failed", 0), ("OnFailure", 0, "Succeeded", 0)],
)
async def test_end_of_a_pod(cluster: LocalCluster, policy: str, code: int, phase: str, restarts: int) -> None:
    """A pod that is not restarted ends as Succeeded or Failed, with the exit code."""
    create(cluster, make_pod(script=f"exit {code}", restartPolicy=policy))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == phase)
    ended = state_of(pod, "terminated")
    assert (ended["exitCode"], ended["reason"]) == (code, "Completed" if code == 0 else "Error")
    assert main_status(pod)["restartCount"] == restarts
    assert condition(pod, "Ready")["status"] == "False"


async def test_crash_loop(cluster: LocalCluster) -> None:
    """A container that always fails is restarted with a growing pause, and says CrashLoopBackOff."""
    create(cluster, make_pod(script="exit 7"))
    pod = await wait_for(
        cluster.storage,
        PODS,
        "pod",
        lambda p: (
            main_status(p).get("restartCount", 0) >= 2 and state_of(p, "waiting").get("reason") == "CrashLoopBackOff"
        ),
    )
    assert main_status(pod)["lastState"]["terminated"]["exitCode"] == 7
    event = await wait_event(cluster.storage, "pod", "BackOff")
    assert "restarting failed container" in event["message"]


async def test_killed_process_is_seen(cluster: LocalCluster) -> None:
    """A container killed from outside ends with 137, which the status tells at once."""
    create(cluster, make_pod(script="kill -9 $$$$", restartPolicy="Never"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: state_of(p, "terminated"))
    assert state_of(pod, "terminated")["exitCode"] == 137


async def test_command_that_does_not_exist(cluster: LocalCluster) -> None:
    """A command nobody has ends as StartError with its name in the message."""
    create(cluster, make_pod(container={"command": ["no-such-program"]}, restartPolicy="Never"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == "Failed")
    ended = state_of(pod, "terminated")
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "no-such-program" in ended["message"]


async def test_last_words(cluster: LocalCluster) -> None:
    """A failed container's last lines become its message where the pod asks for that."""
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    create(cluster, make_pod(script="echo no space; exit 1", restartPolicy="Never", container=container))
    script = "echo from the file > /dev/termination-log; exit 1"
    create(cluster, make_pod("file", script=script, restartPolicy="Never"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: state_of(p, "terminated"))
    assert state_of(pod, "terminated")["message"] == "no space\n"
    pod = await wait_for(cluster.storage, PODS, "file", lambda p: state_of(p, "terminated"))
    assert state_of(pod, "terminated")["message"] == "from the file\n"


async def test_init_containers_in_order(cluster: LocalCluster, tmp_path: Path) -> None:
    """Init containers run one after the other, and the containers after them."""
    out = tmp_path / "out"
    inits = [
        {"name": name, "image": "busybox", "command": ["sh", "-c", f"sleep 0.05; echo {name} >> {out}"]}
        for name in ("one", "two")
    ]
    create(cluster, make_pod(script=f"echo main >> {out}; sleep 1000", initContainers=inits))
    pod = await wait_for(cluster.storage, PODS, "pod", is_ready)
    await until(lambda: out.read_text() == "one\ntwo\nmain\n")
    assert [s["state"]["terminated"]["exitCode"] for s in pod["status"]["initContainerStatuses"]] == [0, 0]


async def test_failing_init_container(cluster: LocalCluster, tmp_path: Path) -> None:
    """A failing init container fails a pod that is never restarted, else it is tried until it goes well."""
    init = {"name": "init", "image": "busybox", "command": ["sh", "-c", "exit 4"]}
    create(cluster, make_pod(initContainers=[init], restartPolicy="Never"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == "Failed")
    assert state_of(pod, "waiting")["reason"] == "PodInitializing"
    flag = tmp_path / "flag"
    again = f"test -e {flag} || {{ touch {flag}; exit 1; }}"
    init = {**init, "command": ["sh", "-c", again]}
    create(cluster, make_pod("again", initContainers=[init]))
    pod = await wait_for(cluster.storage, PODS, "again", is_ready)
    assert pod["status"]["initContainerStatuses"][0]["restartCount"] == 1


async def test_post_start_hook_before_ready(cluster: LocalCluster, tmp_path: Path) -> None:
    """The postStart hook runs beside the container, which is not Ready before the hook is through."""
    gate = tmp_path / "gate"
    hook = {"postStart": {"exec": {"command": ["sh", "-c", f"until test -e {gate}; do sleep 0.01; done"]}}}
    create(cluster, make_pod(container={"lifecycle": hook}))
    await wait_event(cluster.storage, "pod", "Started")
    pod = cluster.storage.get(PODS, "default", "pod")
    assert not is_ready(pod)
    assert state_of(pod, "waiting")["reason"] == "ContainerCreating"
    gate.touch()
    await wait_for(cluster.storage, PODS, "pod", is_ready)


async def test_failing_post_start_hook(cluster: LocalCluster) -> None:
    """A failing postStart hook ends its container, and an event says why."""
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo broken; exit 3"]}}}
    create(cluster, make_pod(container={"lifecycle": hook}, restartPolicy="Never"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == "Failed")
    assert state_of(pod, "terminated")["exitCode"] == 143
    event = await wait_event(cluster.storage, "pod", "FailedPostStartHook")
    assert event["type"] == "Warning"
    assert "exited with 3: broken" in event["message"]


async def test_pre_stop_then_term(cluster: LocalCluster, tmp_path: Path) -> None:
    """A deleted pod gets its preStop hook, then SIGTERM, and is gone when it ended by itself."""
    out = tmp_path / "out"
    script = f"trap 'echo term >> {out}; exit 0' TERM; echo ready >> {out}; while :; do sleep 0.01; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"echo hook >> {out}"]}}}
    create(cluster, make_pod(script=script, container={"lifecycle": hook}))
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    await wait_file(out)
    watch = cluster.storage.watch(PODS)
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    assert out.read_text() == "ready\nhook\nterm\n"
    last = [event.object for event in watch.pending()][-1]
    assert state_of(last, "terminated")["exitCode"] == 0


async def test_grace_is_over(cluster: LocalCluster, tmp_path: Path) -> None:
    """A process that ignores SIGTERM is killed when the grace period is over."""
    script = f"trap '' TERM; echo ready > {tmp_path / 'out'}; while :; do sleep 0.01; done"
    create(cluster, make_pod(script=script))
    await wait_file(tmp_path / "out")
    watch = cluster.storage.watch(PODS)
    cluster.storage.delete(PODS, "default", "pod", grace_period_seconds=1)
    await wait_gone(cluster.storage, "pod")
    assert state_of(watch.pending()[-1].object, "terminated")["exitCode"] == 137


async def test_shorter_grace_later(cluster: LocalCluster, tmp_path: Path) -> None:
    """A second delete with no grace ends a pod that is still in its long grace period."""
    script = f"trap '' TERM; echo ready > {tmp_path / 'out'}; while :; do sleep 0.01; done"
    create(cluster, make_pod(script=script, terminationGracePeriodSeconds=600))
    pid_file = tmp_path / "pid"
    await wait_file(tmp_path / "out")
    cluster.storage.delete(PODS, "default", "pod")
    await wait_event(cluster.storage, "pod", "Killing")
    cluster.storage.delete(PODS, "default", "pod", grace_period_seconds=0)
    await wait_gone(cluster.storage, "pod")
    uid_folders = list((tmp_path / "state/pods").glob("*"))
    await until(lambda: not any(f.exists() for f in uid_folders))
    assert not pid_file.exists()


async def test_delete_while_waiting(cluster: LocalCluster) -> None:
    """A pod that waits for its image or its Secret can be deleted, and leaves no folder."""
    create(cluster, make_pod("pull", container={"image": "gone/image:1"}))
    volumes = [{"name": "s", "secret": {"secretName": "missing"}}]
    create(cluster, make_pod("mount", volumes=volumes))
    await wait_event(cluster.storage, "pull", "Failed")
    await wait_event(cluster.storage, "mount", "FailedMount")
    for name in ("pull", "mount"):
        cluster.storage.delete(PODS, "default", name)
        await wait_gone(cluster.storage, name)


async def test_delete_during_the_hook(cluster: LocalCluster) -> None:
    """A pod whose postStart hook hangs can be deleted."""
    hook = {"postStart": {"exec": {"command": ["sleep", "1000"]}}}
    create(cluster, make_pod(container={"lifecycle": hook}))
    await wait_event(cluster.storage, "pod", "Started")
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")


async def test_same_name_again(cluster: LocalCluster) -> None:
    """A name can be used again at once, and the new pod is another one."""
    first = create(cluster, make_pod())
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    cluster.storage.delete(PODS, "default", "pod", grace_period_seconds=0)
    create(cluster, make_pod())
    second = await wait_for(cluster.storage, PODS, "pod", is_ready)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


async def test_missing_image(cluster: LocalCluster) -> None:
    """An image no registry has gives ErrImagePull, then ImagePullBackOff."""
    create(cluster, make_pod(container={"image": "gone/image:1"}))
    seen = set()

    def note(pod: dict) -> bool:
        seen.add(state_of(pod, "waiting").get("reason"))
        return {"ErrImagePull", "ImagePullBackOff"} <= seen

    await wait_for(cluster.storage, PODS, "pod", note)
    assert "BackOff" in reasons(cluster.storage, "pod")


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"image": "team/UPPER:1"}, "InvalidImageName"),
        ({"image": "a b"}, "InvalidImageName"),
        ({"image": "new:1", "imagePullPolicy": "Never"}, "ErrImageNeverPull"),
    ],
)
async def test_image_that_cannot_be(cluster: LocalCluster, container: dict, reason: str) -> None:
    """An image name that is none, and one that must not be pulled, give the kubelet's reason."""
    create(cluster, make_pod(container=container))
    await wait_for(cluster.storage, PODS, "pod", lambda p: state_of(p, "waiting").get("reason") == reason)


async def test_pull_takes_time_once_per_node(tmp_path: Path) -> None:
    """The first pod of a node waits for the pull; the second finds the image there."""
    async with LocalCluster(make_settings(tmp_path, pull_seconds=0.1)) as cluster:
        create(cluster, make_pod("one"))
        await wait_for(cluster.storage, PODS, "one", is_ready)
        create(cluster, make_pod("two"))
        await wait_for(cluster.storage, PODS, "two", is_ready)
        assert "Pulling" in reasons(cluster.storage, "one")
        assert "Pulling" not in reasons(cluster.storage, "two")


async def test_environment_sources(cluster: LocalCluster, tmp_path: Path) -> None:
    """Variables come from fields, Secrets and ConfigMaps, and refer to each other."""
    cluster.storage.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "v1"}}, namespace="default")
    cluster.storage.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"K": "v2"}}, namespace="default")
    env = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
        {"name": "BOTH", "value": "$(NAME)-$(SECRET)-$(UNKNOWN)-$$(NAME)"},
    ]
    out = tmp_path / "out"
    container = {
        "env": env,
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}],
        "command": ["sh", "-c", f"echo \"$NAME|$IP|$NODE|$BOTH|$P_K|${{MAYBE-unset}}|\"'$(BOTH)' > {out}; sleep 1000"],
    }
    create(cluster, make_pod(container=container))
    text = await wait_file(out)
    ip = cluster.storage.get(PODS, "default", "pod")["status"]["podIP"]
    assert text == f"pod|{ip}|n-1|pod-v1-$(UNKNOWN)-$(NAME)|v2|unset|pod-v1-$(UNKNOWN)-$(NAME)\n"


async def test_waits_for_a_secret(cluster: LocalCluster) -> None:
    """A container whose Secret is missing waits with CreateContainerConfigError until it is there."""
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    create(cluster, make_pod(container={"env": env}))
    reason = "CreateContainerConfigError"
    await wait_for(cluster.storage, PODS, "pod", lambda p: state_of(p, "waiting").get("reason") == reason)
    cluster.storage.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}}, namespace="default")
    await wait_for(cluster.storage, PODS, "pod", is_ready)


async def test_readiness_and_liveness(cluster: LocalCluster, tmp_path: Path) -> None:
    """A readiness probe decides about Ready, a failing liveness probe restarts the container."""
    flag = tmp_path / "flag"
    probe = {"exec": {"command": ["test", "-e", str(flag)]}, "periodSeconds": 1, "failureThreshold": 1}
    create(cluster, make_pod(container={"readinessProbe": probe}))
    await wait_event(cluster.storage, "pod", "Unhealthy")
    assert not is_ready(cluster.storage.get(PODS, "default", "pod"))
    flag.touch()
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    dead = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    create(cluster, make_pod("dead", container={"livenessProbe": dead}))
    await wait_for(cluster.storage, PODS, "dead", lambda p: main_status(p).get("restartCount", 0) >= 1)


async def test_http_probe(cluster: LocalCluster) -> None:
    """An httpGet probe asks the pod's own address."""
    server = """
import os, http.server as h
h.HTTPServer((os.environ['IP'], 8888), h.SimpleHTTPRequestHandler).serve_forever()
"""
    container = {
        "command": [sys.executable, "-c", server],
        "env": [{"name": "IP", "value": "0.0.0.0"}],
        "ports": [{"name": "web", "containerPort": 8888}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
    }
    create(cluster, make_pod(container=container))
    await wait_for(cluster.storage, PODS, "pod", is_ready)


async def test_sidecar(cluster: LocalCluster, tmp_path: Path) -> None:
    """A side-car starts before the containers, and ends after them."""
    out = tmp_path / "out"
    sidecar = {
        "name": "sidecar",
        "image": "busybox",
        "restartPolicy": "Always",
        "command": ["sh", "-c", f"echo sidecar >> {out}; trap 'exit 0' TERM; while :; do sleep 0.01; done"],
    }
    # A started process has not said anything yet; the pod ends with its container, so that waits for the side-car.
    script = f"until grep -q sidecar {out} 2>/dev/null; do sleep 0.01; done; echo main >> {out}"
    create(cluster, make_pod(script=script, initContainers=[sidecar], restartPolicy="Never"))
    await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == "Succeeded")
    assert out.read_text().split() == ["sidecar", "main"]


async def test_deadline(cluster: LocalCluster) -> None:
    """A pod past its activeDeadlineSeconds fails, and stays to be read."""
    create(cluster, make_pod(activeDeadlineSeconds=1))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: p["status"].get("phase") == "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")


async def test_deleted_node_takes_its_pods(cluster: LocalCluster) -> None:
    """Deleting a node ends its pods."""
    create(cluster, make_pod())
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    cluster.storage.delete(NODES, "", "n-1")
    await wait_gone(cluster.storage, "pod")


async def test_log(cluster: LocalCluster, tmp_path: Path) -> None:
    """The log has both streams, and its place is told by uid, container and run."""
    create(cluster, make_pod(script=f"for i in 1 2 3; do echo $i >&2; done; echo ok > {tmp_path / 'o'}; sleep 1000"))
    await wait_file(tmp_path / "o")
    uid = cluster.storage.get(PODS, "default", "pod")["metadata"]["uid"]
    finder = cluster._api.log_finder
    assert finder is not None
    assert finder(uid, "main", False).read_bytes() == b"1\n2\n3\n"
    assert not finder(uid, "main", True).exists()


async def test_many_pods_at_once(tmp_path: Path) -> None:
    """Fifty pods started and deleted at once all come and go, with an address each."""
    group = LocalNodegroup("n", cpu_cores=64, memory_gib=64)
    async with LocalCluster(make_settings(tmp_path, group)) as cluster:
        names = [f"pod-{n}" for n in range(50)]
        for name in names:
            create(cluster, make_pod(name))
        pods = await asyncio.gather(*(wait_for(cluster.storage, PODS, name, is_running) for name in names))
        assert len({pod["status"]["podIP"] for pod in pods}) == 50
        for name in names:
            cluster.storage.delete(PODS, "default", name)
        await asyncio.gather(*(wait_gone(cluster.storage, name) for name in names))
        assert list((tmp_path / "pods").glob("*")) == []


def test_addresses_are_unique() -> None:
    """An address belongs to one live pod at a time, and is never one of 127.0.0.0/16."""
    addresses = Addresses()
    taken = [addresses.take() for _ in range(1000)]
    assert len(set(taken)) == 1000
    assert not [a for a in taken if a.startswith("127.0.") or a.endswith((".0", ".255"))]
    addresses._next -= 1
    assert addresses.take() not in taken


async def test_working_dir(cluster: LocalCluster, tmp_path: Path) -> None:
    """A working directory in a mount is the mount's folder, another one a folder of the container."""
    mounted = {
        "workingDir": "/vol/deep",
        "command": ["sh", "-c", f"pwd > {tmp_path}/a; sleep 1000"],
        "volumeMounts": [{"name": "v", "mountPath": "/vol"}],
    }
    create(cluster, make_pod("a", container=mounted, volumes=[{"name": "v", "emptyDir": {}}]))
    assert (await wait_file(tmp_path / "a")).endswith("/volumes/v/deep\n")
    create(cluster, make_pod("b", f"pwd > {tmp_path}/b; sleep 1000", container={"workingDir": "/srv/app"}))
    assert (await wait_file(tmp_path / "b")).endswith("/rootfs/main/srv/app\n")


async def test_link_to_a_pods_folder_goes_with_it(cluster: LocalCluster, tmp_path: Path) -> None:
    """An emptyDir in the home leaves no dead link in the home."""
    mounts = [
        {"name": "h", "mountPath": "/home/jovyan", "subPath": "home/a"},
        {"name": "v", "mountPath": "/home/jovyan/.cache"},
    ]
    volumes = [{"name": "h", "nfs": {"server": "drive", "path": "/"}}, {"name": "v", "emptyDir": {}}]
    create(cluster, make_pod(container={"volumeMounts": mounts}, volumes=volumes))
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    home = tmp_path / "state/nfs/drive/home/a"
    assert (home / ".cache").is_symlink()
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    assert list(home.iterdir()) == []


async def test_projected_volume_and_resource_field(cluster: LocalCluster, tmp_path: Path) -> None:
    """A projected volume joins its sources; a variable may hold the container's own limit."""
    cluster.storage.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"k": "v"}}, namespace="default")
    field = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    sources = [
        {"configMap": {"name": "c"}},
        {"downwardAPI": {"items": [field]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    container = {
        "resources": {"limits": {"memory": "2Gi", "cpu": "1"}},
        "env": [{"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}],
        "volumeMounts": [{"name": "p", "mountPath": "/p"}],
        "command": ["sh", "-c", f"cd /p; echo $MIB $(cat k) $(cat labels) $(cat token) > {tmp_path}/o; sleep 1000"],
    }
    volumes = [{"name": "p", "projected": {"sources": sources}}]
    create(cluster, make_pod(container=container, volumes=volumes, metadata={"labels": {"a": "b"}}))
    assert await wait_file(tmp_path / "o") == '2048 v a="b" local\n'


async def test_failing_pre_stop_hook(cluster: LocalCluster) -> None:
    """A failing preStop hook is an event and holds nothing up."""
    hook = {"preStop": {"exec": {"command": ["no-such-program"]}}}
    create(cluster, make_pod(container={"lifecycle": hook}))
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    assert "FailedPreStopHook" in reasons(cluster.storage, "pod")


@pytest.mark.parametrize("hook", [{"sleep": {"seconds": 0}}, {"tcpSocket": {"port": 1}}, {"httpGet": {"port": 1}}])
async def test_other_hooks(cluster: LocalCluster, hook: dict) -> None:
    """A hook can sleep; one that reaches nobody fails like any other."""
    create(cluster, make_pod(container={"lifecycle": {"postStart": hook}}, restartPolicy="Never"))
    if "sleep" in hook:
        await wait_for(cluster.storage, PODS, "pod", is_ready)
    else:
        await wait_event(cluster.storage, "pod", "FailedPostStartHook")


async def test_stray_without_marker_goes_with_its_pod(cluster: LocalCluster, tmp_path: Path) -> None:
    """A process that cleared its environment and left its session ends with its pod all the same."""
    script = f"env -i setsid sleep 1000 & echo $! > {tmp_path}/pid; sleep 1000"
    create(cluster, make_pod(script=script))
    pid = int(await wait_file(tmp_path / "pid"))
    await wait_for(cluster.storage, PODS, "pod", is_ready)
    cluster.storage.delete(PODS, "default", "pod")
    await wait_gone(cluster.storage, "pod")
    await until(lambda: not Path(f"/proc/{pid}/environ").exists() or "sleep" not in _name(pid))


def _name(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return "" if text.rpartition(")")[2].split()[0] == "Z" else text


async def test_follow_lists_again_after_a_gap() -> None:
    """Who falls out of the history gets what is there again, and what went meanwhile as deleted."""
    storage = Storage(history=2)
    for name in ("stays", "goes"):
        storage.create(CONFIGMAPS, {"metadata": {"name": name}}, namespace="default")
    seen: list[tuple[str, str]] = []
    done = asyncio.Event()

    def on_change(kind: str, obj: dict) -> None:
        seen.append((kind, obj["metadata"]["name"]))
        if obj["metadata"]["name"] == "last":
            done.set()
        if kind == "DELETED":
            raise ValueError("one bad object")

    task = asyncio.create_task(follow(storage, CONFIGMAPS, on_change))
    await asyncio.sleep(0)
    storage.delete(CONFIGMAPS, "default", "goes")
    for number in range(9):
        storage.create(CONFIGMAPS, {"metadata": {"name": f"c{number}"}}, namespace="default")
    storage.create(CONFIGMAPS, {"metadata": {"name": "last"}}, namespace="default")
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    names = [name for _, name in seen]
    assert ("DELETED", "goes") in seen
    assert names.count("stays") == 2
    assert {f"c{n}" for n in range(9)} <= set(names)
