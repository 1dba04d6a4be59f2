"""The REST API of people, beside JupyterHub's own of users: /hub/api/jhaws/people, /hub/api/jhaws/roster.

A person is /people/NAME; what concerns the list as a whole has paths of its own, or somebody called "import" would
be in the way. Who may read all users may read, for which `list:users` is not enough: that shows nothing but names and
admins in JupyterHub too. Who may write all users may write. As in JupyterHub, only admins make or change admins, and
groups need the scope for groups, since a group may bring rights. Every error is one sentence, and one error of many
people leaves all as they were.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.metrics import TOTAL_USERS
from jupyterhub.scopes import Scope
from jupyterhub.user import User
from jupyterhub.utils import isoformat, maybe_future
from tornado import web

from .. import store
from ..sentences import say
from . import closing, configured, importing, list_audit, people, people_fields, roster, words
from .answers import SentenceMixin, needs
from .importing import Actor
from .people import RefusedError
from .roster_cells import show_name
from .roster_changes import Changes

MAX_BODY_BYTES = 1_000_000  # the longest names and groups of all people that one request may have
MAX_LIST_BYTES = 8_000_000  # a list of 5 MB as JSON
ORDERS = ("name", "created", "last_activity", "ends_at")
STATES = ("", "allowed", "waiting", "blocked", "ended")


def read_actor(handler: Any) -> Actor:
    """Say who sends a request, of any handler of ours, and what they may do."""
    user, authenticator = handler.current_user, handler.authenticator
    admins = {authenticator.normalize_username(name) for name in authenticator.admin_users}
    mine = {user.name} if isinstance(user, User) else set()
    return Actor(
        name=handler.asker,
        keep=frozenset(admins | mine),
        is_admin=handler.is_admin,
        may_group=handler.parsed_scopes.get("admin:groups") == Scope.ALL,
        address=handler.address,
    )


class PeopleHandler(SentenceMixin, APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """What all handlers of people have."""

    @cached_property
    def actor(self) -> Actor:
        """Who asks."""
        return read_actor(self)

    @property
    def hub_app(self) -> Any:
        """The JupyterHub application."""
        return self.authenticator.parent

    def read_body(self, *, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
        """Return the body's JSON object; no body is an empty one."""
        if len(self.request.body) > most:
            self.refuse(413, say("The request is larger than {most:,} bytes: divide the list into parts.", most=most))
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            self.refuse(400, say("The body of the request must be a JSON object."))
        if not isinstance(body, dict):
            self.refuse(400, say("The body of the request must be a JSON object."))
        return body

    def find_person(self, name: str) -> store.ListedPerson:
        """Return a person by name, also one that is not normalised."""
        return self.find_people([name])[0]

    def find_people(self, names: Iterable[str]) -> list[store.ListedPerson]:
        """Return people by their names, also ones that are not normalised."""
        wanted = {name: self.authenticator.normalize_username(name) for name in names}
        found = store.read_named_people(self.db, {*wanted, *wanted.values()})
        for name, normalised in wanted.items():
            if name not in found and normalised not in found:
                self.refuse(404, say("The hub has no user {name}.", name=show_name(name)))
        return [found.get(name) or found[normalised] for name, normalised in wanted.items()]

    def audit(self, action: str, names: Iterable[str], detail: str = "") -> None:
        """Write an entry for each name, with who acts; the caller commits."""
        entries = [(action, name, detail) for name in names]
        who = {"actor": self.actor.name, "address": self.actor.address}
        store.write(self.db, [store.make_audits(entries, at=datetime.now(UTC), **who)])

    def model(self, person: store.ListedPerson) -> dict[str, Any]:
        """Return what the API says of a person."""
        standing = person.standing
        return {
            "name": person.name,
            "state": people.find_state(standing, now=datetime.now(UTC)),
            "admin": person.admin,
            "groups": list(person.groups),
            "ends_at": standing.ends_at and standing.ends_at.isoformat(),
            "blocked": standing.blocked,
            "waiting": standing.waiting,
            "note": person.note,
            "created": isoformat(person.created),
            "last_activity": isoformat(person.last_activity),
            "servers": len(closing.find_closer(self.hub_app).active_servers(person.user_id)),
        }

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is expected in one line."""
        if isinstance(value, web.HTTPError):
            self.log.warning("%s %s: %s", value.status_code, self.request.method, value.get_message())
        else:
            super().log_exception(typ, value, tb)


class PeopleListHandler(PeopleHandler):
    """The list of people: read page by page, and added to."""

    @needs("read:users")
    def get(self) -> None:
        """Answer with one page, always with its pagination."""
        offset, limit = self.get_api_pagination()
        order = self.get_argument("order", "name")
        state = self.get_argument("state", "")
        if order.removeprefix("-") not in ORDERS:
            orders = ", ".join(ORDERS)
            sentence = say("order must be one of {orders}, with - in front for the other way round.", orders=orders)
            self.refuse(400, sentence)
        if state not in STATES:
            self.refuse(400, say("state must be one of {states}.", states=", ".join(STATES[1:])))
        query = store.PeopleQuery(
            search=self.get_argument("search", "")[:255].replace("\0", ""),
            state=state,
            order=order.removeprefix("-"),
            descending=order.startswith("-"),
            offset=min(offset, 2**31),
            limit=limit,
        )
        page = store.read_people(self.db, query, now=datetime.now(UTC))
        answer = self.paginated_model([self.model(person) for person in page.people], offset, limit, page.total)
        self.write(json.dumps(answer | {"waiting": store.count_waiting(self.db)}))

    @needs("admin:users")
    async def post(self) -> None:
        """Add people: all of them, or none."""
        try:
            entries = people_fields.read_new_people(self.read_body(), authenticator=self.authenticator, zone=self.zone)
            added = Changes(added=tuple(entries))
            if fault := importing.find_rights_fault(added, self.actor):
                self.refuse(403, fault)
            current = (await importing.read_everybody(self.db)).keys()
            # They are compared with everybody's.
            await asyncio.to_thread(people_fields.check_new_names, entries, current, authenticator=self.authenticator)
        except RefusedError as error:
            self.refuse(error.status, error.sentence)

        names = {entry.name for entry in entries}
        if there := sorted(store.read_named_people(self.db, names)):
            sentence = say("{name} is a user of the hub already, so nobody was added.", name=show_name(there[0]))
            self.refuse(409, sentence)
        store.add_people(self.db, [importing.make_person(entry) for entry in entries], created=datetime.now(UTC))
        self.audit("person.added", [entry.name for entry in entries])
        self.db.commit()
        TOTAL_USERS.inc(len(entries))
        await closing.find_closer(self.hub_app).close_due()
        found = store.read_named_people(self.db, names)
        self.set_status(201)
        self.write(json.dumps([self.model(found[name]) for name in sorted(names) if name in found]))


class PersonHandler(PeopleHandler):
    """One person."""

    @needs("read:users")
    def get(self, name: str) -> None:
        """Answer with one person."""
        self.write(json.dumps(self.model(self.find_person(name))))

    @needs("admin:users")
    async def patch(self, name: str) -> None:
        """Change a person; who may no longer enter loses what is open at once."""
        person = self.find_person(name)
        self.check_target(person.name)
        actor = self.actor
        try:
            values = people_fields.read_changes(self.read_body(), authenticator=self.authenticator, zone=self.zone)
            people_fields.check_changes(person, values, actor=actor, now=datetime.now(UTC))
        except RefusedError as error:
            self.refuse(error.status, error.sentence)

        store.update_people(self.db, {person.user_id: values}, now=datetime.now(UTC))
        self.audit("person.changed", [person.name], list_audit.describe(values))
        if {"admin", "groups"} & values.keys():
            closing.settle_admins(self.hub_app)
        self.db.commit()
        if {"blocked", "ends_at", "waiting"} & values.keys():
            await self.close_if_shut(person.name)
        self.write(json.dumps(self.model(self.find_person(person.name))))

    async def close_if_shut(self, name: str) -> None:
        """Close a person who may no longer enter, now or at the end."""
        person, closer = self.find_person(name), closing.find_closer(self.hub_app)
        if people.find_state(person.standing, now=datetime.now(UTC)) == "allowed":
            closer.look_at_next_end()
            return
        await closer.revoke([person.user_id])
        await closer.close_due()

    @needs("admin:users")
    async def delete(self, name: str) -> None:
        """Delete a person, as JupyterHub's own API does it."""
        person = self.find_person(name)
        if person.name == self.current_user.name:
            self.refuse(409, say("You cannot delete yourself: let another admin do it."))
        self.check_target(person.name)
        try:
            configured.check_deletion(self.authenticator, person.name)
        except RefusedError as error:
            self.refuse(error.status, error.sentence)
        user = self.users[person.user_id]
        if await closing.find_closer(self.hub_app).stop_servers([person.user_id]):
            name = show_name(person.name)
            self.refuse(409, say("A server of {name} has not stopped yet. Try it again soon.", name=name))
        await maybe_future(self.authenticator.delete_user(user))
        await user.delete_spawners()
        list_audit.ask(actor=self.actor.name, address=self.actor.address)
        self.users.delete(user)
        self.set_status(204)


