"""An import of a list of people into the hub, its preview and its undo.

`preview` reads the hub's people in turns and compares in a thread, so the hub goes on meanwhile. `apply` does the same
again, and writes only what the admin has seen: the digest of the preview must still be right, and nobody of those who
change may have changed since. What is written is one transaction: all of it, or nothing. It runs in a thread as well,
on a connection of its own, and the hub's session forgets afterwards what has changed.

Who is removed is deleted from the hub like in the admin panel, with one difference: the spawner is not told to delete
what it keeps for ever (KubeSpawner's claims), since an undo could not bring that back.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jupyterhub.metrics import TOTAL_USERS
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from .. import store
from ..sentences import Sentence, say
from . import closing, list_audit, roster, roster_changes
from .people import ONLY_ADMINS, ONLY_WITH_GROUPS, RefusedError
from .roster_cells import NO_END, show_name
from .roster_changes import Change, Changes
from .roster_table import Finding

TURN_PEOPLE = 1000  # read at once: some 10 ms
CHANGED = say("The list of people has changed since the preview. Look at a new one, and apply that.")
DATABASE = say("The hub's database does not answer, so nothing was changed. Try it again in a minute.")
NOTHING = say("There is no import that could be undone.")
NOT_LAST = say("Somebody else has imported a list or undone the last import meanwhile, so nothing was undone.")


@dataclass(frozen=True)
class Actor:
    """Who imports.

    Attributes:
        name: Of the user or service, for the audit.
        keep: Normalised names of the configuration's admins and of the user who acts.
        is_admin: Whether the admin flag may be given and taken, and admins be changed.
        hands_off: Names of admins by their roles, where the one who acts is none.
        may_group: Whether groups may be changed.
        address: Where the request came from.
    """

    name: str
    keep: frozenset[str] = frozenset()
    is_admin: bool = False
    may_group: bool = False
    address: str = ""
    hands_off: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Preview:
    """What an import would change.

    Attributes:
        changes: Of people; with problems nothing is written.
        problems: Sentences with lines, why not.
        remarks: Sentences with lines, that an admin should read.
        digest: Stands for all of that.
        json: The changes, as they are kept for the undo.
        current: The people of the hub, whom it was compared with.
    """

    changes: Changes
    problems: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    digest: str
    json: str
    current: Mapping[str, store.ListedPerson]


async def preview(app: Any, data: str | bytes, *, remove_missing: bool, actor: Actor) -> Preview:
    """Find what importing a list would change; nothing is written.

    Args:
        app: The JupyterHub application.
        data: The content of a file, or what somebody pasted.
        remove_missing: Whether people who are not in the list go.
        actor: Who imports.
    """
    current = await read_everybody(app.db)
    actor = _with_mighty(app.db, actor, current)
    return await asyncio.to_thread(_compare, app.authenticator, data, current, remove_missing, actor)


async def apply(app: Any, data: str | bytes, *, remove_missing: bool, actor: Actor, digest: str) -> Preview:
    """Import a list exactly as it was previewed.

    Raises:
        RefusedError: It has problems, somebody changed the hub's list meanwhile, a server of somebody who goes
            does not stop, or the database does not answer.
    """
    found = await preview(app, data, remove_missing=remove_missing, actor=actor)
    if found.problems:
        first = found.problems[0].sentence
        raise RefusedError(400, say("The list has problems, so nothing was changed. {problem}", problem=first))
    if found.digest != digest:
        raise RefusedError(409, CHANGED)
    await _write(app, _Plan(found.changes, found.current, actor, "people.imported", found.json))
    return found


async def undo(app: Any, *, actor: Actor) -> tuple[Changes, list[Sentence]]:
    """Undo the last import: what somebody changed since then stays.

    Returns:
        What was changed, and sentences about what was not.

    Raises:
        RefusedError: There is none, it was undone before or is no longer the last one, or as `apply`.
    """
    past = store.read_import(app.db)
    if past is None or past.undone_at is not None:
        raise RefusedError(409, NOTHING)
    current = await read_everybody(app.db)
    changes, remarks = await asyncio.to_thread(_fit, past, current, actor, app.authenticator.manage_groups)
    if fault := find_rights_fault(changes, _with_mighty(app.db, actor, current)):
        raise RefusedError(403, fault)
    await _write(app, _Plan(changes, current, actor, "people.import_undone", undoes=past))
    return changes, remarks


def _with_mighty(db: Session, actor: Actor, current: Mapping[str, store.ListedPerson]) -> Actor:
    """Tell who is no admin which people are admins by their roles."""
    if actor.is_admin:
        return actor
    mighty = store.read_mighty(db, [person.user_id for person in current.values()])
    return replace(actor, hands_off=frozenset(each.name for each in current.values() if each.user_id in mighty))


async def read_everybody(db: Any) -> dict[str, store.ListedPerson]:
    """Read all people of the hub by name, in turns."""
    found: dict[str, store.ListedPerson] = {}
    last = 0
    while people := store.read_next_people(db, after=last, limit=TURN_PEOPLE):
        found.update({person.name: person for person in people})
        last = people[-1].user_id
        await asyncio.sleep(0)
    return found


def make_entry(person: store.ListedPerson) -> roster.Entry:
    """Make the complete entry of a person of the hub."""
    return roster.Entry(
        person.name,
        groups=frozenset(person.groups),
        admin=person.admin,
        end_at=person.standing.ends_at or NO_END,
        note=person.note,
    )


def fit_undo(
    opposite: Changes,
    current: Mapping[str, store.ListedPerson],
    *,
    imported_at: datetime,
    keep: frozenset[str],
    manage_groups: bool = False,
) -> tuple[Changes, list[Sentence]]:
    """Fit the opposite of an import to the hub as it is now.

    Args:
        opposite: `roster_changes.invert` of what was imported.
        current: The people of the hub.
        imported_at: When those were made whom the import added; others of the same name stay.
        keep: Who is never removed and loses nothing.
        manage_groups: Whether logins change groups, so that nobody has decided who has others now.

    Returns:
        What to change, complete with what is there now, and sentences about what stays.
    """
    remarks: list[Sentence] = []
    added = tuple(entry for entry in opposite.added if entry.name not in current)
    _remark(remarks, say("in the hub again, so left as they are"), len(opposite.added) - len(added))
    there = [change for change in opposite.changed if change.new.name in current]
    fitted = [_fit_change(change, make_entry(current[change.new.name]), keep) for change in there]
    changed = tuple(change for change, _ in fitted if change.fields)
    decided = sum(is_decided for _, is_decided in fitted)
    left = sum(not change.fields and not is_decided for change, is_decided in fitted)
    why = say("gone, already as before, or to be kept as they are")
    _remark(remarks, why, len(opposite.changed) - len(fitted) + left)
    if decided:
        remarks.append(say("What was changed since the import stays; people with that: {count:,}.", count=decided))
    made_at = imported_at.astimezone(UTC).replace(tzinfo=None)
    mine = [
        (entry, current[entry.name])
        for entry in opposite.removed
        if entry.name in current and current[entry.name].created == made_at and entry.name not in keep
    ]
    removed = tuple(make_entry(person) for entry, person in mine if _is_as_made(person, entry, manage_groups))
    _remark(remarks, say("gone, made anew since, or to be kept"), len(opposite.removed) - len(mine))
    _remark(remarks, say("changed since; delete them yourself if they shall go"), len(mine) - len(removed))
    return Changes(added=added, changed=changed, removed=removed), remarks


def _fit_change(change: Change, now: roster.Entry, keep: frozenset[str]) -> tuple[Change, bool]:
    """Fit a change of an undo to a person as they are now, and tell whether somebody has decided otherwise since."""
    left = [field for field in change.fields if getattr(now, field) != getattr(change.new, field)]
    ours = {field: getattr(change.new, field) for field in left if getattr(now, field) == getattr(change.old, field)}
    is_decided = len(ours) < len(left)
    if now.name in keep:
        ours = {field: value for field, value in ours.items() if not _takes_away(now, field, value)}
    return Change(now, replace(now, **ours)), is_decided


def _is_as_made(person: store.ListedPerson, entry: roster.Entry, manage_groups: bool) -> bool:
    """Tell whether nobody has changed a person since an import added them."""
    fields = Change(entry, make_entry(person)).fields
    standing = person.standing
    return not (standing.blocked or standing.waiting or set(fields) - ({"groups"} if manage_groups else set()))


def _fit(
    past: store.PastImport, current: Mapping[str, store.ListedPerson], actor: Actor, manage_groups: bool
) -> tuple[Changes, list[Sentence]]:
    opposite = roster_changes.invert(roster_changes.from_json(json.loads(past.changes)))
    return fit_undo(opposite, current, imported_at=past.at, keep=actor.keep, manage_groups=manage_groups)


def find_rights_fault(changes: Changes, actor: Actor) -> Sentence | None:
    """Say what of the changes goes beyond the rights of whoever asks for them."""
    # A name to be kept that is added is one of `admin_users`, and an admin's.
    admins = any(entry.admin or entry.name in actor.keep for entry in (*changes.added, *changes.removed))
    admins |= any(change.old.admin or change.new.admin for change in changes.changed)
    admins |= not actor.hands_off.isdisjoint(
        [change.old.name for change in changes.changed] + [entry.name for entry in changes.removed]
    )
    if admins and not actor.is_admin:
        return ONLY_ADMINS
    groups = any(entry.groups for entry in changes.added) or any("groups" in each.fields for each in changes.changed)
    if groups and not actor.may_group:
        return ONLY_WITH_GROUPS
    return None


def _compare(
    authenticator: Any, data: str | bytes, current: Mapping[str, store.ListedPerson], remove_missing: bool, actor: Actor
) -> Preview:
    read = roster.read_roster(
        data,
        normalise=authenticator.normalize_username,
        time_zone=ZoneInfo(authenticator.time_zone),
        existing=current.keys(),
        validate=authenticator.validate_username,
    )
    entries = {name: make_entry(person) for name, person in current.items()}
    changes = roster_changes.compare(read.entries, entries, remove_missing=remove_missing, keep=actor.keep)
    problems = [*read.problems, *(Finding(None, sentence) for sentence in changes.problems)]
    if fault := find_rights_fault(changes, actor):
        problems.append(Finding(None, fault))
    if authenticator.manage_groups and any(entry.groups is not None for entry in read.entries):
        sentence = say("With manage_groups each login decides about groups: take the column of groups out.")
        problems.append(Finding(None, sentence))
    kept = json.dumps(roster_changes.to_json(changes))
    digest = hashlib.sha256(json.dumps([kept, remove_missing, len(problems)]).encode()).hexdigest()
    remarks = (*read.remarks, *(Finding(None, sentence) for sentence in changes.remarks))
    return Preview(changes, tuple(problems), remarks, digest, kept, current)


async def _write(app: Any, plan: _Plan) -> None:
    """Write changes in one transaction, unless somebody was quicker."""
    closer, changes = closing.find_closer(app), plan.changes
    if left := await closer.stop_servers(plan.leaving):
        sentence = say("{count} servers of people who are removed have not stopped yet. Try it again soon.", count=left)
        raise RefusedError(409, sentence)
    try:
        app.db.commit()  # what others have begun, for which SQLite would let the thread wait
        if store.can_write_apart(app.db):
            await asyncio.to_thread(plan.write_apart, app.db)
        else:
            plan.write_apart(app.db)
    except SQLAlchemyError as error:
        app.db.rollback()
        # Not the error itself, which has the names in it.
        app.log.error("%s: nothing was changed (%s).", plan.action, type(error).__name__)
        raise RefusedError(409, CHANGED) if store.was_overtaken(error) else RefusedError(503, DATABASE) from None
    store.forget_changed(app.db, [plan.current[change.new.name].user_id for change in changes.changed])
    store.forget_deleted(app.db, plan.leaving)
    closing.forget_users(app, plan.leaving)
    TOTAL_USERS.inc(len(changes.added))
    TOTAL_USERS.dec(len(changes.removed))
    app.log.info("%s by %s: %s.", plan.action, show_name(plan.actor.name), plan.counts)
    await closer.close_due()


@dataclass(frozen=True)
class _Plan:
    """What is to be written.

    Attributes:
        changes: Of people.
        current: The people of the hub, as they were when the changes were found.
        actor: Who does it.
        action: What the audit calls it.
        keep_as: JSON for the undo; "" where this is one.
        undoes: The import that this is the undo of.
    """

    changes: Changes
    current: Mapping[str, store.ListedPerson]
    actor: Actor
    action: str
    keep_as: str = ""
    undoes: store.PastImport | None = None

    @property
    def leaving(self) -> list[int]:
        """The numbers of those who are removed."""
        return [self.current[entry.name].user_id for entry in self.changes.removed]

    @property
    def counts(self) -> str:
        """How many people it is about."""
        changes = self.changes
        return list_audit.join(
            say("added: {value}", value=len(changes.added)),
            say("changed: {value}", value=len(changes.changed)),
            say("removed: {value}", value=len(changes.removed)),
        )

    def write_apart(self, db: Session) -> None:
        """Write all of it, or nothing; what can be done before the transaction is.

        Raises:
            RefusedError: Somebody of those who change or go is not as before, or has started a server.
        """
        now = datetime.now(UTC)
        names = [change.old.name for change in self.changes.changed] + [entry.name for entry in self.changes.removed]
        is_unchanged = store.make_check([self.current[name] for name in names])
        has_servers = store.make_server_check(self.leaving)
        values = {
            self.current[each.new.name].user_id: roster_changes.make_values(each.new, each.fields)
            for each in self.changes.changed
        }
        who = {"actor": self.actor.name, "address": self.actor.address}
        cause = say("by an undo") if self.undoes else say("by an import")
        entries = list_audit.make_entries(self.changes, cause=cause)
        statements = [
            *store.make_deletions(self.leaving),
            *store.make_updates(values, now=now),
            *store.make_additions([self._make_person(entry) for entry in self.changes.added], created=now),
            store.make_audits(entries, at=now, **who),
        ]
        moves = {
            self.current[each.new.name].user_id: each.new.groups or frozenset()
            for each in self.changes.changed
            if (each.new.groups or frozenset()) - (each.old.groups or frozenset())
        }

        def write(own: Session) -> None:
            if self.undoes and not store.mark_undone(own, self.undoes.number, at=now):
                raise RefusedError(409, NOT_LAST)
            if not own.scalar(is_unchanged) or own.scalar(has_servers):
                raise RefusedError(409, CHANGED)
            kept = store.read_kept(own, self.leaving)  # now, or somebody could change a password meanwhile
            store.write_moves(own, statements, moves=moves)
            if self.undoes is None:
                store.add_import(own, at=now, made_by=self.actor.name, changes=self.keep_as, kept=kept)
            store.add_audit(own, action=self.action, at=now, detail=self.counts, **who)

        store.write_apart(db, write)

    def _make_person(self, entry: roster.Entry) -> store.NewPerson:
        kept = self.undoes.kept.get(entry.name, {}) if self.undoes else {}
        return replace(make_person(entry), **kept)


def make_person(entry: roster.Entry) -> store.NewPerson:
    """Make what the store adds; what an entry does not say is nothing."""
    values = roster_changes.make_values(entry)
    return store.NewPerson(entry.name, **{field: value for field, value in values.items() if value is not None})


def _takes_away(old: roster.Entry, field: str, value: Any) -> bool:
    if field == "admin":
        return bool(old.admin and not value)
    return field == "end_at" and (value or NO_END) < (old.end_at or NO_END)


def _remark(remarks: list[Sentence], why: Sentence, count: int) -> None:
    if count:
        remarks.append(say("{count:,} of the import stay: they are {why}.", count=count, why=why))
