"""Thousands of rows as one parameter of a statement: the database unpacks them itself, from JSON.

Such a statement costs the database a third of what rows one by one cost, and Python nearly nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ColumnElement, DateTime, Integer, Subquery, Unicode, cast, column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine


class _Rows(GenericFunction[Any]):
    """The elements of a JSON list as rows of `value`, which is JSON."""

    inherit_cache = True
    name = "jhaws_rows"


class _Members(GenericFunction[Any]):
    """The members of a JSON object as rows: `key` and `value`."""

    inherit_cache = True
    name = "jhaws_members"


class _Values(GenericFunction[Any]):
    """The values of a JSON list that has no others in it, as rows of `value`."""

    inherit_cache = True
    name = "jhaws_values"


class _Moment(GenericFunction[datetime]):
    """A time out of its text, which is what SQLite keeps."""

    type = DateTime()
    inherit_cache = True
    name = "jhaws_moment"


_SQL = {
    _Rows: {"sqlite": "json_each({})", "postgresql": "json_array_elements(CAST({} AS JSON))"},
    _Members: {"sqlite": "json_each({})", "postgresql": "json_each(CAST({} AS JSON))"},
    _Values: {"sqlite": "json_each({})", "postgresql": "json_array_elements_text(CAST({} AS JSON))"},
    _Moment: {"sqlite": "{}", "postgresql": "CAST({} AS TIMESTAMP)"},
}


def _compile(element: GenericFunction[Any], compiler: Any, **options: Any) -> str:
    return _SQL[type(element)][compiler.dialect.name].format(compiler.process(element.clauses, **options))


for _kind in _SQL:
    compiles(_kind)(_compile)


def unpack(rows: Iterable[Sequence[Any]], **columns: TypeEngine[Any]) -> Subquery:
    """Make something to select from out of rows.

    Args:
        rows: Text, whole numbers, flags, aware times and None.
        **columns: Names and types of the values of a row, in their order.
    """
    packed = json.dumps(list(rows), default=_show_time)
    row: Any = _Rows(packed).table_valued(column("value", JSON)).c.value
    values = (_read(row[number], kind) for number, kind in enumerate(columns.values()))
    return select(*(value.label(name) for name, value in zip(columns, values, strict=True))).subquery()


def unpack_lists(lists: Mapping[str, Collection[Any]], kind: TypeEngine[Any]) -> Subquery:
    """Make something to select from out of lists: `key`, and of each value, whole numbers or text, `value`."""
    packed = json.dumps({key: list(values) for key, values in lists.items()})
    members = _Members(packed).table_valued("key", "value")
    values: Any = _Values(members.c.value).table_valued("value", joins_implicitly=True)
    return select(cast(members.c.key, Unicode()).label("key"), cast(values.c.value, kind).label("value")).subquery()


def is_one_of(wanted: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """Say of a column of whole numbers or text that it has one of many values."""
    found: Any = _Values(json.dumps(list(values))).table_valued("value").c.value
    answer: ColumnElement[bool] = wanted.in_(select(cast(found, wanted.type)))
    return answer


def _read(value: Any, kind: TypeEngine[Any]) -> Any:
    if isinstance(kind, Integer):
        return value.as_integer()
    if isinstance(kind, Boolean):
        return value.as_boolean()
    return _Moment(value.as_string()) if isinstance(kind, DateTime) else value.as_string()


def _show_time(value: datetime) -> str:
    """Write a time as SQLAlchemy writes it into SQLite, which PostgreSQL reads as well."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
