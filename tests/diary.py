"""Secrets that a test uses, and a search for them in whatever could have been read meanwhile.

A secret is found however it is written, since its core is letters that no escaping changes; base64 and hex of it are
searched for too.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Whatever writes URLs, HTML, JSON, SQL, CSV or Python has to escape these.
ODD = " ü\"'&<%+/\\;#$"


@dataclass
class Diary:
    """What is secret, and what could have been read, with the secrets that belong there.

    Attributes:
        of_processes: Secrets that an environment may hold.
        needles: All spellings of each secret.
        sights: A place, what was there, and which secrets belong there.
        processes: Arguments and environments.
    """

    of_processes: frozenset[str] = frozenset()
    needles: dict[str, set[bytes]] = field(default_factory=dict)
    sights: list[tuple[str, bytes, frozenset[str]]] = field(default_factory=list)
    processes: set[bytes] = field(default_factory=set)

    def make(self, what: str) -> str:
        """Make a secret: letters that no escaping changes, and then characters that are escaped everywhere."""
        core = "".join(secrets.choice(string.ascii_letters) for _ in range(24))
        self.keep(what, core)
        return core + ODD

    def keep(self, what: str, core: str) -> str:
        """Keep a secret that was made elsewhere, and return it."""
        self.needles[what] = {each.lower() for text in (core, core.replace("-", "")) for each in spellings(text)}
        return core

    def see(self, place: str, content: str | bytes, *, may: Iterable[str] = ()) -> None:
        """Put down what can be read at a place, and which secrets may be there."""
        self.sights.append((place, content.encode() if isinstance(content, str) else content, frozenset(may)))

    def look(self) -> set[int]:
        """Look at all processes of this machine, as `ps e` does, and return their numbers."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                self.processes.add((folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes())
                found.add(int(folder.name))
        return found

    def leaks(self) -> set[tuple[str, str]]:
        """Return where which secret is that should not be there."""
        sights = [*self.sights, *(("a process", each, self.of_processes) for each in self.processes)]
        return {
            (place, what)
            for place, content, may in sights
            for lowered in (content.lower(),)
            for what, needles in self.needles.items()
            if what not in may and any(needle in lowered for needle in needles)
        }


def spellings(core: str) -> Iterator[bytes]:
    """Give a secret as text, as hex, and as base64 wherever in a text it may begin."""
    raw = core.encode()
    yield raw
    for typed in (raw, raw.lower()):
        yield typed.hex().encode()
        for skipped in range(3):
            encoded = base64.b64encode(bytes(skipped) + typed)
            # The first and last characters hold bits of what is around it.
            yield encoded[4 if skipped else 0 : -4]
