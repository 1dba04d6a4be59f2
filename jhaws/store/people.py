"""The people of the hub: JupyterHub's users, their groups, and our row beside each.

A row of ours belongs to a user by number *and* by the time the user was made: SQLite gives the number of a deleted
user to the next one, who must not inherit an end or a block. Everything reads columns, never ORM objects: a list of
20,000 would fill the hub's session with them. `people_writing.py` changes what is read here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from jupyterhub import orm
from sqlalchemy import Select, and_, false, func, not_, or_, select, true
from sqlalchemy.orm import Session

from .tables import Person
from .unpacking import is_one_of

State = Literal["", "allowed", "waiting", "blocked", "ended"]
Order = Literal["name", "created", "last_activity", "ends_at"]

_MEMBERS = orm.user_group_map
ROW_OF_USER = and_(Person.user_id == orm.User.id, Person.user_created == orm.User.created)


@dataclass(frozen=True)
class Standing:
    """What of a person's row decides whether the person may enter."""

    waiting: bool = False
    blocked: bool = False
    ends_at: datetime | None = None


@dataclass(frozen=True)
class ListedPerson:
    """A user of the hub with all that a list shows; times of JupyterHub's are naive UTC."""

    user_id: int
    name: str
    admin: bool
    groups: tuple[str, ...]
    created: datetime | None
    last_activity: datetime | None
    standing: Standing
    note: str


@dataclass(frozen=True)
class PeopleQuery:
    """Which people a page of the list holds.

    Attributes:
        search: Part of a name, a note or a group's name; "" for all.
        state: One of the states, "" for all; blocked comes before ended, ended before waiting.
        order: What the list is sorted by, the name in the end.
        descending: The other way round.
        offset: People before the page.
        limit: People on the page.
    """

    search: str = ""
    state: State = ""
    order: Order = "name"
    descending: bool = False
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True)
class PeoplePage:
    """A page of the list, and how many people there are on all pages."""

    people: tuple[ListedPerson, ...]
    total: int


def read_standing(db: Session, name: str) -> Standing | None:
    """Read what decides whether a user may enter; None where nothing is known.

    Args:
        db: The hub's session.
        name: A normalised name; case matters.
    """
    columns = select(Person.waiting, Person.blocked, Person.ends_at)
    row: Any = db.execute(columns.join(orm.User, ROW_OF_USER).where(orm.User.name == name)).first()
    return None if row is None else Standing(*row)


def read_people(db: Session, query: PeopleQuery, *, now: datetime) -> PeoplePage:
    """Read one page of the list of people.

    Args:
        db: The hub's session.
        query: Which page.
        now: Aware time, for who has ended.
    """
    where = [*_matches(query.search), *_is_in_state(query.state, now)]
    users = select(func.count()).select_from(orm.User)
    total = db.scalar(_joined(users).where(*where)) or 0
    key: Any = {
        "name": orm.User.name,
        "created": orm.User.created,
        "last_activity": orm.User.last_activity,
        "ends_at": Person.ends_at,
    }[query.order]
    key = key.desc() if query.descending else key.asc()
    rows = select(*_LISTED).select_from(orm.User)
    page = _joined(rows).where(*where).order_by(key, orm.User.name).offset(query.offset).limit(query.limit)
    return PeoplePage(tuple(_make_people(db, db.execute(page).all())), total)


def read_named_people(db: Session, names: Collection[str]) -> dict[str, ListedPerson]:
    """Read the people with these names; who is none is not in the answer, whatever text was sent for a name."""
    possible = [name for name in names if _can_be_asked(name)]
    rows = _joined(select(*_LISTED).select_from(orm.User)).where(is_one_of(orm.User.name, possible))
    return {person.name: person for person in _make_people(db, db.execute(rows).all())}


def read_next_people(db: Session, *, after: int, limit: int) -> list[ListedPerson]:
    """Read the next people by their number: all of them in turns, between which others may go on.

    Args:
        db: The hub's session.
        after: The number of the last one so far, 0 at the beginning.
        limit: How many at most.
    """
    rows = _joined(select(*_LISTED).select_from(orm.User)).where(orm.User.id > after)
    return _make_people(db, db.execute(rows.order_by(orm.User.id).limit(limit)).all())


