"""A hub in a cluster whose database is a PostgreSQL server outside of it, as with RDS."""

from __future__ import annotations

import os

import pytest

from tests.postgres import running_postgres

from .installation import Installation
from .place import Place

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(
        bool(os.environ.get("KUBECONFIG")), reason="the pods of a given cluster may not reach this machine"
    ),
]


async def test_the_hub_keeps_everything_in_postgresql(hub: Installation, place: Place) -> None:
    """Users, tokens and running servers are as they were when a hub on PostgreSQL is started again."""
    assert place.node is not None
    sqlite_token = hub.admin_token
    with running_postgres("0.0.0.0") as postgres:
        url = postgres.url(postgres.create_database(), host=place.node.gateway)
        line = f"c.JupyterHub.db_url = {url!r}\n"
        try:
            await hub.set_config(line)
            unknown, _ = await hub.api("GET", "users")
            await hub.make_admin_token()
            before = await hub.start_server("light-kept")
            await hub.set_config(line)
            after = await hub.pod("light-kept")
            known = await hub.is_ready("light-kept")
            await hub.stop_server("light-kept")
        finally:
            hub.admin_token = sqlite_token
            await hub.set_config()

    assert unknown == 403
    assert known
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
