"""The gate before the password, on a real database of the hub, with a clock of our own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jupyterhub import orm
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.login import gate as gate_module
from jhaws.login.gate import Gate, TooManyLoginsError
from jhaws.login.gate_api import make_csv
from jhaws.sentences import translate

SCHOOL = "203.0.113.7"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that goes on when somebody sleeps, and remembers how long they did."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Say what time it is."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass without waiting for it."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of one test's gates."""
    clock = Clock()
    monkeypatch.setattr(gate_module, "sleep", clock.sleep)
    return clock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Session]:
    """A hub's database with our tables."""
    session = orm.new_session_factory(f"sqlite:///{tmp_path / 'hub.sqlite'}")()
    store.prepare_tables(session)
    yield session
    session.close()
    session.get_bind().dispose()


async def nothing() -> None:
    """Forget nothing else."""


def make_gate(db: Session, clock: Clock) -> Gate:
    return Gate(lambda: db, tidy=nothing, clock=clock)


async def try_login(gate: Gate, name: str, *, ok: bool = False, address: str = SCHOOL) -> None:
    async with gate.attempt(name, address) as attempt:
        attempt.succeeded = ok


async def test_failures_of_a_name_make_its_next_attempts_wait(db: Session, clock: Clock) -> None:
    """Three typing errors cost nothing; then the waits grow, and what would take over 5 s is refused at once."""
    gate = make_gate(db, clock)
    for _ in range(6):
        await try_login(gate, "ann")
    with pytest.raises(TooManyLoginsError) as refused:
        await try_login(gate, "ann", ok=True)

    assert clock.slept == [0, 0, 0, 1, 2, 4]
    assert refused.value.status_code == 429
    assert refused.value.headers == {"Retry-After": "8"}
    assert "Try again in 8 seconds" in str(refused.value)


async def test_a_success_forgets_the_names_failures(db: Session, clock: Clock) -> None:
    """Who remembers the password after five attempts begins anew."""
    gate = make_gate(db, clock)
    for _ in range(5):
        await try_login(gate, "ann")
    await try_login(gate, "ann", ok=True)
    clock.slept.clear()
    await try_login(gate, "ann")

    assert clock.slept == [0]


async def test_delays_outlive_the_hub(db: Session, clock: Clock) -> None:
    """A hub that starts again knows what the one before it has counted."""
    for _ in range(6):
        await try_login(make_gate(db, clock), "ann")
    with pytest.raises(TooManyLoginsError):
        await try_login(make_gate(db, clock), "ann")


async def test_where_a_name_has_entered_others_guesses_count_for_nothing(db: Session, clock: Clock) -> None:
    """Also in a hub that starts again; wrong attempts there are spaced, and who clears the name clears that."""
    await try_login(make_gate(db, clock), "ann", ok=True)
    clock.now += 7200
    for _ in range(6):
        await try_login(make_gate(db, clock), "ann", address="198.51.100.9")
    clock.slept.clear()
    gate = make_gate(db, clock)
    for _ in range(6):
        await try_login(gate, "ann")
    with pytest.raises(TooManyLoginsError):
        await try_login(gate, "ann", ok=True)
    store.delete_lanes(db, "n")
    with pytest.raises(TooManyLoginsError):
        await try_login(gate, "ann", ok=True)
    store.delete_tallies(db, [("name", "ann")])
    store.delete_lanes(db, "ann")
    await try_login(gate, "ann", ok=True)

    assert clock.slept == [0, 0, 0, 1, 2, 4, 0]


async def test_who_clears_a_name_clears_no_lane_of_another(db: Session, clock: Clock) -> None:
    """Neither of one that differs in case nor of one whose last word it is, which SQLite and LIKE would find."""
    names = ("who", "WHO", "dr who")
    for name in names:
        await try_login(make_gate(db, clock), name, ok=True)
    store.delete_lanes(db, "who")

    lanes = [each.value for each in store.read_next_tallies(db, after=("lane", ""), limit=10) if each.kind == "lane"]
    assert sorted(value.partition(" ")[2] for value in lanes) == ["WHO", "dr who"]


async def test_two_hundred_from_one_address_at_once_wait_for_nothing(db: Session, clock: Clock) -> None:
    """A class that logs in at the same second behind one address is not an attack."""
    gate = make_gate(db, clock)
    await asyncio.gather(*(try_login(gate, f"student-{number}", ok=True) for number in range(200)))

    assert set(clock.slept) == {0}


async def test_who_has_a_network_of_ipv6_addresses_is_one_scanner(db: Session, clock: Clock) -> None:
    """A new one for each new name does not help; who comes from the network beside it waits for nothing."""
    gate = make_gate(db, clock)
    for number in range(200):
        await try_login(gate, f"unknown {number}", address=f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooManyLoginsError):
        await try_login(gate, "ann", ok=True, address="2001:db8:1:2:3::")
    await try_login(gate, "ann", ok=True, address="2001:db8:1:3::")

    assert set(clock.slept) == {0}


async def test_guesses_at_the_same_time_are_spaced_too(db: Session, clock: Clock) -> None:
    """Two hundred guesses at one name in one moment are a handful that wait, and the others are refused."""
    gate = make_gate(db, clock)
    attempts = [try_login(gate, "ann") for _ in range(200)]
    refused = [each for each in await asyncio.gather(*attempts, return_exceptions=True) if each]

    assert all(isinstance(each, TooManyLoginsError) for each in refused)
    assert len(refused) >= 194


