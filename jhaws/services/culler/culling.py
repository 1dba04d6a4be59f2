"""The culler's rounds: list the ready servers, decide, stop up to `concurrency` of them at once.

All pages are read before the first server is stopped, because every stop would shift the pages. A round that
fails leaves nothing to mend: the next one sees the hub as it is then. One log line per server that goes.
Never here: the decision (`deciding`), the requests (`hubapi`), the loop (`running`).
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from jhaws.services.culler.deciding import Server, make_servers, should_cull, should_cull_user
from jhaws.services.culler.settings import JhawsCuller
from jhaws.services.hubapi import HubApi
from jhaws.services.running import TryAgainError, read_required, read_settings, repeat

# Servers and proxy tell the hub of activity every 300 s; silence for less than two reports proves nothing.
SAFE_TIMEOUT_SECONDS = 600

# Whose server (user and server name), and how to stop it.
Work = tuple[tuple[str, str], Callable[[], Awaitable[None]]]

log = logging.getLogger("jhaws.culler")


def get_now() -> datetime:
    """Return the present as aware UTC."""
    return datetime.now(UTC)


async def cull_once(
    hub: HubApi, settings: JhawsCuller, *, now: Callable[[], datetime] = get_now
) -> list[tuple[str, str]]:
    """Do one round: stop what is idle, then delete idle users if that is wanted.

    Args:
        hub: The hub.
        settings: The limits.
        now: The clock.

    Returns:
        User and server name of what was stopped or deleted; a deleted user has the server name "".

    Raises:
        TryAgainError: The hub could not be asked, or some of what had to go could not be stopped.
    """
    work: list[Work] = []
    for user in await hub.fetch_users(state="ready"):
        for server in make_servers(user):
            decision = should_cull(server, now(), settings)
            if decision.cull:
                stop = partial(_stop, hub, server, settings, reason=decision.reason)
                work.append(((server.user, server.name), stop))
    done = await _do_all(work, concurrency=settings.concurrency)
    if not settings.cull_users:
        return done
    work = []
    for user in await hub.fetch_users():
        decision = should_cull_user(user, now(), settings)
        if decision.cull:
            work.append(((user["name"], ""), partial(_delete_user, hub, user["name"], reason=decision.reason)))
    return done + await _do_all(work, concurrency=settings.concurrency)


async def main(environ: Mapping[str, str] = os.environ) -> None:
    """Cull for ever, with options, hub and token from the environment.

    Raises:
        ConfigError: The environment is not what the hub gives its services.
    """
    settings = read_settings(JhawsCuller, environ)
    url = read_required(environ, "JHAWS_HUB_API_URL", "JUPYTERHUB_API_URL")
    token = read_required(environ, "JUPYTERHUB_API_TOKEN")
    log.info("Stopping servers idle for %s s; looking every %s s.", settings.timeout, settings.every)
    if settings.timeout < SAFE_TIMEOUT_SECONDS:
        log.warning(
            "JhawsCuller.timeout is %s s, but servers report activity every 300 s unless told otherwise: below %s "
            "people at work may lose their server.",
            settings.timeout,
            SAFE_TIMEOUT_SECONDS,
        )
    async with HubApi(url, token) as hub:

        async def one_round() -> float:
            await cull_once(hub, settings)
            return float(settings.every)

        await repeat(one_round, log=log)


async def _stop(hub: HubApi, server: Server, settings: JhawsCuller, *, reason: str) -> None:
    # %r: people choose these names, and a line break in one must not make a line of the log.
    log.info("Stopping server %r of user %r: %s.", server.name, server.user, reason)
    await hub.delete_server(server.user, server.name, remove=settings.remove_named_servers)


async def _delete_user(hub: HubApi, user: str, *, reason: str) -> None:
    log.info("Deleting user %r: %s.", user, reason)
    await hub.delete_user(user)


async def _do_all(work: list[Work], *, concurrency: int) -> list[tuple[str, str]]:
    """Do all of `work`, at most `concurrency` at once; one that fails does not hold up the others."""
    turn = asyncio.Semaphore(concurrency)
    done: list[tuple[str, str]] = []
    problems: list[TryAgainError] = []

    async def do(who: tuple[str, str], action: Callable[[], Awaitable[None]]) -> None:
        async with turn:
            try:
                await action()
            except TryAgainError as problem:
                problems.append(problem)
            else:
                done.append(who)

    async with asyncio.TaskGroup() as group:
        for who, action in work:
            group.create_task(do(who, action), name=f"cull {who!r}")
    if problems:
        raise TryAgainError(f"{len(problems)} of {len(work)} could not be culled. {problems[0]}")
    return done
