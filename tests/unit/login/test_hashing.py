"""How passwords are hashed and compared, and what that costs."""

import asyncio
import threading
from typing import Any

import argon2
import pytest

from jhaws.login import hashing
from jhaws.login.hashing import Checker

SHARED = "shared-password"
OWN = "a-password-of-my-own"


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which something was hashed, one entry for each hash."""
    threads = []
    real = hashing.hash_secret

    def count(*args: Any, **options: Any) -> bytes:
        threads.append(threading.current_thread().name)
        return real(*args, **options)

    monkeypatch.setattr(hashing, "hash_secret", count)
    return threads


def test_a_hash_is_argon2id_with_owasps_least_parameters() -> None:
    """What is stored is what any argon2 library reads, with a salt of its own."""
    one, two = hashing.make_hash(SHARED), hashing.make_hash(SHARED)
    parameters = argon2.extract_parameters(one)

    assert (parameters.type, parameters.memory_cost, parameters.time_cost) == (argon2.Type.ID, 19 * 1024, 2)
    assert (parameters.parallelism, parameters.salt_len, parameters.hash_len) == (1, 16, 32)
    assert argon2.PasswordHasher().verify(one, SHARED)
    assert one != two
    assert len(one) == 97


@pytest.mark.parametrize("password", ["Größenwahn-漢", "\0" * 8, "nul\0inside", "\ud800 half a pair", "x" * 1024, ""])
def test_any_text_can_be_a_password(password: str) -> None:
    """NUL, half a surrogate pair and 1,024 characters are hashed whole, and only the same text is right."""
    hashed = hashing.make_hash(password)

    assert hashing.is_right(password, hashed)
    assert not hashing.is_right(password[:-1] + "?", hashed)
    assert not hashing.is_right(password + "\0", hashed)


@pytest.mark.parametrize("typed", [None, "x" * 1025, "ü" * 513, "x" * 10_000_000])
async def test_what_is_too_long_is_wrong_without_being_hashed(typed: str | None, costs: list[str]) -> None:
    """Nobody can make the hub hash megabytes."""
    hashed = hashing.make_hash(SHARED)
    costs.clear()

    assert await Checker().find_right(typed, own=hashed, shared=[hashed]) == set()
    assert costs == []


async def test_nothing_is_hashed_on_the_event_loop(costs: list[str]) -> None:
    """Comparing and making hashes happens in two threads, which are named."""
    checker = Checker()
    hashed = await checker.make_hash(OWN)

    await asyncio.gather(*(checker.find_right(SHARED, own=hashed) for _ in range(4)))

    assert {name.rpartition("_")[0] for name in costs} == {"jhaws-password"}
    assert len(set(costs)) <= 2


async def test_each_attempt_costs_one_hash_whatever_the_name(costs: list[str]) -> None:
    """With an own password or without, right or wrong: the time tells nothing, once the shared one is known."""
    checker = Checker()
    own, shared = hashing.make_hash(OWN), hashing.make_hash(SHARED)
    checker.remember(SHARED, shared)
    for name_has in (own, None):
        for typed in (OWN, SHARED, "wrong", ""):
            costs.clear()
            found = await checker.find_right(typed, own=name_has, shared=[shared])
            assert len(costs) == 1
            assert (own in found, shared in found) == (typed == OWN and name_has == own, typed == SHARED)


async def test_a_shared_password_costs_a_hash_until_it_was_right_once(costs: list[str]) -> None:
    """After a restart only the hash is known; the first right login makes the others cheap, wrong ones do not."""
    checker, shared = Checker(), hashing.make_hash(SHARED)
    spent = []
    for typed in ("wrong", SHARED, SHARED, "wrong"):
        costs.clear()
        assert (shared in await checker.find_right(typed, own=None, shared=[shared])) is (typed == SHARED)
        spent.append(len(costs))

    assert spent == [2, 2, 1, 1]


async def test_versions_of_a_shared_password_cost_one_hash_together(costs: list[str]) -> None:
    """They share their salt, so five that nobody has typed yet are no slower than one."""
    checker, hashes = Checker(), list[str]()
    for number in range(5):
        hashes.append(hashing.make_hash(f"{SHARED}-{number}", beside=hashes))
    costs.clear()

    assert await checker.find_right(f"{SHARED}-3", own=None, shared=hashes) == {hashes[3]}
    assert len(costs) == 2
    assert len(set(hashes)) == 5


def test_a_weaker_salt_is_not_taken_over() -> None:
    """A hash of the configuration with other parameters is no neighbour to take the salt from."""
    foreign = argon2.PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4).hash(SHARED)

    made = hashing.make_hash(SHARED, beside=[foreign, "no hash", ""])

    assert argon2.extract_parameters(made).memory_cost == 19 * 1024
    assert made.split("$")[4] != foreign.split("$")[4]


async def test_what_is_remembered_is_of_one_process_and_no_password() -> None:
    """Another process knows nothing, and nothing kept in mind holds a password."""
    one, two, shared = Checker(), Checker(), hashing.make_hash(SHARED)
    for checker in (one, two):
        checker.remember(SHARED, shared)

    assert SHARED not in repr(vars(one))
    assert one._known != two._known


async def test_many_that_wait_are_answered_in_their_order() -> None:
    """Nobody starves: of 40 attempts each is answered, and when one is, all before it have been but those in work."""
    checker, own = Checker(), hashing.make_hash(OWN)
    order = list[int]()

    async def attempt(number: int) -> None:
        assert await checker.find_right(OWN, own=own) == {own}
        order.append(number)

    await asyncio.gather(*(attempt(number) for number in range(40)))

    assert sorted(order) == list(range(40))
    # However long one thread is held up, it holds one attempt; the others go on with those that wait.
    held_up = [len(set(range(number)) - set(order[:place])) for place, number in enumerate(order)]
    assert max(held_up) < hashing.THREADS


GOOD = hashing.make_hash(SHARED)


def test_good_hashes_are_accepted() -> None:
    """Ours, and that of argon2-cffi's defaults, which is stronger."""
    assert hashing.find_hash_fault(GOOD) is None
    assert hashing.find_hash_fault(argon2.PasswordHasher().hash(SHARED)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$argon2", "whole argon2id hash"),
        ("$argon2id$", "whole argon2id hash"),
        (GOOD[:-3], "whole argon2id hash"),
        (GOOD[:-7], "whole argon2id hash"),
        (GOOD + "\n", "whole argon2id hash"),
        (GOOD + "A" * 300, "whole argon2id hash"),
        (GOOD.replace("argon2id", "argon2i"), "whole argon2id hash"),
        (GOOD.replace("v=19", "v=16"), "whole argon2id hash"),
        (GOOD.replace("m=19456", "m=019456"), "whole argon2id hash"),
        (GOOD.replace("t=2", "t=٢"), "whole argon2id hash"),
        (GOOD.replace("m=19456", "m=19455"), "got a weaker one (m=19455,t=2,p=1)"),
        (GOOD.replace("t=2", "t=1"), "got a weaker one"),
        (GOOD.replace("t=2", "t=0"), "got a weaker one"),
        (GOOD.replace("m=19456", "m=1048576"), "can afford"),
        (GOOD.replace("t=2", "t=4000000000"), "can afford"),
    ],
    ids=range(15),
)
def test_a_bad_hash_is_refused_without_showing_it(text: str, said: str) -> None:
    """Cut, of another kind, too weak or too strong for a hub: one sentence, with no part of the hash."""
    fault = str(hashing.find_hash_fault(text))

    assert said in fault
    assert GOOD.split("$")[4] not in fault
    assert GOOD.split("$")[5][:8] not in fault
