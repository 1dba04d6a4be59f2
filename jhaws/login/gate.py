"""The gate before the password: lets an attempt through at its time, and remembers how it ended.

`throttle.py` decides and `store` keeps the rows; here is what is in between, with a clock. One gate per hub process,
since it counts the attempts that are under way.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import sleep
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from tornado import web

from .. import store
from ..sentences import Sentence, say
from . import throttle
from .addresses import address_group

PRUNE_SECONDS = 3600.0
TURN_ROWS = 500  # read or forgotten at once, some 10 ms


@dataclass
class Attempt:
    """An attempt that was let through; whoever checked the password says whether it may enter.

    Attributes:
        succeeded: None for neither: nothing was wrong, and the name's slot stays taken all the same.
    """

    succeeded: bool | None = False


class TooManyLoginsError(web.HTTPError):
    """429 with Retry-After: the password was not looked at."""

    def __init__(self, retry_after_seconds: int) -> None:
        sentence = say("Too many logins have failed. Try again in {time}.", time=_in_words(retry_after_seconds))
        super().__init__(429, "%s", sentence)
        # JupyterHub's handlers send what stands here, to browsers and to users of the API.
        self.headers = {"Retry-After": str(retry_after_seconds)}


class Gate:
    """Spaces attempts by name, by address and in all.

    Args:
        db: Gives the hub's session.
        tidy: Forgets what else is old, about hourly, in turns.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, db: Callable[[], Session], *, tidy: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.time
    ) -> None:
        self._db = db
        self._tidy = tidy
        self.clock = clock
        self._under_way: Counter[str] = Counter()
        self._pruned_at = 0.0

    @asynccontextmanager
    async def attempt(self, name: str, address: str) -> AsyncIterator[Attempt]:
        """Wait for the attempt's turn, and count it when it is over: as failed, unless it says that it succeeded.

        Args:
            name: From `throttle.name_value`.
            address: Of the client.

        Raises:
            TooManyLoginsError: Its turn is too far away.
        """
        group = address_group(address)
        await self.prune()
        wait = self._admit(name, group)
        self._under_way[group] += 1
        attempt = Attempt()
        try:
            await sleep(wait)
            yield attempt
        finally:
            self._under_way[group] -= 1
            self._under_way += Counter()  # drops those at zero
            self._settle(name, group, attempt)

    def _admit(self, name: str, group: str) -> float:
        """Return how many seconds to wait, with the slot taken."""
        now = self.clock()
        in_flight = throttle.InFlight(self._under_way[group], self._under_way.total())
        answer, tallies = throttle.decide(self._read(name, group), now=now, in_flight=in_flight)
        if isinstance(answer, throttle.Refuse):
            raise TooManyLoginsError(answer.retry_after_seconds)
        self._write(tallies)
        return answer.seconds

    def _settle(self, name: str, group: str, attempt: Attempt) -> None:
        if attempt.succeeded is None:
            return
        count = throttle.after_success if attempt.succeeded else throttle.after_failure
        # Read again: others were busy meanwhile.
        self._write(count(self._read(name, group), now=self.clock()))

    def _read(self, name: str, group: str) -> throttle.Tallies:
        db = self._db()
        return throttle.Tallies(
            name=store.read_tally(db, "name", name),
            address=store.read_tally(db, "address", group),
            all=store.read_tally(db, "all", ""),
            lane=store.read_tally(db, "lane", throttle.lane_value(name, group)),
        )

    def _write(self, tallies: throttle.Tallies) -> None:
        db = self._db()
        lanes = () if tallies.lane.credited_at is None else (tallies.lane,)
        store.write_tallies(db, (tallies.name, tallies.address, tallies.all, *lanes))
        db.commit()

    async def prune(self) -> None:
        """Forget old rows, if that is an hour ago, in turns between which the hub does other things."""
        now = self.clock()
        if abs(now - self._pruned_at) < PRUNE_SECONDS:
            return
        self._pruned_at = now
        try:
            await self._forget_old_tallies(now)
            await self._tidy()
        except SQLAlchemyError:
            self._pruned_at = 0.0  # whoever comes next tries it again
            raise

    async def _forget_old_tallies(self, now: float) -> None:
        db, last = self._db(), ("", "")
        while tallies := store.read_next_tallies(db, after=last, limit=TURN_ROWS):
            keys = [(tally.kind, tally.value) for tally in tallies]
            old = [key for key, tally in zip(keys, tallies, strict=True) if throttle.may_forget(tally, now=now)]
            store.delete_tallies(db, old)
            db.commit()
            last = keys[-1]
            await asyncio.sleep(0)


def _in_words(seconds: int) -> Sentence:
    if seconds == 1:
        return say("1 second")
    return say("{count} seconds", count=seconds) if seconds < 120 else say("{count} minutes", count=-(-seconds // 60))
