"""What ends when somebody becomes an admin: the browser logins and tokens from before.

Somebody else may have made them, with a password that a whole class knows, and they would be an admin's now. It is so
by every way that leads there: `watch_promotions` looks at the objects of JupyterHub's session, whoever changes them,
and `make_promotions` goes before the statements that change many people at once. Servers go on, and so do their own
tokens, which reach nothing but the server. At hub start nothing ends for those who were admins before.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import (
    Integer,
    Unicode,
    column,
    delete,
    event,
    func,
    inspect,
    not_,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.orm import object_session
from sqlalchemy.sql.base import Executable

from .accounts import is_mighty, read_mighty
from .forgetting import forget_tokens
from .unpacking import is_one_of, unpack

_USERS: Any = orm.User.__table__
# Scopes as text, which they are: JupyterHub's own type makes SQLAlchemy warn that it cannot cache the query.
_TOKENS = table("api_tokens", column("user_id"), column("scopes"))
_CODES: Any = orm.OAuthCode.__table__
# How the scopes begin that JupyterHub gives a server's own token.
_SERVER_SCOPES = ('"access:servers!', '"users:activity!')


def make_promotions(user_ids: Collection[int]) -> list[Executable]:
    """End the browser logins and tokens of those users who have no admin flag; to be done before they get it."""
    if not user_ids:
        return []
    theirs = is_one_of(_USERS.c.id, user_ids) & or_(_USERS.c.admin.is_(None), _USERS.c.admin != true())
    numbers = select(_USERS.c.id).where(theirs)
    fresh = unpack(([user_id, secrets.token_hex(16)] for user_id in user_ids), user_id=Integer(), cookie_id=Unicode())
    return [
        delete(_TOKENS).where(_TOKENS.c.user_id.in_(numbers), not_(_is_of_server())),
        delete(_CODES).where(_CODES.c.user_id.in_(numbers)),
        update(_USERS).where(theirs, _USERS.c.id == fresh.c.user_id).values(cookie_id=fresh.c.cookie_id),
    ]


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


def _is_of_server() -> Any:
    """Tell whether a token has no other scopes than a server's own; in SQL, where the list is JSON as text."""
    scopes = func.coalesce(_TOKENS.c.scopes, '"inherit"')
    left: Any = scopes
    for beginning in _SERVER_SCOPES:
        left = func.replace(left, beginning, "")
    # Each scope has two quotation marks, and one that begins so has lost one of them.
    return 2 * _count_quotes(left) == _count_quotes(scopes)


def _count_quotes(text: Any) -> Any:
    return func.length(text) - func.length(func.replace(text, '"', ""))
