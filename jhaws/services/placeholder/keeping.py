"""The placeholder's loop: look at the pods, make and delete what `seats` says, wait until one leaves.

Every round begins with what the API server has, so nothing is remembered that could be wrong, and two processes or
a restart do no harm that the next round does not mend. A placeholder that gave way is replaced at once and waits
for room: that is what makes an autoscaler start the next node. When the process ends its placeholders stay, until
the hub's pod is gone: it is their owner, so no uninstalled or reconfigured hub leaves pods that cost money.
What is missing (PriorityClass, rights, a cluster) is said in one sentence, and asked again every 5 minutes.
"""

import asyncio
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from jhaws.errors import ConfigError
from jhaws.pods.nodegroups import Nodegroup, read_nodegroups
from jhaws.services.placeholder.kubeapi import OFF_SECONDS, PlaceholderPods, connect
from jhaws.services.placeholder.seats import (
    Plan,
    Pod,
    find_unknown,
    get_nodegroup,
    make_owned,
    make_placeholder_pod,
    make_seats,
    make_selector,
    plan,
    show_nodegroup,
)
from jhaws.services.placeholder.settings import JhawsPlaceholder
from jhaws.services.running import Backoff, TryAgainError, read_required, read_settings, repeat

# Between two looks at the pods; a class that starts together takes many placeholders in the same second.
SHORTEST_ROUND_SECONDS = 1.0

log = logging.getLogger("jhaws.placeholder")


@dataclass(frozen=True)
class Goal:
    """What is to be kept: pods per nodegroup and what each looks like, in one namespace for one hub."""

    hub_id: str
    namespace: str
    priority_class: str
    seats: Mapping[str, int]
    manifests: Mapping[str, Pod]
    every: int
    hub_pod: str = ""


def make_goal(
    settings: JhawsPlaceholder,
    nodegroups: Mapping[str, Nodegroup],
    *,
    hub_id: str,
    namespace: str,
    hub_pod: str = "",
) -> tuple[Goal, list[str]]:
    """Put together what is to be kept, with a sentence for everything that stays off.

    Args:
        settings: The options.
        nodegroups: The configured nodegroups.
        hub_id: The hub whose pods these are, a label value.
        namespace: The namespace of the users' pods.
        hub_pod: The hub's own pod, "" where it runs in none.
    """
    seats = make_seats(settings, nodegroups)
    remarks = [
        f"JhawsPlaceholder.seats names the nodegroup {name!r}, but there is none of that name; add it to "
        "JhawsSpawner.nodegroups or correct the name."
        for name in find_unknown(settings, nodegroups)
    ]
    if seats and not settings.priority_class:
        seats = {}
        remarks.append(
            "No placeholders are kept, because without JhawsPlaceholder.priority_class none would give way; set "
            "it, or scheduling.podPriority.enabled: true in the Helm values."
        )
    elif not seats:
        remarks.append("No placeholders are kept, because JhawsPlaceholder.seats wants none.")
    goal = Goal(
        hub_id=hub_id,
        namespace=namespace,
        priority_class=settings.priority_class,
        seats=seats,
        manifests={name: make_placeholder_pod(settings, nodegroups.get(name), hub_id=hub_id) for name in seats},
        every=settings.every,
        hub_pod=hub_pod,
    )
    return goal, remarks


async def keep_once(pods: PlaceholderPods, goal: Goal, owner: Pod | None = None) -> tuple[Plan, str]:
    """Make the pods what they should be, once.

    Args:
        pods: The API.
        goal: What is to be kept.
        owner: v1 OwnerReference for new pods, None for none.

    Returns:
        What was planned, and the resource version from which to watch.

    Raises:
        TryAgainError: The API server does not answer or refused; other nodegroups got their pods nevertheless.
    """
    listing = await pods.fetch()
    todo = plan(listing.pods, goal.seats, goal.manifests)
    for pod in todo.to_delete:
        await pods.delete(pod)
        log.info("Deleted placeholder pod %s of %s.", pod["metadata"]["name"], show_nodegroup(get_nodegroup(pod)))
    created: Counter[str] = Counter()
    problems: dict[str, TryAgainError] = {}
    for manifest in todo.to_create:
        name = get_nodegroup(manifest)
        if name in problems:
            continue
        try:
            await pods.create(make_owned(manifest, owner) if owner else manifest)
            created[name] += 1
        except TryAgainError as problem:
            problems[name] = problem
    for name, count in created.items():
        log.info("Created %s of %s placeholder pods for %s.", count, goal.seats[name], show_nodegroup(name))
    if problems:
        raise next(iter(problems.values()))
    return todo, listing.resource_version


async def keep(goal: Goal, environ: Mapping[str, str]) -> None:
    """Keep the pods what they should be, for ever."""
    after_failure = Backoff(longest_seconds=OFF_SECONDS)
    clock = asyncio.get_running_loop().time

    async def one_round() -> float:
        began = clock()
        # A new connection per round reads rotated tokens and certificates, and costs milliseconds.
        async with connect(environ) as api:
            pods = PlaceholderPods(
                api,
                goal.namespace,
                selector=make_selector(goal.hub_id),
                priority_class=goal.priority_class,
            )
            owner = await pods.fetch_owner(goal.hub_pod) if goal.seats else None
            todo, version = await keep_once(pods, goal, owner)
            if not goal.seats:
                return OFF_SECONDS
            if todo.failed:
                # A pod that its node refuses fails at once, and so would the next one.
                return after_failure.next_seconds()
            if not await pods.wait_for_change(version, seconds=goal.every):
                after_failure.reset()
        return max(0.0, SHORTEST_ROUND_SECONDS - (clock() - began))

    async def one_quiet_round() -> float:
        try:
            return await one_round()
        except TryAgainError as problem:
            log.debug("%s", problem)
            return OFF_SECONDS

    # Where nothing is wanted only leftovers are deleted, and a cluster that cannot be reached has none of ours.
    await repeat(one_round if goal.seats else one_quiet_round, log=log)


async def main(environ: Mapping[str, str] = os.environ) -> None:
    """Keep placeholders for ever, with options, cluster and nodegroups from the environment.

    Raises:
        ConfigError: The environment is not what the hub gives its services.
    """
    settings = read_settings(JhawsPlaceholder, environ)
    goal, remarks = make_goal(
        settings,
        read_environment_nodegroups(environ),
        hub_id=read_required(environ, "JHAWS_HUB_ID"),
        namespace=read_required(environ, "JHAWS_NAMESPACE"),
        hub_pod=environ.get("JHAWS_HUB_POD", ""),
    )
    for remark in remarks:
        log.info("%s", remark)
    if goal.seats:
        seats = ", ".join(f"{count} for {show_nodegroup(name)}" for name, count in goal.seats.items())
        log.info("Keeping placeholder pods: %s.", seats)
    await keep(goal, environ)


def read_environment_nodegroups(environ: Mapping[str, str]) -> dict[str, Nodegroup]:
    """Read the nodegroups from JHAWS_NODEGROUPS, JSON as in JhawsSpawner.nodegroups.

    Raises:
        ConfigError: It is not JSON, or not nodegroups.
    """
    try:
        value = json.loads(environ.get("JHAWS_NODEGROUPS") or "{}")
    except ValueError as error:
        raise ConfigError(f"JHAWS_NODEGROUPS must be a JSON object, but it is not JSON: {error}.") from error
    return read_nodegroups("JHAWS_NODEGROUPS", value)
