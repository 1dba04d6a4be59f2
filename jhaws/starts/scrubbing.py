"""Takes secrets out of what Kubernetes says, before it reaches a log or a page.

An API server that refuses a pod quotes the value it refuses, and a container that crashes may have printed its
environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SECRET_NAME = re.compile("token|password|passwd|secret|key|credential", re.IGNORECASE)
SHORTEST_SECRET = 6  # characters; anything shorter would take ordinary words out of a sentence
SHOWN_INSTEAD = "[secret]"


def secrets_of(environment: Mapping[str, object], *more: str) -> tuple[str, ...]:
    """Return the values of a server's environment that must never be shown, and `more` of them, longest first."""
    named = [str(value) for name, value in environment.items() if SECRET_NAME.search(name)]
    return tuple(sorted({each for each in (*named, *more) if len(each) >= SHORTEST_SECRET}, key=len, reverse=True))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without any of the `secrets`."""
    for secret in secrets:
        text = text.replace(secret, SHOWN_INSTEAD)
    return text
