"""The REST API of passwords: a new shared one, and a one-time code for somebody who has forgotten theirs.

For who has the scope `admin:users` for all users. A code for an admin's account is given to admins only, since a
service that may add users must not become an admin that way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import Scope
from jupyterhub.utils import url_path_join

from .. import store
from ..errors import PasswordError, UsernameError
from ..names import check_username
from ..sentences import Sentence, say
from . import codes, keyring, passwords
from .answers import SentenceMixin, needs
from .people import ONLY_WITH_GROUPS
from .roster_cells import MAX_GROUPS, YEARS, show_name

SCOPE = "admin:users"
FIELDS = {"password", "generate", "groups", "old_ends_at"}


class SharedPasswordAPI(SentenceMixin, APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """`POST /hub/api/jhaws/password`: a new password of all users, or of some groups."""

    @needs(SCOPE)
    async def post(self) -> None:
        """Set it, and answer with it only where it was made here."""
        body = self.get_json_body()
        try:
            change = read_change(body, now=datetime.now(UTC), zone=self.zone)
        except PasswordError as error:
            self.refuse(400, error.sentence)
        if change["groups"] is not None:
            self.check_groups(change["groups"])
        ring = self.authenticator.keyring
        try:
            version = await ring.change_shared(self.db, made_by=self.asker, address=self.address, **change)
        except PasswordError as error:
            self.refuse(409, error.sentence)
        self.log.info("%s has set a new shared password.", self.asker)
        made = {"password": change["password"]} if "password" not in body else {}
        self.set_status(201)
        self.write({**made, "groups": version.groups, "made_at": version.made_at.isoformat()})

    def check_groups(self, groups: tuple[str, ...]) -> None:
        """Refuse a password for groups whom it could make more than they are: who knows it is in these groups.

        Raises:
            HTTPError: 400 where no password brings groups, or these make admins, 403 where the requester may not put
                people into groups.
        """
        if not self.authenticator.manage_groups:
            option = f"{type(self.authenticator).__name__}.manage_groups"
            self.refuse(400, say("A password for groups needs {option} = True, got False.", option=option))
        if self.parsed_scopes.get("admin:groups") != Scope.ALL:
            self.refuse(403, ONLY_WITH_GROUPS)
        if store.lead_groups_to_admins(self.db, groups):
            self.refuse(400, say("Roles of these groups make admins, which no shared password may: take some out."))


class ResetAPI(SentenceMixin, APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """`POST /hub/api/jhaws/people/NAME/reset`: a one-time code."""

    @needs(SCOPE)
    async def post(self, name: str) -> None:
        """Give a code, which this answer alone has."""
        authenticator = self.authenticator
        typed, name = name, authenticator.user_name(name) or ""
        if not name:
            self.refuse(404, describe_impossible(typed))
        is_admin = authenticator.is_admin_name(name)
        if is_admin and not self.is_admin:
            self.refuse(403, say("Only an admin may give a code for the account of an admin."))
        if self.find_user(name) is None:
            self.refuse(404, say("The hub has no user {name}.", name=show_name(typed)))
        if authenticator.own_password_min_length(name) is None:
            option = f"{type(authenticator).__name__}.personal_password"
            self.refuse(409, say("Users have no passwords of their own: {option} is 'off'.", option=option))
        whose: store.CodeFor = "admin" if is_admin else "user"
        by = self.asker
        code, ends_at = keyring.give_code(self.db, name, whose=whose, actor=by, address=self.address)
        self.log.info("%s has given %s a one-time code for a new password.", self.asker, name)
        self.set_status(201)
        self.write(
            {
                "name": name,
                "code": code,
                "path": url_path_join(self.hub.base_url, codes.RESET_PATH),
                "link": codes.make_link(self.hub.base_url, name=name, code=code),
                "ends_at": ends_at.isoformat(),
            }
        )


def read_change(body: Any, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Read what a request says of a new shared password, and make one where it asks for that.

    Args:
        body: Any JSON value.
        now: Aware time.
        zone: Of times that have none.

    Returns:
        `password`, `groups` and `old_ends_at`, as `Keyring.change_shared` takes them.

    Raises:
        PasswordError: Something is missing, unknown, or no good.
    """
    if not isinstance(body, dict) or set(body) - FIELDS:
        known = ", ".join(sorted(FIELDS))
        raise PasswordError("body", say("The body must be a JSON object with {fields} at most.", fields=known))
    if ("password" in body) == (body.get("generate") is True) or body.get("generate") not in (None, True, False):
        raise PasswordError("body", say("Give either a password, or generate: true to have one made."))
    password = body.get("password", None if "password" in body else passwords.make_password())
    passwords.check_new(password, min_length=passwords.USER_PASSWORD_MIN_LENGTH)
    return {
        "password": password,
        "groups": _read_groups(body.get("groups")),
        "old_ends_at": _read_end(body.get("old_ends_at"), now=now, zone=zone),
    }


def describe_impossible(typed: str) -> Sentence:
    """Say why what was typed is the name of no user, with the rule that it breaks where there is one."""
    try:
        check_username(typed)
    except UsernameError as error:
        return say("{name}: {sentence}", name=show_name(typed), sentence=error.sentence)
    return say("The hub has no user {name}.", name=show_name(typed))


def _read_groups(groups: Any) -> store.Groups:
    if groups is None:
        return None
    is_list = isinstance(groups, list) and groups
    if not is_list or not all(isinstance(each, str) and 0 < len(each) <= store.NAME_LENGTH for each in groups):
        rule = say("groups must be a list of group names; leave it out for all users.")
        raise PasswordError("groups", rule)
    if len(groups) > MAX_GROUPS:
        rule = say("A password may be of {most} groups, here are {count:,}.", most=MAX_GROUPS, count=len(groups))
        raise PasswordError("groups", rule)
    return tuple(sorted(set(groups)))


def _read_end(text: Any, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        end = datetime.fromisoformat(text)
        if end.year not in YEARS:
            raise ValueError
        end = (end if end.tzinfo else end.replace(tzinfo=zone)).astimezone(UTC)
    except (TypeError, ValueError):
        rule = say(
            "The end of the old password (old_ends_at) must be a time of the years {first} to {last}, as "
            "2026-12-24T18:00, in the hub's time zone or with its own, as +01:00.",
            first=YEARS[0],
            last=YEARS[-1],
        )
        raise PasswordError("end", rule) from None
    if end <= now:
        rule = say("The end of the old password (old_ends_at) must be in the future; leave it out to end it now.")
        raise PasswordError("end", rule)
    return end


HANDLERS = [(r"/api/jhaws/password", SharedPasswordAPI), (r"/api/jhaws/people/([^/]+)/reset", ResetAPI)]
