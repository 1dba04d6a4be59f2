"""What ends when somebody becomes an admin: the browser logins and tokens from before.

Somebody else may have made them, with a password that a whole class knows, and they would be an admin's now. It is so
by every way that leads there: `watch_promotions` looks at the objects of JupyterHub's session, whoever changes them,
and `make_promotions` goes before the statements that change many people at once. Servers go on, and so do their own
tokens, which reach nothing but the server. At hub start nothing ends for those who were admins before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import event, inspect, or_, true
from sqlalchemy.orm import object_session
from sqlalchemy.sql.base import Executable

from .accounts import is_mighty, read_mighty
from .forgetting import forget_tokens
from .logins import make_login_ends

_USERS: Any = orm.User.__table__


def make_promotions(user_ids: Collection[int]) -> list[Executable]:
    """End the browser logins and tokens of those users who have no admin flag; to be done before they get it."""
    is_no_admin = or_(_USERS.c.admin.is_(None), _USERS.c.admin != true())
    return make_login_ends(user_ids, servers=False, which=is_no_admin)


def watch_promotions() -> None:
    """Watch whom JupyterHub makes an admin, from now on, in all sessions of this process; twice is once."""
    listeners: tuple[tuple[Any, str, Any, dict[str, bool]], ...] = (
        (orm.User.admin, "set", _on_admin, {"active_history": True}),
        (orm.User.roles, "append", _on_roles, {}),
        (orm.User.groups, "append", _on_roles, {}),
    )
    for attribute, name, listener, options in listeners:
        if not event.contains(attribute, name, listener):
            event.listen(attribute, name, listener, **options)


def _on_admin(user: Any, value: Any, before: Any, _: Any) -> None:
    if value and before is not True:
        _end(user)


def _on_roles(user: Any, value: Any, _: Any) -> None:
    """End what was before where a role, or a group with its roles, makes an admin of somebody who was none."""
    session = object_session(user)
    if session is None or not inspect(user).persistent:
        return
    with session.no_autoflush:
        roles = value.roles if isinstance(value, orm.Group) else [value]
        leads = is_mighty((role.name, role.scopes or ()) for role in roles)
        if leads and not read_mighty(session, [user.id]):
            _end(user)


def _end(user: Any) -> None:
    session = object_session(user)
    if session is None or not inspect(user).persistent:
        return
    with session.no_autoflush:
        for statement in make_promotions([user.id]):
            session.execute(statement)
        forget_tokens(session, [user.id])
