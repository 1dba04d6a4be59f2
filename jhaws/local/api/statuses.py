"""What the API server answers when it refuses: Kubernetes `Status` objects as exceptions.

Clients read three things of an error: the HTTP code, `reason` (a word their code compares) and `message` (what a
person reads). The sentences here are the ones of a real kube-apiserver, because programs and people search for
them; this module owns their wording. It never decides whether a request is wrong: `validation` and `storage` do.

A `FieldError` is one complaint about one field; `Invalid` gathers any number of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from jhaws.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jhaws.local.api.resources import Resource


def make_status(
    *, code: int, reason: str, message: str, details: dict[str, Any] | None = None, ok: bool = False
) -> dict[str, Any]:
    """Build a v1 Status object."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success" if ok else "Failure",
    }
    if message:
        status["message"] = message
    if reason:
        status["reason"] = reason
    if details:
        status["details"] = details
    if not ok:
        status["code"] = code
    return status


@dataclass(frozen=True)
class FieldError:
    """One complaint about one field, `reason` in the words of the API (`FieldValueInvalid`)."""

    field: str
    reason: str
    message: str

    @classmethod
    def required(cls, field: str, detail: str = "") -> FieldError:
        """The field is missing or empty."""
        return cls(field, "FieldValueRequired", _join("Required value", detail))

    @classmethod
    def invalid(cls, field: str, value: object, detail: str) -> FieldError:
        """The field has a value that breaks the rule in `detail`."""
        return cls(field, "FieldValueInvalid", _join(f"Invalid value: {_show(value)}", detail))

    @classmethod
    def duplicate(cls, field: str, value: object) -> FieldError:
        """The value is there twice where it must be unique."""
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {_show(value)}")

    @classmethod
    def not_found(cls, field: str, value: object) -> FieldError:
        """The value names something that is not there."""
        return cls(field, "FieldValueNotFound", f"Not found: {_show(value)}")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> FieldError:
        """The field may not be set, or not be changed."""
        return cls(field, "FieldValueForbidden", _join("Forbidden", detail))

    @classmethod
    def unsupported(cls, field: str, value: object, known: Iterable[str]) -> FieldError:
        """The value is none of the `known` ones."""
        names = ", ".join(_show(name) for name in known)
        return cls(field, "FieldValueNotSupported", f"Unsupported value: {_show(value)}: supported values: {names}")

    @classmethod
    def too_long(cls, field: str, limit: int) -> FieldError:
        """The value has more than `limit` bytes; it is not repeated in the message."""
        return cls(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")

    def make_cause(self) -> dict[str, str]:
        """Build the entry of `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def _show(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class StatusError(LocalError):
    """A request is refused; carries what a Kubernetes client expects to read.

    Attributes:
        code: HTTP status.
        reason: Machine-readable word, for example `NotFound`.
        message: The sentence for people.
        details: Name, group, kind and causes, as in `Status.details`.
    """

    code: ClassVar[int] = 500
    default_reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.message = message
        self.details = details or {}
        self.metadata = metadata or {}

    def make_status(self) -> dict[str, Any]:
        """Build the Status object that is the body of the answer."""
        status = make_status(code=self.code, reason=self.reason, message=self.message, details=self.details or None)
        return {**status, "metadata": self.metadata} if self.metadata else status


class BadRequest(StatusError):
    """The request cannot be understood."""

    code = 400
    default_reason = "BadRequest"


class Unauthorized(StatusError):
    """The request carries no valid token."""

    code = 401
    default_reason = "Unauthorized"


class Forbidden(StatusError):
    """The request is understood, and not allowed."""

    code = 403
    default_reason = "Forbidden"


class NotFound(StatusError):
    """No such object."""

    code = 404
    default_reason = "NotFound"


class MethodNotAllowed(StatusError):
    """The path exists, but not for this verb."""

    code = 405
    default_reason = "MethodNotAllowed"


class Conflict(StatusError):
    """The object exists already (`AlreadyExists`), or is not the version the caller thinks it is (`Conflict`)."""

    code = 409
    default_reason = "Conflict"


class Gone(StatusError):
    """The version asked for is older than what is remembered; list again."""

    code = 410
    default_reason = "Expired"


class UnsupportedMedia(StatusError):
    """The body has a content type that this request does not take."""

    code = 415
    default_reason = "UnsupportedMediaType"


class Invalid(StatusError):
    """The object breaks rules; `details.causes` names each field."""

    code = 422
    default_reason = "Invalid"


class TooLarge(StatusError):
    """The body is larger than the server reads."""

    code = 413
    default_reason = "RequestEntityTooLarge"


class Timeout(StatusError):
    """The version asked for has not happened yet."""

    code = 504
    default_reason = "Timeout"


def make_details(resource: Resource, name: str) -> dict[str, Any]:
    """Build `Status.details` that names one object by its resource (`pods`, not `Pod`)."""
    details = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return {**details, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> NotFound:
    """Make the error for an object that is not there."""
    return NotFound(f'{resource.qualified} "{name}" not found', details=make_details(resource, name))


def already_exists(resource: Resource, name: str, *, leaving: bool = False) -> Conflict:
    """Make the error for a name that is taken, perhaps by an object that is being deleted."""
    return Conflict(
        f'{"object is being deleted: " if leaving else ""}{resource.qualified} "{name}" already exists',
        reason="AlreadyExists",
        details=make_details(resource, name),
    )


def conflict(resource: Resource, name: str, why: str) -> Conflict:
    """Make the error for a write that lost against another one."""
    return Conflict(
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
        details=make_details(resource, name),
    )


def forbidden(resource: Resource, name: str, why: str) -> Forbidden:
    """Make the error for a request that a policy refuses."""
    return Forbidden(f'{resource.qualified} "{name}" is forbidden: {why}', details=make_details(resource, name))


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> Invalid:
    """Make the error that lists everything wrong with an object.

    Args:
        resource: What the object is.
        name: Its name, which may be empty or itself be wrong.
        errors: At least one complaint.
    """
    return invalid_kind(resource.kind, name, errors, group=resource.group)


def invalid_kind(kind: str, name: str, errors: Sequence[FieldError], *, group: str = "") -> Invalid:
    """Make the error for something that is no stored resource, such as `ListOptions`."""
    texts = [f"{error.field}: {error.message}" for error in errors]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    details |= {"kind": kind, "causes": [error.make_cause() for error in errors]}
    qualified = f"{kind}.{group}" if group else kind
    return Invalid(f'{qualified} "{name}" is invalid: {text}', details=details)
