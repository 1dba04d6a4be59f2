import asyncio
import logging
from datetime import UTC, datetime

import pytest

from jhaws.services.culler.culling import cull_once
from jhaws.services.culler.settings import JhawsCuller
from jhaws.services.hubapi import HubApi
from jhaws.services.running import TryAgainError
from tests.unit.services.fakehub import TOKEN, fake_hub, make_server, make_user

NOW = datetime(2026, 11, 20, tzinfo=UTC)
JUST_NOW = "2026-11-20T00:00:00Z"


def now() -> datetime:
    """Return the same time always."""
    return NOW


async def test_idle_servers_are_stopped_and_others_are_not() -> None:
    """Of all servers of all users exactly the idle ones are stopped."""
    users = [
        make_user("ann"),
        make_user("bob", servers={"": make_server(last_activity=JUST_NOW), "lab": make_server()}),
        make_user("eve", servers={"": make_server(pending="stop", ready=False), "x": make_server(pending="spawn")}),
    ]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        done = await cull_once(api, JhawsCuller(), now=now)

    assert sorted(done) == [("ann", ""), ("bob", "lab")]
    assert sorted(hub.deleted) == ["/users/ann/server", "/users/bob/servers/lab"]


async def test_servers_of_different_users_are_stopped_at_once() -> None:
    """Of 20 idle servers of 20 users exactly `concurrency` stops are under way at the same time."""
    users = [make_user(f"u{number}") for number in range(20)]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        hub.may_stop.clear()
        culling = asyncio.create_task(cull_once(api, JhawsCuller(concurrency=10), now=now))
        async with asyncio.timeout(20):
            while hub.in_flight < 10 and not culling.done():
                await asyncio.sleep(0.01)
        hub.may_stop.set()
        done = await culling

    assert len(done) == 20
    assert hub.most_in_flight == 10


async def test_all_pages_are_read_before_the_first_stop() -> None:
    """Stops shift the hub's pages, so nobody is missed only if the pages come first."""
    users = [make_user(f"u{number}") for number in range(9)]
    async with fake_hub(*users, page_limit=2) as hub, HubApi(hub.url, TOKEN) as api:
        done = await cull_once(api, JhawsCuller(), now=now)

    assert len(done) == 9


async def test_a_stop_that_fails_does_not_hold_up_the_others() -> None:
    """The round goes on after a failed stop and then says in one sentence what failed."""
    users = [make_user("ann"), make_user("bob"), make_user("eve")]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        hub.answers["/users/ann/server"] = 500
        with pytest.raises(TryAgainError, match=r"1 of 3 could not be culled\. .*DELETE /users/ann/server \(500\)"):
            await cull_once(api, JhawsCuller(concurrency=1), now=now)

    assert sorted(hub.deleted) == ["/users/ann/server", "/users/bob/server", "/users/eve/server"]


async def test_named_servers_are_removed_only_when_wanted() -> None:
    """`remove_named_servers` concerns named servers, never the default one."""
    users = [make_user("bob", servers={"": make_server(), "lab": make_server()})]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        await cull_once(api, JhawsCuller(concurrency=1), now=now)
        await cull_once(api, JhawsCuller(concurrency=1, remove_named_servers=True), now=now)

    assert hub.bodies == [None, None, None, {"remove": True}]


async def test_users_are_deleted_only_when_wanted() -> None:
    """Idle users without a server are deleted with `cull_users`, and only then."""
    users = [make_user("ann", servers={}), make_user("bob", servers={}, last_activity=JUST_NOW)]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        assert await cull_once(api, JhawsCuller(), now=now) == []
        assert await cull_once(api, JhawsCuller(cull_users=True), now=now) == [("ann", "")]

    assert hub.deleted == ["/users/ann"]


async def test_one_line_per_stop_and_no_forged_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Each stop logs who, since when and the limit, on one line even if a name holds a line break."""
    caplog.set_level(logging.INFO, "jhaws.culler")
    users = [make_user("bob", servers={"x\n[I] forged": make_server()})]
    async with fake_hub(*users) as hub, HubApi(hub.url, TOKEN) as api:
        await cull_once(api, JhawsCuller(), now=now)

    (message,) = [record.getMessage() for record in caplog.records]
    assert "\n" not in message
    assert message.startswith(r"Stopping server 'x\n[I] forged' of user 'bob': idle since 2020-01-01T00:00:00Z (")
    assert message.endswith("the limit is 3600 s.")
