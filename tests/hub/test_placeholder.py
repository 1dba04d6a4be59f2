"""The placeholder service, as the hub starts it, against a Kubernetes API.

Without KUBECONFIG that is the embedded one; with it any other that allows namespaces, pods and PriorityClasses.
Nothing here runs a pod; the test that needs a node makes one, which needs a scheduler and no kubelet.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client, config

from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.storage import Storage
from jhaws.local.scheduling.scheduler import Scheduler
from tests.hubclient import eventually

NODEGROUPS = {
    "jhusers": {
        "node_labels": {"purpose": "user"},
        "taints": [{"key": "dedicated", "value": "user", "effect": "NoSchedule"}],
    },
    "jhgpu": {"node_labels": {"purpose": "gpu"}, "taints": []},
}


@dataclass
class Cluster:
    """A Kubernetes API, and a namespace and PriorityClass of this test's own."""

    api: client.ApiClient
    kubeconfig: Path
    namespace: str
    priority_class: str

    @property
    def core(self) -> Any:
        """The client of the core API."""
        return client.CoreV1Api(self.api)

    async def pods(self, hub: str = "hub1") -> list[Any]:
        """Return the placeholder pods of a hub, the oldest first, without those that are leaving."""
        selector = f"component=jhaws-placeholder,jhaws.io/hub={hub}"
        found = (await self.core.list_namespaced_pod(self.namespace, label_selector=selector)).items
        return sorted(
            (pod for pod in found if not pod.metadata.deletion_timestamp),
            key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name),
        )

    async def wait_for_pods(self, count: int, *, hub: str = "hub1", without: str = "") -> list[Any]:
        """Wait until a hub has exactly that many placeholder pods, none of them called `without`."""

        async def are_there() -> Any:
            pods = await self.pods(hub)
            right = len(pods) == count and without not in [pod.metadata.name for pod in pods]
            return [pods] if right else None

        (pods,) = await eventually(are_there, what=f"{count} placeholders of {hub}")
        return list(pods)


@dataclass
class Service:
    """A running placeholder service and where it writes its log."""

    process: asyncio.subprocess.Process
    log_file: Path

    def log(self) -> str:
        """Return what it has logged so far."""
        return self.log_file.read_text()

    async def wait_for(self, text: str) -> None:
        """Wait until the log holds a text."""
        await eventually(lambda: text in self.log(), what=f"{text!r} in the log")


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """The API server to test against."""
    if given := os.environ.get("KUBECONFIG"):
        yield Path(given)
        return
    storage = Storage()
    server = ApiServer(storage)
    await server.start()
    scheduling = asyncio.create_task(Scheduler(storage).run(), name="scheduler")
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, server.make_kubeconfig())
    yield path
    scheduling.cancel()
    await asyncio.gather(scheduling, return_exceptions=True)
    await server.stop()


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    """A namespace and a PriorityClass below all others, deleted after the test."""
    name = f"placeholder-{secrets.token_hex(4)}"
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        cluster = Cluster(api, kubeconfig, name, name)
        scheduling: Any = client.SchedulingV1Api(api)
        await cluster.core.create_namespace({"metadata": {"name": name}})
        await scheduling.create_priority_class({"metadata": {"name": name}, "value": -10})
        # Where no controller makes it, as in an API server that runs alone.
        with suppress(client.ApiException):
            await cluster.core.create_namespaced_service_account(name, {"metadata": {"name": "default"}})
        yield cluster
        await cluster.core.delete_collection_namespaced_pod(name, grace_period_seconds=0)
        await scheduling.delete_priority_class(name)
        await cluster.core.delete_namespace(name)


@asynccontextmanager
async def running_service(
    cluster: Cluster, tmp_path: Path, *, hub: str = "hub1", hub_pod: str = "", **options: Any
) -> AsyncIterator[Service]:
    """Run the service with these options until the block ends; it must end cleanly."""
    options = {"priority_class": cluster.priority_class, "cpu_cores": 0.1, "every": 5} | options
    log_file = tmp_path / f"{hub}-{secrets.token_hex(4)}.log"
    environ = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(cluster.kubeconfig),
        "JHAWS_NAMESPACE": cluster.namespace,
        "JHAWS_HUB_ID": hub,
        "JHAWS_HUB_POD": hub_pod,
        "JHAWS_NODEGROUPS": json.dumps(NODEGROUPS),
        "JHAWS_SERVICE_CONFIG": json.dumps(options),
    }
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "jhaws.services.placeholder", env=environ, stderr=log
        )
    service = Service(process, log_file)
    try:
        yield service
        await eventually(service.log, what="the service's first line")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert "Traceback" not in service.log()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_each_nodegroup_has_its_seats(cluster: Cluster, tmp_path: Path) -> None:
    """The pods that were asked for are there, on their nodegroups, of low priority, and stay when the service ends."""
    async with running_service(cluster, tmp_path, seats={"jhusers": 2, "jhgpu": 1}):
        pods = await cluster.wait_for_pods(3)
    after = await cluster.pods()

    assert sorted(pod.metadata.labels["jhaws.io/nodegroup"] for pod in pods) == ["jhgpu", "jhusers", "jhusers"]
    assert {pod.spec.priority for pod in pods} == {-10}
    assert {pod.spec.containers[0].resources.requests["cpu"] for pod in pods} == {"100m"}
    assert [pod.metadata.uid for pod in after] == [pod.metadata.uid for pod in pods]


