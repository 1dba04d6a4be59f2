"""How a login goes: to the gate, then to the password and the allow list, then into log, audit log and metrics.

An unknown name is never answered differently from a wrong password, no password is logged, and no typed name that is
not a user's: people type passwords into the wrong field. The login form, the REST API's token request and the page
that changes a password all come through here.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from jupyterhub.utils import maybe_future

from .. import store
from ..errors import PasswordError
from ..sentences import say
from . import addresses, gate, handlers, lookalikes, metrics, passwords, throttle
from .configured import SHOWN_NAME_LENGTH

# Before the name under which choices of an own password are counted.
CHOICE = "what is chosen by "
REFUSED = "password.refused"  # of the audit log: no login, but a password or a code that was wrong
PUT_OFF = say("put off, as too many logins have failed")
# What costs whoever does it nothing is in the audit log once in that time for a name and address, and so often in all.
NOTED_SECONDS = 60.0
MOST_NOTED = 60
TWIN = say("the name is new and looks like another one")
MAKES_ADMINS = say("its password brings groups whose roles make admins, which no shared password may")
# Of the audit log, among which logins stay: a scanner could fill it. Some 50 MB.
AUDIT_ENTRIES = 200_000


@dataclass(frozen=True)
class Verdict:
    """What comes of a login: JupyterHub's auth model, or why not; and whether a password must be chosen first."""

    model: dict[str, Any] | None
    refusal: str
    must_choose: bool


