"""One server for each test: the one KUBECONFIG names, or an embedded one."""

from __future__ import annotations

import os
import secrets
import shutil
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

# Where there is no kubectl there is nothing to say about it: its tests do not exist, rather than be skipped.
collect_ignore = [] if shutil.which("kubectl") else ["test_kubectl.py"]


@asynccontextmanager
async def run_embedded(folder: Path) -> AsyncIterator[tuple[str, ApiServer]]:
    """Run an embedded API server, and give its kubeconfig."""
    server = ApiServer(Storage())
    await server.start()
    path = folder / "kubeconfig"
    write_kubeconfig(path, server.make_kubeconfig())
    try:
        yield str(path), server
    finally:
        await server.stop()


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


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A server and a fresh namespace on it, deleted afterwards."""
    async with AsyncExitStack() as stack:
        path, server = os.environ.get("KUBECONFIG"), None
        if not path:
            path, server = await stack.enter_async_context(run_embedded(tmp_path))
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
        yield Cluster(api, session, settings.host, headers, context, namespace, server)
        await core.delete_namespace(namespace)
