"""The pages where people set a password of their own: by the old one, or by a one-time code.

They show and submit; what is right is decided in `keyring.py` and `passwords.py`. A code is never in a query string,
which proxies log: the link has it behind the `#`, from where three lines of JavaScript put it into the form, and
without JavaScript it is typed. Whoever has to choose a password at login gets the form as the answer to the login.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.utils import url_path_join
from tornado import web

from .. import store
from ..errors import PasswordError
from ..sentences import say
from . import codes, keyring, list_audit, passwords, words
from .answers import SentenceMixin

TEMPLATE = "jhaws_password.html"
WRONG_CODE = say("the one-time code is wrong, was used already, or is too old")


@dataclass(frozen=True)
class Field:
    """One field of a form; `value` is never a password."""

    name: str
    label: str = ""
    type: str = "password"
    autocomplete: str = "new-password"
    value: str = ""
    hidden: bool = False


def make_fields(names: str, texts: dict[str, str], *, hidden: str = "", **values: str) -> list[Field]:
    """Return the fields of a form, by their names with spaces between; it knows itself which of them are hidden."""
    more = {
        "name": {"type": "text", "autocomplete": "username"},
        "code": {"type": "text", "autocomplete": "one-time-code"},
        "old": {"autocomplete": "current-password"},
    }
    return [
        Field(
            name,
            texts[name],
            value=values.get(name, ""),
            hidden=name in hidden.split(),
            **more.get(name, {}),
        )
        for name in names.split()
    ] + ([Field("hidden", value=hidden, hidden=True)] if hidden else [])


async def show(handler: Any, *, title: str, min_length: int, fields: str = "", error: str = "", **more: Any) -> None:
    """Finish a request with the page; the form's answers are in no cache, and its address is told to nobody.

    Args:
        handler: Of any request of the hub.
        title: Key of the heading.
        min_length: Characters of a new password, for the texts.
        fields: Names of the form's fields; "" for no form.
        error: Key of what went wrong.
        more: Values for the template; `values` are those of fields, `hidden` names those that are not seen.
    """
    header = handler.request.headers.get("Accept-Language", "")
    texts = words.make_words(header, min_length=min_length)
    handler.set_header("Referrer-Policy", "no-referrer")
    values, hidden = more.pop("values", {}), more.pop("hidden", "")
    for key in ("help", "done", "next_text"):
        more[key] = texts[more[key]] if more.get(key) else ""
    page = await handler.render_template(
        TEMPLATE,
        words=texts,
        language=words.choose_language(header),
        heading=texts[title],
        fields=make_fields(fields, texts, hidden=hidden, **values),
        error=texts[error] if error else "",
        **more,
    )
    handler.finish(page)


async def lead_to_choosing(handler: Any, name: str, model: dict[str, Any]) -> None:
    """Answer a login that was right with the form for a password of one's own; the login itself is not finished.

    Args:
        handler: The login form's.
        name: The user's normalised name.
        model: What the login would have given; the user is made of it where there is none yet.

    Raises:
        Finish: Always: the answer is written.
    """
    await handler.auth_to_user({**model, "name": name})
    values = {"name": name}
    address = handler.authenticator.door.client_address(handler)
    # Where an admin has handed one out, who knows only the shared password must not be quicker.
    if not keyring.has_given_code(handler.db, name):
        lasts = codes.LASTS_AT_LOGIN
        values["code"], _ = keyring.give_code(handler.db, name, whose="login", actor="", lasts=lasts, address=address)
    min_length = handler.authenticator.own_password_min_length(name)
    await show_choosing(handler, min_length=min_length, values=values, hidden=" ".join(values))
    raise web.Finish


async def show_choosing(handler: Any, *, min_length: int, values: dict[str, str], hidden: str, error: str = "") -> None:
    """Finish a request with the form for whoever has to choose a password at login.

    Args:
        handler: Of any request of the hub.
        min_length: Characters of a new password.
        values: Name and code, as far as they are known.
        hidden: Names of the fields that are not seen: where the login made the code, nobody knows of it.
        error: Key of what went wrong.
    """
    is_late = error == "invalid" and "code" in hidden.split()
    more = {"next_url": handler.settings["login_url"], "next_text": "login"} if is_late else {}
    await show(
        handler,
        title="choose_title",
        help="choose_help" if "code" in hidden.split() else "choose_by_code_help",
        min_length=min_length,
        fields="" if is_late else "name code new again",
        values=values,
        hidden=hidden,
        error="late" if is_late else error,
        action=url_path_join(handler.hub.base_url, codes.RESET_PATH),
        **more,
    )


class QuietForm(SentenceMixin, BaseHandler):  # type: ignore[misc]  # upstream has no types
    """A form with passwords."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a field; tornado's own would write one that is not UTF-8 into the log and the answer.

        Raises:
            HTTPError: 400, without what was typed.
        """
        try:
            return value.decode()
        except UnicodeDecodeError:
            self.refuse(400, say("The form must be text in UTF-8."))


class LoginForm(QuietForm, LoginHandler):  # type: ignore[misc]  # upstream has no types
    """JupyterHub's login form."""

    async def auth_to_user(self, *given: Any) -> Any:
        """Make the user of a login, or change them by it, which the audit log has as their own work."""
        list_audit.ask(actor="", address=self.address)
        return await super().auth_to_user(*given)


class PasswordPage(QuietForm):
    """What both pages have in common."""

    def field(self, name: str) -> str:
        """Return a field of the form as it was typed, "" where it is missing."""
        return str(self.get_body_argument(name, "", strip=False))

    def end_other_logins(self, user: Any) -> None:
        """End all logins and tokens of a user but those of servers, and commit."""
        store.end_logins(self.db, [user.id], servers=False)
        self.db.commit()


