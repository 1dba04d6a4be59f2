"""How long an attempt to log in has to wait, by its name, by its address and overall.

Pure functions over a few tallies per attempt; time is seconds since the epoch, so that rows outlive the process.
`addresses.py` says which address, `gate.py` keeps the rows and sleeps. For each attempt it

1. reads the tallies, asks `decide` and stores what that returns, without an await in between;
2. on `Refuse` answers 429 without looking at the password; nothing changed, so refused attempts take no slots;
3. on `Wait` sleeps, checks the password, reads the tallies again (others were busy) and stores what `after_failure`
   or `after_success` makes of them. `InFlight` counts the attempts between 1 and 3.

**Names** (known or not): three attempts are free, then 1, 2, 4, 8, 16 and ever 30 s lie between two. An attempt
counts when it is let through and its success takes it back, so guesses at the same time are spaced too. Where the
name itself has entered lately its attempts are spaced in a lane of that address, so that a scanner elsewhere locks
nobody out. The name's other attempts wait for those of its lanes and a delay longer: together there are no more.

**Addresses**: free for a run of up to 199 failures, since any spacing would make a class queue; then 60 to 300 s.
A run ends with a success or a day of quiet. An insider would end it with his own success after every 199 guesses,
so a name has that credit once an hour; the students of a class have one each. Against whoever has many names (a
shared password opens them all), 1,000 failures in an hour space an address by 4 s whatever its successes.

**Overall**: from 2,000 failures in an hour on, 2 s lie between two attempts from addresses without a credit in the
last 14 days or with a run of 200. A botnet fills these slots, so honest newcomers hardly get in while it guesses;
who comes from where somebody entered lately does.

Sustained guesses per hour (in the first one): 120 at one name (130); 12 from an outside address (230); 230 from an
insider's (430); 1,000 from one with all accounts (2,200); 2,000 from all unknown addresses together, forged ones too
(4,000), and 200 for each account. Guesses at the same moment, before one is answered, make 200 up to 400.
"""

import hashlib
import math
from dataclasses import dataclass, replace

from ..store import NAME_LENGTH, Kind, Tally

# Seconds; browsers and proxies wait that long without a doubt, and it is what an honest user may have to wait.
MAX_WAIT_SECONDS = 5.0

NAME_FREE_ATTEMPTS = 3  # a typing error, Caps Lock, last year's password
NAME_MAX_DELAY_SECONDS = 30.0  # nobody is locked out longer than that after the last guess

ADDRESS_FREE_RUN = 200  # failures without a success; from here on no less than a minute
ADDRESS_DELAY_SECONDS = 60.0
ADDRESS_DELAY_STEP = 10  # failures until the delay grows by as much again
ADDRESS_MAX_DELAY_SECONDS = 300.0
ADDRESS_FREE_FAILURES = 1000.0  # within about an hour: two classes of 100 with five failures each
ADDRESS_BUSY_DELAY_SECONDS = 4.0  # 900 an hour, so the count stays where it is

ALL_FREE_FAILURES = 2000.0  # within about an hour: four such classes, at addresses nobody ever entered from
ALL_DELAY_SECONDS = 2.0  # 1,800 an hour: 100,000 years for eight random letters and digits

CREDIT_SECONDS = 3600.0  # a name's success ends its address's run once in this time
KNOWN_SECONDS = 14 * 86400.0  # as long as JupyterHub's login cookie lives

ADDRESS_MAX_OPEN = 400  # failures of a run, up to 200, and attempts in flight: 200 at once always fit
UNKNOWN = "unknown "  # before the hash of a name that nobody has
HASH_BYTES = 16
ALL_MAX_IN_FLIGHT = 1000  # attempts let through and not answered yet, for unknown addresses

DECAY_SECONDS = 3600.0  # failures count 1/e after it: a steady rate per hour is its own count
QUIET_SECONDS: dict[Kind, float] = {"name": 3600.0, "lane": 3600.0, "address": 86400.0, "all": 86400.0}


