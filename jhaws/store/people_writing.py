"""Changes of people by the hub's own session.

Nothing here commits, so what belongs together is written together or not at all. JupyterHub's session keeps objects
for good and does not read them anew after a commit: each function makes it forget just what it has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import delete, exists, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import Executable

from .forgetting import forget_changed, forget_members
from .people_statements import NewPerson, make_additions, make_updates
from .promotions import make_promotions
from .reach import lead_groups_to_admins, read_mighty
from .tables import Base, Person

_PEOPLE = Base.metadata.tables[Person.__tablename__]


def add_people(db: Session, people: Sequence[NewPerson], *, created: datetime) -> None:
    """Do what `make_additions` says; the caller commits."""
    write(db, make_additions(people, created=created))
    forget_members(db)


def update_people(db: Session, changes: Mapping[int, Mapping[str, Any]], *, now: datetime) -> None:
    """Do what `make_updates` says, and end the logins of those whom a group makes an admin; the caller commits."""
    moves = {user_id: values["groups"] for user_id, values in changes.items() if "groups" in values}
    write_moves(db, make_updates(changes, now=now), moves=moves)
    forget_changed(db, changes)


def write(db: Session, statements: Iterable[Executable]) -> None:
    """Execute statements after what the session already has to write; the caller commits."""
    db.flush()
    for statement in statements:
        db.execute(statement)


def write_moves(db: Session, statements: Iterable[Executable], *, moves: Mapping[int, Collection[str]]) -> None:
    """Execute statements that put users into groups, and end the logins of those whom these make admins.

    Args:
        db: A session; the caller commits.
        statements: With all that `moves` needs.
        moves: User id → all groups of the user then, of those who join one.
    """
    joined = frozenset[str]().union(*moves.values())
    moved = moves.keys() if joined and lead_groups_to_admins(db, joined) else ()
    before = read_mighty(db, moved)
    write(db, statements)
    write(db, make_promotions(read_mighty(db, moved) - before))


def delete_person(db: Session, user_id: int) -> None:
    """Delete the row of a user who is deleted; the caller commits."""
    db.execute(delete(Person).where(Person.user_id == user_id))


def add_waiting(db: Session, *, known: Collection[str], since: datetime | None, now: datetime) -> int:
    """Let users wait for an admin but those whose names are known; the caller commits.

    Args:
        db: The hub's session.
        known: Names of the configuration.
        since: Aware time after which the users were made; None for all users.
        now: Aware time.

    Returns:
        How many they are.
    """
    users = select(orm.User.id, orm.User.name)
    if since is not None:
        users = users.where(orm.User.created > since.astimezone(UTC).replace(tzinfo=None))
    unknown = [user_id for user_id, name in db.execute(users) if name not in known]
    waiting: dict[int, dict[str, Any]] = {user_id: {"waiting": True} for user_id in unknown}
    update_people(db, waiting, now=now)
    return len(waiting)


def let_everybody_in(db: Session) -> int:
    """Let in all who wait; the caller commits.

    Returns:
        How many they were.
    """
    there = exists().where(orm.User.id == Person.user_id, orm.User.created == Person.user_created)
    db.flush()
    done: Any = db.execute(update(_PEOPLE).where(Person.waiting == true(), there).values(waiting=False))
    for found in list(db.identity_map.values()):
        if isinstance(found, Person):
            db.expire(found)
    return int(done.rowcount)
