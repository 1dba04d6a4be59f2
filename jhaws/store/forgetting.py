"""What the hub's session must forget of what was changed by statements.

JupyterHub's session keeps objects for good and does not read them anew after a commit. Each function here makes it
forget just what has changed; nothing is read from the database.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jupyterhub import orm
from sqlalchemy import inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from .tables import Person

TOKENS = (orm.APIToken, orm.OAuthCode)
SHARES = (orm.Share, orm.ShareCode)


def forget_tokens(db: Session, user_ids: Collection[int]) -> None:
    """Let a session forget the tokens of users and the shares of their servers, and read their cookies anew."""
    for found in _find_objects(db, (orm.User, *TOKENS, *SHARES), user_ids):
        if isinstance(found, TOKENS):
            db.expunge(found)
        elif isinstance(found, SHARES):
            _forget_share(db, found)
        else:
            db.expire(found, ["cookie_id", "api_tokens", "oauth_codes", "shares", "share_codes"])


def forget_changed(db: Session, user_ids: Collection[int]) -> None:
    """Let a session read anew what it has of people who were changed."""
    forget_tokens(db, user_ids)  # of those who became admins
    for found in _find_objects(db, (orm.User,), user_ids):
        db.expire(found, ["admin", "roles", "groups", "created"])
    for found in _find_objects(db, (Person,), user_ids):
        db.expire(found)
    forget_members(db)


def forget_deleted(db: Session, user_ids: Collection[int]) -> None:
    """Take what a session has of people who were deleted out of it."""
    for found in _find_objects(db, (orm.User, orm.Spawner, Person, *TOKENS), user_ids):
        if found in db:  # a user takes what belongs to it along
            db.expunge(found)
    forget_members(db)


def forget_members(db: Session) -> None:
    """Let a session read anew who is in groups."""
    for found in list(db.identity_map.values()):
        if isinstance(found, orm.Group):
            db.expire(found, ["users"])


def _forget_share(db: Session, share: Any) -> None:
    """Take a share, or a code for one, out of a session, and out of what it has of those whom it is about."""
    about: tuple[tuple[type, str, list[str]], ...] = (
        (orm.User, "user_id", ["shared_with_me"]),
        (orm.Group, "group_id", ["shared_with_me"]),
        (orm.Spawner, "spawner_id", ["shares", "share_codes"]),
    )
    values = inspect(share).dict
    for kind, column, attributes in about:
        found = db.identity_map.get(identity_key(kind, (values.get(column),)))
        if found is not None:
            db.expire(found, attributes)
    db.expunge(share)


def _find_objects(db: Session, kinds: tuple[type, ...], user_ids: Collection[int]) -> list[Any]:
    """Return the objects of some kinds in a session that belong to users; nothing is read from the database."""
    numbers = frozenset(user_ids)
    found = [each for each in list(db.identity_map.values()) if isinstance(each, kinds)]
    return [each for each in found if _find_owner(each) in numbers]


def _find_owner(found: Any) -> int | None:
    """Return the number of the user whom an object belongs to."""
    state = inspect(found)
    if isinstance(found, orm.User | Person):
        return int(state.identity[0])
    number: int | None = state.dict.get("owner_id" if isinstance(found, SHARES) else "user_id")
    return number