def read_due(db: Session, *, now: datetime, limit: int) -> list[ListedPerson]:
    """Read people who may no longer enter and whose sessions, tokens and servers have not been ended yet."""
    shut = or_(Person.blocked == true(), Person.ends_at <= now)
    rows = select(*_LISTED).select_from(orm.User).join(Person, ROW_OF_USER)
    return _make_people(db, db.execute(rows.where(shut, Person.closed_at.is_(None)).limit(limit)).all())


def read_next_end(db: Session, *, after: datetime) -> datetime | None:
    """Read when the next person's end passes; None where no more does."""
    return db.scalar(select(func.min(Person.ends_at)).where(Person.ends_at > after))


def count_waiting(db: Session) -> int:
    """Count the people from before jhaws's login whom no admin has let in yet."""
    waiting = select(func.count()).select_from(Person).join(orm.User, ROW_OF_USER)
    return db.scalar(waiting.where(Person.waiting == true())) or 0


_LISTED = (
    orm.User.id,
    orm.User.name,
    orm.User.admin,
    orm.User.created,
    orm.User.last_activity,
    Person.waiting,
    Person.blocked,
    Person.ends_at,
    Person.note,
)


def _joined(query: Select[Any]) -> Select[Any]:
    return query.outerjoin(Person, ROW_OF_USER)


def _make_people(db: Session, rows: Sequence[Any]) -> list[ListedPerson]:
    groups = _read_groups(db, [row[0] for row in rows])
    return [
        ListedPerson(
            user_id=row[0],
            name=row[1],
            admin=bool(row[2]),
            groups=tuple(sorted(groups.get(row[0], ()))),
            created=row[3],
            last_activity=row[4],
            standing=Standing(bool(row[5]), bool(row[6]), row[7]),
            note=row[8] or "",
        )
        for row in rows
    ]


def _read_groups(db: Session, user_ids: Sequence[int]) -> dict[int, list[str]]:
    """Read the names of users' groups; a user without any is not in the answer."""
    found: dict[int, list[str]] = {}
    pairs = select(_MEMBERS.c.user_id, orm.Group.name).join(orm.Group, orm.Group.id == _MEMBERS.c.group_id)
    for user_id, name in db.execute(pairs.where(is_one_of(_MEMBERS.c.user_id, user_ids))):
        found.setdefault(user_id, []).append(name)
    return found


def _matches(search: str) -> list[Any]:
    """Return what a person must be to be found; capital letters make no difference.

    SQLite and PostgreSQL's "C" locale know that of ASCII only, so other letters are looked for in each of their cases.
    """
    if not search:
        return []
    spellings = {search} if search.isascii() else {search, search.lower(), search.upper(), search.title()}
    found = []
    for spelling in sorted(spellings):
        groups = select(orm.Group.id).where(orm.Group.name.icontains(spelling, autoescape=True))
        members = select(_MEMBERS.c.user_id).where(_MEMBERS.c.group_id.in_(groups))
        found += [
            orm.User.name.icontains(spelling, autoescape=True),
            Person.note.icontains(spelling, autoescape=True),
            orm.User.id.in_(members),
        ]
    return [or_(*found)]


def _is_in_state(state: State, now: datetime) -> list[Any]:
    # A user without a row has NULL there, which is neither true nor false.
    waiting = func.coalesce(Person.waiting, false()) == true()
    blocked = func.coalesce(Person.blocked, false()) == true()
    ended = and_(Person.ends_at.is_not(None), Person.ends_at <= now)
    states = {
        "": [],
        "blocked": [blocked],
        "ended": [not_(blocked), ended],
        "waiting": [not_(blocked), not_(ended), waiting],
        "allowed": [not_(blocked), not_(ended), not_(waiting)],
    }
    return states[state]


def has_server_at(db: Session, address: str) -> bool:
    """Tell whether the server of a user runs at an address, as the hub has written it down."""
    its = select(orm.Spawner.id).join(orm.Server, orm.Spawner.server_id == orm.Server.id)
    return db.scalar(its.where(orm.Server.ip == address).limit(1)) is not None


def _can_be_asked(text: str) -> bool:
    """Tell whether a database takes a text at all: PostgreSQL has no NUL, and no UTF-8 has half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
