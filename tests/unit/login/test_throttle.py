"""How long attempts to log in have to wait."""

import dataclasses
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from jhaws.login import throttle
from jhaws.login.throttle import InFlight, Kind, Refuse, Tallies, Tally, Wait

NOW = 1_800_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
SCHOOL = "198.51.100.7"
NOBODY = InFlight(address=0, all=0)


class Hub:
    """The caller in small: keeps the rows, sleeps on a simulated clock, and answers `check_seconds` after that."""

    def __init__(self, check_seconds: float = 0.0) -> None:
        self.now = NOW
        self.check_seconds = check_seconds
        self.rows: dict[tuple[Kind, str], Tally] = {}
        self.checked = 0
        self.flying: Counter[str] = Counter()
        self._number = itertools.count()
        self._answers: list[tuple[float, int, str, str, bool]] = []

    def tallies(self, name: str, address: str) -> Tallies:
        """Read the rows of an attempt."""
        lane = self._row("lane", throttle.lane_value(name, address))
        return Tallies(self._row("name", name), self._row("address", address), self._row("all", ""), lane)

    def start(self, name: str, address: str, *, right: bool = False) -> Wait | Refuse:
        """Ask for an attempt now; its answer comes when the clock has passed the wait and the check."""
        self.run_to(self.now)
        in_flight = InFlight(address=self.flying[address], all=self.flying.total())
        answer, tallies = throttle.decide(self.tallies(name, address), now=self.now, in_flight=in_flight)
        self._store(tallies)
        if isinstance(answer, Wait):
            at = self.now + answer.seconds + self.check_seconds
            self.flying[address] += 1
            heapq.heappush(self._answers, (at, next(self._number), name, address, right))
        return answer

    def run_to(self, end: float) -> None:
        """Let time pass."""
        while self._answers and self._answers[0][0] <= end:
            at, _, name, address, right = heapq.heappop(self._answers)
            self.checked += 1
            self.flying[address] -= 1
            after = throttle.after_success if right else throttle.after_failure
            self._store(after(self.tallies(name, address), now=at))
        self.now = end

    def attempt(self, name: str, address: str, *, right: bool = False) -> float:
        """Try until the password was looked at, as somebody patient does; return the seconds it took."""
        began = self.now
        while isinstance(answer := self.start(name, address, right=right), Refuse):
            self.run_to(self.now + answer.retry_after_seconds)
        self.run_to(self.now + answer.seconds + self.check_seconds)
        return self.now - began

    def restart(self) -> None:
        """Start again with nothing but what the rows hold."""
        self.rows = {key: Tally(**dataclasses.asdict(row)) for key, row in self.rows.items()}
        self.flying.clear()
        self._answers.clear()

    def _row(self, kind: Kind, value: str) -> Tally:
        return self.rows.get((kind, value)) or Tally(kind, value)

    def _store(self, tallies: Tallies) -> None:
        lanes = [tallies.lane] if tallies.lane.credited_at else []
        for row in (tallies.name, tallies.address, tallies.all, *lanes):
            self.rows[row.kind, row.value] = row


def names() -> Iterator[str]:
    return (f"name-{number}" for number in itertools.count())


def guess_for(hub: Hub, hours: float, attackers: list[tuple[Iterator[str], str]], *, pause: float = 5.0) -> int:
    """Let each attacker (its names, its address) guess as often as it may; return the passwords looked at."""
    before, end = hub.checked, hub.now + hours * HOUR
    queue = [(hub.now, number) for number in range(len(attackers))]
    chance = random.Random(0)
    while queue[0][0] < end:
        at, number = heapq.heappop(queue)
        hub.run_to(at)
        candidates, address = attackers[number]
        answer = hub.start(next(candidates), address)
        wait = (
            answer.seconds
            if isinstance(answer, Wait)
            else max(chance.uniform(0.5, 1.5) * pause, answer.retry_after_seconds)
        )
        heapq.heappush(queue, (at + wait, number))
    hub.run_to(end)
    return hub.checked - before


def fail(hub: Hub, times: int, address: str = SCHOOL) -> None:
    """Let so many attempts of different names fail."""
    for number in range(times):
        hub.attempt(f"failing-{hub.now}-{number}", address)