class RevokeHandler(PeopleHandler):
    """Revoke now."""

    @needs("admin:users")
    async def post(self, name: str) -> None:
        """End a person's logins, tokens and servers; who may enter can log in again."""
        person = self.find_person(name)
        self.check_target(person.name)
        left = await closing.find_closer(self.hub_app).revoke([person.user_id])
        self.audit("person.revoked", [person.name])
        self.db.commit()
        self.log.info("Revoked the logins, tokens and servers of %s.", show_name(person.name))
        self.write(json.dumps(self.model(self.find_person(person.name)) | {"servers": left}))


class WaitingHandler(PeopleHandler):
    """People from before jhaws's login."""

    @needs("admin:users")
    def post(self) -> None:
        """Let some or all of them in."""
        try:
            allow = people_fields.read_waiting(self.read_body())
        except RefusedError as error:
            self.refuse(error.status, error.sentence)
        if allow is None:
            count = store.let_everybody_in(self.db)
            self.audit("people.allowed", [""], say("waited: {value}", value=count))
            self.db.commit()
            self.write(json.dumps({"allowed": count}))
            return
        found = [person for person in self.find_people(allow) if person.standing.waiting]

        store.update_people(self.db, {each.user_id: {"waiting": False} for each in found}, now=datetime.now(UTC))
        self.audit("person.allowed", [person.name for person in found])
        self.db.commit()
        self.write(json.dumps({"allowed": len(found)}))


