"""Whether a person may enter, and why not.

Pure functions over what is kept of a person beside JupyterHub's own columns. A block comes first, then an end that has
passed, then waiting: a name from before jhaws's login counts only when an admin has looked at it. The admins of the
configuration always enter, or a slip of one admin could shut out all.
"""

from __future__ import annotations

from datetime import datetime

from ..errors import TellableError
from ..sentences import Sentence, say
from ..store import Standing, State

# Reasons for the hub's log and the audit log; whoever is refused reads the same as after a wrong password.
BLOCKED = say("an admin has blocked the person")
ENDED = say("the person's end has passed")
WAITING = say("the name is from before jhaws's login, and no admin has let it in yet")
# What goes beyond the rights of whoever asks.
ONLY_ADMINS = say("Only admins can make, change or remove admins.")
ONLY_WITH_GROUPS = say("Groups can be changed only with the scope admin:groups.")


class RefusedError(TellableError):
    """What an admin asked for is not done; `status` is HTTP's word for why."""

    def __init__(self, status: int, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.status = status


def find_state(standing: Standing, *, now: datetime) -> State:
    """Return what somebody is in the list: blocked, ended, waiting or allowed."""
    if standing.blocked:
        return "blocked"
    if has_ended(standing, now=now):
        return "ended"
    return "waiting" if standing.waiting else "allowed"


def has_ended(standing: Standing, *, now: datetime) -> bool:
    """Tell whether the end has come; it is the first moment at which nobody enters any more."""
    return standing.ends_at is not None and standing.ends_at <= now


def find_refusal(standing: Standing | None, *, configured: bool, now: datetime) -> str | None:
    """Say why a person may not enter; None when nothing of this stands in the way.

    Args:
        standing: What is kept; None is nothing.
        configured: Whether the name is in `allowed_users` or `admin_users`: an operator has looked at it.
        now: Aware time.
    """
    state = find_state(standing or Standing(), now=now)
    if state == "waiting" and configured:
        return None
    return {"blocked": BLOCKED, "ended": ENDED, "waiting": WAITING}.get(state)
