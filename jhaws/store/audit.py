"""What happened to logins, the list of people and passwords, and who did it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from .tables import ADDRESS_LENGTH, NAME_LENGTH, NOTE_LENGTH, AuditEntry


def add_audit(
    db: Session, *, action: str, name: str = "", actor: str = "", address: str = "", detail: str = "", at: datetime
) -> None:
    """Put an entry into the session; the caller commits.

    Args:
        db: The hub's session.
        action: What was done, one word or a few with dots.
        name: Whom it is about, "" for nobody in particular.
        actor: Who did it, "" for the person.
        address: Where the request came from.
        detail: A sentence; never a secret.
        at: Aware time.
    """
    values = {"name": name[:NAME_LENGTH], "actor": actor[:NAME_LENGTH], "address": address[:ADDRESS_LENGTH]}
    db.add(AuditEntry(action=action, detail=detail[:NOTE_LENGTH], at=at, **values))
