"""What ends when somebody becomes an admin: the browser logins and tokens from before.

Somebody else may have made them, with a password that a whole class knows, and they would be an admin's now. It is so
by every way that leads there: `watch_promotions` looks at the objects of JupyterHub's session, whoever changes them,
and `make_promotions` goes before the statements that change many people at once. Servers go on, and so do their own
tokens, which reach nothing but the server.

An admin can be made by what nobody sees here: another configuration, or another admin in a group that somebody may do
mighty things to. So `settle_admins`, at hub start and every now and then, looks at who is one, and remembers it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import ColumnElement, and_, delete, event, insert, inspect, or_, select, true, update
from sqlalchemy.orm import Session, object_session
from sqlalchemy.sql.base import Executable

from .forgetting import forget_tokens
from .logins import make_login_ends
from .reach import find_admins, lead_to_admins, read_mighty
from .tables import Base, HubDatabase, KnownAdmin
from .unpacking import is_one_of

_USERS: Any = orm.User.__table__
_KNOWN = Base.metadata.tables[KnownAdmin.__tablename__]
_HUB = Base.metadata.tables[HubDatabase.__tablename__]


def make_promotions(user_ids: Collection[int]) -> list[Executable]:
    """End the browser logins and tokens of those users who have no admin flag; to be done before they get it."""
    if not user_ids:
        return []
    is_no_admin = or_(_USERS.c.admin.is_(None), _USERS.c.admin != true())
    known = make_known(is_one_of(_USERS.c.id, user_ids))
    return [*make_login_ends(user_ids, servers=False, which=is_no_admin), *known]


def make_known(theirs: ColumnElement[bool]) -> list[Executable]:
    """Remember that the users of these rows are admins, and have no login from before."""
    rows = select(_USERS.c.id, _USERS.c.created).where(theirs)
    return [
        delete(_KNOWN).where(_KNOWN.c.user_id.in_(select(_USERS.c.id).where(theirs))),
        insert(_KNOWN).from_select(["user_id", "user_created"], rows),
    ]


def settle_admins(db: Session) -> list[str]:
    """End the logins of those who have become admins since it was looked; the caller commits.

    The first time in a database, whoever is one has been one before.

    Returns:
        Their names.
    """
    db.flush()
    admins, hub = find_admins(db), select(_HUB.c.knows_admins)
    same = (_KNOWN.c.user_id == _USERS.c.id, _KNOWN.c.user_created.is_not_distinct_from(_USERS.c.created))
    known = frozenset(db.scalars(select(_KNOWN.c.user_id).join(_USERS, and_(*same))))
    new, is_first = admins - known, not db.scalar(hub)
    if new or known - admins:
        end = [] if is_first else make_login_ends(new, servers=False)
        gone = delete(_KNOWN).where(is_one_of(_KNOWN.c.user_id, known - admins))
        for statement in [*end, gone, *make_known(is_one_of(_USERS.c.id, new))]:
            db.execute(statement)
        forget_tokens(db, new)
    if is_first:
        db.execute(update(_HUB).values(knows_admins=True))
        return []
    return sorted(db.scalars(select(_USERS.c.name).where(is_one_of(_USERS.c.id, new)))) if new else []


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
        leads = lead_to_admins(session, [(role.name, role.scopes or ()) for role in roles])
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
