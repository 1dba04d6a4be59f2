"""What is done about pods and servers that do not fit: the truth table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jhaws.names import DATABASE_LABEL, HUB_LABEL
from jhaws.starts.reconcile import Action, Plan, Rules, Server, UnknownPods, Verb, plan

from .pods import BORN, UID, Obj, make_pod, stamp

HUB, DATABASE = "0123456789abcdef", "fedcba9876543210"
KEY = "hub/jupyter-ada"
OLD = BORN + timedelta(minutes=10)  # the pod's age when it is looked at

RUNNING = {"phase": "Running"}
FAILED = {"phase": "Failed"}
EVICTED = {"phase": "Failed", "reason": "Evicted"}
SUCCEEDED = {"phase": "Succeeded"}


def server_pod(status: Obj = RUNNING, *, user: str = "ada", server: str = "", **changes: Any) -> Obj:
    pod = make_pod(**status)
    pod["metadata"] |= {
        "labels": {HUB_LABEL: HUB, DATABASE_LABEL: DATABASE},
        "annotations": {"hub.jupyter.org/username": user, **({"hub.jupyter.org/servername": server} if server else {})},
        **changes,
    }
    return pod


def rules(**changes: Any) -> Rules:
    return Rules(**{"hub": HUB, "database": DATABASE, **changes})


def decide(
    *pods: Obj, servers: tuple[Server, ...] = (), now: Any = OLD, before: Any = (UID, KEY), **changes: Any
) -> list[tuple[str, str]]:
    """Return verb and key of each decision, for what was just so one round before."""
    found = plan(pods, servers, rules=rules(**changes), now=now, before=before)
    return [(action.verb.value, action.key) for action in found.actions]


def known(**state: bool) -> tuple[Server, ...]:
    return (Server("ada", "", KEY, **state),)


@pytest.mark.parametrize(
    ("policy", "verb"),
    [(UnknownPods.REPORT, "report"), (UnknownPods.DELETE, "delete"), (UnknownPods.ADOPT, "adopt")],
)
def test_the_policy_decides_about_an_unknown_pod_that_runs(policy: UnknownPods, verb: str) -> None:
    """By default it is only reported."""
    assert decide(server_pod(), unknown_pods=policy) == [(verb, KEY)]
    assert decide(server_pod()) == [("report", KEY)]


@pytest.mark.parametrize("policy", list(UnknownPods))
@pytest.mark.parametrize(
    "labels",
    [None, {}, {DATABASE_LABEL: DATABASE}, {HUB_LABEL: "another", DATABASE_LABEL: DATABASE}, {HUB_LABEL: ""}],
    ids=["no labels", "empty", "database only", "another hub", "empty hub"],
)
@pytest.mark.parametrize("status", [RUNNING, EVICTED], ids=["running", "evicted"])
def test_a_pod_of_anybody_else_is_nobodys_business(policy: UnknownPods, labels: Any, status: Obj) -> None:
    """A pod without this hub's label is never touched and never spoken of, whatever the policy and its state."""
    assert decide(server_pod(status, labels=labels), unknown_pods=policy) == []


def test_a_hub_without_a_label_has_no_pods() -> None:
    """A pod whose label is empty is not the pod of a hub that has no id."""
    labels = {HUB_LABEL: "", DATABASE_LABEL: DATABASE}
    assert decide(server_pod(labels=labels), hub="", unknown_pods=UnknownPods.DELETE) == []


@pytest.mark.parametrize("policy", list(UnknownPods))
@pytest.mark.parametrize("labels", [{HUB_LABEL: HUB}, {HUB_LABEL: HUB, DATABASE_LABEL: "another"}])
@pytest.mark.parametrize("status", [RUNNING, FAILED], ids=["running", "failed"])
def test_a_pod_of_a_lost_database_is_left(policy: UnknownPods, labels: Obj, status: Obj) -> None:
    """A pod with this hub's label and another database's id, or none, is spoken of and never touched."""
    assert decide(server_pod(status, labels=labels), unknown_pods=policy) == [("leave", KEY)]


@pytest.mark.parametrize("status", [FAILED, EVICTED, SUCCEEDED], ids=["failed", "evicted", "succeeded"])
@pytest.mark.parametrize("policy", list(UnknownPods))
def test_a_pod_that_has_ended_and_that_nobody_needs_is_deleted(status: Obj, policy: UnknownPods) -> None:
    """The policy is about pods that run; with KubeSpawner's delete_stopped_pods off, ended ones stay."""
    assert decide(server_pod(status), unknown_pods=policy) == [("clean", KEY)]
    assert decide(server_pod(status), unknown_pods=policy, delete_ended=False) == []


