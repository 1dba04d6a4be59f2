"""Who said what: for each value the file and line that set it, and what it took the place of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .merging import Merged, Setting
from .places import MASK, Path, dotted, is_secret

# Characters of a value in a line of the list.
SHOWN = 60


def choose(merged: Merged, key: str) -> list[Setting]:
    """Return the settings of `key`, of what is in it and of what it is in; all where it is ""."""
    return [each for path, each in merged.settings.items() if _is_meant(dotted(path), key)]


def _is_meant(name: str, key: str) -> bool:
    return not key or name == key or name.startswith((f"{key}.", f"{key}[")) or key.startswith((f"{name}.", f"{name}["))


def explain(settings: list[Setting], *, whole: bool) -> Iterator[str]:
    """Give the lines for the terminal.

    Args:
        settings: What to tell of.
        whole: Whether values are shown in full length.
    """
    width = max((len(str(place)) for each in settings for place in _places(each)), default=0)
    for each in settings:
        value = show(each.path, each.value, whole=whole)
        yield f"{each.place!s:{width}}  {dotted(each.path)}: {value}"
        for before in each.over:
            name = "" if before.path == each.path else f"{dotted(before.path)}: "
            yield f"{before.place!s:{width}}    instead of {name}{show(before.path, before.value, whole=whole)}"


def _places(setting: Setting) -> list[Any]:
    return [setting.place, *(each.place for each in setting.over)]


def show(path: Path, value: Any, *, whole: bool = True) -> str:
    """Return a value as it may be shown: masked where it is a secret, in JSON where it is no text."""
    hidden = _masked(path, value)
    text = hidden if isinstance(hidden, str) and hidden and hidden == hidden.strip() else json.dumps(hidden)
    text = text.replace("\n", "\\n")
    return text if whole or len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _masked(path: Path, value: Any) -> Any:
    """Return `value` with everything masked that may be a secret by its name."""
    if is_secret(path) and value not in (None, "", [], {}):
        return MASK
    if isinstance(value, dict):
        return {key: _masked((*path, key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked((*path, index), each) for index, each in enumerate(value)]
    return value


def as_record(setting: Setting) -> dict[str, Any]:
    """Return a setting for `--json`."""
    return {
        "key": dotted(setting.path),
        "value": _masked(setting.path, setting.value),
        "file": setting.place.file,
        "line": setting.place.line,
        "instead_of": [as_record(each) for each in setting.over],
    }
