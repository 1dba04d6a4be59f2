"""What a new start makes of the shared passwords: which hold, those of the configuration or those set since.

Pure functions. The configuration says a shared password, and so may an admin while the hub runs. What was said last
holds: a value of the configuration that is the same as at the last start says nothing new, so that a restart does not
bring back a password that an admin has replaced; another one does. `keyring.py` reads, asks here and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..store import Fingerprint, Groups, Version

# Whether a configured password, plain or hashed, is the one of a stored hash; slow.
IsSame = Callable[[str, str], bool]


@dataclass(frozen=True)
class Configured:
    """A shared password as the configuration has it: plain or hashed, and the option that says it."""

    groups: Groups
    value: str = field(repr=False)
    option: str


@dataclass(frozen=True)
class Comparison:
    """The configuration beside that of the last start.

    Attributes:
        kept: What is as it was, with the fingerprint that it has.
        new: What was added or changed.
        gone: What was taken out or changed.
    """

    kept: tuple[tuple[Configured, Fingerprint], ...]
    new: tuple[Configured, ...]
    gone: tuple[Fingerprint, ...]


def is_current(version: Version, *, now: datetime) -> bool:
    """Tell whether a version opens anything now; at its end it no longer does."""
    return version.ends_at is None or version.ends_at > now


def compare(configured: Iterable[Configured], remembered: Sequence[Fingerprint], *, is_same: IsSame) -> Comparison:
    """Find each configured password among those of the last start, by its groups and its text."""
    left = list(remembered)
    kept, new = list[tuple[Configured, Fingerprint]](), list[Configured]()
    for each in configured:
        likely = (old for old in left if same_groups(old.groups, each.groups) and is_same(each.value, old.hash))
        old = next(likely, None)
        if old is None:
            new.append(each)
        else:
            left.remove(old)
            kept.append((each, old))
    return Comparison(tuple(kept), tuple(new), tuple(left))


def find_ended(versions: Iterable[Version], comparison: Comparison) -> Iterator[Version]:
    """List the current versions that the configuration ends.

    A new value ends all others of its groups but those that the configuration still says, and a value that was taken
    out ends the version that it made.

    Args:
        versions: The current ones.
        comparison: What the configuration says.
    """
    kept = {old.hash for _, old in comparison.kept}
    gone = {old.hash for old in comparison.gone}
    for version in versions:
        replaced = any(same_groups(version.groups, new.groups) for new in comparison.new)
        if (replaced and version.hash not in kept) or (version.hash in gone and not version.made_by):
            yield version


def explain(current: Iterable[Version], ended: Iterable[Version], comparison: Comparison) -> Iterator[str]:
    """Say which password holds where the configuration and an admin have said different ones; a sentence each."""
    current, ended = list(current), list(ended)
    for new in comparison.new:
        for old in ended:
            if old.made_by and same_groups(old.groups, new.groups):
                yield (
                    f"{new.option}{_of(new.groups)} was changed in the configuration since the last start and holds "
                    f"now; the password that {old.made_by} set on {old.made_at:%Y-%m-%d} has ended."
                )
    for said, fingerprint in comparison.kept:
        if any(version.hash == fingerprint.hash for version in current):
            continue
        for other in current:
            if other.made_by and same_groups(other.groups, said.groups):
                yield (
                    f"{said.option}{_of(said.groups)} is as at the last start, so the password that {other.made_by} "
                    f"set on {other.made_at:%Y-%m-%d} goes on instead; change the option to replace it."
                )


def same_groups(one: Groups, other: Groups) -> bool:
    """Tell whether two passwords are versions of one: of all, or of the same groups in any order."""
    return (one is None) == (other is None) and set(one or ()) == set(other or ())


def _of(groups: Groups) -> str:
    return "" if groups is None else f" of {', '.join(groups) or 'no group'}"
