"""What our handlers have in common: they refuse with one sentence, in the language of the request.

The browser's Accept-Language decides, as for the pages. Who sends none, as the command line and scripts, reads English,
and so does the log. No cache keeps an answer: there are people's names and notes in most of them.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tornado import web

from ..sentences import Sentence, translate
from . import words


class SentenceMixin:
    """Makes a handler of JupyterHub's answer in the language of the request; stands in front of its class."""

    request: Any

    @property
    def language(self) -> str:
        """The language of the request."""
        return words.choose_language(self.request.headers.get("Accept-Language", ""))

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

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with an error's sentence; the log has had it in English before."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, web.HTTPError):
            error.args = tuple(translate(each, self.language) for each in error.args)
        super().write_error(status_code, **kwargs)  # type: ignore[misc]  # of the handler