def shuffled_class(seed: int) -> list[tuple[str, bool]]:
    """Put 100 students' five failures and a success each into any order without a run of 200 failures."""
    chance = random.Random(seed)
    while True:
        left = {f"student-{number}": 6 for number in range(100)}
        # The earlier it is over for some, the longer are the runs of the others.
        favourites = chance.choice([1, 10, 60, 100])
        order: list[tuple[str, bool]] = []
        while left:
            name = chance.choice(list(left)[:favourites])
            left[name] -= 1
            order.append((name, not left[name]))
            if not left[name]:
                del left[name]
        runs = "".join("s" if right else "f" for _, right in order).split("s")
        if max(map(len, runs)) < 200:
            return order


# The figures of the issue.


@pytest.mark.parametrize("seed", range(30))
def test_a_class_behind_one_address_never_waits_more_than_5_seconds(seed: int) -> None:
    """100 names with five failures and a success each, within ten minutes, wait 5 s at most, whatever their order.

    But for orders with 200 failures between two successes, which the next figure makes wait.
    """
    hub = Hub()
    waited = 0.0
    chance = random.Random(seed)
    starts = sorted(chance.uniform(0, 600) for _ in range(600))
    for start, (name, right) in zip(starts, shuffled_class(seed), strict=True):
        hub.run_to(max(hub.now, NOW + start))
        waited = max(waited, hub.attempt(name, SCHOOL, right=right))

    assert waited <= 5


def test_the_hardest_order_of_a_class_never_waits_more_than_5_seconds() -> None:
    """Runs of 199 failures at once between two successes are still free."""
    hub = Hub()
    failing = itertools.cycle(f"student-{number}" for number in range(100))
    waits = []
    for number in range(500):
        waits.append(hub.start(next(failing), SCHOOL))
        hub.run_to(hub.now + 1.2)
        if number % 199 == 198:
            waits.append(hub.start(f"student-{number % 100}", SCHOOL, right=True))
    hub.run_to(hub.now + 5)

    assert all(isinstance(wait, Wait) and wait.seconds <= 5 for wait in waits)
    assert hub.checked == 502


def test_200_failures_without_a_success_make_an_address_wait_a_minute_each() -> None:
    """The 199th failure costs nothing; from the 200th on each attempt waits at least 60 s, right or wrong."""
    hub = Hub()
    fail(hub, 199)
    hub.run_to(NOW + 50 * 60)
    assert hub.attempt("number-200", SCHOOL) == 0

    waits = [hub.attempt(f"late-{number}", SCHOOL) for number in range(60)]

    assert min(waits) >= 60
    assert waits == sorted(waits)
    assert max(waits) == throttle.ADDRESS_MAX_DELAY_SECONDS
    assert hub.attempt("honest", SCHOOL, right=True) >= 60
    assert hub.attempt("classmate", SCHOOL, right=True) == 0


@pytest.mark.parametrize("seed", range(10))
def test_200_failures_in_an_hour_count_however_they_are_spread(seed: int) -> None:
    """Evenly or in bursts: 200 failures within an hour are followed by at least 60 s."""
    hub, chance = Hub(), random.Random(seed)
    for start in sorted(chance.choice([0, 10, chance.uniform(0, HOUR)]) for _ in range(200)):
        hub.run_to(max(hub.now, NOW + start))
        hub.attempt(f"name-{chance.random()}", SCHOOL)

    assert isinstance(answer := hub.start("next", SCHOOL), Refuse)
    assert answer.retry_after_seconds >= 60 - (NOW + HOUR - hub.now)
    assert answer.retry_after_seconds >= 60


# Honest people.


def test_200_users_who_log_in_at_the_same_second_do_not_wait() -> None:
    """Even after a run of 199 failures, and while none of them has his answer yet."""
    hub = Hub(check_seconds=20)
    fail(hub, 199)
    answers = [hub.start(f"student-{number}", SCHOOL, right=True) for number in range(200)]
    hub.run_to(hub.now + 20)

    assert set(answers) == {Wait(0.0)}
    assert hub.checked == 399