async def test_an_attempt_that_breaks_counts_as_failed(db: Session, clock: Clock) -> None:
    """An error while a password is looked at gives no free guess."""
    gate = make_gate(db, clock)
    for _ in range(6):
        with pytest.raises(RuntimeError):
            async with gate.attempt("ann", SCHOOL):
                raise RuntimeError
    with pytest.raises(TooManyLoginsError):
        await try_login(gate, "ann")


async def test_old_rows_go(db: Session, clock: Clock) -> None:
    """Names that failed once and never came back do not fill the database."""
    gate = make_gate(db, clock)
    for number in range(20):
        await try_login(gate, f"unknown {number}", address=f"198.51.100.{number}")
    clock.now += 30 * 86400
    await try_login(gate, "ann", ok=True)

    assert {(tally.kind, tally.value) for tally in store.read_next_tallies(db, after=("", ""), limit=99)} == {
        ("name", "ann"),
        ("address", SCHOOL),
        ("lane", f"{SCHOOL} ann"),
        ("all", ""),
    }


class Statements:
    """The statements that a database is sent, and how often the event loop turned meanwhile."""

    def __init__(self, db: Session) -> None:
        self.sent: list[str] = []
        self.turns = 0
        listen(db.get_bind(), "before_cursor_execute", lambda *values: self.sent.append(values[2]))

    def count(self, word: str) -> int:
        """Return how many statements began with a word."""
        return sum(each.startswith(word) for each in self.sent)

    async def count_turns(self) -> None:
        """Take a turn of the event loop whenever there is one."""
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def watched(db: Session) -> AsyncIterator[Statements]:
    """Watch what happens in the block."""
    statements = Statements(db)
    task = asyncio.create_task(statements.count_turns())
    try:
        yield statements
    finally:
        task.cancel()


def scan(db: Session, times: int, clock: Clock) -> None:
    """Let so many addresses fail."""
    store.write_tallies(
        db, [store.Tally("address", f"2001:db8::{n:x}", 1, 1.0, changed_at=clock.now + n) for n in range(times)]
    )
    db.commit()


async def test_many_old_rows_go_in_turns(db: Session, clock: Clock) -> None:
    """Thousands of them are forgotten by a few statements, between which the hub does other things."""
    scan(db, 2100, clock)
    clock.now += 30 * 86400
    async with watched(db) as statements:
        await try_login(make_gate(db, clock), "ann", ok=True)

    assert [tally.kind for tally in store.read_next_tallies(db, after=("", ""), limit=99)] == [
        "address",
        "all",
        "lane",
        "name",
    ]
    assert statements.count("DELETE") == 5
    assert statements.turns >= 5


async def test_all_rows_go_at_once_and_the_last_are_shown(db: Session, clock: Clock) -> None:
    """However many addresses have failed: one statement forgets them, and a list has as many as it asks for."""
    scan(db, 2100, clock)
    store.write_tallies(db, [store.Tally("name", "ann", 0, 0.4, changed_at=clock.now + 9999)])
    db.commit()
    assert [each.value for each in store.list_tallies(db, limit=2)] == ["2001:db8::833", "2001:db8::832"]
    async with watched(db) as statements:
        store.delete_all_tallies(db)

    assert statements.count("DELETE") == 1
    assert store.read_next_tallies(db, after=("", ""), limit=99) == []


async def test_the_audit_log_is_written_in_turns(db: Session) -> None:
    """A table of thousands of entries comes in pieces, between which the hub does other things."""
    for number in range(1200):
        store.add_audit(db, action="login", at=datetime.now(UTC), name=f"name-{number}")
    db.commit()
    async with watched(db) as statements:
        pieces = [piece async for piece in make_csv(db, {}, delimiter=";")]

    assert [piece.count("\n") for piece in pieces] == [1, 500, 500, 200]
    assert pieces[1].split(";")[2] == "name-1199"
    assert statements.turns >= 4


async def test_logins_push_nothing_else_out_of_the_audit_log(db: Session) -> None:
    """Logins make room for newer ones, with the codes they are given; changes go by their age alone."""
    lasting = ["person.added", "password.shared", "password.own", "throttle.cleared"]
    for days, actions in ((99, lasting), (9, lasting), (1, ["login", "login.refused"] * 3)):
        for action in actions:
            store.add_audit(db, action=action, at=NOON - timedelta(days=days))
    for actor in ("", "root"):
        store.add_audit(db, action="password.code", at=NOON - timedelta(days=9), actor=actor)
    for _ in range(3):
        store.add_audit(db, action="login", at=NOON)
    db.commit()
    forgotten = []
    while not forgotten or forgotten[-1] == 4:
        forgotten.append(store.prune_audit(db, before=NOON - timedelta(days=90), keep=3, limit=4))
    left = [each.action for each in store.read_audit(db)]

    assert left == ["login"] * 3 + ["password.code", *reversed(lasting)]
    assert forgotten == [4, 4, 3]


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [(1, "1 second", "einer Sekunde"), (119, "119 seconds", "119 Sekunden"), (121, "3 minutes", "3 Minuten")],
)
def test_how_long_to_wait_is_said_in_words(seconds: int, english: str, german: str) -> None:
    """Rounded up, and in the language of whoever reads it."""
    error = TooManyLoginsError(seconds)

    assert f"Too many logins have failed. Try again in {english}." in str(error)
    assert f"versuchen Sie es in {german} noch einmal." in translate(error.args[0], "de")
