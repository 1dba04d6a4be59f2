"""Two setups of one hub, side by side: what differs for each user, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..login.authenticator import JhawsAuthenticator
from .logins import NO, WAITS, Door
from .servers import NO_HOME, UNKNOWN_ID, Made, is_legacy, make_server
from .setups import Setup
from .users import Server, User

HOME, MOUNT, POD, LOGIN, START = "home", "mount", "pod", "log-in", "start"
MOVE_HOMES = (
    "Copy each home to its new place while its server is stopped, or its user begins with an empty one; the old home "
    "stays where it is. See docs/upgrade.md."
)
ONE_HOME = (
    "A user's servers have one home together then: decide what goes where before the homes of several are copied into "
    "one folder."
)
LOSE_HOMES = "Give these servers a home, or whatever is written there goes with the server."
MOVE_MOUNTS = "The files are the same, but paths in notebooks and scripts that begin with the old mount lead nowhere."
RENAME_PODS = (
    "Pods get another name at their next start: change dashboards, quotas and scripts that know them by name. A server "
    "that runs keeps its pod."
)
CHECK_LOGINS = "Tell those whose log-in changes, and look at each who could not enter before, or cannot any more."
MEND_STARTS = "Correct what keeps these servers from starting."
ADVICE = {
    HOME: MOVE_HOMES,
    MOUNT: MOVE_MOUNTS,
    POD: RENAME_PODS,
    LOGIN: CHECK_LOGINS,
    START: MEND_STARTS,
}


@dataclass(frozen=True)
class Change:
    """One thing that would not be for a user as it is.

    Attributes:
        user: The name.
        server: The server's name, "" for the default server and for log-ins.
        what: "home", "mount", "pod", "log-in" or "start".
        now: What it is.
        then: What it would be.
    """

    user: str
    server: str
    what: str
    now: str
    then: str


@dataclass(frozen=True)
class Pair:
    """What one server of a user has, and would have."""

    user: str
    now: Made
    then: Made


@dataclass(frozen=True)
class Comparison:
    """What an upgrade would change.

    Attributes:
        users: How many were compared.
        changes: In the order of the users' names.
        advice: What to do about them, sentences.
        notes: What could not be told, sentences.
    """

    users: int
    changes: tuple[Change, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]


async def compare(now: Setup, then: Setup, users: Sequence[User]) -> Comparison:
    """Compare two setups for all users.

    Args:
        now: The hub as it is.
        then: The hub as it would be.
        users: All users of the hub.
    """
    names = {user.name for user in users}
    first = not isinstance(now.authenticator, JhawsAuthenticator)
    doors = Door(now, names), Door(then, names, first=first)
    coming = {name: User(name) for name in (doors[0].configured | doors[1].configured) - names}
    changes: list[Change] = []
    pairs: list[Pair] = []
    for user in sorted([*users, *coming.values()], key=lambda user: user.name):
        changes += await _compare_logins(doors, user)
        for server in user.servers:
            # One that was never started has neither a pod nor a home that could be lost.
            if server.state != {}:
                made = await make_server(now, user, server, before=True), await make_server(then, user, server)
                changes += _compare_servers(user.name, server, *made)
                pairs.append(Pair(user.name, *made))
    advice = [*_advise(changes, pairs), *_advise_on_waiting(changes), *_advise_on_strangers(now, then, doors)]
    notes = [*_notes(doors, users), *_note_on_ids(pairs)]
    return Comparison(len(users), tuple(changes), tuple(advice), tuple(notes))


async def _compare_logins(doors: tuple[Door, Door], user: User) -> list[Change]:
    now, then = await doors[0].way_in(user), await doors[1].way_in(user)
    # Who could not enter before loses nothing by waiting.
    same = now == then or (now, then) == (NO, WAITS)
    return [] if same else [Change(user.name, "", LOGIN, now, then)]


def _compare_servers(user: str, server: Server, now: Made, then: Made) -> Iterator[Change]:
    def changed(what: str, before: str, after: str) -> Iterator[Change]:
        if before != after:
            yield Change(user, server.name, what, before, after)

    if then.refusal or now.refusal:
        yield from changed(START, now.refusal or "starts", then.refusal or "starts")
        return
    yield from changed(POD, now.pod, then.pod)
    yield from changed(HOME, now.home, then.home)
    if now.home != NO_HOME and then.home != NO_HOME:
        yield from changed(MOUNT, now.mount, then.mount)


def _advise(changes: Iterable[Change], pairs: Iterable[Pair]) -> Iterator[str]:
    """Give a sentence for each kind of change."""
    changes = tuple(changes)
    kinds = {change.what for change in changes}
    yield from (advice for what, advice in ADVICE.items() if what in kinds)
    if any(change.what == HOME and change.then == NO_HOME for change in changes):
        yield LOSE_HOMES
    if _homes_meet(pairs):
        yield ONE_HOME


def _advise_on_waiting(changes: Iterable[Change]) -> Iterator[str]:
    waiting = sum(change.what == LOGIN and change.then == WAITS for change in changes)
    if waiting:
        yield (
            f"{waiting} users of now will wait: jhaws's login lets in whom the configuration names, and of the others "
            "those whom an admin lets in. After the upgrade look at `jhaws people list --state waiting`, then "
            "`jhaws people allow NAME ...` or `jhaws people allow --all`; or name them in allowed_users before."
        )


def _homes_meet(pairs: Iterable[Pair]) -> bool:
    """Tell whether several homes of one user would be one; servers that share a home already have nothing to merge."""
    homes = {(pair.user, pair.now.home, pair.then.home) for pair in pairs}
    then = [(user, then) for user, now, then in homes if NO_HOME not in (now, then)]
    return len(then) > len(set(then))


def _advise_on_strangers(now: Setup, then: Setup, doors: tuple[Door, Door]) -> Iterator[str]:
    """Give a sentence about those who are no users yet."""
    if doors[0].open_to_all and not doors[1].open_to_all:
        yield (
            "Now anybody may enter under a name that is not taken (allow_all), then only users of the hub may: add who "
            "is to come, and delete in the admin panel whom you do not know."
        )
    if doors[1].open_to_all and not doors[0].open_to_all:
        yield f"With {doors[1].login} anybody may enter under a name that is not taken (allow_all), as nobody may now."
    if isinstance(now.authenticator, JhawsAuthenticator) and not isinstance(then.authenticator, JhawsAuthenticator):
        yield "Names of allowed_users that were deleted in the admin panel come back with the next start of that hub."


def _notes(doors: tuple[Door, Door], users: Iterable[User]) -> Iterator[str]:
    servers = [server for user in users for server in user.servers]
    if untold := sum(server.state is None for server in servers):
        yield (
            f"The hub did not tell what it remembers of {_count(untold)}, as it tells a token with admin:server_state: "
            "a claim whose name it remembers keeps that name."
        )
    if old := sum(is_legacy(server) for server in servers):
        yield (
            f"{_count(old)} last ran under KubeSpawner 6, which made names otherwise. KubeSpawner 7 looks for the "
            "claim of the old name and keeps it, as long as the template of its name is the old one."
        )
    decides = [door.login for door in doors if door.decides]
    if decides:
        yield f"Who may enter with {' and '.join(dict.fromkeys(decides))} cannot be told here: compare its options."


def _note_on_ids(pairs: Iterable[Pair]) -> Iterator[str]:
    names = (name for pair in pairs for made in (pair.now, pair.then) for name in (made.pod, made.home, made.mount))
    if any(UNKNOWN_ID in name for name in names):
        yield (
            f"Names with {{userid}} cannot be told, as the hub's API does not tell ids: {UNKNOWN_ID} stands for each. "
            "They stay as long as the hub keeps its database; in another one users have other ids."
        )


def _count(servers: int) -> str:
    return f"{servers} server{'' if servers == 1 else 's'}"
