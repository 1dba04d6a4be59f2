"""How passwords are hashed, and how a typed one is compared with hashes without holding up the hub.

Argon2id by argon2-cffi, never on the event loop: `Checker` has two threads with a queue, so that however many log in
at once, the hub goes on answering, nobody is passed over, and the memory is bounded.

Whose password was typed must not be seen from the time. So each attempt costs one hash for the name, a made-up one
where the name has no password of its own, and one for each salt among the shared passwords that have not been typed
rightly since the hub began. Those that have been are known by an HMAC under a key that only this process has, and cost
nothing. Shared passwords made here have one salt between them: the few versions of a class's password need none of
their own, and an attempt costs one hash for all of them.

Knows nothing of names, options or the database; `keyring.py` does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2.low_level import ARGON2_VERSION, Type, hash_secret

# OWASP's Password Storage Cheat Sheet, least configuration of argon2id. More memory would not fit beside the hub in the
# pods that z2jh's users give it, and more passes would let a class wait: 200 logins at once share two cores.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
SALT_BYTES = 16  # RFC 9106, section 3.1
HASH_BYTES = 32

# The same cheat sheet: passes → KiB that are as good as ours. A hash in the configuration must have so much.
LEAST_MEMORY_KIB = {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}
# What a hub can afford, two at a time, while a class logs in.
MOST_MEMORY_KIB = 128 * 1024
MOST_PASSES = 10
MOST_LANES = 8

# Bytes in UTF-8. Longer input is wrong without being hashed: nobody's password is, and hashing takes time.
MAX_PASSWORD_BYTES = 1024
# Two cores are what small hubs have; the hub's own thread has the right of way by the niceness of these.
THREADS = 2
NICENESS = 10

ENCODED = re.compile(r"\$argon2id\$v=(\d+)\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)", re.ASCII)
MAX_HASH_LENGTH = 255  # characters; what the tables hold
HINT = "make one with `jhaws password hash`"


@dataclass(frozen=True)
class Recipe:
    """All that a hash says beside itself: two hashes of one recipe are of the same password when they are the same."""

    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    size: int


def is_hash(text: str) -> bool:
    """Tell whether a configured password is meant as a hash."""
    return text.startswith("$argon2")


def find_hash_fault(text: str) -> str | None:
    """Say what is wrong with a hash that somebody wrote down, without showing it; None when it can be used."""
    recipe = _read(text)
    if recipe is None:
        return f"must be a whole argon2id hash, $argon2id$v=19$m=…,t=…,p=…$salt$hash; {HINT}"
    least = LEAST_MEMORY_KIB[max(1, min(recipe.passes, 5))]
    size = f"m={recipe.memory_kib},t={recipe.passes},p={recipe.lanes}"
    if recipe.passes < 1 or recipe.memory_kib < least or len(recipe.salt) < 8 or recipe.size < 16 or recipe.lanes < 1:
        return f"must be an argon2id hash with at least m={MEMORY_KIB},t={PASSES}, got a weaker one ({size}); {HINT}"
    if recipe.passes > MOST_PASSES or recipe.memory_kib > MOST_MEMORY_KIB or recipe.lanes > MOST_LANES:
        return (
            f"must be an argon2id hash with at most m={MOST_MEMORY_KIB},t={MOST_PASSES},p={MOST_LANES}, which a hub "
            f"can afford while a class logs in, got {size}; {HINT}"
        )
    return None


def to_bytes(text: str | None) -> bytes | None:
    """Return a password as it is hashed; None for what is no password: nothing, or more than `MAX_PASSWORD_BYTES`."""
    if text is None or len(text) > MAX_PASSWORD_BYTES:
        return None
    # JSON can carry half of a surrogate pair, which strict UTF-8 refuses with an error.
    attempt = text.encode("utf-8", "surrogatepass")
    return attempt if len(attempt) <= MAX_PASSWORD_BYTES else None


def make_hash(password: str, *, beside: Collection[str] = ()) -> str:
    """Hash a password; takes some 30 ms, so never call it on the event loop of a running hub.

    Args:
        password: At most `MAX_PASSWORD_BYTES`.
        beside: Hashes of shared passwords; when one of them has our parameters, its salt is used again.
    """
    password_bytes = to_bytes(password)
    if password_bytes is None:
        raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
    ours = (recipe for recipe in map(_read, beside) if recipe and recipe == _our_recipe(recipe.salt))
    return _hash(password_bytes, next(ours, None) or _our_recipe(secrets.token_bytes(SALT_BYTES)))


def is_right(password: str, hashed: str) -> bool:
    """Tell whether a hash is of `password`; as slow as `make_hash`."""
    attempt, recipe = to_bytes(password), _read(hashed)
    if attempt is None or recipe is None:
        return False
    return hmac.compare_digest(_hash(attempt, recipe), hashed)


class Checker:
    """Compares typed passwords with hashes in threads of its own."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        # Hash of a shared password → HMAC of the password, since it was typed or configured in plain text.
        self._known: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jhaws-password", initializer=_give_way)
        # So that nobody can hash it in advance.
        self._nobodys = _encode(_our_recipe(secrets.token_bytes(SALT_BYTES)), secrets.token_bytes(HASH_BYTES))

    def remember(self, password: str, hashed: str) -> None:
        """Keep in mind that a shared password has this hash; of its text only the HMAC is kept."""
        attempt = to_bytes(password)
        if attempt is not None:
            with self._lock:
                self._known[hashed] = self._digest(attempt)

    async def find_right(self, typed: str | None, *, own: str | None, shared: Sequence[str] = ()) -> frozenset[str]:
        """Return those of the hashes that are of `typed`.

        Args:
            typed: Any text; None when nothing was sent.
            own: The hash of the name's own password, None where it has none; costs the same.
            shared: The hashes of shared passwords, the same ones whatever the name.
        """
        attempt = to_bytes(typed)
        if attempt is None:
            return frozenset()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._find_right, attempt, own, tuple(shared))

    async def make_hash(self, password: str, *, beside: Collection[str] = ()) -> str:
        """Hash a password off the event loop; see `make_hash`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: make_hash(password, beside=beside))

    def _find_right(self, attempt: bytes, own: str | None, shared: tuple[str, ...]) -> frozenset[str]:
        recipe = _read(own or self._nobodys)
        hashed = _hash(attempt, recipe) if recipe else ""
        right = {own} if own and hmac.compare_digest(hashed, own) else set()
        digest = self._digest(attempt)
        with self._lock:
            known = {each: self._known[each] for each in shared if each in self._known}
        right |= {each for each, its in known.items() if hmac.compare_digest(its, digest)}
        recipes: dict[Recipe, list[str]] = {}
        for each in dict.fromkeys(shared):
            if each not in known and (recipe := _read(each)):
                recipes.setdefault(recipe, []).append(each)
        for recipe, hashes in recipes.items():
            hashed = _hash(attempt, recipe)
            found = {each for each in hashes if hmac.compare_digest(hashed, each)}
            with self._lock:
                self._known.update(dict.fromkeys(found, digest))
            right |= found
        return frozenset(right)

    def _digest(self, attempt: bytes) -> bytes:
        return hmac.digest(self._key, attempt, "sha256")


def _give_way() -> None:
    """Let the event loop's thread go first; on Linux the niceness is each thread's own."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _our_recipe(salt: bytes) -> Recipe:
    return Recipe(memory_kib=MEMORY_KIB, passes=PASSES, lanes=LANES, salt=salt, size=HASH_BYTES)


