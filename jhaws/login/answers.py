"""What our handlers have in common: they refuse with one sentence, in the language of the request.

The browser's Accept-Language decides, as for the pages. Who sends none, as the command line and scripts, reads English,
and so does the log. A database that does not answer is such a refusal too, wherever that shows: neither the answer nor
the log has what was asked of it, in which names and hashes are. No cache keeps an answer: there are people's names and
notes in most of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast
from zoneinfo import ZoneInfo

from jupyterhub.scopes import needs_scope
from jupyterhub.user import User
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from ..sentences import Sentence, translate
from . import words
from .importing import DATABASE
from .people import ONLY_ADMINS

_Method = TypeVar("_Method", bound=Callable[..., Any])


def needs(scope: str) -> Callable[[_Method], _Method]:
    """Let in who has a scope for all users, not only for some of them."""
    return cast(Callable[[_Method], _Method], needs_scope(scope))


class SentenceMixin:
    """Makes a handler of JupyterHub's answer in the language of the request; stands in front of its class."""

    request: Any
    authenticator: Any
    current_user: Any
    db: Any
    log: Any

    @property
    def language(self) -> str:
        """The language of the request."""
        return words.choose_language(self.request.headers.get("Accept-Language", ""))

    @property
    def zone(self) -> ZoneInfo:
        """Where days end, and the zone of times that have none."""
        return ZoneInfo(self.authenticator.time_zone)

    @functools.cached_property
    def address(self) -> str:
        """Where the request came from."""
        return str(self.authenticator.door.client_address(self))

    @property
    def asker(self) -> str:
        """Who asks, as the audit log names them."""
        name = str(self.current_user.name)
        return name if isinstance(self.current_user, User) else f"service {name}"

    @property
    def is_admin(self) -> bool:
        """Whether who asks is an admin by the flag, as JupyterHub asks: a role that leads to users is not enough."""
        return bool(getattr(self.current_user, "admin", False))

    def check_target(self, name: str) -> None:
        """Let only admins change or delete an admin, by flag or by role; also what such a person asks for themselves.

        Raises:
            HTTPError: 403.
        """
        if not self.is_admin and self.authenticator.is_admin_name(name):
            self.refuse(403, ONLY_ADMINS)

    def set_default_headers(self) -> None:
        """Keep every answer out of caches, errors too."""
        super().set_default_headers()  # type: ignore[misc]  # of the handler
        self.set_header("Cache-Control", "no-store")  # type: ignore[attr-defined]  # of the handler

    def refuse(self, status: int, sentence: Sentence) -> NoReturn:
        """Answer with a sentence.

        Raises:
            HTTPError: Always.
        """
        # Tornado formats what it logs with its arguments, and a name may hold a percent sign.
        raise web.HTTPError(status, "%s", sentence) from None

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log an error of the database in one line, without its statement."""
        if isinstance(value, SQLAlchemyError):
            self.log.error("The database did not do what %s asked of it (%s).", self.request.path, typ.__name__)
        else:
            super().log_exception(typ, value, tb)  # type: ignore[misc]  # of the handler

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Make 503 and its sentence of an error of the database."""
        if isinstance((kwargs.get("exc_info") or (None, None))[1], SQLAlchemyError):
            self.db.rollback()
            error = web.HTTPError(503, "%s", DATABASE)
            status_code, kwargs["exc_info"] = 503, (web.HTTPError, error, None)
        super().send_error(status_code, **kwargs)  # type: ignore[misc]  # of the handler

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with an error's sentence; the log has had it in English before."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, web.HTTPError):
            error.args = tuple(translate(each, self.language) for each in error.args)
        super().write_error(status_code, **kwargs)  # type: ignore[misc]  # of the handler
