"""Ends what a person still has open in the hub: browser logins, API tokens and running servers.

It runs in the hub's own process, where sessions and servers are. `revoke` does it at once, for whoever asks;
`Closer` looks every `CHECK_SECONDS`, and just when an end passes, for people whose end has passed or who were blocked,
also while the hub was down, and remembers in the database for whom it is done. It looks for new admins too, who keep no
login from before. A server that is just starting is stopped when it has started. No failure of the database or of a
server ends the looking; each is one line in the log.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from tornado.ioloop import PeriodicCallback

from .. import store
from . import people
from .roster_cells import show_name

CHECK_SECONDS = 30.0
LOOK_SECONDS = 0.5  # between two looks at whether the hub, or a server, has started
TURN_PEOPLE = 100  # closed in one transaction, before others get their turn
# After that time a thread that works in Python, as an import does, gives way to the event loop; a request that asks the
# database a dozen times has to wait for it as often. Python's own 0.005 would add up.
SWITCH_SECONDS = 0.0005
STOP_SECONDS = 10.0  # a request waits that long for servers; JupyterHub's `slow_stop_timeout`
MAX_STOPS = 10  # servers that are stopped at once


class Closer:
    """Closes people whose time is over, on the hub's event loop.

    Args:
        app: The JupyterHub application.
    """

    def __init__(self, app: Any) -> None:
        self.log = app.log
        self._app = app
        self._check: PeriodicCallback | None = None
        self._next: asyncio.TimerHandle | None = None
        self._busy = asyncio.Lock()
        self._stops: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_STOPS)
        self._busy_servers: set[Any] = set()  # to be stopped when what the hub does with them is over

    def start(self) -> None:
        """Begin to look when the hub has started, when all its servers are in its memory."""
        loop = asyncio.get_running_loop()
        if getattr(self._app, "http_server", None) is None:
            # A timer and no task: nothing is left pending where the hub never starts.
            loop.call_later(LOOK_SECONDS, self.start)
        elif self._check is None:
            spare_garbage_collector()
            sys.setswitchinterval(SWITCH_SECONDS)
            self._check = PeriodicCallback(self._look, CHECK_SECONDS * 1000)
            self._check.start()
            self._begin_to_look()

    async def close_due(self) -> None:
        """Close everybody who is due."""
        async with self._busy:
            await self._try(self._close_all, "People whose time is over could not be closed")

    async def _look(self) -> None:
        """Do what is to be done regularly; who changes a person does not wait for what is old."""
        await self.close_due()
        await self._try(self._app.authenticator.door.gate.prune, "Old entries of logins could not be forgotten")

    async def _try(self, work: Callable[[], Awaitable[None]], failed: str) -> None:
        try:
            await work()
        except Exception as error:
            if isinstance(error, SQLAlchemyError):
                self._app.db.rollback()
            # The first line only: SQLAlchemy's others have the values of the database.
            words = str(error).partition("\n")[0]
            again = f"It is tried again in {CHECK_SECONDS:.0f} s."
            self.log.error("%s (%s: %s). %s", failed, type(error).__name__, words, again)
            self.log.debug("How that came about:", exc_info=not isinstance(error, SQLAlchemyError))

    def look_at_next_end(self) -> None:
        """Look again at the moment when the next end passes, if that is before the next look."""
        if self._next:
            self._next.cancel()
        now = datetime.now(UTC)
        end = store.read_next_end(self._app.db, after=now)
        if end and (seconds := (end - now).total_seconds()) < CHECK_SECONDS:
            self._next = asyncio.get_running_loop().call_later(seconds, self._begin_to_look)

    def _begin_to_look(self) -> None:
        self._keep(asyncio.create_task(self._look(), name="jhaws close"))

    async def revoke(self, person_ids: Sequence[int]) -> int:
        """End the sessions, tokens and servers of people now, and wait a little for the servers.

        Returns:
            How many servers have not stopped yet; those that are starting are among them.
        """
        store.end_logins(self._app.db, person_ids, servers=True)
        self._app.db.commit()
        return await self.stop_servers(person_ids)

    async def stop_servers(self, person_ids: Sequence[int]) -> int:
        """Stop the servers of people, and wait a little.

        Returns:
            As `revoke`.
        """
        stops = [stop for person_id in person_ids for stop in self._stop_servers(person_id)]
        if stops:
            await asyncio.wait(stops, timeout=STOP_SECONDS)
        return sum(len(self.active_servers(person_id)) for person_id in person_ids)

    def active_servers(self, user_id: int) -> list[Any]:
        """Return the servers of a user that are not stopped, without reading anything into the hub's memory."""
        if user_id not in self._app.users:
            return []
        return [spawner for spawner in self._app.users[user_id].spawners.values() if spawner.active]

    async def _close_all(self) -> None:
        seen: set[int] = set()
        while True:
            now = datetime.now(UTC)
            due = store.read_due(self._app.db, now=now, limit=len(seen) + TURN_PEOPLE)
            due = [person for person in due if person.user_id not in seen]
            if not due:
                break
            seen |= {person.user_id for person in due}
            self._close(due, now=now)
            await asyncio.sleep(0)
        settle_admins(self._app)
        self.look_at_next_end()

    def _close(self, due: Sequence[store.ListedPerson], *, now: datetime) -> None:
        """End the sessions of some people and stop their servers; who has none any more is done."""
        keep = self._app.authenticator.admin_users
        shut = [person for person in due if person.name not in keep]
        store.end_logins(self._app.db, [person.user_id for person in shut], servers=True)
        done: Mapping[int, Mapping[str, Any]] = {
            person.user_id: {"closed_at": now}
            for person in due
            if person.name in keep or not self.active_servers(person.user_id)
        }
        store.update_people(self._app.db, done, now=now)
        for person in shut:
            if person.user_id in done:
                reason = people.BLOCKED if person.standing.blocked else people.ENDED
                store.add_audit(self._app.db, action="person.closed", name=person.name, detail=reason, at=now)
                self.log.warning("Closed %s: %s.", show_name(person.name), reason)
        self._app.db.commit()
        for person in shut:
            self._stop_servers(person.user_id)

    def _stop_servers(self, user_id: int) -> list[asyncio.Task[None]]:
        """Begin to stop the servers of a user; one that is starting is stopped when it has started."""
        stops = []
        for spawner in self.active_servers(user_id):
            if not spawner.pending:
                # Before anything is awaited, as JupyterHub does it: no start and no second stop comes in between.
                spawner._stop_pending = True
                stops.append(asyncio.create_task(self._stop(user_id, spawner), name=f"jhaws stop {spawner._log_name}"))
                self._keep(stops[-1])
            elif spawner.pending != "stop" and spawner not in self._busy_servers:
                self._busy_servers.add(spawner)
                self._keep(asyncio.create_task(self._stop_soon(user_id, spawner), name="jhaws stop soon"))
        return stops

    async def _stop_soon(self, user_id: int, spawner: Any) -> None:
        while spawner.pending:  # noqa: ASYNC110  # JupyterHub has no event for it
            await asyncio.sleep(LOOK_SECONDS)
        self._busy_servers.discard(spawner)
        if spawner.active:
            spawner._stop_pending = True
            await self._stop(user_id, spawner)

    async def _stop(self, user_id: int, spawner: Any) -> None:
        """Do what JupyterHub does when an admin stops a server."""
        try:
            user = self._app.users[user_id]
            async with self._slots:
                await self._app.proxy.delete_user(user, spawner.name)
                await user.stop(spawner.name)
        except Exception as error:
            words = str(error).partition("\n")[0]
            self.log.error(
                "The server %s could not be stopped (%s: %s).", spawner._log_name, type(error).__name__, words
            )
            self.log.debug("How that came about:", exc_info=not isinstance(error, SQLAlchemyError))
        finally:
            spawner._stop_pending = False

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task until it ends; the event loop does not."""
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)


def spare_garbage_collector() -> None:
    """Keep what the hub has made until now, modules above all, out of the garbage collector's sight.

    Python looks through all objects when many new ones are made, as by an import of people: some 400,000 of JupyterHub
    and its libraries, which takes 0.3 s and holds the event loop. None of these ever goes.
    """
    gc.collect()
    gc.freeze()


def settle_admins(app: Any) -> None:
    """End the logins of those who have become admins by what nobody could see, a role in the configuration, say."""
    for name in store.settle_admins(app.db):
        app.log.warning("Ended the logins of %s from before, who is an admin now.", show_name(name))
    app.db.commit()


def forget_users(app: Any, user_ids: Sequence[int]) -> None:
    """Take users who were deleted in bulk out of the hub's memory: SQLite gives their numbers to others."""
    for user_id in user_ids:
        dict.pop(app.users, user_id, None)


def find_closer(app: Any) -> Closer:
    """Return the hub's closer, and make it where there is none yet."""
    closer = getattr(app, "jhaws_closer", None)
    if closer is None:
        closer = app.jhaws_closer = Closer(app)
    return closer
