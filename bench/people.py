"""A hub has 20,000 people in 50 groups: an admin reads the list by the page and searches it, on SQLite and PostgreSQL.

    PATH="$PWD/.venv-6/bin:$PATH" python -m bench.people [--rounds 3] [--people 20000]

Each request is sent as one of the REST API and as one for the page in the browser, both with the admin's own login,
and timed until the whole answer is there. Nobody else is on the hub: it answers one request at a time, so that what is
measured here is also how long others wait for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import sqlalchemy
from jupyterhub import orm

from bench.imports import ask
from jhaws.login.admin_pages import PEOPLE_ON_PAGE
from jhaws.login.people_api import ORDERS
from tests.hub.hubs import RunningHub, running_hub
from tests.hubclient import Session
from tests.postgres import running_postgres

ADMIN, PASSWORD = "admin", "the-password-of-the-admin-of-the-bench"  # of hubs that live for minutes
CONFIG = f"""
c.JhawsAuthenticator.admin_users = {{{ADMIN!r}}}
c.JhawsAuthenticator.admin_password = {PASSWORD!r}
c.JupyterHub.log_level = "WARN"
"""
GROUPS = 50
LIST_ROWS = 5000  # of each list that is imported
ASKS = 5  # of each request in a round


def make_list(numbers: range) -> str:
    """Make a list of people, each with a group, an end and a note; every fifth has a note that is not ASCII."""
    rows = []
    for n in numbers:
        note = f"{'Åse Ødegård' if n % 5 == 0 else 'matriculation'} {n}"
        rows.append(f"student-{n:05},class-{n % GROUPS:02},2099-{n % 12 + 1:02}-{n % 28 + 1:02},{note}")
    return "\n".join(["name,groups,end,note", *rows])


def make_requests(people: int) -> dict[str, dict[str, str]]:
    """Return the requests with what they ask for, by what they are called."""
    pages = {"start": 1, "middle": people // PEOPLE_ON_PAGE // 2, "end": people // PEOPLE_ON_PAGE}
    found = {f"{order}, {place}": {"order": order, "page": str(at)} for order in ORDERS for place, at in pages.items()}
    searches = {
        "a name": f"student-{people // 2:05}",
        "everybody's name": "student",
        "a note": f"matriculation {people // 10 * 5 + 1}",
        "a group": "class-07",
        "not ASCII": "ødegård",
        "nobody": "nobody-at-all",
    }
    return found | {f"search, {what}": {"search": text} for what, text in searches.items()}


async def measure(url: str, folder: Path, people: int) -> list[tuple[str, str, float]]:
    """Start a hub, fill it, and ask for everything some times.

    Returns:
        How it was asked, the request, and the seconds of its answer, for each time.
    """
    found = []
    async with running_hub(folder, CONFIG + f"c.JupyterHub.db_url = {url!r}\n") as hub:
        await fill(hub, url, people)
        session = await hub.login(ADMIN, PASSWORD)
        for number in range(ASKS + 1):
            for name, query in make_requests(people).items():
                took = await read_both(session, query)
                # The first of each finds nothing prepared, neither statements nor templates.
                found += [(way, name, seconds) for way, seconds in took.items() if number]
    return found


async def fill(hub: RunningHub, url: str, people: int) -> None:
    """Import all but the admin, who is one of the people, and let each have been there at another time."""
    for first in range(1, people, LIST_ROWS):
        text = make_list(range(first, min(first + LIST_ROWS, people)))
        seen = await ask(hub, "POST", "roster/preview", {"text": text})
        await ask(hub, "POST", "roster/apply", {"text": text, "digest": seen["digest"]})
    users, key = orm.User.__table__, sqlalchemy.bindparam("key")
    # An order of its own, which is that of no other column.
    times = [
        {"key": n, "seen": datetime(2026, 1, 1) + timedelta(minutes=n * 7919 % people)} for n in range(2, people + 1)
    ]
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        change = users.update().where(users.c.id == key).values(last_activity=sqlalchemy.bindparam("seen"))
        connection.execute(change, times)
    engine.dispose()


async def read_both(session: Session, query: dict[str, str]) -> dict[str, float]:
    """Read one page of the list in both ways and return the seconds of each; what is on it must be the same."""
    offset = (int(query.get("page", 1)) - 1) * PEOPLE_ON_PAGE
    rest = {**query, "offset": str(offset), "limit": str(PEOPLE_ON_PAGE)}
    begun = time.perf_counter()
    status, answer = await session.api("GET", f"jhaws/people?{urlencode(rest)}")
    answered = time.perf_counter()
    shown, page = await session.get(f"hub/jhaws/people?{urlencode(query)}")
    took = {"REST": answered - begun, "page": time.perf_counter() - answered}
    names = [person["name"] for person in answer["items"]]
    missing = [name for name in names if f"jhaws/people/{name}" not in page]
    if (status, shown) != (200, 200) or missing or bool(names) != ("nobody" not in query.get("search", "")):
        raise SystemExit(f"{query}: {status} and {shown}, {len(names)} people, not on the page: {missing}")
    return took


async def run(rounds: int, people: int) -> None:
    """Measure both databases in turns, and print the medians as a table and as JSON."""
    columns: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with running_postgres() as postgres:
        for number in range(rounds):
            for database in ("sqlite", "postgresql"):
                with tempfile.TemporaryDirectory() as folder:
                    sqlite = f"sqlite:///{folder}/people.sqlite"
                    url = sqlite if database == "sqlite" else postgres.url(postgres.create_database())
                    for way, name, seconds in await measure(url, Path(folder), people):
                        columns[f"{database}, {way}"][name].append(seconds)
                print(f"round {number + 1}, {database}: done", file=sys.stderr, flush=True)
    medians = {
        column: {name: round(statistics.median(seconds), 4) for name, seconds in requests.items()}
        for column, requests in columns.items()
    }
    longest = {column: max(max(seconds) for seconds in requests.values()) for column, requests in columns.items()}
    print(f"{'':26}" + "".join(f"{column:>18}" for column in columns))
    for name in make_requests(people):
        print(f"{name:26}" + "".join(f"{each[name] * 1000:15.0f} ms" for each in medians.values()))
    print(f"{'the longest of all':26}" + "".join(f"{each * 1000:15.0f} ms" for each in longest.values()))
    print(json.dumps(medians))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.people", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many times each database is measured (default: 3)")
    parser.add_argument("--people", type=int, default=20000, help="how many people the hub has (default: 20000)")
    options = parser.parse_args()
    asyncio.run(run(options.rounds, options.people))


if __name__ == "__main__":
    sys.exit(main())