def test_a_name_waits_longer_with_each_failure_and_never_more_than_half_a_minute() -> None:
    """Three attempts are free; then the delay doubles up to 30 s."""
    hub = Hub()

    assert [hub.attempt("ann", SCHOOL) for _ in range(10)] == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_a_success_clears_the_name() -> None:
    """After a right password the next attempts are free again."""
    hub = Hub()
    for _ in range(8):
        hub.attempt("ann", SCHOOL)
    hub.attempt("ann", SCHOOL, right=True)

    assert [hub.attempt("ann", SCHOOL) for _ in range(4)] == [0, 0, 0, 1]


def test_a_name_is_free_again_after_an_hour_without_attempts() -> None:
    """Who comes back after lunch starts afresh."""
    hub = Hub()
    for _ in range(8):
        hub.attempt("ann", SCHOOL)
    hub.run_to(hub.now + HOUR)

    assert [hub.attempt("ann", SCHOOL) for _ in range(3)] == [0, 0, 0]


# How a bored student and a botnet would break it.


def test_simultaneous_guesses_at_one_name_are_spaced() -> None:
    """Of 200 guesses at the same moment five get slots within 5 s, each after its delay; the others are refused."""
    hub = Hub()
    answers = [hub.start("ann", SCHOOL) for _ in range(200)]

    assert [answer.seconds for answer in answers if isinstance(answer, Wait)] == [0, 0, 0, 1, 3]
    assert {answer.retry_after_seconds for answer in answers if isinstance(answer, Refuse)} == {7}


def test_an_insiders_guesses_at_the_same_moment_are_bounded() -> None:
    """After each credit 400 at most get through before one is answered, and none is free after that."""
    hub, victims = Hub(check_seconds=10), names()
    for _ in range(3):
        before = hub.checked
        hub.attempt("insider", SCHOOL, right=True)
        fails = [hub.start(next(victims), SCHOOL) for _ in range(1000)]
        hub.run_to(hub.now + 10)
        fails += [hub.start(next(victims), SCHOOL) for _ in range(1000)]
        hub.run_to(hub.now + HOUR)
        assert hub.checked - before == 401
        assert sum(isinstance(answer, Wait) for answer in fails) == 400


def test_simultaneous_attempts_take_one_slot_of_a_slow_address() -> None:
    """Once an address waits a minute, a hundred attempts at the end of that minute get one slot together."""
    hub = Hub()
    fail(hub, 200)
    hub.run_to(hub.now + 57)
    answers = [hub.start(f"other-{number}", SCHOOL) for number in range(100)]

    assert [answer for answer in answers if isinstance(answer, Wait)] == [Wait(3.0)]


def test_a_burst_before_the_first_answer_is_bounded() -> None:
    """10,000 guesses before one is answered: 400 get through and count; 1,000 from many addresses."""
    hub = Hub(check_seconds=10)
    one = [hub.start(name, SCHOOL) for name in itertools.islice(names(), 10_000)]
    many = [hub.start(f"other-{number}", f"192.0.2.{number % 250}") for number in range(10_000)]
    hub.run_to(hub.now + 10)

    assert sum(isinstance(answer, Wait) for answer in one) == 400
    assert sum(isinstance(answer, Wait) for answer in many) == 600
    assert isinstance(answer := hub.start("next", SCHOOL), Refuse)
    assert answer.retry_after_seconds == 300


def test_a_refused_attempt_changes_nothing() -> None:
    """Hammering does not push the next slot away, and a flood of refusals writes no rows."""
    hub = Hub()
    for _ in range(8):
        hub.attempt("ann", SCHOOL)
    before = hub.tallies("ann", SCHOOL)
    for _ in range(100):
        assert isinstance(hub.start("ann", SCHOOL), Refuse)
        hub.run_to(hub.now + 0.1)

    assert hub.tallies("ann", SCHOOL) == before
    assert hub.attempt("ann", "203.0.113.1", right=True) == pytest.approx(20, abs=1)


def test_a_classmate_is_locked_out_for_half_a_minute_at_most() -> None:
    """Whatever somebody else guessed at a name for an hour, its owner is in 35 s after the last guess."""
    hub = Hub()
    guess_for(hub, 1, [(itertools.repeat("victim"), SCHOOL)])

    assert hub.attempt("victim", SCHOOL, right=True) <= 35


