"""How the lists and tables in JhawsSpawner's options become frozen records.

An operator writes YAML; a wrong key or type must end in one sentence that names the place (`shares[1].mount`), the
rule, what was got and what to write instead. One small reader does that for all options, so each room below only
says which fields it has.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError

# What may be a secret or hold one, wherever it was written by mistake: a URL, `--name=value`, somebody@somewhere, a
# word that says so, or a long run of letters with a digit among them.
SECRET_INSIDE = re.compile(r"://|[=@]|password|secret|token|(?=\w*\d)(?=\w*[a-z])\w{16}", re.IGNORECASE)


def may_be_shown(value: Any) -> bool:
    """Say whether a value may stand in an error or a log as it was written."""
    return not SECRET_INSIDE.search(repr(value))


def describe(value: Any) -> str:
    """Return a value as it may stand in an error: its type and, cut to 60 characters, how it looks.

    What may be a secret is only named by its type, whatever option it stands in.
    """
    if not may_be_shown(value):
        return f"a {type(value).__name__} that is not shown here"
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 60 else shown[:57] + '...'}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` for the known name most like `name`, or the known names where none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names)}."


class Reader:
    """Reads the fields of one entry of an option and remembers where it stands, for the error's sake.

    Args:
        place: Where the entry stands, `JhawsSpawner.shares[1]`.
        entry: What the operator wrote.
        known: The fields an entry may have.

    Raises:
        ConfigError: The entry is no mapping or has an unknown field.
    """

    def __init__(self, place: str, entry: Any, known: Iterable[str]) -> None:
        self.place = place
        if not isinstance(entry, Mapping):
            # What was written stays out of the text: a plain URL may carry a token.
            raise ConfigError(f"{place} must be a mapping of {', '.join(known)}, got a {type(entry).__name__}.")
        self.entry = entry
        for key in entry:
            if key not in known:
                which = f"field {key!r}" if may_be_shown(key) else "such field; its name is not shown here"
                raise ConfigError(f"{place} has no {which}. {suggest(str(key), known)}")

    def text(self, field: str, default: str | None = None) -> str:
        """Return a field that must be non-empty text; without a default it must be there."""
        value = self.entry.get(field)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f'{self.place}.{field} must be text, got {describe(value)}. Write {field}: "...".')
        return value

    def flag(self, field: str, default: bool) -> bool:
        """Return a field that must be true or false."""
        value = self.entry.get(field, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.place}.{field} must be true or false, got {describe(value)}.")
        return value

    def number(self, field: str) -> float | None:
        """Return a field that must be a number above zero, None where it is not given."""
        value = self.entry.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ConfigError(f"{self.place}.{field} must be a number above 0, got {describe(value)}.")
        return float(value)

    def names(self, field: str) -> frozenset[str] | None:
        """Return a field that must be a list of names, None where it is not given."""
        value = self.entry.get(field)
        if value is None:
            return None
        if not isinstance(value, list | tuple | set) or not all(isinstance(each, str) for each in value):
            raise ConfigError(
                f"{self.place}.{field} must be a list of names, got {describe(value)}. Write {field}: [a, b]."
            )
        return frozenset(value)

    def labels(self, field: str) -> dict[str, str] | None:
        """Return a field that must be a mapping of text to text, None where it is not given."""
        value = self.entry.get(field)
        if value is None:
            return None
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str) and isinstance(each, str) for key, each in value.items()
        ):
            raise ConfigError(
                f"{self.place}.{field} must map names to text, got {describe(value)}. "
                "Put quotes around true, false and numbers."
            )
        return dict(value)


def entries(option: str, value: Any) -> list[tuple[str, Any]]:
    """Return each entry of a list option with its place, `[("JhawsSpawner.shares[0]", {...}), ...]`.

    KubeSpawner lets operators write a mapping where order does not matter much, because Helm merges mappings and
    replaces lists; its values then count in the order of their keys. So do ours.

    Raises:
        ConfigError: It is neither a list nor a mapping.
    """
    if isinstance(value, Mapping):
        # A key may be a URL with a token in it, where somebody took the mapping for one of URLs.
        shown = (repr(key) if may_be_shown(key) else str(index) for index, key in enumerate(sorted(value)))
        return [(f"{option}[{place}]", value[key]) for place, key in zip(shown, sorted(value), strict=True)]
    if isinstance(value, list | tuple):
        return [(f"{option}[{index}]", entry) for index, entry in enumerate(value)]
    raise ConfigError(f"{option} must be a list of entries, got {describe(value)}.")


def applies_to(groups: frozenset[str] | None, member_of: frozenset[str]) -> bool:
    """Say whether an entry with `groups` counts for a user in the groups `member_of`; None counts for all."""
    return groups is None or not groups.isdisjoint(member_of)
