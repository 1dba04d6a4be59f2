"""All passwords that open accounts of this hub, hashed: those of the configuration, the versions set since, people's.

Says which of them somebody has typed, and changes them. Reads and writes the hub's database in short transactions,
has everything hashed in `hashing.py`'s threads, and decides nothing: what a password opens is in `passwords.py`, what
holds after a restart in `versions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from .. import store
from ..errors import PasswordError
from . import hashing, passwords, versions


class Keyring:
    """The hashes, and who compares them."""

    def __init__(self) -> None:
        self._checker = hashing.Checker()
        self._admin: str | None = None

    def begin(self, db: Session, known: passwords.Passwords, *, option: str, now: datetime) -> list[str]:
        """Bring the database and the configuration together, once, before the hub answers anybody; commits.

        Args:
            db: The hub's session.
            known: The configured passwords.
            option: The name of the authenticator's class, for the log.
            now: Aware time.

        Returns:
            A sentence for the log wherever an admin and the configuration have said different things.
        """
        self._admin = self._hash(known.admin, beside=()) if known.admin else None
        existing = store.read_versions(db)
        current = [version for version in existing if versions.is_current(version, now=now)]
        comparison = versions.compare(
            configured(known, option=option), store.read_fingerprints(db), is_same=passwords.is_same
        )
        for each, fingerprint in comparison.kept:
            if not hashing.is_hash(each.value):
                self._checker.remember(each.value, fingerprint.hash)
        hashes = [version.hash for version in existing]
        fingerprints = [fingerprint for _, fingerprint in comparison.kept]
        for new in comparison.new:
            fingerprint = store.Fingerprint(new.groups, self._hash(new.value, beside=hashes))
            hashes.append(fingerprint.hash)
            fingerprints.append(fingerprint)
            store.add_version(db, groups=new.groups, hashed=fingerprint.hash, made_by="", at=now)
        ended = list(versions.find_ended(current, comparison))
        store.end_versions(db, [version.number for version in ended], at=now)
        store.replace_fingerprints(db, fingerprints)
        db.commit()
        return list(versions.explain(current, ended, comparison))

    async def match(self, db: Session, name: str | None, typed: str | None) -> passwords.Match:
        """Say which passwords somebody has typed; takes the same time for every name.

        Args:
            db: The hub's session.
            name: Normalised; None for what can be nobody's.
            typed: Any text, or None for nothing.
        """
        own = _read_own_hash(db, name)
        right = await self._checker.find_right(typed, own=own, shared=self._shared(db))
        # While that was hashed, a password may have been changed.
        own = _read_own_hash(db, name)
        found = [version for version in _read_current(db) if version.hash in right]
        groups = next((version.groups for version in found if version.groups is not None), None)
        return passwords.Match(
            user=any(version.groups is None for version in found),
            admin=self._admin in right,
            groups=groups,
            own=own in right,
            has_own=own is not None,
            is_short=len(typed or "") < passwords.OWN_ADMIN_PASSWORD_MIN_LENGTH,
        )

    async def change_shared(
        self, db: Session, password: str, *, groups: store.Groups, made_by: str, old_ends_at: datetime | None = None
    ) -> store.Version:
        """Set a new version of the password of all, or of some groups; commits.

        Args:
            db: The hub's session.
            password: The new one, checked by `passwords.check_new`.
            groups: Whose it is; None for all users.
            made_by: Who changes it.
            old_ends_at: Aware time until which the old versions open too; None for now.

        Returns:
            The new version.

        Raises:
            PasswordError: It is in use already.
        """
        right = await self._checker.find_right(password, own=None, shared=self._shared(db))
        if right:
            raise PasswordError("used", "The new password is in use already, as a shared one or the admins'.")
        hashed = await self._checker.make_hash(password, beside=[each.hash for each in store.read_versions(db)])
        now = datetime.now(UTC)
        end = max(now, old_ends_at or now)
        old = [each for each in _read_current(db) if versions.same_groups(each.groups, groups)]
        store.end_versions(db, [each.number for each in old if each.ends_at is None or each.ends_at > end], at=end)
        store.add_version(db, groups=groups, hashed=hashed, made_by=made_by, at=now)
        whose = "all users" if groups is None else ", ".join(groups)
        detail = f"of {whose}; the old one ends {end:%Y-%m-%d %H:%M} UTC" if old else f"of {whose}"
        store.add_audit(db, action="shared password", actor=made_by, detail=detail, at=now)
        db.commit()
        self._checker.remember(password, hashed)
        return store.read_versions(db)[-1]

    async def is_shared(self, db: Session, password: str) -> bool:
        """Tell whether `password` is a shared one now, or the admins'."""
        return bool(await self._checker.find_right(password, own=None, shared=self._shared(db)))

    def has_shared(self, db: Session) -> bool:
        """Tell whether there is a shared password that opens anything."""
        return bool(_read_current(db))

    def _shared(self, db: Session) -> list[str]:
        return [version.hash for version in _read_current(db)] + ([self._admin] if self._admin else [])

    def _hash(self, value: str, *, beside: Iterable[str]) -> str:
        if hashing.is_hash(value):
            return value
        hashed = hashing.make_hash(value, beside=list(beside))
        self._checker.remember(value, hashed)
        return hashed


def configured(known: passwords.Passwords, *, option: str) -> list[versions.Configured]:
    """List the shared passwords of the configuration."""
    found = [versions.Configured(None, known.user, f"{option}.user_password")] if known.user else []
    return found + [
        versions.Configured(tuple(groups), password, f"{option}.password_groups")
        for password, groups in known.groups.items()
    ]


def _read_current(db: Session) -> list[store.Version]:
    now = datetime.now(UTC)
    return [version for version in store.read_versions(db) if versions.is_current(version, now=now)]


def _read_own_hash(db: Session, name: str | None) -> str | None:
    # The same query whether anybody has that name or not.
    own = store.read_own(db, name or "")
    return own.password_hash if own else None
