"""How JhawsSpawner starts, polls and stops servers on an API server; the tests are the kubelet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubespawner import KubeSpawner
from tornado import web

from jhaws.spawner import JhawsSpawner
from jhaws.starts import requests
from tests.api.cluster import Cluster, eventually
from tests.api.starting import TOKEN, Kubelet, http_server, spawners


@pytest.fixture
async def make(cluster: Cluster) -> AsyncIterator[Any]:
    """Make spawners in the test's namespace."""
    async with spawners(cluster) as function:
        yield function


async def running(make: Any, jupyter: Any, **options: Any) -> tuple[Any, Kubelet]:
    """Start a server and return when it runs."""
    spawner, kubelet = make(port=jupyter.port, **options)
    start = spawner.start()
    await kubelet.created()
    await kubelet.run()
    await start
    return spawner, kubelet


async def failed(start: Any) -> web.HTTPError:
    """Wait until a start has failed and return what the hub gets."""
    with pytest.raises(web.HTTPError) as caught:
        async with asyncio.timeout(40):
            await start
    return caught.value


async def test_a_start_goes_on_when_its_pod_is_ready_and_its_server_answers(make: Any) -> None:
    """`start` returns the pod's URL, after the server has answered with anything but an error of its own."""
    async with http_server(status=503) as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        start = spawner.start()
        await kubelet.created()
        await kubelet.run()

        async def was_asked() -> bool:
            return bool(jupyter.asked > 1)

        await eventually(was_asked)
        assert not start.done()
        jupyter.status = 403

        assert await start == f"http://127.0.0.1:{jupyter.port}"
        assert await spawner.poll() is None


async def test_each_stage_of_a_start_is_written_down(make: Any) -> None:
    """A start knows when it was queued, scheduled, pulling and ready, in this order."""
    async with http_server() as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        start = spawner.start()
        await kubelet.created()
        await kubelet.event("Scheduled", "Successfully assigned", kind="Normal", source="default-scheduler")
        await kubelet.event("Pulling", "Pulling image", kind="Normal")
        await kubelet.container(waiting={"reason": "ContainerCreating"})

        async def is_pulling() -> bool:
            return str(spawner.attempt.stage) == "pull"

        await eventually(is_pulling)
        await kubelet.run()
        await start
        stages = [str(stage) for stage in spawner.attempt.seconds_by_stage()]

        assert stages[0] == "queue"
        assert stages[-2:] == ["pull", "ready"]


async def test_stop_returns_when_the_pod_is_gone(make: Any) -> None:
    """After `stop` there is no pod, in the cluster and in the cache."""
    async with http_server() as jupyter:
        spawner, kubelet = await running(make, jupyter)
        await spawner.stop(now=True)

        assert await kubelet.is_gone()
        assert await spawner.poll() == 1


async def test_the_pod_of_an_earlier_server_gives_way(cluster: Cluster, make: Any) -> None:
    """A pod that is left under our name is deleted first, and the new start has a pod of its own."""
    async with http_server() as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        old = await cluster.create_pod(spawner.pod_name, labels={"component": "singleuser-server"})
        start = spawner.start()

        async def is_new() -> bool:
            pod = await kubelet.pod()
            return pod is not None and pod["metadata"]["uid"] != old["metadata"]["uid"]

        await eventually(is_new)
        await kubelet.run()
        await start

        assert spawner.attempt.uid != old["metadata"]["uid"]


