"""Rows as one parameter, in a real database of each kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from jupyterhub import orm
from sqlalchemy import Boolean, DateTime, Integer, Unicode, select
from sqlalchemy.orm import Session

from jhaws.store.unpacking import is_one_of, unpack, unpack_lists

NOON = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
ROWS = [
    ["ann", 1, True, NOON],
    ["", 0, False, NOON.astimezone(timezone(timedelta(hours=5)))],
    ["1", -5, None, datetime(1999, 12, 31, tzinfo=UTC)],
    ["null", 2**31 - 1, True, None],
    [None, None, None, None],
    ['o\'neil "quoted" \\ %s :name ? {} \n\t', 7, False, NOON],
    ["ümlaut 名 🙂", 8, True, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)],
]


def test_rows_come_out_as_they_went_in(db: Session) -> None:
    """Whatever the text; times as JupyterHub has them, in UTC and without saying so."""
    rows = unpack(ROWS, text=Unicode(), number=Integer(), flag=Boolean(), at=DateTime())
    expected = [(*row[:3], row[3] and row[3].astimezone(UTC).replace(tzinfo=None)) for row in ROWS]

    assert [tuple(row) for row in db.execute(select(*rows.c))] == expected
    assert list(db.execute(select(unpack([], text=Unicode())))) == []


def test_lists_come_out_value_by_value(db: Session) -> None:
    """Of whole numbers or of text, whatever the keys; an empty list gives nothing."""
    numbers = unpack_lists({"ann": [1, 2], "o'neil 🙂": [3], "nobody": []}, Integer())
    texts = unpack_lists({"7": ["1", "ümlaut"], "": [""]}, Unicode())

    assert sorted(db.execute(select(*numbers.c))) == [("ann", 1), ("ann", 2), ("o'neil 🙂", 3)]
    assert sorted(db.execute(select(*texts.c))) == [("", ""), ("7", "1"), ("7", "ümlaut")]
    assert list(db.execute(select(*unpack_lists({}, Integer()).c))) == []


def test_more_values_than_a_statement_may_have_parameters(db: Session) -> None:
    """SQLite takes 32,766, PostgreSQL 65,535."""
    db.add_all([orm.User(name=name) for name in ("name-7", "name-69999", "other")])
    db.commit()
    wanted = is_one_of(orm.User.name, [f"name-{number}" for number in range(70_000)])

    assert sorted(db.scalars(select(orm.User.name).where(wanted))) == ["name-69999", "name-7"]
    assert list(db.scalars(select(orm.User.name).where(is_one_of(orm.User.name, [])))) == []
