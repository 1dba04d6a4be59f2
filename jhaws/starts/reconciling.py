"""Compares pods and servers at hub start and then every few minutes, and does what `reconcile` decides.

It runs in the hub's own process, where the hub's knowledge is, and asks the watch of pods, so a round costs Kubernetes
nothing. What it decides is looked at once more right before it is done, and a deletion names the very pod it means.
Each decision is one line in the log; one that stays the same is not repeated. A token that is read is never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
from jupyterhub import orm
from sqlalchemy.exc import SQLAlchemyError

from .adopting import NotAdoptedError, adopt
from .ends import aware_now
from .podwatch import PodWatch
from .reconcile import Action, Plan, Rules, Server, UnknownPods, Verb, plan
from .requests import delete_that_pod

LOOK_SECONDS = 0.5  # between two looks at whether the hub has started
TURN_USERS = 100  # looked at before others get their turn: a few milliseconds
SHOWN_PODS = 10  # in one line


class Reconciler:
    """Keeps a hub and its pods together, in a task of its own."""

    def __init__(self, app: Any, *, interval_seconds: float) -> None:
        self.log = app.log
        self._app = app
        self._interval_seconds = interval_seconds
        self._suspects: frozenset[str] = frozenset()
        self._told: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the hub's event loop; the first round comes when the hub has started."""
        self._task = asyncio.create_task(self._run(), name="jhaws reconcile")

    async def _run(self) -> None:
        # The server that answers requests is made when JupyterHub has put all servers of its database in memory. It
        # may still be checking some of them; those are pending, and pending servers are not touched. There is no event
        # for it that both JupyterHub 5 and 6 have.
        while self._app.http_server is None:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        while True:
            with self._going_on("Pods and servers could not be compared"):
                await self._round(self._app.spawner_class.stand_in(self._app.config))
            await asyncio.sleep(self._interval_seconds)

    @contextlib.contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Make a sentence of an error: the next round may do better."""
        try:
            yield
        except Exception as error:
            if isinstance(error, SQLAlchemyError):
                self._app.db.rollback()
            # The first line only: SQLAlchemy's others have the values of the database.
            words = str(error).partition("\n")[0]
            self.log.error("%s (%s: %s). The next round tries it again.", what, type(error).__name__, words)
            self.log.debug("How that came about:", exc_info=not isinstance(error, SQLAlchemyError))

    async def _round(self, spawner: Any) -> None:
        """Compare once, and act."""
        await spawner._start_watching_pods()
        watches = [each for each in spawner.reflectors.values() if isinstance(each, PodWatch)]
        if any(not each.watch.loaded.is_set() or each.watch.trouble for each in watches):
            return  # what is known may be old; the watch has said so
        found = await self._compare(spawner, watches)
        self._suspects = found.suspects
        self._report(found)
        for action in found.actions:
            await asyncio.sleep(0)
            with self._going_on(f"Nothing could be done about the pod {action.key}"):
                await self._act(spawner, action)

    async def _compare(self, spawner: Any, watches: list[PodWatch]) -> Plan:
        servers = await self._servers()
        active = {server.key for server in servers if server.active}
        unknown = [raw for watch in watches for key, raw in watch.pods.kept.items() if key not in active]
        rules = Rules(
            hub=spawner.hub_id,
            database=spawner.database_id(),
            unknown_pods=UnknownPods(spawner.unknown_pods),
            delete_ended=spawner.delete_stopped_pods,
            grace=timedelta(seconds=spawner.start_timeout),
        )
        # After the loss of a database all pods are unknown: in a thread, thousands do not hold the loop; one at a time,
        # they are nothing for the garbage collector to look at.
        pods = map(orjson.loads, unknown)
        return await asyncio.to_thread(plan, pods, servers, rules=rules, now=aware_now(), before=self._suspects)

    async def _servers(self) -> list[Server]:
        servers = []
        for number, user in enumerate(list(self._app.users.values())):
            servers += [_server_of(spawner) for spawner in list(user.spawners.values())]
            if number % TURN_USERS == TURN_USERS - 1:
                await asyncio.sleep(0)
        return servers

    def _report(self, found: Plan) -> None:
        """Say which pods are of another database, once, and forget of whom was spoken that is no more."""
        lost = [action for action in found.actions if action.verb is Verb.LEAVE and action.uid not in self._told]
        if lost:
            names = ", ".join(action.key for action in lost[:SHOWN_PODS]) + (", …" if len(lost) > SHOWN_PODS else "")
            self.log.warning(
                "When these pods were made the hub had another database, so their tokens are lost (%i): %s. They are "
                "left alone; each is replaced when its user starts a server, and homes stay.",
                len(lost),
                names,
            )
        told = {action.uid for action in lost}
        self._told = (self._told | told) & {action.uid for action in found.actions}

    def _tell(self, action: Action, policy: str) -> None:
        """Say what the policy does about a pod, or would do, once."""
        ways = (
            "JhawsSpawner.unknown_pods = 'delete' would delete it, 'adopt' would give it back to its user"
            if policy == UnknownPods.REPORT
            else f"so JhawsSpawner.unknown_pods = {policy!r} does nothing to it"
        )
        if action.uid not in self._told:
            self.log.warning("The pod %s of %s stays: %s; %s.", action.key, whose(action), action.reason, ways)
        self._told.add(action.uid)

    async def _act(self, spawner: Any, action: Action) -> None:
        if action.verb is Verb.TELL:
            await self._look_at(action)
        elif action.verb is Verb.REPORT:
            self._tell(action, spawner.unknown_pods)
        elif action.verb in (Verb.DELETE, Verb.CLEAN) and not self._is_needed(action):
            self.log.warning("The pod %s of %s is deleted: %s.", action.key, whose(action), action.reason)
            await self._delete(spawner, action)
        elif action.verb is Verb.ADOPT and not self._is_needed(action):
            await self._adopt(action)

    def _is_needed(self, action: Action) -> bool:
        """Say whether a server has come to need the pod since the hub was looked at."""
        return any(
            spawner.active and (spawner.name == action.server or spawner._pod_key == action.key)
            for spawner in self._spawners_of(action.user)
        )

    def _spawners_of(self, name: str) -> list[Any]:
        """Return what the hub has in memory of a user's servers, without making anything."""
        orm_user = orm.User.find(self._app.db, name)
        if orm_user is None or orm_user.id not in self._app.users:
            return []
        return list(self._app.users[orm_user.id].spawners.values())

    async def _look_at(self, action: Action) -> None:
        """Let JupyterHub look at a server whose pod is gone; it then does what it does at each end of a server."""
        for spawner in self._spawners_of(action.user):
            if spawner.name == action.server and spawner.ready:
                self.log.warning("The server of %s is looked at: %s.", whose(action), action.reason)
                await spawner.poll_and_notify()

    async def _delete(self, spawner: Any, action: Action) -> None:
        """Delete a pod, unless another has its name by now."""
        grace = spawner.delete_grace_period
        await delete_that_pod(spawner.api, action.key, action.uid, grace_seconds=grace, log=self.log)

    async def _adopt(self, action: Action) -> None:
        try:
            await adopt(self._app, action)
        except NotAdoptedError as error:
            if action.uid not in self._told:
                self.log.warning(
                    "The pod %s of %s stays as it is and cannot be adopted: %s. JhawsSpawner.unknown_pods = 'delete' "
                    "would delete it.",
                    action.key,
                    whose(action),
                    error,
                )
            self._told.add(action.uid)
        else:
            self.log.warning("The pod %s is adopted: it is the server of %s again.", action.key, whose(action))


def whose(action: Action) -> str:
    """Return the user and the server as JupyterHub's log has them."""
    return f"{action.user}:{action.server}" if action.server else action.user or "nobody"


def _server_of(spawner: Any) -> Server:
    watch: PodWatch | None = spawner.pod_reflector
    return Server(
        user=spawner.user.name,
        name=spawner.name,
        key=spawner._pod_key,
        pending=bool(spawner.pending),
        active=bool(spawner.active),
        # A server that nobody watches yet is not called gone.
        there=watch is None or spawner._pod_key in watch.pods,
    )
