"""Who said what: for each value the file and line that set it, and what it took the place of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .masking import masked
from .merging import Merged, Setting
from .places import Path, dotted
from .strangers import shown

# Characters of a value in a line of the list.
SHOWN = 60


def choose(merged: Merged, key: str) -> list[Setting]:
    """Return the settings of `key`, of what is in it and of what it is in; all where it is ""."""
    return [
        each for path, each in merged.settings.items() if _is_meant(dotted(path), key) or _is_meant(shown(path), key)
    ]


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
        yield f"{each.place!s:{width}}  {shown(each.path)}: {value}"
        for before in each.over:
            name = "" if before.path == each.path else f"{shown(before.path)}: "
            yield f"{before.place!s:{width}}    instead of {name}{show(before.path, before.value, whole=whole)}"


def _places(setting: Setting) -> list[Any]:
    return [setting.place, *(each.place for each in setting.over)]


def show(path: Path, value: Any, *, whole: bool = True) -> str:
    """Return a value as it may be shown: masked where it is a secret, in JSON where it is no text."""
    hidden = masked(path, value)
    text = hidden if isinstance(hidden, str) and hidden and hidden == hidden.strip() else json.dumps(hidden)
    text = text.replace("\n", "\\n")
    return text if whole or len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def as_record(setting: Setting) -> dict[str, Any]:
    """Return a setting for `--json`."""
    return {
        "key": shown(setting.path),
        "value": masked(setting.path, setting.value),
        "file": setting.place.file,
        "line": setting.place.line,
        "instead_of": [as_record(each) for each in setting.over],
    }
