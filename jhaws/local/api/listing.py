"""Pages of a list, and the lines of a watch: pure functions from the storage to what is sent.

All pages of one list show the objects as they were at its first page; the token that leads to the next page holds
that version and the last key. The storage takes back later changes with its history, so no list is kept anywhere,
and a token older than the history is answered with 410.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jhaws.local.api.encoding import Obj, dump
from jhaws.local.api.resources import Resource
from jhaws.local.api.statuses import BadRequest, Gone, Timeout

if TYPE_CHECKING:
    from jhaws.local.api.options import ListOptions
    from jhaws.local.api.selectors import Selector
    from jhaws.local.api.storage import Storage
    from jhaws.local.api.views import View
    from jhaws.local.api.watching import Event

INITIAL_EVENTS_END = "k8s.io/initial-events-end"

# In a token: whatever version is newest. Given out when the version of a list is forgotten.
_NEWEST = -1

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Page:
    """One answer to a list.

    Attributes:
        items: The objects.
        metadata: ListMeta: the version, and how to get the next page.
    """

    items: list[Obj]
    metadata: dict[str, Any]


def make_page(storage: Storage, resource: Resource, namespace: str, options: ListOptions) -> Page:
    """Build one page of a list.

    Raises:
        BadRequest: The token is none of ours.
        Gone: The version asked for is forgotten.
        Timeout: The version asked for is in the future.
    """
    revision, start = _choose_start(storage, options)
    items: list[tuple[str, Obj]]
    try:
        items = storage.list_at(resource, revision, namespace=namespace)
    except Gone as error:
        if not options.continue_token:
            raise
        token = make_token(_NEWEST, start)
        raise Gone(_EXPIRED, metadata={"continue": token}) from error
    first = bisect_right(items, start, key=lambda entry: entry[0]) if start else 0
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if not options.limit and not options.selector:
        return Page([obj for _, obj in items[first:]], metadata)
    shown: list[Obj] = []
    for index in range(first, len(items)):
        key, obj = items[index]
        if not options.selector.matches(obj):
            continue
        shown.append(obj)
        if len(shown) == options.limit and index + 1 < len(items):
            metadata["continue"] = make_token(revision, key)
            if not options.selector:
                metadata["remainingItemCount"] = len(items) - index - 1
            break
    return Page(shown, metadata)


def _choose_start(storage: Storage, options: ListOptions) -> tuple[int, str]:
    """Give the version a page shows, and the key it begins after."""
    if options.continue_token:
        revision, start = read_token(options.continue_token)
        return (storage.revision if revision == _NEWEST else revision), start
    wanted = options.revision or 0
    if wanted > storage.revision:
        details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
        text = f"Timeout: Too large resource version: {wanted}, current: {storage.revision}"
        raise Timeout(text, details=details)
    # With a limit and no other wish, a version means exactly this version.
    exact = options.match == "Exact" or (options.limit and not options.match and wanted)
    return (wanted if exact else storage.revision), ""


def make_token(revision: int, key: str) -> str:
    """Build the token of the page after `key`."""
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{key}\u0000"}
    return base64.urlsafe_b64encode(dump(token)).decode().rstrip("=")


def read_token(token: str) -> tuple[int, str]:
    """Read version and last key from a token.

    Raises:
        BadRequest: It is none.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, start = found["rv"], found["start"]
        if isinstance(revision, int) and isinstance(start, str):
            return revision, start.rstrip("\u0000")
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest("invalid continue token: continue key is not valid") from error
    raise BadRequest("invalid continue token: continue key is not valid")


def make_line(kind: str, body: bytes) -> bytes:
    """Build a line of a watch from the JSON of its object."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


def make_event_line(view: View, event: Event, *, namespace: str, selector: Selector) -> bytes | None:
    """Build the line that shows a change to one reader, or none if it does not concern him.

    An object that leaves the reader's selection is shown as deleted, one that enters as added.
    """
    if namespace and event.object["metadata"].get("namespace") != namespace:
        return None
    if not selector:
        return make_line(event.type, view.encode(event.object))
    before = event.previous is not None and selector.matches(event.previous)
    after = event.type != "DELETED" and selector.matches(event.object)
    if after:
        kind = "MODIFIED" if before else "ADDED"
        return make_line(kind, view.encode(event.object))
    if not before or event.previous is None:
        return None
    if event.type == "DELETED":
        return make_line("DELETED", view.encode(event.object))
    # The last state the reader knew, with the version of the change that took it out of sight.
    meta = {**event.previous["metadata"], "resourceVersion": str(event.resource_version)}
    return make_line("DELETED", view.encode({**event.previous, "metadata": meta}))


def make_bookmark(view: View, revision: int, *, initial_end: bool = False) -> bytes:
    """Build the line that only tells how far the reader has come."""
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if initial_end:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    return make_line("BOOKMARK", view.encode_bookmark(meta))