class ResetHandler(PasswordPage):
    """`/hub/jhaws/reset`: a new password by a one-time code."""

    async def get(self) -> None:
        """Show the form; whatever the query string holds is not looked at."""
        await self.show_form()

    async def post(self) -> None:
        """Set the password, or show the form again with what is wrong."""
        typed, code, new = self.field("name"), self.field("code"), self.field("new")
        door = self.authenticator.door
        name = self.authenticator.user_name(door.spell(typed))
        min_length, admin = self.authenticator.own_password_min_length(name), self.authenticator.is_admin_name(name)
        try:
            if new != self.field("again"):
                raise PasswordError("differ", say("The two new passwords are not the same."))
            if min_length is None:
                raise PasswordError("invalid", say("The user may not have a password of their own."))
            ring = self.authenticator.keyring
            await ring.reset_own(self.db, name, code=code, new=new, admin=admin, address=self.address)
            user = self.find_user(name)
            if user is None:
                raise PasswordError("invalid", say("The user was renamed or deleted a moment ago."))
            self.end_other_logins(user)
        except PasswordError as error:
            self.db.rollback()
            self.log.warning("Refused to set a password by a one-time code: %s", error)
            if error.reason == "invalid":
                known = name if name and store.has_user(self.db, name) else ""
                door.note("password.refused", known, self.address, WRONG_CODE)
            self.set_status(403 if error.reason == "invalid" else 400)
            # Until the code was right, nothing may tell whose name needs how many characters.
            shown = None if error.reason in ("differ", "invalid") else min_length
            await self.show_form(error=error.reason, name=typed, code=code, min_length=shown)
            return
        self.log.info("%s has set a password by a one-time code.", name)
        home = {"next_url": self.settings["login_url"], "next_text": "login"}
        await show(self, title="reset_title", done=find_done(user), min_length=min_length, **home)

    async def show_form(
        self, *, error: str = "", name: str = "", code: str = "", min_length: int | None = None
    ) -> None:
        """Show the form with what was typed but the passwords."""
        min_length = min_length or passwords.USER_PASSWORD_MIN_LENGTH
        values = {"name": name[: store.NAME_LENGTH], "code": code[: codes.MAX_TYPED_LENGTH]}
        hidden = " ".join(each for each in values if each in self.field("hidden").split())
        if hidden:
            await show_choosing(self, min_length=min_length, values=values, hidden=hidden, error=error)
            return
        await show(
            self,
            title="reset_title",
            help="reset_help",
            error=error,
            min_length=min_length,
            fields="name code new again",
            values=values,
            action=url_path_join(self.hub.base_url, codes.RESET_PATH),
            from_fragment=self.request.method == "GET",
        )


class PasswordHandler(PasswordPage):
    """`/hub/jhaws/password`: a new password by the old one."""

    @web.authenticated
    async def get(self) -> None:
        """Show the form."""
        await self.show_form()

    @web.authenticated
    async def post(self) -> None:
        """Set the password, or show the form again with what is wrong."""
        name, new = self.current_user.name, self.field("new")
        # Before anything is awaited: the old password is asked for once, and this may have to wait for its turn.
        before = self.find_grounds(name)
        min_length, admin = self.authenticator.own_password_min_length(name), self.authenticator.is_admin_name(name)
        if min_length is None:
            self.set_status(403)
            await self.show_form()
            return
        try:
            if new != self.field("again"):
                raise PasswordError("differ", say("The two new passwords are not the same."))
            if not await self.authenticator.door.opens(self, name, self.field("old")):
                raise PasswordError("wrong", say("The password until now is wrong."))
            if new == self.field("old"):
                raise PasswordError("same", say("The new password is the old one."))
            # Before it waits for its turn: a typing error takes none.
            passwords.check_new(new, min_length=min_length, name=name)
            ring, door = self.authenticator.keyring, self.authenticator.door
            async with door.choosing(self, name):
                await ring.change_own(
                    self.db,
                    name,
                    new=new,
                    admin=admin,
                    is_still_so=lambda: self.find_grounds(name) == before,
                    address=self.address,
                )
                # In the same turn of the event loop: whoever becomes an admin in the next one ends this login too.
                self.end_other_logins(self.current_user)
                self.set_login_cookie(self.current_user)
        except PasswordError as error:
            self.db.rollback()
            self.set_status(403 if error.reason == "wrong" else 400)
            await self.show_form(error=error.reason)
            return
        self.log.info("%s has changed their password.", name)
        home = {"next_url": url_path_join(self.hub.base_url, "home"), "next_text": "home"}
        await show(self, title="title", done=find_done(self.current_user), min_length=min_length, **home)

    def find_grounds(self, name: str) -> tuple[Any, ...]:
        """Find what a change of a password rests on: who has the name, with which password and logins."""
        owner = self.authenticator
        return store.read_own(self.db, name), owner.is_admin_name(name), owner.find_standing_refusal(name)

    async def show_form(self, *, error: str = "") -> None:
        """Show the form, or that there is none for this user."""
        min_length = self.authenticator.own_password_min_length(self.current_user.name)
        await show(
            self,
            title="title",
            help="off" if min_length is None else "change_help",
            error=error,
            min_length=min_length or 0,
            fields="old new again" if min_length else "",
            action=url_path_join(self.hub.base_url, "jhaws/password"),
        )


def find_done(user: Any) -> str:
    """Return the key of what is said when a new password is set."""
    return "done_running" if user.active else "done"


def is_login_form(handler: Any) -> bool:
    """Tell whether a login came from the form, which can lead to another one, and not from the REST API."""
    return isinstance(handler, LoginHandler)


HANDLERS = [(r"/login", LoginForm), (r"/jhaws/reset", ResetHandler), (r"/jhaws/password", PasswordHandler)]
