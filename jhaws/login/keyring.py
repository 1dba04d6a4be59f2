"""All passwords that open accounts of this hub, hashed: those of the configuration, the versions set since, people's.

Says which of them somebody has typed, and changes them. Reads and writes the hub's database in short transactions,
has everything hashed in `hashing.py`'s threads, and decides nothing: what a password opens is in `passwords.py`, what
holds after a restart in `versions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from sqlalchemy.orm import Session

from .. import store
from ..errors import PasswordError
from ..sentences import say
from . import codes, hashing, list_audit, passwords, versions
from .addresses import address_group


class Keyring:
    """The hashes, and who compares them.

    Args:
        with_groups: Whether a login brings groups: the option `manage_groups`.
    """

    def __init__(self, *, with_groups: Callable[[], bool] = lambda: True) -> None:
        self._checker = hashing.Checker()
        # Logins at the same moment wait here, in their order, before they cost the event loop anything: 200 at once
        # would else read the database 200 times in one turn of the loop. Twice the threads, so that none is idle.
        self._turns = asyncio.Semaphore(2 * hashing.THREADS)
        # And before that in a queue of their address, so that nobody waits for all that another address has sent.
        self._turns_of = WeakValueDictionary[str, asyncio.Semaphore]()
        self._admin: str | None = None
        self._with_groups = with_groups

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

    async def match(self, db: Session, name: str | None, typed: str | None, *, address: str) -> passwords.Match:
        """Say which passwords somebody has typed; takes the same time for every name.

        Args:
            db: The hub's session.
            name: Normalised; None for what can be nobody's.
            typed: Any text, or None for nothing.
            address: From where; each address takes its turns.
        """
        turns = self._turns_of.setdefault(address_group(address), asyncio.Semaphore(2 * hashing.THREADS))
        async with turns, self._turns:
            own = _read_own(db, name)
            right = await self._checker.find_right(typed, own=own.password_hash, shared=self._shared(db))
        # While that was hashed, a password may have been changed.
        own = _read_own(db, name)
        found = [version for version in self.read_current(db) if version.hash in right]
        # Of a hash in the configuration nobody knew how long its password is.
        found = found if len(typed or "") >= passwords.USER_PASSWORD_MIN_LENGTH else []
        is_admins = self._admin in right and len(typed or "") >= passwords.ADMIN_PASSWORD_MIN_LENGTH
        groups = next((version.groups for version in found if version.groups is not None), None)
        return passwords.Match(
            user=any(version.groups is None for version in found),
            admin=is_admins,
            groups=groups,
            own=own.password_hash in right,
            has_own=own.password_hash is not None,
            own_is_admins=own.password_for_admin,
            is_short=bool(right - {own.password_hash}) and not (found or is_admins),
        )

    async def change_shared(
        self,
        db: Session,
        password: str,
        *,
        groups: store.Groups,
        made_by: str,
        old_ends_at: datetime | None = None,
        address: str = "",
    ) -> store.Version:
        """Set a new version of the password of all, or of some groups; commits.

        Args:
            db: The hub's session.
            password: The new one, checked by `passwords.check_new`.
            groups: Whose it is; None for all users.
            made_by: Who changes it.
            old_ends_at: Aware time until which the old versions open too; None for now.
            address: From where.

        Returns:
            The new version.

        Raises:
            PasswordError: It is in use already.
        """
        right = await self._checker.find_right(password, own=None, shared=self._shared(db))
        if right:
            sentence = say("The new password is in use already, as a shared one or the admins'.")
            raise PasswordError("used", sentence)
        hashed = await self._checker.make_hash(password, beside=[each.hash for each in store.read_versions(db)])
        now = datetime.now(UTC)
        end = max(now, old_ends_at or now)
        old = [each for each in self.read_current(db) if versions.same_groups(each.groups, groups)]
        store.end_versions(db, [each.number for each in old if each.ends_at is None or each.ends_at > end], at=end)
        store.add_version(db, groups=groups, hashed=hashed, made_by=made_by, at=now)
        whose = say("for all users") if groups is None else say("for groups: {value}", value=", ".join(groups))
        until = say("the old one ends: {value}", value=end.isoformat(timespec="seconds")) if old else ""
        detail = list_audit.join(whose, until)
        store.add_audit(db, action="password.shared", actor=made_by, address=address, detail=detail, at=now)
        db.commit()
        self._checker.remember(password, hashed)
        return store.read_versions(db)[-1]

    async def reset_own(
        self, db: Session, name: str | None, *, code: str, new: str, admin: bool, address: str = ""
    ) -> None:
        """Set a user's own password by a one-time code; the caller ends the user's logins and commits.

        Args:
            db: The hub's session.
            name: Normalised; None for what can be nobody's.
            code: As it was typed.
            new: As it was typed.
            admin: The user is an admin, for whom only a code is right that was made for an admin.
            address: From where.

        Raises:
            PasswordError: The code is worth nothing, in the same words for every name; or the new one is no good, and
                the code can still be used.
        """
        own, now = store.read_own(db, name or ""), datetime.now(UTC)
        code_hash, ends_at = (own.code_hash, own.code_ends_at) if own else (None, None)
        right = codes.is_right(code, code_hash=code_hash, ends_at=ends_at, now=now)
        if not right or own is None or name is None or (admin and own.code_for != "admin"):
            raise PasswordError("invalid", say("The one-time code is wrong, was used already, or is too old."))
        hashed = await self._hash_own(db, name, new, admin=admin)
        # Twice at the same moment: only one of them finds the code in the table.
        if not store.use_code(db, own, hashed, for_admin=admin, at=datetime.now(UTC)):
            raise PasswordError("invalid", say("The one-time code was used or replaced a moment ago."))
        detail = say("set by a one-time code")
        store.add_audit(db, action="password.own", name=name, address=address, detail=detail, at=now)

    async def change_own(
        self, db: Session, name: str, *, new: str, admin: bool, is_still_so: Callable[[], bool], address: str = ""
    ) -> None:
        """Set a user's own password; the caller has checked the old one, ends the other logins and commits.

        Args:
            db: The hub's session.
            name: A user's normalised name.
            new: As it was typed.
            admin: The user was an admin when the old one was checked.
            is_still_so: Tells, just before it is written, whether that is still so, and the user still the same one.
            address: From where.

        Raises:
            PasswordError: The new one is no good.
        """
        hashed = await self._hash_own(db, name, new, admin=admin)
        own = store.read_own(db, name)
        if own is None or not is_still_so():
            raise PasswordError("wrong", say("The user or the password was changed by somebody else a moment ago."))
        store.set_own_password(db, own, hashed, for_admin=admin, at=datetime.now(UTC))
        detail = say("changed")
        store.add_audit(db, action="password.own", name=name, address=address, detail=detail, at=datetime.now(UTC))

    async def _hash_own(self, db: Session, name: str, new: str, *, admin: bool) -> str:
        passwords.check_new(new, min_length=passwords.own_min_length(admin=admin), name=name)
        shared = self._shared(db) if admin else self._read_shared_of(db, name)
        if await self._checker.find_right(new, own=None, shared=shared):
            raise PasswordError("used", say("The new password is a shared one."))
        return await self._checker.make_hash(new)

    def has_shared(self, db: Session) -> bool:
        """Tell whether there is a shared password that opens anything."""
        return bool(self.read_current(db))

    def read_current(self, db: Session) -> list[store.Version]:
        """Read the versions that open something now; those of groups do where a login brings groups."""
        now = datetime.now(UTC)
        found = [version for version in store.read_versions(db) if versions.is_current(version, now=now)]
        return [version for version in found if version.groups is None or self._with_groups()]

    def _read_shared_of(self, db: Session, name: str) -> list[str]:
        """Read the shared passwords that a user, no admin, may know: the answer must not tell those of other groups."""
        person = store.read_named_people(db, [name]).get(name)
        mine = set(person.groups) if person else set()
        return [each.hash for each in self.read_current(db) if mine.issuperset(each.groups or ())]

    def _shared(self, db: Session) -> list[str]:
        return [version.hash for version in self.read_current(db)] + ([self._admin] if self._admin else [])

    def _hash(self, value: str, *, beside: Iterable[str]) -> str:
        if hashing.is_hash(value):
            return value
        hashed = hashing.make_hash(value, beside=list(beside))
        self._checker.remember(value, hashed)
        return hashed


def give_code(
    db: Session, name: str, *, whose: store.CodeFor, actor: str, lasts: timedelta = codes.LASTS, address: str = ""
) -> tuple[str, datetime]:
    """Give a user a one-time code instead of an older one, and return it and its end; commits.

    Args:
        db: The hub's session.
        name: A user's normalised name.
        whose: For whom it is made; "admin" only where the user is one, or the code comes from the hub's pod.
        actor: Who gives it, "" for the person.
        lasts: How long it is worth something.
        address: From where.

    Raises:
        PasswordError: There is no such user.
    """
    own = store.read_own(db, name)
    if own is None:
        raise PasswordError("nobody", say("The hub has no user {name}; add the user first.", name=repr(name)))
    code, now = codes.make_code(), datetime.now(UTC)
    store.set_code(db, own, codes.hash_code(code), whose=whose, ends_at=now + lasts)
    store.add_audit(db, action="password.code", name=name, actor=actor, address=address, at=now)
    db.commit()
    return code, now + lasts


def has_given_code(db: Session, name: str) -> bool:
    """Tell whether a user has a one-time code, still worth something, that somebody has handed out."""
    own = store.read_own(db, name)
    ends_at = own.code_ends_at if own and own.code_for != "login" else None
    return ends_at is not None and datetime.now(UTC) < ends_at


def configured(known: passwords.Passwords, *, option: str) -> list[versions.Configured]:
    """List the shared passwords of the configuration."""
    found = [versions.Configured(None, known.user, f"{option}.user_password")] if known.user else []
    return found + [
        versions.Configured(tuple(groups), password, f"{option}.password_groups")
        for password, groups in known.groups.items()
    ]


def _read_own(db: Session, name: str | None) -> store.Own:
    # The same query whether anybody has that name or not.
    return store.read_own(db, name or "") or store.Own(0, datetime.now(UTC))