@dataclass(frozen=True)
class Tallies:
    """The tallies of one attempt; `lane` is of the name at the address."""

    name: Tally
    address: Tally
    all: Tally
    lane: Tally


@dataclass(frozen=True)
class InFlight:
    """Attempts that `decide` let through and that have no answer yet: from this address, and from all."""

    address: int
    all: int


@dataclass(frozen=True)
class Wait:
    """Sleep so many seconds, at most `MAX_WAIT_SECONDS`, then check the password."""

    seconds: float


@dataclass(frozen=True)
class Refuse:
    """Answer 429 with this Retry-After, whole seconds, and do not look at the password."""

    retry_after_seconds: int


def name_value(name: str | None, *, known: bool, secret: bytes) -> str:
    """Return what a name's tally is kept under, in the same time for every name.

    Args:
        name: The normalised name; what was typed if it cannot be one; None if nothing was.
        known: Whether it is a user's. All others are kept as a keyed hash: people type passwords into the field.
        secret: Key of the hash; the same after a restart, or the names start afresh.
    """
    typed = (name or "").encode("utf-8", "surrogatepass")
    hidden = hashlib.blake2b(typed, key=hashlib.sha256(secret).digest(), digest_size=HASH_BYTES).hexdigest()
    return name if known and name is not None else f"{UNKNOWN}{hidden}"


def is_unknown(value: str) -> bool:
    """Tell whether a tally of a name is that of a name that nobody has."""
    return value.startswith(UNKNOWN) and len(value) == len(UNKNOWN) + 2 * HASH_BYTES


def lane_value(name: str, address: str) -> str:
    """Return what the tally of a name's lane at an address, or at a network, is kept under."""
    return f"{address} {name}"[:NAME_LENGTH]


def decide(tallies: Tallies, *, now: float, in_flight: InFlight) -> tuple[Wait | Refuse, Tallies]:
    """Let an attempt through at its next slot, or refuse it if that is too far away.

    Returns:
        The answer, and the tallies to store: with the slot taken after `Wait`, the given ones after `Refuse`.
    """
    fresh = _age(tallies, now)
    run = min(fresh.address.run, ADDRESS_FREE_RUN)
    known = run < ADDRESS_FREE_RUN and _entered_lately(fresh.address, now)
    own = fresh.lane if _entered_lately(fresh.lane, now) else fresh.name
    if run + in_flight.address >= ADDRESS_MAX_OPEN or (in_flight.all >= ALL_MAX_IN_FLIGHT and not known):
        return Refuse(math.ceil(MAX_WAIT_SECONDS)), tallies
    # All attempts in flight may fail, so those from unknown addresses cannot get past the limit together.
    everybody = replace(fresh.all, failures=fresh.all.failures + in_flight.all)
    gates = (own, fresh.address) if known else (own, fresh.address, everybody)
    wait = max([0.0, *(tally.not_before - now for tally in gates if delay_seconds(tally))])
    if wait > MAX_WAIT_SECONDS:
        return Refuse(math.ceil(wait)), tallies
    name, lane, name_at = replace(fresh.name, run=fresh.name.run + 1), fresh.lane, now + wait
    if own is lane:
        lane = _with_slot(replace(lane, run=lane.run + 1), now + wait)
        # A delay behind the lane's next slot, so that who has both gets no more than by one of them.
        name_at = lane.not_before
    name = _with_slot(name, name_at)
    slot = fresh.all.not_before if known else _with_slot(everybody, now + wait).not_before
    address = _with_slot(fresh.address, now + wait)
    return Wait(wait), Tallies(name, address, replace(fresh.all, not_before=slot), lane)


def after_failure(tallies: Tallies, *, now: float) -> Tallies:
    """Count an attempt whose password was wrong, or whose name may not enter."""
    fresh = _age(tallies, now)
    address = replace(fresh.address, run=fresh.address.run + 1, failures=fresh.address.failures + 1)
    return Tallies(
        name=replace(fresh.name, failures=fresh.name.failures + 1),
        address=_with_slot(address, now),
        all=_with_slot(replace(fresh.all, failures=fresh.all.failures + 1), now),
        lane=fresh.lane,
    )


