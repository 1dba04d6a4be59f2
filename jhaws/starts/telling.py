"""How the hub is told that a server cannot start, or ended by itself, so that its pages show the reason.

A reason that is known never counts towards the hub's `consecutive_failure_limit`: a hub that restarts because a class
found no room, or a teacher mistyped an image, hurts everybody and mends nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import jupyterhub
from tornado import web

from .failures import Failure


def refusal_of(spawner: Any, failure: Failure, *, counts: bool) -> Exception:
    """Return what a start shall raise, so that JupyterHub shows its message to the user.

    Args:
        spawner: Whose start it is.
        failure: Why it failed.
        counts: Whether it may end the hub when it happens too often.
    """
    error: Any
    if counts:
        error = web.HTTPError(500, log_message=failure.reason)
    elif jupyterhub.version_info[0] >= 6:
        from jupyterhub.spawner import SpawnException

        error = SpawnException(failure.message, reason=failure.reason, log_message=failure.reason)
    else:
        spare_the_hub(spawner)
        error = web.HTTPError(400, log_message=failure.reason)
    error.jupyterhub_message = failure.message
    return error  # type: ignore[no-any-return]  # an HTTPError with one attribute more


def spare_the_hub(spawner: Any) -> None:
    """Keep a failure from counting towards the hub's `consecutive_failure_limit`, on JupyterHub 5.

    JupyterHub 6 spares errors of the kind 4xx by itself. JupyterHub 5 counts each one in a callback of the start's
    future and ends the hub at the limit. So the limit is lifted for this start, and what was counted is taken off by a
    callback that runs right after that one. Delete when JupyterHub 5 is no longer supported.
    """
    if jupyterhub.version_info[0] >= 6 or spawner.handler is None or spawner._spawn_future is None:
        return
    settings = spawner.handler.settings
    spawner.consecutive_failure_limit = 0

    def uncount(future: Any) -> None:
        settings["failure_count"] = max(0, settings.get("failure_count", 0) - 1)

    spawner._spawn_future.add_done_callback(uncount)


def fail_future(spawner: Any, failure: Failure) -> None:
    """Let the hub's pages say why a server that ran has ended.

    JupyterHub shows the error of the last start, which it keeps in `_spawn_future`, until the next start; a server's
    end has no place of its own there. The page `not_running.html` tells the two apart by `ended`.
    """
    error: Any = web.HTTPError(424, log_message=failure.reason)
    error.jupyterhub_message = failure.message
    error.ended = True
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    future.exception()  # now asyncio does not complain when nobody ever looks
    spawner._spawn_future = future