class RosterHandler(PeopleHandler):
    """Import of a list: `preview`, `apply` and `undo`."""

    @needs("admin:users")
    async def post(self, verb: str) -> None:
        """Do one of the three."""
        body = self.read_body(most=MAX_LIST_BYTES)
        try:
            if verb == "undo":
                undone = await importing.undo(self.hub_app, actor=self.actor)
                make_answer = partial(people_fields.undo_model, *undone, language=self.language)
            else:
                found = await self._import(verb, body)
                make_answer = partial(people_fields.preview_model, found, language=self.language)
        except RefusedError as error:
            self.refuse(error.status, error.sentence)
        # Thousands of people are a megabyte.
        self.write(await asyncio.to_thread(lambda: json.dumps(make_answer())))

    async def _import(self, verb: str, body: Mapping[str, Any]) -> importing.Preview:
        data, remove = people_fields.read_list(body), body.get("remove_missing", False)
        if not isinstance(remove, bool):
            raise RefusedError(400, say("{field} must be true or false.", field="remove_missing"))
        if verb == "preview":
            return await importing.preview(self.hub_app, data, remove_missing=remove, actor=self.actor)
        digest = body.get("digest")
        if not isinstance(digest, str):
            raise RefusedError(400, say("digest must be that of the preview: look at one first."))
        return await importing.apply(self.hub_app, data, remove_missing=remove, actor=self.actor, digest=digest)


class LastImportHandler(PeopleHandler):
    """The last import."""

    @needs("read:users")
    def get(self) -> None:
        """Say when it was, who made it, and whether it was undone; null where there was none."""
        past = store.read_import(self.db)
        answer = past and {
            "at": past.at.isoformat(),
            "made_by": past.made_by,
            "undone_at": past.undone_at and past.undone_at.isoformat(),
        }
        self.write(json.dumps(answer))


class ExportHandler(PeopleHandler):
    """The list as a file."""

    @needs("read:users")
    async def get(self) -> None:
        """Answer with a CSV file that a spreadsheet opens and `import` reads."""
        everybody = await importing.read_everybody(self.db)
        zone, delimiter = self.zone, words.DELIMITERS[self.language]

        def make_file() -> bytes:
            entries = [importing.make_entry(everybody[name]) for name in sorted(everybody)]
            # The mark tells Excel that it is UTF-8.
            return roster.write_csv(entries, time_zone=zone, delimiter=delimiter).encode("utf-8-sig")

        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="people.csv"')
        # Thousands of people take as long as a login.
        self.finish(await asyncio.to_thread(make_file))


HANDLERS: list[Any] = [
    (r"/api/jhaws/people", PeopleListHandler),
    (r"/api/jhaws/people/([^/]+)", PersonHandler),
    (r"/api/jhaws/people/([^/]+)/revoke", RevokeHandler),
    (r"/api/jhaws/waiting", WaitingHandler),
    (r"/api/jhaws/roster", LastImportHandler),
    (r"/api/jhaws/roster/(preview|apply|undo)", RosterHandler),
    (r"/api/jhaws/roster\.csv", ExportHandler),
]