@pytest.mark.parametrize("status", [RUNNING, FAILED], ids=["running", "failed"])
def test_the_pod_of_an_active_server_is_left_to_it(status: Obj) -> None:
    """A server that runs, also one whose pod has just failed, is looked after by its own watch."""
    servers = known(active=True, there=True)
    assert decide(server_pod(status), servers=servers, unknown_pods=UnknownPods.DELETE) == []


@pytest.mark.parametrize("name", ["jupyter-ada", "made-by-a-profile"])
def test_no_pod_of_a_pending_server_is_touched(name: str) -> None:
    """A start, a stop or a check may be under way, with a pod of any name."""
    servers = known(pending=True, active=True)
    assert decide(server_pod(name=name), servers=servers, unknown_pods=UnknownPods.DELETE) == []


def test_the_pod_of_a_stopped_server_is_unknown() -> None:
    """The hub still has the spawner of a start that failed in memory; that does not need the pod."""
    assert decide(server_pod(), servers=known(), unknown_pods=UnknownPods.DELETE) == [("delete", KEY)]


def test_only_the_server_of_that_name_counts() -> None:
    """A pending default server does not protect the pod of a named one."""
    pod = server_pod(server="gpu", name="jupyter-ada--gpu")
    servers = known(pending=True, active=True)
    key = "hub/jupyter-ada--gpu"
    assert decide(pod, servers=servers, before=(UID,), unknown_pods=UnknownPods.DELETE) == [("delete", key)]


def test_a_second_pod_of_a_running_server_is_not_adopted() -> None:
    """A user has one server of a name; what else says so is reported, or deleted where the policy is that."""
    servers = known(active=True, there=True)
    pod = server_pod(name="jupyter-ada-old")
    found = decide(pod, servers=servers, unknown_pods=UnknownPods.ADOPT)
    assert found == [("report", "hub/jupyter-ada-old")]
    assert decide(pod, servers=servers, unknown_pods=UnknownPods.DELETE) == [("delete", "hub/jupyter-ada-old")]


def test_a_pod_on_its_way_out_is_left() -> None:
    """Kubernetes is deleting it already."""
    assert decide(server_pod(deletionTimestamp=stamp(60)), unknown_pods=UnknownPods.DELETE) == []


@pytest.mark.parametrize(("age_seconds", "found"), [(299, []), (300, [("delete", KEY)])])
def test_a_young_pod_is_left(age_seconds: int, found: list[tuple[str, str]]) -> None:
    """It may be that of a start of which the hub knows nothing yet."""
    now = BORN + timedelta(seconds=age_seconds)
    assert decide(server_pod(), now=now, unknown_pods=UnknownPods.DELETE) == found


def test_nothing_is_done_in_the_first_round() -> None:
    """A pod is acted on when it is the very same stranger one round later."""
    first = plan([server_pod()], (), rules=rules(), now=OLD)
    second = plan([server_pod()], (), rules=rules(), now=OLD, before=first.suspects)
    renewed = plan([server_pod(uid="another")], (), rules=rules(), now=OLD, before=first.suspects)

    assert first == Plan((), frozenset({UID}))
    assert [action.uid for action in second.actions] == [UID]
    assert renewed == Plan((), frozenset({"another"}))


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"active": True}, [("tell", KEY)]),
        ({"active": True, "there": True}, []),
        ({"active": True, "pending": True}, []),
        ({}, []),
    ],
    ids=["gone", "there", "pending", "stopped"],
)
def test_the_hub_is_told_of_a_server_whose_pod_is_gone(state: dict[str, bool], found: list[tuple[str, str]]) -> None:
    """And of no other: one that starts has no pod yet, one that was stopped needs none."""
    assert decide(servers=known(**state)) == found


def test_a_decision_says_whose_pod_it_is_and_why() -> None:
    """The log and the deletion need the pod's user, its server, its uid and the reason."""
    found = plan([server_pod(EVICTED, server="gpu")], (), rules=rules(), now=OLD, before=[UID])

    reason = "it has ended (Evicted) and no server needs it"
    assert found.actions == (Action(Verb.CLEAN, KEY, uid=UID, user="ada", server="gpu", reason=reason),)
