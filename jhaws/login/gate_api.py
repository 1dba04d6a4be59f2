"""The REST API of what the gate remembers: delays and the audit log, for admins.

`GET /hub/api/jhaws/throttle` lists what failed logins have led to, `DELETE` forgets all or one of it; `GET
/hub/api/jhaws/audit` reads the audit log as JSON or CSV. Both need the scope `admin:users` for all users. What stands
between guesses and an admin's password is forgotten by admins only: others could guess it then without a wait.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from jupyterhub.apihandlers.base import APIHandler

from .. import store
from ..sentences import Sentence, say
from ..store import AuditEntry, Tally
from . import throttle, words
from .answers import SentenceMixin, needs
from .roster_cells import guard

AUDIT_COLUMNS = ("at", "action", "name", "actor", "address", "detail")
MOST_ENTRIES = 1000  # in one answer of JSON
CSV_CHUNK = 500  # rows, some 15 ms


class ThrottleHandler(SentenceMixin, APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """`/hub/api/jhaws/throttle`."""

    @needs("admin:users")
    def get(self) -> None:
        """List names and addresses with failed logins, the last first."""
        self.write(json.dumps(list_tallies(self.db, now=time.time(), most=MOST_ENTRIES)))

    @needs("admin:users")
    def delete(self) -> None:
        """Forget one of them (`?kind=name&value=ann`), or all, so that the next login waits for nothing."""
        kind, value = self.get_query_argument("kind", ""), self.get_query_argument("value", "")
        self.check_admins(kind, value)
        if not kind and not value:
            store.delete_all_tallies(self.db)
        elif kind in ("name", "address", "all"):
            store.delete_tallies(self.db, [(kind, value)])
            if kind == "name":
                store.delete_lanes(self.db, value)
        else:
            self.refuse(400, say("kind must be name, address or all, with a value as GET shows it."))
        _write_down(self, "throttle.cleared", detail=_describe_cleared(kind, value))
        self.db.commit()
        self.set_status(204)

    def check_admins(self, kind: str, value: str) -> None:
        """Refuse who is no admin to forget what there is of an admin's name, which all of it may have.

        Raises:
            HTTPError: 403.
        """
        is_all = not kind and not value
        is_of_admin = kind == "name" and self.authenticator.is_admin_name(value)
        if (is_all or is_of_admin) and not self.is_admin:
            sentence = say(
                "Only admins can forget failed logins of admins, and so all of them at once: others could guess their "
                "passwords without a wait. Forget those of one user or address."
            )
            self.refuse(403, sentence)


class AuditHandler(SentenceMixin, APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """`/hub/api/jhaws/audit`."""

    @needs("admin:users")
    async def get(self) -> None:
        """Read entries, the newest first: `?name=&action=&before=NUMBER&limit=100`; all as CSV with `?format=csv`."""
        wanted = {"name": self.get_query_argument("name", ""), "action": self.get_query_argument("action", "")}
        if self.get_query_argument("format", "json") == "csv":
            await self._send_csv(wanted)
            return
        before, limit = self._read_number("before", 0), min(self._read_number("limit", 100), MOST_ENTRIES)
        entries = store.read_audit(self.db, **wanted, before=before, limit=limit)
        self.write(json.dumps([{"number": entry.number, **_show_entry(entry)} for entry in entries]))

    async def _send_csv(self, wanted: dict[str, str]) -> None:
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="audit.csv"')
        self.write("\ufeff")  # tells Excel that it is UTF-8
        async for text in make_csv(self.db, wanted, delimiter=words.DELIMITERS[self.language]):
            self.write(text)
            await self.flush()

    def _read_number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not text.isdecimal() or len(text) > 9:
            got = repr(text[:20])
            self.refuse(400, say("{field} must be a whole number, 0 or more, got {got}.", field=name, got=got))
        return int(text)


HANDLERS = [(r"/api/jhaws/throttle", ThrottleHandler), (r"/api/jhaws/audit", AuditHandler)]


def list_tallies(db: Any, *, now: float, most: int) -> list[dict[str, Any]]:
    """Return what failed logins have led to, the last first, as the API shows it.

    Args:
        db: The hub's session.
        now: Seconds since 1970.
        most: How many of the last are looked at.
    """
    shown = (_show_tally(tally, now) for tally in store.list_tallies(db, limit=most))
    return [each for each in shown if each["failures"]]


async def make_csv(db: Any, wanted: dict[str, str], *, delimiter: str) -> AsyncIterator[str]:
    """Write the audit log as a table, in turns between which the hub does other things.

    Args:
        db: The hub's session.
        wanted: Whose entries, and which, as `store.read_audit` takes them.
        delimiter: Between two cells.
    """
    before = 0
    rows: list[tuple[str, ...]] = [AUDIT_COLUMNS]
    while rows:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(rows)
        yield text.getvalue()
        # A client that is quick enough would leave no turn to others.
        await asyncio.sleep(0)
        entries = store.read_audit(db, **wanted, before=before, limit=CSV_CHUNK)
        before = entries[-1].number if entries else 0
        rows = [tuple(guard(value) for value in _show_entry(entry).values()) for entry in entries]


def _show_tally(tally: Tally, now: float) -> dict[str, Any]:
    aged = throttle.aged(tally, now=now)
    delay_seconds = throttle.delay_seconds(aged)
    return {
        "kind": tally.kind,
        "value": tally.value,
        "failures": round(aged.failures),
        "failures_since_success": aged.run,
        "delay_seconds": delay_seconds,
        "wait_seconds": max(0, math.ceil(aged.not_before - now)) if delay_seconds else 0,
        "last_at": datetime.fromtimestamp(tally.changed_at, UTC).isoformat(),
    }


def _show_entry(entry: AuditEntry) -> dict[str, str]:
    shown = {name: getattr(entry, name) for name in AUDIT_COLUMNS}
    return shown | {"at": entry.at.isoformat()}


def _describe_cleared(kind: str, value: str) -> Sentence:
    known = {"name": say("name: {value}", value=value), "address": say("address: {value}", value=value)}
    return known.get(kind, say("all"))


def _write_down(handler: APIHandler, action: str, *, detail: str) -> None:
    """Put what an admin did by the API into the audit log."""
    store.add_audit(
        handler.db,
        action=action,
        at=datetime.now(UTC),
        actor=handler.asker,
        address=handler.address,
        detail=detail,
    )