def scan_beside(hub: Hub, name: str, *, seconds: float, every: float, right: bool) -> tuple[list[Wait | Refuse], int]:
    """Let 30 addresses guess at a name as often as they may, beside somebody at SCHOOL; return what that one got.

    Args:
        hub: The hub.
        name: The name.
        seconds: How long.
        every: Seconds between two attempts at SCHOOL.
        right: Whether these have the right password.

    Returns:
        Their answers, and how many guesses were looked at.
    """
    end, turn, answers, right_ones = hub.now + seconds, hub.now, [], 0
    before, scanners = hub.checked, itertools.cycle(f"203.0.113.{number}" for number in range(30))
    while hub.now < end:
        if hub.now >= turn:
            turn += every
            answers.append(hub.start(name, SCHOOL, right=right))
            right_ones += right and isinstance(answers[-1], Wait)
        hub.start(name, next(scanners))
        hub.run_to(hub.now + 0.25)
    hub.run_to(end + 5)
    return answers, hub.checked - before - right_ones


def test_a_scanner_elsewhere_locks_nobody_out() -> None:
    """Where a name has entered in the last days it always does at once, whatever others guess; they gain nothing."""
    hub = Hub()
    hub.attempt("root", SCHOOL, right=True)
    hub.run_to(hub.now + 13 * DAY)
    answers, guesses = scan_beside(hub, "root", seconds=HOUR, every=300, right=True)

    assert set(answers) == {Wait(0.0)}
    assert 100 < guesses <= 130
    hub.run_to(hub.now + 15 * DAY)
    for _ in range(8):
        hub.attempt("root", "203.0.113.1")
    assert isinstance(hub.start("root", SCHOOL, right=True), Refuse)


@pytest.mark.parametrize("every", [0.25, 20, 29, 31.5, 45, 59, 61, 75, 91, 200])
def test_an_address_of_the_name_brings_no_more_guesses(every: float) -> None:
    """Who guesses behind the name's own address, and elsewhere too, has 120 guesses an hour in all, after 130."""
    hub = Hub()
    hub.attempt("ann", SCHOOL, right=True)
    first, later = (scan_beside(hub, "ann", seconds=HOUR, every=every, right=False)[1] for _ in range(2))

    assert first <= 133
    assert later <= 122


def test_one_user_does_not_fill_the_table_with_lanes() -> None:
    """Logins from a hundred addresses within an hour leave a row of one of them."""
    hub = Hub()
    for number in range(100):
        hub.attempt("insider", f"203.0.113.{number}", right=True)

    assert [value for kind, value in hub.rows if kind == "lane"] == ["203.0.113.0 insider"]


def test_one_name_from_many_addresses_is_guessed_120_times_an_hour() -> None:
    """Addresses do not help against the delay of a name."""
    hub = Hub()
    attackers = [(itertools.repeat("ann"), f"203.0.113.{number}") for number in range(30)]

    assert guess_for(hub, 1, attackers) <= 130
    assert guess_for(hub, 1, attackers) <= 121


def test_one_password_sprayed_over_many_names_from_one_address() -> None:
    """An outside address gets about 230 guesses in its first hour and 12 in each further one."""
    hub = Hub()
    spray = [(names(), "203.0.113.9")]

    assert guess_for(hub, 1, spray) <= 235
    assert guess_for(hub, 10, spray) <= 10 * 13


def test_waiting_a_day_is_worth_200_guesses() -> None:
    """An address that pauses until its run is forgotten gets no more than by staying."""
    hub = Hub()
    guesses = 0
    for _ in range(5):
        guesses += guess_for(hub, 0.05, [(names(), "203.0.113.9")])
        hub.run_to(hub.now + DAY)

    assert guesses <= 5 * 203


@pytest.mark.parametrize("guesses_between", [20, 100, 199])
def test_an_insider_cannot_buy_guesses_with_successes(guesses_between: int) -> None:
    """Who logs in himself between his guesses gets some 230 an hour, after 430 in the first."""
    hub, victims = Hub(), names()

    def guesses_until(end: float) -> int:
        before = 0
        for number in itertools.count(1):
            hub.attempt("insider" if number % (guesses_between + 1) == 0 else next(victims), SCHOOL, right=False)
            if number % (guesses_between + 1) == 0:
                hub.attempt("insider", SCHOOL, right=True)
            before += 1
            if hub.now >= end:
                return before
        raise AssertionError

    assert guesses_until(NOW + HOUR) <= 440
    assert guesses_until(NOW + 11 * HOUR) <= 10 * 240


