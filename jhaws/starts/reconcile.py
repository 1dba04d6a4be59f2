"""What to do about pods that the hub does not know, and servers whose pod is gone; `reconciling` does it.

A hub and its cluster part ways when the hub is killed or its database is brought back from a backup, and when
Kubernetes cannot be asked at the moment when a pod should go. The rule is to touch too little: only a pod that has this
hub's label and the id of this very database, that is older than any start, that belongs to no server which is starting,
stopping or being checked, and that was just as unknown one round before.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..names import DATABASE_LABEL, HUB_LABEL
from .ends import has_ended
from .podwatch import key_of

USER = "hub.jupyter.org/username"  # KubeSpawner's annotations, whose values are not shortened as its labels' are
SERVER = "hub.jupyter.org/servername"


class UnknownPods(enum.StrEnum):
    """The policy for a running pod that the hub does not know."""

    REPORT = "report"
    DELETE = "delete"
    ADOPT = "adopt"


class Verb(enum.StrEnum):
    """What is to be done."""

    REPORT = "report"  # say what would be done
    DELETE = "delete"  # delete a pod that runs and that the hub does not know
    ADOPT = "adopt"  # make the hub know the pod again
    CLEAN = "clean"  # delete a pod that has ended and that nobody needs
    LEAVE = "leave"  # say that the pod is of another database
    TELL = "tell"  # let the hub look at a server whose pod is gone


@dataclass(frozen=True)
class Server:
    """What the hub knows of one server.

    Attributes:
        user: Name of its user.
        name: Its own name, "" for the default server.
        key: `namespace/name` of its pod.
        pending: It is starting, stopping or being checked.
        active: It runs, as far as the hub knows, or is pending.
        there: Its pod is in the cluster.
    """

    user: str
    name: str
    key: str
    pending: bool = False
    active: bool = False
    there: bool = False


@dataclass(frozen=True)
class Rules:
    """Whose pods count, and what is done about them.

    Attributes:
        hub: Value of this hub's label; an empty one is nobody's.
        database: Value of the label of the hub's database.
        unknown_pods: What is done about a running pod that the hub does not know.
        delete_ended: Whether pods that have ended are deleted: KubeSpawner's `delete_stopped_pods`.
        grace: How old a pod must be.
    """

    hub: str
    database: str
    unknown_pods: UnknownPods = UnknownPods.REPORT
    delete_ended: bool = True
    grace: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Action:
    """One decision.

    Attributes:
        verb: What is to be done.
        key: `namespace/name` of the pod.
        uid: Of the pod, "" where it is gone.
        user: Name of the user whose server it is, "" where the pod does not say.
        server: Name of the server, "" for the default one.
        reason: Why, to go on a sentence with.
    """

    verb: Verb
    key: str
    uid: str = ""
    user: str = ""
    server: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """What one round found.

    Attributes:
        actions: What is to be done now.
        suspects: What will be done if it is still so in the next round: uids of pods, keys of servers' pods.
    """

    actions: tuple[Action, ...]
    suspects: frozenset[str]


def plan(
    pods: Iterable[Mapping[str, Any]],
    servers: Sequence[Server],
    *,
    rules: Rules,
    now: datetime,
    before: Collection[str] = (),
) -> Plan:
    """Compare what is there with what the hub knows.

    Args:
        pods: v1 Pod each, all or those that are of no active server.
        servers: All that the hub has in memory.
        rules: Whose pods count, and what is done about them.
        now: Aware time.
        before: The suspects of the round before.
    """
    found = [*_missing(servers), *_unknown(pods, servers, rules=rules, now=now)]
    actions = tuple(action for action in found if (action.uid or action.key) in before)
    return Plan(actions, frozenset(action.uid or action.key for action in found))


def _missing(servers: Sequence[Server]) -> Iterable[Action]:
    for server in servers:
        if server.active and not server.pending and not server.there:
            reason = "its pod is gone and the hub has not noticed"
            yield Action(Verb.TELL, server.key, user=server.user, server=server.name, reason=reason)


def _unknown(
    pods: Iterable[Mapping[str, Any]], servers: Sequence[Server], *, rules: Rules, now: datetime
) -> Iterable[Action]:
    # A pending server may be making a pod of any name, as a profile may change the name.
    busy = {server.key for server in servers if server.active}
    pending = {(server.user, server.name) for server in servers if server.pending}
    running = {(server.user, server.name) for server in servers if server.active}
    for pod in pods:
        whose = owner_of(pod)
        if not is_of_hub(pod, rules) or key_of(pod) in busy or whose in pending or _is_young(pod, rules, now=now):
            continue
        if action := _judge(pod, rules, now=now, has_server=whose in running):
            yield action


def _judge(pod: Mapping[str, Any], rules: Rules, *, now: datetime, has_server: bool) -> Action | None:
    """Decide about an unknown pod of this hub that is old enough; None is to do nothing."""
    user, server = owner_of(pod)

    def action(verb: Verb, reason: str) -> Action:
        return Action(verb, key_of(pod), uid=pod["metadata"]["uid"], user=user, server=server, reason=reason)

    if pod["metadata"]["labels"].get(DATABASE_LABEL) != rules.database:
        return action(Verb.LEAVE, "it was made when the hub had another database")
    if has_ended(pod, now=now):
        end = action(Verb.CLEAN, f"it has ended ({_end_of(pod)}) and no server needs it")
        return end if rules.delete_ended else None
    if rules.unknown_pods is UnknownPods.ADOPT and has_server:
        return action(Verb.REPORT, "the hub does not know it, and its user has another server of that name")
    return action(Verb(rules.unknown_pods.value), "the hub does not know it")


def is_of_hub(pod: Mapping[str, Any], rules: Rules) -> bool:
    """Say whether a pod has this hub's label and is not about to go anyway."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    return bool(rules.hub) and labels.get(HUB_LABEL) == rules.hub and not metadata.get("deletionTimestamp")


def owner_of(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of the user and of the server that a pod was made for."""
    annotations = pod["metadata"].get("annotations") or {}
    return annotations.get(USER, ""), annotations.get(SERVER, "")


def _is_young(pod: Mapping[str, Any], rules: Rules, *, now: datetime) -> bool:
    return now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) < rules.grace


def _end_of(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    return str(status.get("reason") or status.get("phase") or "its container ended")
