"""The admins' pages: people, import, shared password, audit log, failed logins.

They only show. What an admin does on them goes to the REST API, by `pages/static/admin.js` and with JupyterHub's XSRF
token, so that pages, command and scripts have the same rights and the same sentences. Who may open them may change
all users. Nothing that is secret is in a page: a new password and a one-time code are in the API's answer alone.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from jupyterhub.utils import url_escape_path
from tornado import web
from tornado.httputil import url_concat

from .. import pages, store
from ..sentences import Sentence, recall, say, translate
from . import admin_words, closing, list_audit, passwords, people, people_api, throttle, words
from .answers import SentenceMixin, needs
from .gate_api import list_tallies
from .roster_cells import format_end, show_name

DAY = len("2027-02-28")
PEOPLE_ON_PAGE = 100
ENTRIES_ON_PAGE = 100
ENTRIES_OF_PERSON = 20
TALLIES_ON_PAGE = 200
# The tabs, in their order: the text's key and the path below the hub's.
TABS = {
    "people": "jhaws/people",
    "import": "jhaws/import",
    "rotate": "jhaws/shared-password",
    "audit": "jhaws/audit",
    "throttle": "jhaws/failed-logins",
}
# Parts of the audit log's details that hold a time.
MOMENTS = ("end: {value}", "the old one ends: {value}")
# What the scripts say, by key.
SCRIPT_WORDS = (
    "saved lost logged_out unchanged copied line added changed removed as_before not_shown nothing give_list "
    "give_one_list too_large apply apply_removing imported undo_done remarks problems name groups admin end note yes"
).split()


class AdminPage(SentenceMixin, BaseHandler):  # type: ignore[misc]  # upstream has no types
    """What all of these pages have."""

    def text(self, key: str, **values: Any) -> str:
        """Return one of our texts."""
        return words.pick(admin_words.WORDS, self.language, key, **values)

    def show_time(self, at: datetime | None) -> str:
        """Show a moment to the minute, where days end; JupyterHub's own times have no zone and are UTC."""
        if at is None:
            return ""
        local = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(self.zone)
        return local.strftime(f"{words.DATES[self.language]} %H:%M")

    def show_end(self, end_at: datetime | None) -> str:
        """Show an end as the last day, or as a moment where it is none at midnight."""
        day = format_end(end_at, self.zone)
        if len(day) == DAY:
            return date.fromisoformat(day).strftime(words.DATES[self.language])
        return self.show_time(end_at) if day else ""

    def link(self, path: str, **query: Any) -> str:
        """Return the address of a page with a query of what is not empty."""
        return str(url_concat(self.hub.base_url + path, {name: str(value) for name, value in query.items() if value}))

    def read_query(self, *names: str) -> dict[str, str]:
        """Return texts of the query, "" for what is not there, no longer than a name can be."""
        return {name: self.get_query_argument(name, "").replace("\0", "")[: store.NAME_LENGTH] for name in names}

    def page_number(self, name: str, *, least: int) -> int:
        """Read a number of the query; whatever is none counts as the least."""
        text = self.get_query_argument(name, "")
        return max(least, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else least

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell whoever has been sent a link what the page is; JupyterHub's sentence is one about scopes."""
        if status_code == 403:
            kwargs["exc_info"] = (web.HTTPError, web.HTTPError(403, "%s", say("This page is for admins.")), None)
        super().write_error(status_code, **kwargs)

    async def show(self, tab: str, *, title: str, **values: Any) -> None:
        """Finish with a page."""
        self.set_header("Referrer-Policy", "same-origin")
        page = await self.render_template(
            values.pop("template", f"jhaws_{tab}.html"),
            tab=tab,
            tabs=[(key, self.text(key), self.link(path)) for key, path in TABS.items()],
            heading=title,
            language=self.language,
            text=self.text,
            show_time=self.show_time,
            link=self.link,
            script_words={key: self.text(key) for key in SCRIPT_WORDS},
            static=lambda name: _static_url(self.hub.base_url, name),
            **values,
        )
        self.finish(page)


class PeoplePage(AdminPage):
    """`/hub/jhaws/people`: the list, with search, states and order."""

    @web.authenticated
    @needs("admin:users")
    async def get(self) -> None:
        """Show one page of the list."""
        asked = self.read_query("search", "state", "order")
        state: Any = asked["state"] if asked["state"] in people_api.STATES else ""
        order: Any = asked["order"] if asked["order"].removeprefix("-") in people_api.ORDERS else "name"
        number = self.page_number("page", least=1)
        query = store.PeopleQuery(
            search=asked["search"],
            state=state,
            order=order.removeprefix("-"),
            descending=order.startswith("-"),
            offset=(number - 1) * PEOPLE_ON_PAGE,
            limit=PEOPLE_ON_PAGE,
        )
        found = store.read_people(self.db, query, now=datetime.now(UTC))
        closer = closing.find_closer(self.authenticator.parent)
        actor = people_api.read_actor(self)
        await self.show(
            "people",
            title=self.text("people"),
            people=[_show_person(self, each, keep=actor.keep, closer=closer) for each in found.people],
            asked={"search": query.search, "state": state, "order": order},
            states=[(each, self.text(f"state_{each or 'any'}")) for each in people_api.STATES],
            total=found.total,
            number=number,
            first=query.offset + 1,
            last=query.offset + len(found.people),
            waiting=store.count_waiting(self.db),
            may_group=actor.may_group and not self.authenticator.manage_groups,
            may_admin=actor.is_admin,
            zone=self.authenticator.time_zone,
        )


class PersonPage(AdminPage):
    """`/hub/jhaws/people/NAME`: all that can be done with one person."""

    @web.authenticated
    @needs("admin:users")
    async def get(self, name: str) -> None:
        """Show the person, and what happened last."""
        person = store.read_named_people(self.db, [name]).get(name)
        if person is None:
            self.refuse(404, say("The hub has no user {name}.", name=show_name(name)))
        actor = people_api.read_actor(self)
        closer = closing.find_closer(self.authenticator.parent)
        own = store.read_own(self.db, person.name)
        await self.show(
            "people",
            template="jhaws_person.html",
            title=person.name,
            person=_show_person(self, person, keep=actor.keep, closer=closer),
            note=person.note,
            end=format_end(person.standing.ends_at, self.zone),
            created=self.show_time(person.created),
            may_group=actor.may_group and not self.authenticator.manage_groups,
            may_admin=actor.is_admin,
            has_own=bool(own and own.password_hash),
            may_code=self.authenticator.own_password_min_length(person.name) is not None,
            zone=self.authenticator.time_zone,
            entries=_show_entries(self, store.read_audit(self.db, name=person.name, limit=ENTRIES_OF_PERSON)),
        )


class ImportPage(AdminPage):
    """`/hub/jhaws/import`: a list of people, its preview, and the undo."""

    @web.authenticated
    @needs("admin:users")
    async def get(self) -> None:
        """Show the form, and the last import."""
        zone = self.authenticator.time_zone
        await self.show("import", title=self.text("import"), past=store.read_import(self.db), zone=zone)


class SharedPasswordPage(AdminPage):
    """`/hub/jhaws/shared-password`: which shared passwords hold, and a new one with a sheet to print."""

    @web.authenticated
    @needs("admin:users")
    async def get(self) -> None:
        """Show the form."""
        await self.show(
            "rotate",
            title=self.text("rotate"),
            versions=self.authenticator.keyring.read_current(self.db),
            length=passwords.USER_PASSWORD_MIN_LENGTH,
            manage_groups=self.authenticator.manage_groups,
            zone=self.authenticator.time_zone,
        )


class AuditPage(AdminPage):
    """`/hub/jhaws/audit`: who did what, the newest first."""

    @web.authenticated
    @needs("admin:users")
    async def get(self) -> None:
        """Show some entries."""
        wanted = self.read_query("name", "action")
        wanted["name"] = self.authenticator.normalize_username(wanted["name"])
        before = self.page_number("before", least=0)
        entries = store.read_audit(self.db, **wanted, before=before, limit=ENTRIES_ON_PAGE)
        await self.show(
            "audit",
            title=self.text("audit"),
            asked=wanted,
            actions=[(key, words.pick(admin_words.ACTIONS, self.language, key)) for key in admin_words.ACTIONS],
            entries=_show_entries(self, entries),
            before=before,
            older=entries[-1].number if len(entries) == ENTRIES_ON_PAGE else 0,
        )


class FailedLoginsPage(AdminPage):
    """`/hub/jhaws/failed-logins`: who has to wait, and how to end that."""

    @web.authenticated
    @needs("admin:users")
    async def get(self) -> None:
        """Show names and addresses, the last 200."""
        tallies = [
            {
                **each,
                "last_at": self.show_time(datetime.fromisoformat(each["last_at"])),
                "unknown": each["kind"] == "name" and throttle.is_unknown(each["value"]),
            }
            for each in list_tallies(self.db, now=time.time(), most=TALLIES_ON_PAGE)
            if each["failures_since_success"] or each["delay_seconds"]
        ]
        await self.show("throttle", title=self.text("throttle"), tallies=tallies)


@functools.cache
def _static_url(base_url: str, name: str) -> str:
    """Return the address of a script or style of ours, another one with each version of it."""
    version = CacheControlStaticFilesHandler.get_content_version(str(pages.STATIC / name))
    return str(url_concat(f"{base_url}jhaws/static/{name}", {"v": version[:16]}))


def _show_person(
    page: AdminPage, person: store.ListedPerson, *, keep: frozenset[str], closer: Any
) -> Mapping[str, Any]:
    state = people.find_state(person.standing, now=datetime.now(UTC))
    return {
        "name": person.name,
        "path": url_escape_path(person.name),
        "page": f"{page.hub.base_url}jhaws/people/{url_escape_path(person.name)}",
        "state": state,
        "state_text": page.text(f"state_{state}"),
        "admin": person.admin,
        "groups": ", ".join(person.groups),
        "end": page.show_end(person.standing.ends_at),
        "last_activity": page.show_time(person.last_activity),
        "servers": len(closer.active_servers(person.user_id)),
        "kept": person.name in keep,
    }


def _show_entries(page: AdminPage, entries: list[store.AuditEntry]) -> list[Mapping[str, Any]]:
    return [
        {
            "at": page.show_time(entry.at),
            "action": _show_action(entry.action, page.language),
            "name": entry.name,
            "actor": entry.actor,
            "address": entry.address,
            "detail": _show_detail(page, entry.detail),
        }
        for entry in entries
    ]


def _show_detail(page: AdminPage, detail: str) -> str:
    return list_audit.SEPARATOR.join(_show_part(page, part) for part in detail.split(list_audit.SEPARATOR))


def _show_part(page: AdminPage, part: str) -> str:
    sentence = recall(part)
    if isinstance(sentence, Sentence) and sentence.template in MOMENTS:
        # Somebody's group may look like an end.
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(str(sentence.values["value"]))
            sentence = Sentence(sentence.template, {"value": page.show_end(moment)})
    return translate(sentence, page.language)


def _show_action(action: str, language: str) -> str:
    known = admin_words.ACTIONS
    return words.pick(known, language, action) if action in known else action


HANDLERS: list[Any] = [
    (r"/jhaws/people", PeoplePage),
    (r"/jhaws/people/([^/]+)", PersonPage),
    (r"/jhaws/import", ImportPage),
    (r"/jhaws/shared-password", SharedPasswordPage),
    (r"/jhaws/audit", AuditPage),
    (r"/jhaws/failed-logins", FailedLoginsPage),
    (r"/jhaws/static/(.*)", CacheControlStaticFilesHandler, {"path": str(pages.STATIC)}),
]