async def test_a_placeholder_that_gave_way_is_replaced_at_once(cluster: Cluster, tmp_path: Path) -> None:
    """When a pod is gone the watch tells, and the next one is made long before the next look is due."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 2}, every=3600):
        first, second = await cluster.wait_for_pods(2)
        await cluster.core.delete_namespaced_pod(first.metadata.name, cluster.namespace, grace_period_seconds=0)

        pods = await cluster.wait_for_pods(2, without=first.metadata.name)
        assert second.metadata.name in [pod.metadata.name for pod in pods]


def make_small_node(name: str) -> dict[str, Any]:
    """Build a ready node of the nodegroup jhgpu with one core."""
    size = {"cpu": "1", "memory": "4Gi", "pods": "10"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    return {
        "metadata": {"name": name, "labels": {"purpose": "gpu"}},
        "status": {"capacity": size, "allocatable": size, "conditions": [ready]},
    }


def make_user_pod() -> dict[str, Any]:
    """Build a pod of the usual priority that needs most of the small node."""
    container = {"name": "notebook", "image": "none", "resources": {"requests": {"cpu": "0.8"}}}
    # With the default grace of 30 s and no kubelet the pod would never leave.
    spec = {"nodeSelector": {"purpose": "gpu"}, "containers": [container], "terminationGracePeriodSeconds": 0}
    return {"metadata": {"name": "jupyter-bob"}, "spec": spec}


async def test_a_user_takes_the_place_of_a_placeholder(cluster: Cluster, tmp_path: Path) -> None:
    """A user's pod preempts the placeholder at once, and the next placeholder waits for room, which starts a node."""
    node = f"node-{cluster.namespace}"
    await cluster.core.create_node(make_small_node(node))
    try:
        # A real API server makes nodes with the taint "not ready", which a controller takes away.
        await cluster.core.patch_node(node, {"spec": {"taints": None}})
        async with running_service(cluster, tmp_path, seats={"jhgpu": 1}, cpu_cores=0.9, every=3600):

            async def placeholder_has_a_node() -> bool:
                return [pod.spec.node_name for pod in await cluster.pods()] == [node]

            await eventually(placeholder_has_a_node, what="a placeholder on the node")
            (before,) = await cluster.pods()
            await cluster.core.create_namespaced_pod(cluster.namespace, make_user_pod())

            async def user_has_the_node() -> bool:
                pod = await cluster.core.read_namespaced_pod("jupyter-bob", cluster.namespace)
                return bool(pod.spec.node_name == node)

            await eventually(user_has_the_node, what="the user's pod on the node")
            (after,) = await cluster.wait_for_pods(1, without=before.metadata.name)
            assert after.spec.node_name is None
    finally:
        await cluster.core.delete_node(node)


async def test_an_evicted_placeholder_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    """A pod that failed holds no place any more, so it is deleted and another one made."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 1}, every=3600):
        (pod,) = await cluster.wait_for_pods(1)
        failed = {"status": {"phase": "Failed", "reason": "Evicted"}}
        await cluster.core.patch_namespaced_pod_status(pod.metadata.name, cluster.namespace, failed)

        await cluster.wait_for_pods(1, without=pod.metadata.name)


async def test_changed_options_replace_the_pods(cluster: Cluster, tmp_path: Path) -> None:
    """After a restart with another size all pods have it; with the same options only what left is replaced."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 2}):
        first, second = await cluster.wait_for_pods(2)
    await cluster.core.delete_namespaced_pod(first.metadata.name, cluster.namespace, grace_period_seconds=0)
    async with running_service(cluster, tmp_path, seats={"jhgpu": 2}):
        pods = await cluster.wait_for_pods(2, without=first.metadata.name)
        assert second.metadata.uid in [pod.metadata.uid for pod in pods]
    async with running_service(cluster, tmp_path, seats={"jhgpu": 2}, cpu_cores=0.2):

        async def have_the_new_size() -> bool:
            pods = await cluster.pods()
            return [pod.spec.containers[0].resources.requests["cpu"] for pod in pods] == ["200m", "200m"]

        await eventually(have_the_new_size, what="two pods of the new size")