def test_an_insider_with_every_account_is_held_too() -> None:
    """Who can log in with any name gets at most 2,000 guesses in an hour from an address, and then 1,000."""
    hub, victims, own = Hub(), names(), itertools.count()

    def guesses_until(end: float) -> int:
        guesses = 0
        while hub.now < end:
            hub.attempt(f"own-{next(own)}", SCHOOL, right=True)
            for _ in range(100):
                hub.attempt(next(victims), SCHOOL)
            guesses += 100
        return guesses

    assert guesses_until(NOW + HOUR) <= 2000
    assert guesses_until(NOW + 4 * HOUR) <= 3 * 1000 + 100


def test_a_botnet_is_held_overall_and_known_addresses_get_in() -> None:
    """1,000 addresses get 4,000 guesses in the first hour, then 2,000; meanwhile a school logs in without waiting."""
    hub = Hub(check_seconds=0.1)
    hub.attempt("teacher", SCHOOL, right=True)
    hub.run_to(hub.now + 7 * DAY)
    fail(hub, 20)
    made_up = names()
    botnet = [(made_up, f"203.0.{bot // 250}.{bot % 250}") for bot in range(1000)]

    assert 3700 <= guess_for(hub, 1, botnet, pause=500) <= 4100
    assert [hub.attempt(f"student-{number}", SCHOOL, right=True) for number in range(50)] == [pytest.approx(0.1)] * 50
    assert guess_for(hub, 1, botnet, pause=500) <= 2100
    assert isinstance(hub.start("newcomer", "192.0.2.99", right=True), Wait | Refuse)


def test_an_insider_cannot_make_a_botnet_known() -> None:
    """One account makes one address known in an hour; the others stay under the overall throttle."""
    hub = Hub()
    bots = [f"203.0.113.{number}" for number in range(100)]
    for bot in bots:
        hub.attempt("insider", bot, right=True)

    assert sum(hub.tallies("insider", bot).address.credited_at is not None for bot in bots) == 1


def test_unknown_names_count_like_known_ones() -> None:
    """A name that no user has leads to the same waits as one that a user has."""
    waits = []
    for known in (True, False):
        hub = Hub()
        key = throttle.name_value("ann", known=known, secret=b"hub")
        waits.append([hub.attempt(key, SCHOOL) for _ in range(10)])

    assert waits[0] == waits[1]


def test_what_was_typed_is_not_kept_unless_it_is_a_users_name() -> None:
    """Other names are kept as a keyed hash: the same for the same text, and nothing without the key."""
    value = throttle.name_value("my-password", known=False, secret=b"hub")

    assert throttle.name_value("ann", known=True, secret=b"hub") == "ann"
    assert "my-password" not in value
    assert value == throttle.name_value("my-password", known=False, secret=b"hub")
    assert value != throttle.name_value("my-password", known=False, secret=b"other hub")
    assert value != throttle.name_value("my-passwort", known=False, secret=b"hub")


@pytest.mark.parametrize("typed", [None, "", "\ud800", "\0", "x" * 1_000_000])
def test_whatever_is_typed_has_a_short_key(typed: str | None) -> None:
    """Nothing, half a surrogate pair or a million characters fit into a column of 255."""
    assert len(throttle.name_value(typed, known=False, secret=b"s" * 100)) == 40


# Clocks, restarts, and a million keys.


def test_a_restart_forgets_nothing() -> None:
    """The rows alone hold a slow address and a slow name; attempts that were in flight count for the name."""
    hub = Hub()
    fail(hub, 200)
    for _ in range(9):
        hub.start("ann", "203.0.113.1")
    hub.restart()

    assert isinstance(hub.start("bob", SCHOOL), Refuse)
    assert isinstance(hub.start("ann", "203.0.113.1"), Refuse)


