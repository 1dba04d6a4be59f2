"""Where in which file something was written, and what is to be said about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .masking import MASK, has_secret_keys

# The way from the top to a value: keys of mappings, indices of lists.
Path = tuple[str | int, ...]

PLAIN_KEY = re.compile(r"[\w$-]+")


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1; `file` as the operator named it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """Something to be mended.

    Attributes:
        place: Where it was written.
        key: Its dotted key, "" for the file itself.
        sentence: What is wrong and what to write; never a secret's value.
        serious: False where Helm and the hub go on in spite of it.
    """

    place: Place
    key: str
    sentence: str
    serious: bool = True


@dataclass(frozen=True)
class Finding:
    """A problem whose place is not known yet, only its path.

    Attributes:
        path: What it is about.
        sentence: What is wrong and what to write.
        serious: As in `Problem`.
        nameless: Whether the last key of the path is nobody's name, and so must not be shown.
    """

    path: Path
    sentence: str
    serious: bool = True
    nameless: bool = False


def dotted(path: Path) -> str:
    """Return a path as operators write it, `hub.config.JhawsSpawner.shares[0].mount`, without a password in it."""
    text = ""
    for around, part in zip(("", *path), path, strict=False):
        if isinstance(part, int):
            text += f"[{part}]"
        elif part == MASK or (isinstance(around, str) and has_secret_keys(around)):
            text += f".{MASK}"
        elif PLAIN_KEY.fullmatch(part):
            text += f".{part}"
        else:
            text += f"[{part!r}]"
    return text.removeprefix(".")


def value_at(values: Any, path: Path) -> Any:
    """Return the value at `path`, None where there is none."""
    for part in path:
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values
