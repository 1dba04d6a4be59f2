"""What ends when somebody becomes an admin: the browser logins and tokens from before.

Somebody else may have made them, with a password that a whole class knows, and they would be an admin's now. It is so
by every way that leads there. `settle_admins` looks at who is an admin, and remembers it: at hub start, every now and
then, and, by `watch_promotions`, with each commit of JupyterHub's session that may make one, whoever's it is: another
admin in a group makes one of somebody who may do all to its members. `make_promotions` goes before the statements that
change many people at once. Servers go on, and so do their own tokens, which reach nothing but the server.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import ColumnElement, and_, delete, event, insert, or_, select, true, update
from sqlalchemy.orm import Session, object_session
from sqlalchemy.sql.base import Executable

from .forgetting import forget_tokens
from .logins import make_login_ends
from .reach import find_admins
from .tables import Base, HubDatabase, KnownAdmin
from .unpacking import is_one_of

_IS_SETTLED = "jhaws_is_settled"
_MAY_HAVE_ADMINS = "jhaws_may_have_admins"

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
    db.info[_IS_SETTLED] = True
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
    """Watch whom JupyterHub makes an admin, in all sessions of this process that were settled; twice is once."""
    listeners: tuple[tuple[Any, str, Any], ...] = (
        (orm.User.admin, "set", _mark),
        (orm.User.roles, "append", _mark),
        (orm.User.groups, "append", _mark),
        (Session, "before_commit", _settle),
    )
    for target, name, listener in listeners:
        if not event.contains(target, name, listener):
            event.listen(target, name, listener)


def _mark(user: Any, value: Any, *_: Any) -> None:
    session = object_session(user)
    # Before, JupyterHub reads its configuration, takes roles away and gives them anew.
    if value and session is not None and session.info.get(_IS_SETTLED):
        session.info[_MAY_HAVE_ADMINS] = True


def _settle(session: Session) -> None:
    """Look for admins once for all that is committed, and in the same transaction."""
    if session.info.pop(_MAY_HAVE_ADMINS, False):
        settle_admins(session)
