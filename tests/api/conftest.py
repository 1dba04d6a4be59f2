"""The servers under test: an embedded one for each test, and a real Kubernetes that all tests of a run share.

With KUBECONFIG set it is the server that this names, and no other.
"""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from kubernetes_asyncio import client, config

from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.storage import Storage
from tests.api.cluster import Cluster, eventually
from tests.kube.controlplane import PROGRAMS
from tests.kube.programs import find_kubectl, find_missing
from tests.kube.sharing import share_control_plane

EMBEDDED, KUBERNETES, GIVEN = "embedded", "kubernetes", "kubeconfig"

# Where the real one is not built. By a mark, which pytest reports once for many tests.
MISSING = find_missing(PROGRAMS)
REAL = pytest.param(KUBERNETES, marks=[pytest.mark.skip(reason=MISSING)] if MISSING else [])

SERVERS = [GIVEN] if os.environ.get("KUBECONFIG") else [EMBEDDED, REAL]

# Where there is no kubectl there is nothing to say about it: its tests do not exist, rather than be skipped.
collect_ignore = [] if find_kubectl() else ["test_kubectl.py"]


@asynccontextmanager
async def run_embedded(folder: Path) -> AsyncIterator[str]:
    """Run an embedded API server, and give its kubeconfig."""
    server = ApiServer(Storage())
    await server.start()
    path = folder / "kubeconfig"
    write_kubeconfig(path, server.make_kubeconfig())
    try:
        yield str(path)
    finally:
        await server.stop()


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The kubeconfig of a real API server, with etcd and controllers; one for all processes of a run."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # Each worker has a folder in that of the run.
        folder = folder.parent
    return str(share_control_plane(folder / "kubernetes"))


async def make_namespace(core: client.CoreV1Api) -> str:
    """Create a namespace in which pods can be created."""
    name = f"jhaws-test-{secrets.token_hex(4)}"
    await core.create_namespace({"metadata": {"name": name}})

    async def has_account() -> bool:
        accounts = await core.list_namespaced_service_account(name)
        return any(account.metadata.name == "default" for account in accounts.items)

    # A controller makes it, a moment after the namespace.
    await eventually(has_account)
    return name


@pytest.fixture(params=SERVERS)
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A server and a fresh namespace on it, deleted afterwards."""
    async with AsyncExitStack() as stack:
        if request.param == EMBEDDED:
            path = await stack.enter_async_context(run_embedded(tmp_path))
        elif request.param == KUBERNETES:
            path = request.getfixturevalue("kubernetes")
        else:
            path = os.environ["KUBECONFIG"]
        settings = client.Configuration()
        await config.load_kube_config(config_file=path, client_configuration=settings)
        context: ssl.SSLContext | bool = True
        if settings.host.startswith("https"):
            context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
            if settings.cert_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
        token = settings.api_key.get("BearerToken")
        headers = {"Authorization": token} if token else {}
        api = await stack.enter_async_context(client.ApiClient(settings))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        core = client.CoreV1Api(api)
        namespace = await make_namespace(core)
        yield Cluster(api, session, settings.host, headers, context, namespace)
        await core.delete_namespace(namespace)
