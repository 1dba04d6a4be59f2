"""The hubs of this ring: in a real cluster, from the product's own image, installed in each way that we describe.

Without KUBECONFIG a Kubernetes of one node is started for the run, with images that are built here, and ends with it.
With KUBECONFIG it is that cluster, which needs a default StorageClass and the images that JHAWS_IMAGES names. With
Z2JH_CHART, the folder or archive of z2jh's chart, every test runs a second time on a hub that helm has installed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kube import images, node

from . import chart, demo
from .installation import Installation
from .place import Place, find_chart, open_place

# The first test waits for the images and the node too.
TEST_SECONDS = 900

OBSTACLE = "" if os.environ.get("KUBECONFIG") else node.find_obstacle() or images.find_obstacle()
DEMO, CHART = "demo", "chart"
WAYS = [DEMO, CHART] if find_chart() else [DEMO]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the ring's tests their time, or skip them where they cannot run, with the reason."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=OBSTACLE) if OBSTACLE else pytest.mark.timeout(TEST_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the hub's log beside a test that failed."""
    report = yield
    hub = getattr(item, "funcargs", {}).get("hub")
    if report.failed and report.when == "call" and isinstance(hub, Installation):
        report.sections.append(("The hub's log", hub.read_log()))
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The cluster."""
    async with open_place(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=WAYS)
async def hub(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A hub in the cluster; its namespace goes when its tests are over."""
    module = chart if request.param == CHART else demo
    kubectl = place.kubectl(module.NAMESPACE)
    await module.remove(kubectl)
    try:
        installed = await module.install(place, tmp_path_factory.mktemp(request.param))
        yield installed
        await installed.close()
    finally:
        await module.remove(kubectl)