def _read(encoded: str) -> Recipe | None:
    """Read the recipe of a hash; None for one of another kind, or one that is cut."""
    found = ENCODED.fullmatch(encoded) if len(encoded) <= MAX_HASH_LENGTH else None
    if found is None or int(found[1]) != ARGON2_VERSION:
        return None
    try:
        salt, size = _from_base64(found[5]), len(_from_base64(found[6]))
    except binascii.Error:
        return None
    if size < HASH_BYTES:
        # Every tool makes at least these; one that was cut where its bytes end would look whole, and open to nobody.
        return None
    recipe = Recipe(memory_kib=int(found[2]), passes=int(found[3]), lanes=int(found[4]), salt=salt, size=size)
    # Leading zeros or stray bits: no hash that is made here would ever be the same text.
    return recipe if _encode(recipe, _from_base64(found[6])) == encoded else None


def _hash(password: bytes, recipe: Recipe) -> str:
    return hash_secret(
        password,
        recipe.salt,
        time_cost=recipe.passes,
        memory_cost=recipe.memory_kib,
        parallelism=recipe.lanes,
        hash_len=recipe.size,
        type=Type.ID,
        version=ARGON2_VERSION,
    ).decode("ascii")


def _encode(recipe: Recipe, hashed: bytes) -> str:
    """Write a hash as argon2's reference implementation does."""
    parameters = f"m={recipe.memory_kib},t={recipe.passes},p={recipe.lanes}"
    return f"$argon2id$v={ARGON2_VERSION}${parameters}${_to_base64(recipe.salt)}${_to_base64(hashed)}"


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii").rstrip("=")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
