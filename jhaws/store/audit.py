"""What happened to logins, to the list of people and to passwords: who, when, from where."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import Unicode, and_, delete, func, insert, literal, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import Executable

from .tables import ADDRESS_LENGTH, NAME_LENGTH, NOTE_LENGTH, AuditEntry
from .unpacking import unpack

_MEMBERS = orm.user_group_map
_COLUMNS = ["at", "action", "name", "actor", "address", "detail"]


def add_audit(
    db: Session, *, action: str, at: datetime, name: str = "", actor: str = "", address: str = "", detail: str = ""
) -> None:
    """Put an entry into the session; the caller commits. What is longer than its column is cut.

    Args:
        db: The hub's session.
        action: What happened, a word such as `login`.
        at: Aware time.
        name: Whom it is about; "" for nobody in particular. Never what somebody typed who is no user.
        actor: Who did it, "" for that person.
        address: From where.
        detail: Why or what, in words; never a secret.
    """
    db.add(
        AuditEntry(
            action=action,
            at=at,
            name=name[:NAME_LENGTH],
            actor=actor[:NAME_LENGTH],
            address=address[:ADDRESS_LENGTH],
            detail=detail[:NOTE_LENGTH],
        )
    )


def make_audits(entries: Iterable[tuple[str, str, str]], *, at: datetime, actor: str, address: str) -> Executable:
    """Make the statement that writes many entries.

    Args:
        entries: Action, name and detail of each, as in `add_audit`.
        at: Aware time.
        actor: Who did all of it.
        address: From where.
    """
    cut = ([action, name[:NAME_LENGTH], detail[:NOTE_LENGTH]] for action, name, detail in entries)
    rows = unpack(cut, action=Unicode(), name=Unicode(), detail=Unicode())
    who = (literal(actor[:NAME_LENGTH]), literal(address[:ADDRESS_LENGTH]))
    values = select(literal(at, AuditEntry.at.type), rows.c.action, rows.c.name, *who, rows.c.detail)
    return insert(AuditEntry).from_select(_COLUMNS, values)


def add_audit_of_members(
    db: Session, group_id: int, *, action: str, at: datetime, actor: str = "", address: str = "", detail: str
) -> None:
    """Write an entry of each member of a group; the caller commits."""
    said = (literal(at, AuditEntry.at.type), literal(action), orm.User.name)
    values = select(
        *said, literal(actor[:NAME_LENGTH]), literal(address[:ADDRESS_LENGTH]), literal(detail[:NOTE_LENGTH])
    )
    members = values.join(_MEMBERS, _MEMBERS.c.user_id == orm.User.id).where(_MEMBERS.c.group_id == group_id)
    db.execute(insert(AuditEntry).from_select(_COLUMNS, members))


def read_audit(db: Session, *, name: str = "", action: str = "", before: int = 0, limit: int = 100) -> list[AuditEntry]:
    """Read entries, the newest first.

    Args:
        db: The hub's session.
        name: Only those about this user or by them; "" for all.
        action: Only these; "" for all.
        before: Only those with a smaller number, for the next page; 0 begins with the newest.
        limit: How many at most.
    """
    conditions: list[Any] = []
    if name:
        conditions.append(or_(AuditEntry.name == name, AuditEntry.actor == name))
    if action:
        conditions.append(AuditEntry.action == action)
    if before:
        conditions.append(AuditEntry.number < before)
    return list(db.scalars(select(AuditEntry).where(*conditions).order_by(AuditEntry.number.desc()).limit(limit)))


def prune_audit(db: Session, *, before: datetime, keep: int, limit: int) -> int:
    """Forget entries that are older than `before`, and attempts to get in that are not among the newest entries.

    Everybody can write entries of these, so many that they would fill the disk; only these give way to newer ones.

    Args:
        db: The hub's session; the caller commits.
        before: Aware time.
        keep: The newest entries, among which logins stay.
        limit: How many to forget at most.

    Returns:
        How many were forgotten; fewer than `limit` when there is nothing more to forget.
    """
    newest = db.scalar(select(func.max(AuditEntry.number))) or 0
    # A code without an actor is that of a login which leads to the choice of a password.
    login = or_(
        AuditEntry.action.startswith("login"),
        AuditEntry.action == "password.refused",
        and_(AuditEntry.action == "password.code", AuditEntry.actor == ""),
    )
    old = or_(AuditEntry.at < before, and_(AuditEntry.number <= newest - keep, login))
    numbers = list(db.scalars(select(AuditEntry.number).where(old).limit(limit)))
    db.execute(
        delete(AuditEntry).where(AuditEntry.number.in_(numbers)), execution_options={"synchronize_session": False}
    )
    return len(numbers)
