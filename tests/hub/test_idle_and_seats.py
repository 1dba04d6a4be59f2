"""The two services in a running hub: an idle server goes away, and a placeholder gives way to a user."""

import pytest

from jhaws.local.api.resources import PODS
from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.hubclient import eventually

from .clusters import Place, hub_on_cluster

CULL = """
c.JhawsCuller.timeout = 4
c.JhawsCuller.every = 1
c.JupyterHub.last_activity_interval = 1
c.JhawsSpawner.nfs_server = "drive"
"""

SEATS = """
c.JhawsSpawner.nodegroups = {"jhusers": {"node_labels": {"pool": "users"}}}
c.JhawsSpawner.nfs_server = "drive"
c.KubeSpawner.cpu_guarantee = 1
c.JhawsPlaceholder.seats = 1
c.JhawsPlaceholder.priority_class = "placeholder"
c.JhawsPlaceholder.every = 1
"""

ONE_SEAT = LocalNodegroup(name="jhusers", nodes=1, max_nodes=2, cpu_cores=1.0, memory_gib=4.0, labels={"pool": "users"})


async def test_an_idle_server_goes_away_by_itself(tmp_path) -> None:
    """A server that nobody uses for `timeout` seconds is stopped, with its reason in the log."""
    async with hub_on_cluster(tmp_path, CULL) as place:
        await place.add_user("ada")
        await place.start_server("ada")
        await eventually(lambda: place.is_gone("ada"), within=60, what="the cull")

        assert "Stopping server '' of user 'ada': idle since " in place.hub.log()


def placeholders(place: Place, phase: str) -> list[dict]:
    pods = place.cluster.storage.list(PODS, "default")
    return [
        pod
        for pod in pods
        if pod["metadata"]["labels"].get("component") == "jhaws-placeholder" and pod["status"].get("phase") == phase
    ]


@pytest.mark.timeout(180)
async def test_a_user_takes_the_seat_of_a_placeholder_and_the_placeholder_gets_a_new_node(tmp_path) -> None:
    """On a full node the user starts at once, the placeholder is preempted, and its successor brings a node."""
    async with hub_on_cluster(tmp_path, SEATS, nodegroups=(ONE_SEAT,), node_start_seconds=2.0) as place:
        await eventually(lambda: placeholders(place, "Running"), what="the placeholder")
        first = placeholders(place, "Running")[0]["metadata"]["uid"]
        node = placeholders(place, "Running")[0]["spec"]["nodeName"]
        await place.add_user("ada")
        await place.start_server("ada")

        assert place.pod("ada")["spec"]["nodeName"] == node
        await eventually(lambda: placeholders(place, "Running"), what="the next placeholder")
        second = placeholders(place, "Running")[0]
        assert second["metadata"]["uid"] != first
        assert second["spec"]["nodeName"] != node
