"""What opens the hub for a user, and how it ends: browser logins, API tokens, codes of OAuth, shares of servers.

A server that runs has a token too, by which it tells the hub what it does. Where the server may go on, its token stays,
or nobody would know that it is busy. Which token that is, `keep_server_token` remembers at each start: by its scopes,
and by all else that the hub's table has of it, a user can make one like it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import ColumnElement, Integer, Unicode, delete, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import Executable

from .forgetting import SHARES, forget_tokens
from .tables import Base, ServerToken
from .unpacking import is_one_of, unpack

_USERS: Any = orm.User.__table__
_TOKENS: Any = orm.APIToken.__table__
_CODES: Any = orm.OAuthCode.__table__
_SHARES: tuple[Any, ...] = tuple(kind.__table__ for kind in SHARES)
_KEPT = Base.metadata.tables[ServerToken.__tablename__]


def keep_server_token(db: Session, spawner_id: int, token: str) -> None:
    """Remember the token that a server is about to be started with; the caller commits.

    Args:
        db: The hub's session.
        spawner_id: The number of JupyterHub's row of the server.
        token: What the hub's table has hashed, or will not have: then nothing is remembered.
    """
    found = orm.APIToken.find(db, token)
    before = db.scalars(select(_KEPT.c.token_hash).where(_KEPT.c.spawner_id == spawner_id)).all()
    # JupyterHub deletes it when the server stops, but not after a restart of the hub, when it no longer knows it.
    for old in db.query(orm.APIToken).filter(orm.APIToken.hashed.in_(before)):
        if old is not found:
            db.delete(old)
    db.execute(delete(_KEPT).where(_KEPT.c.spawner_id == spawner_id))
    if found is not None:
        db.execute(insert(_KEPT).values(spawner_id=spawner_id, token_hash=found.hashed))


def make_login_ends(
    user_ids: Collection[int], *, servers: bool, which: ColumnElement[bool] | None = None
) -> list[Executable]:
    """Make the statements that end browser logins, tokens and codes of users, and what others may do in their servers.

    Args:
        user_ids: The users.
        servers: Whether servers' own tokens end as well.
        which: Only those of the users whose row this is true of.
    """
    if not user_ids:
        return []
    numbers = select(_USERS.c.id).where(is_one_of(_USERS.c.id, user_ids), *([] if which is None else [which]))
    running = select(_KEPT.c.token_hash).join(orm.Spawner, orm.Spawner.id == _KEPT.c.spawner_id)
    mortal = [] if servers else [_TOKENS.c.hashed.not_in(running.where(orm.Spawner.server_id.is_not(None)))]
    fresh = unpack(([user_id, secrets.token_hex(16)] for user_id in user_ids), user_id=Integer(), cookie_id=Unicode())
    cookies = update(_USERS).where(_USERS.c.id == fresh.c.user_id, _USERS.c.id.in_(numbers))
    return [
        delete(_TOKENS).where(_TOKENS.c.user_id.in_(numbers), *mortal),
        delete(_CODES).where(_CODES.c.user_id.in_(numbers)),
        *(delete(shares).where(shares.c.owner_id.in_(numbers)) for shares in _SHARES),
        cookies.values(cookie_id=fresh.c.cookie_id),
    ]


def end_logins(db: Session, user_ids: Collection[int], *, servers: bool) -> None:
    """Do what `make_login_ends` says; the caller commits. Only the hub's own process can."""
    db.flush()
    for statement in make_login_ends(user_ids, servers=servers):
        db.execute(statement)
    forget_tokens(db, user_ids)