def after_success(tallies: Tallies, *, now: float) -> Tallies:
    """Clear the name, or its lane, and, unless the name did so in the last hour, the address's run."""
    fresh = _age(tallies, now)
    if _entered_lately(fresh.lane, now):
        # What others have guessed elsewhere still counts.
        name = replace(fresh.name, run=max(0, fresh.name.run - 1))
        lane = replace(fresh.lane, run=0, not_before=now, credited_at=now)
    else:
        name, lane = replace(fresh.name, run=0, not_before=now), fresh.lane
    if name.credited_at is not None and abs(now - name.credited_at) < CREDIT_SECONDS:
        return replace(fresh, name=name, lane=lane)
    address = replace(fresh.address, run=0, not_before=now, credited_at=now)
    # No more often than that, or one user could fill the table with lanes.
    return replace(
        fresh, name=replace(name, credited_at=now), address=address, lane=replace(lane, not_before=now, credited_at=now)
    )


def may_forget(tally: Tally, *, now: float) -> bool:
    """Tell whether a row can be deleted, because a new one would decide the same."""
    known = tally.kind != "name" and tally.credited_at is not None
    return abs(now - tally.changed_at) >= (KNOWN_SECONDS if known else QUIET_SECONDS[tally.kind])


def delay_seconds(tally: Tally) -> float:
    """Return how far apart attempts must be, for `decide` and for the admins' page."""
    if tally.kind in ("name", "lane"):
        doublings = min(tally.run - NAME_FREE_ATTEMPTS, 10)
        return 0.0 if doublings < 0 else min(2.0**doublings, NAME_MAX_DELAY_SECONDS)
    if tally.kind == "all":
        return 0.0 if tally.failures < ALL_FREE_FAILURES else ALL_DELAY_SECONDS
    if tally.run >= ADDRESS_FREE_RUN:
        steps = 1 + (tally.run - ADDRESS_FREE_RUN) // ADDRESS_DELAY_STEP
        return min(ADDRESS_DELAY_SECONDS * steps, ADDRESS_MAX_DELAY_SECONDS)
    return 0.0 if tally.failures < ADDRESS_FREE_FAILURES else ADDRESS_BUSY_DELAY_SECONDS


def _with_slot(tally: Tally, at: float) -> Tally:
    """Take the slot at `at`; the next one is a delay later."""
    return replace(tally, not_before=max(tally.not_before, at + delay_seconds(tally)))


def aged(tally: Tally, *, now: float) -> Tally:
    """Bring a tally to `now`; a clock that went back ages it like one that went forward, so that nothing sticks."""
    gone = abs(now - tally.changed_at)
    run = 0 if gone >= QUIET_SECONDS[tally.kind] else tally.run
    failures = tally.failures * math.exp(-gone / DECAY_SECONDS)
    tally = replace(tally, run=run, failures=failures, changed_at=now)
    # No slot is farther away than a full queue, a name's also a lane's delay, and a second for rounding: that one is
    # from another clock.
    delay = delay_seconds(tally) + (NAME_MAX_DELAY_SECONDS if tally.kind == "name" else 0.0)
    stale = tally.not_before - now > MAX_WAIT_SECONDS + delay + 1
    return replace(tally, not_before=now) if stale else tally


def _entered_lately(tally: Tally, now: float) -> bool:
    """Tell whether an address is one where somebody, or a lane's name, has entered lately."""
    return tally.credited_at is not None and abs(now - tally.credited_at) < KNOWN_SECONDS


def _age(tallies: Tallies, now: float) -> Tallies:
    return Tallies(*(aged(tally, now=now) for tally in (tallies.name, tallies.address, tallies.all, tallies.lane)))
