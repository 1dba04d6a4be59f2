"""Keys that nobody reads and whose names nobody knows, in the mappings whose keys are all known.

A key of `password_groups` is a password, and with a few spaces less it is a key of the section, of `hub.config` or of
the file. So a key is named only where it is known or looks like a slip of one that is; a line's number tells the rest.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable

from . import renames
from .masking import MASK
from .places import Path, dotted
from .schema import CLASSES

SECTIONS = tuple(cls.__name__ for cls in CLASSES)
# How alike two names must be for one to be a slip of the other.
SLIP = 0.7
# What the names of classes in `hub.config` end with.
KINDS = ("Spawner", "Authenticator", "Hub", "Proxy", "Keeper", "Service", "Culler", "Resolver", "App", "Log", "Server")


def find_near(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`, whatever its capitals; "" where none is."""
    names = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=SLIP)
    return names[near[0]] if near else ""


@functools.cache
def is_stranger(path: Path) -> bool:
    """Say whether nobody knows the last key of `path` where all keys are known."""
    if not path or not (known := _known(path[:-1])):
        return False
    name = str(path[-1])
    return not find_near(name, known) and not (len(path) in (1, 3) and is_class(name))


@functools.cache
def _known(around: Path) -> frozenset[str]:
    """Return the keys that a mapping may have, none where that is not known."""
    if not around:
        return frozenset([*renames.SECTIONS, *(row.old.split(".")[0] for row in renames.RENAMES), *SECTIONS, "jhaws"])
    if around == ("hub",):
        old = [row.old.split(".")[1] for row in renames.RENAMES if row.old.startswith("hub.")]
        return frozenset([*renames.HUB, *old, *SECTIONS])
    if around == ("hub", "config"):
        return frozenset([*SECTIONS, "JupyterHub", "KubeSpawner", "Spawner", "Authenticator", *renames.HUB])
    for cls in CLASSES:
        if around == ("hub", "config", cls.__name__):
            options = cls.class_trait_names(config=True)
            old = [f"{prefix}{option}" for prefix in ("singleuser_", "user_") for option in options]
            return frozenset([*options, *old, *renames.OPTIONS])
    return frozenset()


def is_class(name: str) -> bool:
    """Say whether a key is named like a class of the hub."""
    return name[:1].isupper() and name.endswith(KINDS)


def shown(path: Path) -> str:
    """Return a path as operators write it, without the names of strangers and of what is in them."""
    first = next((length for length in range(1, len(path) + 1) if is_stranger(path[:length])), len(path) + 1)
    rest = (MASK if isinstance(part, str) else part for part in path[first - 1 :])
    return dotted((*path[: first - 1], *rest))
