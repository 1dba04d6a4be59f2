"""Takes secrets out of what Kubernetes says, before it reaches a log or a page.

An API server that refuses a pod quotes the value it refuses, and a container that crashes may have printed its
environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SECRET_NAME = re.compile("token|password|passwd|secret|key|credential", re.IGNORECASE)
LINE_END = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")
SHORTEST_SECRET = 6  # characters; anything shorter would take ordinary words out of a sentence
SHOWN_INSTEAD = "[secret]"


def secrets_of(environment: Mapping[str, object], *more: str) -> tuple[str, ...]:
    """Return the values of a server's environment that must never be shown, and `more` of them, longest first."""
    named = [str(value) for name, value in environment.items() if SECRET_NAME.search(name)]
    return tuple(sorted({each for each in (*named, *more) if len(each) >= SHORTEST_SECRET}, key=len, reverse=True))


def environment_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of all containers of a pod; the names are numbered, for two may have one name.

    Args:
        manifest: v1 Pod, camelCase keys.
    """
    spec = manifest.get("spec") or {}
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    entries = [entry for container in containers for entry in container.get("env") or []]
    return {f"{number} {entry['name']}": entry.get("value") or "" for number, entry in enumerate(entries)}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without any of the `secrets`, as one line without control characters.

    What a user's container printed must not look like lines of the hub's own log.
    """
    for secret in secrets:
        text = text.replace(secret, SHOWN_INSTEAD)
    return CONTROL.sub("", LINE_END.sub(" | ", text.strip()))