async def test_two_hubs_in_a_namespace_leave_each_others_pods_alone(
    cluster: Cluster, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod of another hub under our name is not ours, is not deleted, and the start says so."""
    monkeypatch.setattr(JhawsSpawner, "hub_id", "hub-one")
    spawner, kubelet = make()
    labels = {"component": "singleuser-server", "jhaws.io/hub": "hub-two"}
    await cluster.create_pod(spawner.pod_name, labels=labels)

    error = await failed(spawner.start())
    await spawner.stop(now=True)

    assert error.jupyterhub_message.startswith("Your server could not be created: another hub uses its name.")
    assert await spawner.poll() == 1
    assert await kubelet.pod() is not None


async def test_a_pod_that_the_watch_does_not_show_is_read(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the watch is silent about a new pod, the pod is read and the watch begins anew."""
    monkeypatch.setattr(requests, "SEEN_SECONDS", 0.5)
    async with http_server() as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        watch = await spawner._start_watching_pods()
        await watch.stop()  # as blind as a watch can be
        start = spawner.start()
        await kubelet.created()
        await kubelet.run()

        assert await start == f"http://127.0.0.1:{jupyter.port}"


async def test_a_deleted_pod_that_the_watch_still_shows_is_read(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the watch is silent about a deletion, `stop` asks the API server and ends."""
    monkeypatch.setattr(requests, "SEEN_SECONDS", 0.5)
    async with http_server() as jupyter:
        spawner, kubelet = await running(make, jupyter)
        await spawner.pod_reflector.stop()
        async with asyncio.timeout(20):
            await spawner.stop(now=True)

        assert await kubelet.is_gone()


async def test_a_pod_that_somebody_deletes_fails_its_start(make: Any, cluster: Cluster) -> None:
    """A start whose pod is deleted by another hand does not wait for it."""
    spawner, kubelet = make()
    start = spawner.start()
    await kubelet.created()
    await cluster.call("DELETE", f"{cluster.pods}/{spawner.pod_name}?gracePeriodSeconds=0")

    error: Any = await failed(start)
    assert error.jupyterhub_message.startswith("Your server was stopped from outside.")


WAITING = {"reason": "ContainerCreating"}


async def crashes(kubelet: Kubelet) -> None:
    """End the container with an error, its last words being the token."""
    words = f"ImportError: no module named lab\nmy token is {TOKEN}"
    ended = {"exitCode": 1, "reason": "Error", "message": words, "startedAt": None, "finishedAt": None}
    await kubelet.container("Running", terminated=ended)


async def runs_out_of_memory(kubelet: Kubelet) -> None:
    """End the container as the kernel does."""
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": None, "finishedAt": None}
    await kubelet.container("Running", terminated=ended)


async def has_no_image(kubelet: Kubelet) -> None:
    """Try to pull twice."""
    message = 'Failed to pull image "i:1": rpc error: code = NotFound desc = failed to pull and unpack: i:1: not found'
    await kubelet.event("Failed", message)
    await kubelet.container(waiting={"reason": "ErrImagePull", "message": message})
    await asyncio.sleep(0.2)
    await kubelet.container(waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling image"})
    await kubelet.event("Failed", message, count=2)
    await kubelet.container(waiting={"reason": "ErrImagePull", "message": message})


async def has_a_wrong_image_name(kubelet: Kubelet) -> None:
    """Refuse the image's name."""
    message = 'Failed to apply default image tag "I:1": couldn\'t parse image name "I:1": invalid reference format'
    await kubelet.container(waiting={"reason": "InvalidImageName", "message": message})


async def lacks_a_secret(kubelet: Kubelet) -> None:
    """Miss a Secret that the container's environment wants."""
    message = 'secret "course" not found'
    await kubelet.container(waiting={"reason": "CreateContainerConfigError", "message": message})


async def is_evicted(kubelet: Kubelet) -> None:
    """Evict the pod."""
    message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi."
    await kubelet.status(phase="Failed", reason="Evicted", message=message)


async def finds_no_nodegroup(kubelet: Kubelet) -> None:
    """Say what the scheduler and the autoscaler say when no node can ever fit."""
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    await kubelet.status(phase="Pending", conditions=[condition])
    await kubelet.event("FailedScheduling", message, source="default-scheduler")
    message = "pod didn't trigger scale-up: 2 Insufficient nvidia.com/gpu"
    await kubelet.event("NotTriggerScaleUp", message, kind="Normal", source="cluster-autoscaler")


ENDS: dict[str, tuple[Any, str]] = {
    "crash": (crashes, "ended with an error"),
    "out of memory": (runs_out_of_memory, "memory"),
    "image": (has_no_image, "image"),
    "image name": (has_a_wrong_image_name, "image"),
    "secret": (lacks_a_secret, ""),
    "evicted": (is_evicted, ""),
    "unschedulable": (finds_no_nodegroup, ""),
}


@pytest.mark.parametrize(("happens", "word"), ENDS.values(), ids=ENDS.keys())
async def test_a_start_that_cannot_work_fails_at_once(
    make: Any, caplog: pytest.LogCaptureFixture, happens: Any, word: str
) -> None:
    """Long before `start_timeout` there are a sentence for the user and one for the admin, and no pod and no token."""
    caplog.set_level(logging.DEBUG)
    spawner, kubelet = make(start_timeout=300)
    start = spawner.start()
    await kubelet.created()
    await happens(kubelet)
    error: Any = await failed(start)
    refusals = [record.getMessage() for record in caplog.records if "cannot start" in record.getMessage()]

    assert word in error.jupyterhub_message
    assert error.status_code == 400
    assert len(refusals) == 1
    assert await kubelet.is_gone()
    assert TOKEN not in caplog.text
    assert TOKEN not in error.jupyterhub_message


async def test_what_may_pass_is_waited_for(make: Any) -> None:
    """A node that is being started, an image being pulled and a volume being attached fail nothing."""
    async with http_server() as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        start = spawner.start()
        await kubelet.created()
        message = "0/1 nodes are available: 1 Insufficient cpu."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        await kubelet.status(phase="Pending", conditions=[condition])
        await kubelet.event("FailedScheduling", message, source="default-scheduler")
        await kubelet.event(
            "TriggeredScaleUp", "pod triggered scale-up: [{users 1->2}]", kind="Normal", source="cluster-autoscaler"
        )

        async def is_told() -> bool:
            return str(spawner.attempt.stage) == "node"

        await eventually(is_told)
        await kubelet.container(waiting=WAITING)
        await kubelet.event("FailedAttachVolume", "Multi-Attach error for volume pvc-1")
        await asyncio.sleep(0.5)
        assert not start.done()
        await kubelet.run()

        await start


async def test_a_start_gives_up_before_the_hub_does(make: Any) -> None:
    """A pod that nobody ever looks at ends the start a little before `start_timeout`, as an error that counts."""
    spawner, kubelet = make(start_timeout=4)
    start = spawner.start()
    await kubelet.created()
    error: Any = await failed(asyncio.wait_for(start, 4))

    assert error.status_code == 500
    assert await kubelet.is_gone()


async def test_a_server_that_never_answers_is_an_error_that_counts(make: Any) -> None:
    """When the pod runs but HTTP does not, `http_timeout` is kept and the sentence says so."""
    async with http_server(status=500) as jupyter:
        spawner, kubelet = make(port=jupyter.port, http_timeout=1)
        start = spawner.start()
        await kubelet.created()
        await kubelet.run()
        error: Any = await failed(start)

        assert error.status_code == 500
        assert error.jupyterhub_message.startswith("Your server was started but does not answer.")


async def test_a_refused_pod_is_a_sentence_without_its_manifest(
    make: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """What the API server does not accept is told without the manifest, which has the user's token."""
    caplog.set_level(logging.DEBUG)
    spawner, _ = make(extra_pod_config={"priorityClassName": "not-there"}, environment={"MY_PASSWORD": "hush-hush"})
    error: Any = await failed(spawner.start())

    assert error.jupyterhub_message
    assert TOKEN not in caplog.text
    assert "hush-hush" not in caplog.text
    assert "JUPYTERHUB_API_TOKEN" not in caplog.text


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
        {"phase": "Succeeded"},
    ],
    ids=["evicted", "ended by itself"],
)
async def test_a_pod_that_is_over_is_not_running(make: Any, status: dict[str, Any]) -> None:
    """Evicted and ended pods, which KubeSpawner may take for running, count as ended and are deleted."""
    async with http_server() as jupyter:
        spawner, kubelet = await running(make, jupyter)
        await kubelet.status(containerStatuses=None, **status)

        async def is_over() -> bool:
            return await spawner.poll() is not None

        await eventually(is_over)
        await eventually(kubelet.is_gone)


async def test_stopped_pods_stay_where_the_operator_wants_them(make: Any) -> None:
    """With `delete_stopped_pods` off a pod that ended is left for the operator to look at."""
    async with http_server() as jupyter:
        spawner, kubelet = await running(make, jupyter, delete_stopped_pods=False)
        await kubelet.status(phase="Failed", reason="Evicted", containerStatuses=None)

        async def is_over() -> bool:
            return await spawner.poll() is not None

        await eventually(is_over)

        assert not await kubelet.is_gone()


async def test_hooks_read_whole_pods(make: Any) -> None:
    """`after_pod_created_hook` and `get_pod_url` get the pod with every field that the API server has."""
    seen: dict[str, Any] = {}

    def url_of(spawner: Any, pod: Any) -> str:
        seen["url"] = pod
        return f"http://127.0.0.1:{seen['port']}"

    def created(spawner: Any, pod: Any) -> None:
        seen["created"] = pod

    async with http_server() as jupyter:
        seen["port"] = jupyter.port
        spawner, kubelet = make(after_pod_created_hook=created, get_pod_url=url_of)
        start = spawner.start()
        await kubelet.created()
        await kubelet.run()
        await start

        assert seen["created"]["spec"]["containers"][0]["env"]
        assert seen["url"]["spec"]["containers"][0]["env"]


async def test_a_service_is_made_for_each_server_as_kubespawner_does(make: Any, cluster: Cluster) -> None:
    """With `services_enabled` the pod has a Kubernetes Service that goes with it."""
    spawner, kubelet = make(services_enabled=True, start_timeout=6)
    start = spawner.start()
    pod = await kubelet.created()

    async def service() -> Any:
        code, answer = await cluster.call("GET", f"/api/v1/namespaces/{cluster.namespace}/services/{spawner.pod_name}")
        return answer if code == 200 else None

    owner = (await eventually(service))["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("Pod", pod["metadata"]["uid"])
    start.cancel()


async def test_a_pvc_is_made_for_each_user_as_kubespawner_does(make: Any, cluster: Cluster) -> None:
    """With `storage_pvc_ensure` the PVC is there before the pod, and a second start finds it."""
    async with http_server() as jupyter:
        for _ in range(2):
            spawner, _kubelet = await running(make, jupyter, storage_pvc_ensure=True, storage_capacity="1Gi")
            path = f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims/{spawner.pvc_name}"
            code, claim = await cluster.call("GET", path)
            assert code == 200
            await spawner.stop(now=True)

        assert claim["spec"]["resources"]["requests"] == {"storage": "1Gi"}


async def test_starts_whose_pods_the_watch_does_not_show_do_not_harm_each_other(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many starts may find the watch silent at once: it is begun anew for all of them, and each has its pod."""
    monkeypatch.setattr(requests, "SEEN_SECONDS", 0.3)
    async with http_server() as jupyter:
        made = [make(f"user-{number}", port=jupyter.port) for number in range(5)]
        watch = await made[0][0]._start_watching_pods()
        await watch.stop()
        starts = [spawner.start() for spawner, _ in made]
        for _, kubelet in made:
            await kubelet.created()
            await kubelet.run()

        async with asyncio.timeout(40):
            await asyncio.gather(*starts)
        assert watch.watch.lists <= 3


async def test_a_start_that_is_cancelled_leaves_nothing_behind(make: Any) -> None:
    """A start that the hub cancels while the server is asked ends its own tasks and listens no more."""
    async with http_server(status=500) as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        start = spawner.start()
        await kubelet.created()
        await kubelet.run()

        async def was_asked() -> bool:
            return bool(jupyter.asked)

        await eventually(was_asked)
        start.cancel()
        await asyncio.wait([start])
        await asyncio.sleep(0)
        tasks = [str(task.get_coro()) for task in asyncio.all_tasks()]

        assert not [task for task in tasks if "wait_for_answer" in task or "Event.wait" in task]
        assert not spawner.pod_reflector._listeners


async def test_an_api_server_that_answers_late_has_created_the_pod_all_the_same(
    make: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the answer to the creation is lost, the next try finds the pod of this very start and goes on with it."""
    async with http_server() as jupyter:
        spawner, kubelet = make(port=jupyter.port)
        create = spawner.api.create_namespaced_pod

        async def create_and_lose(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(spawner.api, "create_namespaced_pod", create)
            async with await create(*arguments, **options) as answer:
                await answer.read()
            raise TimeoutError

        monkeypatch.setattr(spawner.api, "create_namespaced_pod", create_and_lose)
        start = spawner.start()
        first = await kubelet.created()
        await kubelet.run()
        await start

        assert spawner.attempt.uid == first["metadata"]["uid"]


async def test_an_api_server_that_cannot_create_is_a_sentence_that_does_not_count(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage at the creation of pods is told as one, and restarting the hub would not mend it."""
    spawner, _ = make(k8s_api_request_retry_timeout=1)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(spawner.api, "create_namespaced_pod", refuse)
    error: Any = await failed(spawner.start())

    assert error.status_code == 400
    assert "the cluster does not answer" in error.jupyterhub_message


async def test_last_words_are_one_line_without_secrets(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A crashed server's last lines show no secret of its environment, and look like no other line of the log."""
    caplog.set_level(logging.DEBUG)
    secret = "hush-{}-1234"
    environment = {"DB_PASSWORD": lambda spawner: secret.format("hush"), "MY_SECRET": "{username}-hush-5678"}
    spawner, kubelet = make(environment=environment)
    start = spawner.start()
    await kubelet.created()
    words = "first\n[I 2026-11-21 JupyterHub] User root logged in\x1b[2J hush-hush-1234 ada-hush-5678"
    ended = {"exitCode": 1, "reason": "Error", "message": words, "startedAt": None, "finishedAt": None}
    await kubelet.container("Running", terminated=ended)
    await failed(start)

    assert "first" in caplog.text
    assert "User root logged in" in caplog.text
    assert "\n[I 2026" not in caplog.text
    assert "hush-hush" not in caplog.text
    assert "hush-5678" not in caplog.text


async def test_stop_deletes_a_pod_that_took_the_place_of_the_one_it_knows(make: Any, cluster: Cluster) -> None:
    """A stop with an old cache does not leave the pod that has its name by now."""
    async with http_server() as jupyter:
        spawner, kubelet = await running(make, jupyter)
        await spawner.pod_reflector.stop()
        await cluster.call("DELETE", f"{cluster.pods}/{spawner.pod_name}?gracePeriodSeconds=0")
        await cluster.create_pod(spawner.pod_name, labels={"component": "singleuser-server"})
        async with asyncio.timeout(30):
            await spawner.stop(now=True)

        assert await kubelet.is_gone()


async def test_each_user_may_have_a_namespace_as_kubespawner_makes_it(make: Any, cluster: Cluster) -> None:
    """With `enable_user_namespaces` a start makes the namespace, and one watch sees the pods of all of them."""
    template = f"{cluster.namespace}-{{username}}"
    async with http_server() as jupyter:
        made = [
            make(name, port=jupyter.port, enable_user_namespaces=True, user_namespace_template=template)
            for name in ("ada", "bob")
        ]
        starts = [spawner.start() for spawner, _ in made]
        for _, kubelet in made:
            await kubelet.created()
            await kubelet.run()
        await asyncio.gather(*starts)
        watches = {id(spawner.pod_reflector) for spawner, _ in made}

        assert [spawner.namespace for spawner, _ in made] == [f"{cluster.namespace}-ada", f"{cluster.namespace}-bob"]
        assert len(watches) == 1
        for spawner, kubelet in made:
            await spawner.stop(now=True)
            assert await kubelet.is_gone()
            await cluster.core.delete_namespace(spawner.namespace)


async def test_certificates_come_as_a_secret_as_kubespawner_makes_it(
    make: Any, cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With `internal_ssl` Secret and Kubernetes Service are made after the pod and go with it; no key is logged."""
    caplog.set_level(logging.DEBUG)
    spawner, kubelet = make(start_timeout=10)
    spawner.internal_ssl = True
    for part in ("keyfile", "certfile", "cafile"):
        (tmp_path / part).write_text("a-private-key")
        spawner.cert_paths[part] = str(tmp_path / part)
    spawner.internal_trust_bundles = {"hub-ca": str(tmp_path / "cafile")}
    start = spawner.start()
    pod = await kubelet.created()

    async def secret() -> Any:
        code, answer = await cluster.call(
            "GET", f"/api/v1/namespaces/{cluster.namespace}/secrets/{spawner.secret_name}"
        )
        return answer if code == 200 else None

    found = await eventually(secret)
    assert found["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
    assert "ssl.key" in found["data"]
    assert "a-private-key" not in caplog.text
    start.cancel()


async def test_our_watches_are_not_kubespawners(make: Any) -> None:
    """A hub that uses both spawners has two sets of reflectors."""
    spawner, _ = make()
    await spawner._start_watching_pods()

    assert JhawsSpawner.reflectors
    assert not KubeSpawner.reflectors
