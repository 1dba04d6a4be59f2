"""What a request asks for beside its path: the query and the options in the body, read once and checked.

Unreadable values are refused as the API server refuses them; unknown parameters are ignored, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jhaws.local.api.encoding import load
from jhaws.local.api.selectors import Selector, parse_selector
from jhaws.local.api.statuses import BadRequest, FieldError, invalid_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jhaws.local.api.resources import Resource

_META = "meta.k8s.io"
_POLICIES = ("Foreground", "Background", "Orphan", "nil")


@dataclass(frozen=True)
class ListOptions:
    """The query of a list or watch.

    Attributes:
        selector: Which objects.
        watch: Follow instead of list.
        limit: Objects per page, 0 for all.
        continue_token: Where the last page ended.
        revision: The version asked for; `None` if none is named, 0 for "any".
        match: `Exact`, `NotOlderThan` or empty.
        timeout_seconds: When a watch ends, 0 for the server's choice.
        bookmarks: Whether the client takes BOOKMARK events.
        initial_events: `sendInitialEvents`, `None` if not named.
    """

    selector: Selector
    watch: bool = False
    limit: int = 0
    continue_token: str = ""
    revision: int | None = None
    match: str = ""
    timeout_seconds: int = 0
    bookmarks: bool = False
    initial_events: bool | None = None


def parse_list_options(resource: Resource, query: Mapping[str, str]) -> ListOptions:
    """Read the query of a list or watch.

    Raises:
        BadRequest: A value cannot be read.
        Invalid: Values contradict each other.
    """
    initial = query.get("sendInitialEvents")
    options = ListOptions(
        selector=parse_selector(resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")),
        watch=_flag(query.get("watch")),
        limit=max(_number(query.get("limit", "")), 0),
        continue_token=query.get("continue", ""),
        revision=_revision(query.get("resourceVersion", "")),
        match=query.get("resourceVersionMatch", ""),
        timeout_seconds=max(_number(query.get("timeoutSeconds", "")), 0),
        bookmarks=_flag(query.get("allowWatchBookmarks")),
        initial_events=None if initial is None else _flag(initial),
    )
    error = _find_contradiction(options)
    if error:
        raise invalid_kind("ListOptions", "", [error], group=_META)
    return options


def _find_contradiction(options: ListOptions) -> FieldError | None:
    match = options.match
    field = "resourceVersionMatch"
    if options.watch:
        return _find_watch_contradiction(options)
    if options.initial_events is not None:
        return FieldError.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if match and options.revision is None:
        return FieldError.forbidden(field, f"{field} is forbidden unless resourceVersion is provided")
    if match and options.continue_token:
        return FieldError.forbidden(field, f"{field} is forbidden when continue is provided")
    if match not in ("", "Exact", "NotOlderThan"):
        return FieldError.unsupported(field, match, ("Exact", "NotOlderThan", ""))
    if match == "Exact" and options.revision == 0:
        return FieldError.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"')
    return None


def _find_watch_contradiction(options: ListOptions) -> FieldError | None:
    field = "resourceVersionMatch"
    if options.initial_events is None:
        if options.match:
            why = f"{field} is forbidden for watch unless sendInitialEvents is provided"
            return FieldError.forbidden(field, why)
    elif not options.match:
        why = f"sendInitialEvents requires setting {field} to NotOlderThan"
        return FieldError.forbidden(field, why)
    elif options.match != "NotOlderThan":
        return FieldError.unsupported(field, options.match, ("NotOlderThan",))
    return None


@dataclass(frozen=True)
class DeleteOptions:
    """How to delete.

    Attributes:
        grace_period_seconds: Seconds a pod gets, `None` for its own.
        uid: Delete only the object with this uid.
        resource_version: Delete only this version.
        orphan: Leave what the object owns.
        dry_run: Only check.
    """

    grace_period_seconds: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    orphan: bool = False
    dry_run: bool = False


def parse_delete_options(query: Mapping[str, str], body: bytes) -> DeleteOptions:
    """Read the options of a delete: the body counts, else the query.

    Raises:
        BadRequest: A value cannot be read.
        Invalid: The propagation policy or dry run is unknown.
    """
    given = read_object(body) if body.strip() else {}
    grace = given.get("gracePeriodSeconds")
    if grace is None and query.get("gracePeriodSeconds"):
        grace = _number(query["gracePeriodSeconds"])
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
        raise BadRequest("gracePeriodSeconds must be an integer")
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise BadRequest("preconditions must be an object")
    policy = given.get("propagationPolicy") or query.get("propagationPolicy") or "nil"
    if policy not in _POLICIES:
        error = FieldError.unsupported("propagationPolicy", policy, _POLICIES)
        raise invalid_kind("DeleteOptions", "", [error], group=_META)
    stated = given.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    return DeleteOptions(
        grace_period_seconds=grace,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        orphan=policy == "Orphan" or given.get("orphanDependents") is True,
        dry_run=_dry_run(stated, "DeleteOptions"),
    )


def parse_dry_run(query: Mapping[str, str], kind: str) -> bool:
    """Read whether a write is only to be tried.

    Args:
        query: The query of the request.
        kind: `CreateOptions`, `UpdateOptions` or `PatchOptions`, for the error.

    Raises:
        Invalid: It is anything but `All`.
    """
    return _dry_run([query["dryRun"]] if query.get("dryRun") else [], kind)


def read_object(body: bytes, *, null: bool = False) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        body: The JSON.
        null: Take `null` for an empty object, as the API server does with manifests.

    Raises:
        BadRequest: It is none.
    """
    try:
        found = load(body)
    except ValueError as error:
        raise BadRequest(
            f"the object provided is unrecognized: couldn't get version/kind; json parse error: {type(error).__name__}"
        ) from error
    if found is None and null:
        return {}
    if not isinstance(found, dict):
        raise BadRequest("the object provided is unrecognized: couldn't get version/kind; json parse error")
    return found


def _dry_run(stated: object, kind: str) -> bool:
    if stated in ([], ["All"]):
        return bool(stated)
    error = FieldError.unsupported("dryRun", stated, ("All",))
    raise invalid_kind(kind, "", [error], group=_META)


def _flag(text: str | None) -> bool:
    # As Go's conversion: a parameter without value is true.
    return text is not None and text.lower() not in ("false", "0")


def _number(text: str) -> int:
    if not text:
        return 0
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _revision(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)