class Door:
    """The one way in of a hub.

    Args:
        owner: The JhawsAuthenticator, with its options.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self.gate = gate.Gate(lambda: self._db, tidy=self._forget_old_logins)
        self.trusted: addresses.Networks = ()
        self._doorway = asyncio.Lock()
        self._noted = set[tuple[str, str, str]]()
        self._noted_since = 0.0

    @property
    def _db(self) -> Any:
        return self._owner.parent.db

    async def enter(self, handler: Any, data: Any) -> dict[str, Any] | None:
        """Let somebody in, or not; `JhawsAuthenticator.authenticate` says what goes in and comes out."""
        async with self._doorway:  # one in each turn of the event loop, or 200 at once would hold it for a second
            await asyncio.sleep(0)
        login = passwords.make_login(data)
        login = replace(login, username=self.spell(login.username))
        name = self._owner.user_name(login.username)
        address = self.client_address(handler)
        is_known = name in self._owner.admin_users or store.has_user(self._db, name or "")
        shown = name if is_known and name else ""
        counted = name or login.username
        async with self._gated(counted, shown, address, known=bool(shown), action="login.refused") as attempt:
            verdict = await self._judge(login, name, address=address, is_form=handlers.is_login_form(handler))
            attempt.succeeded = verdict.model is not None
            self._remember(shown, address, verdict.refusal)
        if verdict.model and verdict.must_choose:
            await handlers.lead_to_choosing(handler, str(name), verdict.model)
        return verdict.model

    async def opens(self, handler: Any, name: str, password: str) -> bool:
        """Tell whether a password opens a user's account now; who may enter at all is not asked.

        Raises:
            TooManyLoginsError: Too many were wrong, here or at the login.
        """
        address = self.client_address(handler)
        async with self._gated(name, name, address, known=True) as attempt:
            match = await self._owner.keyring.match(self._db, name, password, address=address)
            admin = self._owner.is_admin_name(name)
            known, personal = self._owner.known_passwords(), self._owner.personal_password
            refusal = passwords.find_refusal(match, admin=admin, known=known, personal=personal)
            attempt.succeeded = refusal is None
            if refusal:
                at = datetime.now(UTC)
                store.add_audit(self._db, action=REFUSED, at=at, name=name, address=address, detail=refusal)
        return attempt.succeeded

    def spell(self, typed: str | None) -> str | None:
        """Return a typed name as the hub has it: some keyboards send an umlaut as two characters (NFD)."""
        name = self._owner.user_name(typed)
        if typed is None or name is None or name.isascii() or store.has_user(self._db, name):
            return typed
        composed = unicodedata.normalize("NFC", typed)
        return composed if store.has_user(self._db, self._owner.user_name(composed) or "") else typed

    def note(self, action: str, name: str, address: str, detail: str) -> None:
        """Write into the audit log what somebody may do as often as he likes, and not each time; commits.

        Args:
            action: What the audit calls it.
            name: The user's name, "" for nobody's.
            address: From where.
            detail: What came of it.
        """
        now, key = self.gate.clock(), (action, name, addresses.address_group(address))
        if now - self._noted_since > NOTED_SECONDS:
            self._noted, self._noted_since = set(), now
        if key in self._noted or len(self._noted) >= MOST_NOTED:
            return
        self._noted.add(key)
        store.add_audit(self._db, action=action, at=datetime.now(UTC), name=name, address=address, detail=detail)
        self._db.commit()

    @asynccontextmanager
    async def choosing(self, handler: Any, name: str) -> AsyncIterator[None]:
        """Let the choice of an own password wait for its turn: that one is refused tells that it is a shared one.

        What is not refused counts too, or shared passwords could be guessed by setting one after the other; but
        apart from logins, whose successes would take it back, and not for the address, where a class chooses.

        Raises:
            TooManyLoginsError: There were too many.
        """
        address = self.client_address(handler)
        async with self._gated(f"{CHOICE}{name}", name, address, known=False) as attempt:
            attempt.succeeded = None
            try:
                yield
            except PasswordError as error:
                attempt.succeeded = False if error.reason == "used" else None
                raise

    def client_address(self, handler: Any) -> str:
        """Return the address that a request comes from, as far as our own proxies tell."""
        request = getattr(handler, "request", None)
        forwarded_for = request.headers.get_list("X-Forwarded-For") if request else None
        peer, is_server = addresses.peer_of(request), partial(store.has_server_at, self._db)
        return addresses.client_address(forwarded_for, peer, self.trusted, is_server)

    @asynccontextmanager
    async def _gated(
        self, counted: str | None, shown: str, address: str, *, known: bool, action: str = REFUSED
    ) -> AsyncIterator[gate.Attempt]:
        """Let an attempt at a password wait for its turn, and say so where it is put off.

        Args:
            counted: What it is counted under.
            shown: The user's name for the log, "" for nobody's.
            address: Of the client.
            known: Whether `counted` is a user's name.
            action: What the audit calls it where it is put off.

        Raises:
            TooManyLoginsError: Its turn is too far away.
        """
        key = throttle.name_value(counted, known=known, secret=self._owner.parent.cookie_secret)
        try:
            async with self.gate.attempt(key, address) as attempt:
                yield attempt
        except gate.TooManyLoginsError:
            metrics.logins.labels(outcome=metrics.THROTTLED).inc()
            self._owner.log.warning("Put off a login of %s from %s.", _show(shown), address)
            self.note(action, shown, address, PUT_OFF)
            raise

    async def _judge(self, login: passwords.Login, name: str | None, *, address: str, is_form: bool) -> Verdict:
        """Check name and password.

        Args:
            login: What was sent.
            name: The normalised name, None where it cannot be one.
            address: From where.
            is_form: Whether it came from the login form, which can lead to the choice of a password.
        """
        match = await self._owner.keyring.match(self._db, name, login.password, address=address)
        # Read now, as hashing takes a while.
        account = store.read_account(self._db, name or "")
        admin = self._owner.is_admin_account(name, account)
        # None leaves the flag as it is: nobody is demoted who became an admin in the panel a moment ago.
        flag = True if name in self._owner.admin_users or account.admin else None
        model: dict[str, Any] = {"name": login.username, "admin": flag}
        if self._owner.manage_groups:
            model["groups"] = passwords.make_groups(match, admin=admin)
        refusal = await self._find_name_refusal(name, model)
        refusal = refusal or passwords.find_refusal(
            match, admin=admin, known=self._owner.known_passwords(), personal=self._owner.personal_password
        )
        if not refusal and model.get("groups") and store.lead_groups_to_admins(self._db, model["groups"]):
            refusal = MAKES_ADMINS
        if not (refusal or account.exists or str(name).isascii()):
            known = lookalikes.map_skeletons(store.read_user_names(self._db))
            refusal = TWIN if lookalikes.find_mistake(str(name), known) else None
        must_choose = passwords.must_choose(match, admin=admin, personal=self._owner.personal_password)
        if must_choose and not is_form:
            refusal = refusal or say("a password of its own has to be chosen first, by a login in the browser")
        return Verdict(None if refusal else model, refusal or "", must_choose)

    async def _find_name_refusal(self, name: str | None, model: Mapping[str, Any]) -> str | None:
        """Say why a name may not enter whatever its password; None when it may.

        JupyterHub asks the same afterwards, but would log the typed name.
        """
        if name is None:
            return say("no user can have that name")
        if not await maybe_future(self._owner.check_blocked_users(name, model)):
            return say("blocked_users has the name")
        refusal: str | None = self._owner.find_standing_refusal(name)
        if refusal:
            return refusal
        if not await maybe_future(self._owner.check_allowed(name, model)):
            return say("the name is not on the allow list")
        return None

    def _remember(self, name: str, address: str, refusal: str) -> None:
        """Write how a login ended into log, audit log and metrics; the gate commits."""
        outcome = metrics.REFUSED if refusal else metrics.OK
        metrics.logins.labels(outcome=outcome).inc()
        action = "login.refused" if refusal else "login"
        store.add_audit(self._db, action=action, at=datetime.now(UTC), name=name, address=address, detail=refusal)
        if refusal:
            self._owner.log.warning("Refused the login of %s from %s: %s.", _show(name), address, refusal)

    async def _forget_old_logins(self) -> None:
        before, rows = datetime.now(UTC) - timedelta(days=self._owner.audit_days), gate.TURN_ROWS
        while rows == gate.TURN_ROWS:
            rows = store.prune_audit(self._db, before=before, keep=AUDIT_ENTRIES, limit=gate.TURN_ROWS)
            self._db.commit()
            await asyncio.sleep(0)


def _show(name: str) -> str:
    """Return a user's name for a log line; never what somebody typed who is no user."""
    return repr(name)[:SHOWN_NAME_LENGTH] if name else "an unknown name"