async def test_no_seats_leave_no_pods(cluster: Cluster, tmp_path: Path) -> None:
    """With `seats` back at 0 the leftovers go; fewer seats take the surplus only."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 3}):
        await cluster.wait_for_pods(3)
    async with running_service(cluster, tmp_path, seats={"jhgpu": 1}):
        await cluster.wait_for_pods(1)
    async with running_service(cluster, tmp_path, seats=0) as service:
        await cluster.wait_for_pods(0)
        await service.wait_for("wants none")


async def test_hubs_keep_off_each_others_pods(cluster: Cluster, tmp_path: Path) -> None:
    """Two hubs in one namespace have their own placeholders, and other pods are nobody's."""
    other = {
        "metadata": {"name": "jupyter-bob", "labels": {"component": "singleuser-server", "jhaws.io/hub": "hub1"}},
        "spec": {"containers": [{"name": "notebook", "image": "none"}]},
    }
    await cluster.core.create_namespaced_pod(cluster.namespace, other)
    async with running_service(cluster, tmp_path, hub="hub2", seats={"jhgpu": 2}):
        theirs = await cluster.wait_for_pods(2, hub="hub2")
        async with running_service(cluster, tmp_path, hub="hub1", seats={"jhgpu": 1}):
            await cluster.wait_for_pods(1, hub="hub1")
        async with running_service(cluster, tmp_path, hub="hub1", seats=0):
            await cluster.wait_for_pods(0, hub="hub1")

        assert {pod.metadata.uid for pod in await cluster.pods("hub2")} == {pod.metadata.uid for pod in theirs}
        await cluster.core.read_namespaced_pod("jupyter-bob", cluster.namespace)


async def test_two_services_of_one_hub_do_not_fight(cluster: Cluster, tmp_path: Path) -> None:
    """A service that outlived its hub and the new hub's one settle on the seats that both want."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 2}, every=1):
        async with running_service(cluster, tmp_path, seats={"jhgpu": 2}, every=1):
            await cluster.wait_for_pods(2)
        await cluster.wait_for_pods(2)


async def test_a_missing_priority_class_is_said_once(cluster: Cluster, tmp_path: Path) -> None:
    """Without its PriorityClass the service makes no pod, says so in one sentence and stays."""
    async with running_service(cluster, tmp_path, seats=1, priority_class="there-is-none") as service:
        await service.wait_for("there is no PriorityClass 'there-is-none'")

        assert service.process.returncode is None
        assert service.log().count("PriorityClass") == 1
        assert await cluster.pods() == []


async def test_a_missing_namespace_is_said(cluster: Cluster, tmp_path: Path) -> None:
    """A namespace that is not there is named in the one sentence."""
    nowhere = Cluster(cluster.api, cluster.kubeconfig, "there-is-none", cluster.priority_class)
    async with running_service(nowhere, tmp_path, seats=1) as service:
        await service.wait_for("refused to create pods in namespace 'there-is-none' (404)")


async def test_an_unknown_nodegroup_is_said_and_the_others_are_kept(cluster: Cluster, tmp_path: Path) -> None:
    """A name that no nodegroup has costs one sentence, not the seats of the others."""
    async with running_service(cluster, tmp_path, seats={"jhgpu": 1, "jhgup": 1}) as service:
        await cluster.wait_for_pods(1)

        assert service.log().count("names the nodegroup 'jhgup'") == 1


async def test_placeholders_go_with_the_hubs_own_pod(cluster: Cluster, tmp_path: Path) -> None:
    """The hub's pod owns them, so a hub that is uninstalled leaves no pod behind that costs money."""
    spec = {"containers": [{"name": "hub", "image": "hub"}], "nodeSelector": {"nowhere": "x"}}
    hub_pod = await cluster.core.create_namespaced_pod(cluster.namespace, {"metadata": {"name": "hub-1"}, "spec": spec})
    async with running_service(cluster, tmp_path, seats=1, hub_pod="hub-1"):
        pods = await cluster.wait_for_pods(2)
    owners = [(each.kind, each.name, each.uid) for pod in pods for each in pod.metadata.owner_references]

    assert owners == [("Pod", "hub-1", hub_pod.metadata.uid)] * 2


async def test_a_hub_that_is_no_pod_keeps_placeholders_all_the_same(cluster: Cluster, tmp_path: Path) -> None:
    """Where the hub's host name is no pod of the namespace, the pods have no owner."""
    async with running_service(cluster, tmp_path, seats=1, hub_pod="not-there"):
        pods = await cluster.wait_for_pods(2)

    assert [pod.metadata.owner_references for pod in pods] == [None, None]
