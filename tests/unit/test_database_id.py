"""The id by which a hub knows the pods of its own database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyterhub import orm
from sqlalchemy import inspect

from jhaws.store import drop_tables, ensure_database_id, ensure_tables


def opened(path: Path) -> Any:
    return orm.new_session_factory(f"sqlite:///{path}")()


def closed(db: Any) -> None:
    db.close()
    db.get_bind().dispose()


def test_a_database_keeps_its_id(tmp_path: Path) -> None:
    """The next hub start finds the one that the first has made; it is fit to be a label."""
    first = opened(tmp_path / "hub.sqlite")
    made = ensure_database_id(first)
    first.rollback()
    closed(first)
    second = opened(tmp_path / "hub.sqlite")

    assert ensure_database_id(second) == made
    assert len(made) == 16
    assert int(made, 16) >= 0
    closed(second)


def test_another_database_has_another_id(tmp_path: Path) -> None:
    """So does one that was emptied by JupyterHub's reset_db."""
    first, second = opened(tmp_path / "a.sqlite"), opened(tmp_path / "b.sqlite")
    ids = {ensure_database_id(first), ensure_database_id(second)}
    drop_tables(first)
    ids.add(ensure_database_id(first))

    assert len(ids) == 3
    closed(first)
    closed(second)


def test_the_id_brings_no_other_table(tmp_path: Path) -> None:
    """Whether jhaws's login is new to a hub is told by its own table."""
    db = opened(tmp_path / "hub.sqlite")
    ensure_database_id(db)

    assert [name for name in inspect(db.connection()).get_table_names() if name.startswith("jhaws_")] == ["jhaws_hub"]
    assert ensure_tables(db) is True
    closed(db)