@pytest.mark.parametrize("back", [1.0, 100.0, HOUR / 2, HOUR, 30 * DAY])
def test_a_clock_that_goes_back_locks_nobody_out(back: float) -> None:
    """After the step there is at most the usual wait for a name and an address, and the spacing goes on."""
    hub = Hub()
    for _ in range(8):
        hub.attempt("ann", "203.0.113.1")
    fail(hub, 200)
    hub.now -= back

    assert hub.attempt("ann", "203.0.113.1", right=True) <= 36
    assert hub.attempt("bob", SCHOOL) <= 66
    if back < DAY:
        assert isinstance(hub.start("carl", SCHOOL), Refuse)


def test_a_clock_that_goes_back_and_forth_frees_one_attempt_only() -> None:
    """A step lets one attempt through out of its turn, not all."""
    hub = Hub()
    fail(hub, 250)
    hub.now -= 2 * HOUR
    answers = [hub.start(f"late-{number}", SCHOOL) for number in range(50)]

    assert sum(isinstance(answer, Wait) for answer in answers) == 1


@pytest.mark.parametrize(
    ("tally", "forgotten_after"),
    [
        (Tally("name", "ann", run=9, failures=9, changed_at=NOW, not_before=NOW + 30, credited_at=NOW), HOUR),
        (Tally("address", SCHOOL, run=300, failures=9000, changed_at=NOW, not_before=NOW + 300), DAY),
        (Tally("address", SCHOOL, run=300, failures=9000, changed_at=NOW, credited_at=NOW), 14 * DAY),
        (Tally("all", "", failures=9000, changed_at=NOW, not_before=NOW + 2), DAY),
        (Tally("lane", f"{SCHOOL} ann", run=9, changed_at=NOW, not_before=NOW + 30, credited_at=NOW), 14 * DAY),
    ],
)
def test_a_row_can_be_deleted_when_a_new_one_would_decide_the_same(tally: Tally, forgotten_after: float) -> None:
    """Names are kept for an hour, addresses for a day or, after a login, for two weeks; from the future alike."""
    assert not throttle.may_forget(tally, now=NOW + forgotten_after - 1)
    assert throttle.may_forget(tally, now=NOW + forgotten_after)
    assert throttle.may_forget(tally, now=NOW - forgotten_after)
    # A forgettable row and none at all lead to the same delay.
    assert throttle.delay_seconds(throttle.aged(tally, now=NOW + forgotten_after)) == 0


def test_a_million_names_leave_no_million_rows() -> None:
    """Made-up names get rows only when the throttle lets them through, and those can go after an hour."""
    hub = Hub()
    guess_for(hub, 0.5, [(names(), f"203.0.113.{number}") for number in range(100)], pause=20)
    rows = list(hub.rows.values())
    kept = [row for row in rows if not throttle.may_forget(row, now=hub.now + HOUR)]

    assert len(rows) <= 2000 + 900 + 101 + 100
    assert {row.kind for row in kept} <= {"address", "all"}


@pytest.mark.parametrize("after", [throttle.after_failure, throttle.after_success])
def test_any_row_leads_to_a_finite_answer(after: Callable[..., Tallies]) -> None:
    """Random rows and clocks never fail, and no wait is longer than the address's cap and a full queue."""
    chance = random.Random(7)
    for _ in range(2000):
        rows = [
            Tally(
                kind,
                "x",
                run=chance.choice([0, 3, 199, 200, 10**6]),
                failures=chance.choice([0.0, 999.0, 1e9]),
                changed_at=NOW + chance.uniform(-2, 2) * DAY,
                not_before=NOW + chance.uniform(-1, 1) * chance.choice([1, 60, DAY]),
                credited_at=chance.choice([None, NOW, NOW - 15 * DAY, NOW + DAY]),
            )
            for kind in ("name", "address", "all", "lane")
        ]
        answer, tallies = throttle.decide(Tallies(*rows), now=NOW, in_flight=NOBODY)
        longest = answer.seconds if isinstance(answer, Wait) else answer.retry_after_seconds
        assert 0 <= longest <= (5 if isinstance(answer, Wait) else 307)
        assert after(tallies, now=NOW + 1).all.changed_at == NOW + 1
