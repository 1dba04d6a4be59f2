from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jhaws.services.culler.deciding import (
    Server,
    make_servers,
    parse_date,
    should_cull,
    should_cull_user,
)
from jhaws.services.culler.settings import JhawsCuller

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    """Return the time that many seconds before now."""
    return NOW - timedelta(seconds=seconds)


def make_server(**fields: Any) -> Server:
    """Build a ready server that was started a day ago and used just now."""
    usual = {
        "user": "bob",
        "name": "",
        "owner_is_admin": False,
        "ready": True,
        "pending": None,
        "started_at": ago(86400),
        "last_activity_at": ago(0),
    }
    return Server(**(usual | fields))


@pytest.mark.parametrize(
    ("server", "options", "cull"),
    [
        ({"last_activity_at": ago(0)}, {}, False),
        ({"last_activity_at": ago(3599)}, {}, False),
        ({"last_activity_at": ago(3600)}, {}, True),
        ({"last_activity_at": ago(3601)}, {}, True),
        ({"last_activity_at": ago(61)}, {"timeout": 60}, True),
        # starting, stopping, gone
        ({"last_activity_at": ago(9999), "pending": "stop"}, {}, False),
        ({"last_activity_at": ago(9999), "pending": "spawn"}, {}, False),
        ({"last_activity_at": ago(9999), "ready": False}, {}, False),
        # without activity the start counts
        ({"last_activity_at": None}, {}, True),
        ({"last_activity_at": None, "started_at": ago(10)}, {}, False),
        ({"last_activity_at": None, "started_at": None}, {}, False),
        # clocks
        ({"last_activity_at": ago(-300)}, {}, False),
        ({"last_activity_at": ago(-86400)}, {}, True),
        ({"last_activity_at": ago(-86400), "started_at": ago(10)}, {}, False),
        ({"started_at": ago(-300), "last_activity_at": None}, {"max_age": 1}, False),
        # age
        ({}, {"max_age": 86401}, False),
        ({}, {"max_age": 86400}, True),
        ({}, {"max_age": 0}, False),
        ({"started_at": None}, {"max_age": 60}, False),
        ({"pending": "stop"}, {"max_age": 60}, False),
        # admins
        ({"last_activity_at": ago(9999), "owner_is_admin": True}, {}, True),
        ({"last_activity_at": ago(9999), "owner_is_admin": True}, {"cull_admin_users": False}, False),
        ({"last_activity_at": ago(9999), "owner_is_admin": None}, {"cull_admin_users": False}, False),
        ({"last_activity_at": ago(9999), "owner_is_admin": False}, {"cull_admin_users": False}, True),
        ({"owner_is_admin": True}, {"cull_admin_users": False, "max_age": 60}, False),
    ],
)
def test_what_is_culled(server: dict[str, Any], options: dict[str, Any], cull: bool) -> None:
    """A server goes when it is idle or old beyond its limit, and stays whenever there is a doubt."""
    assert should_cull(make_server(**server), NOW, JhawsCuller(**options)).cull is cull


def test_the_reason_says_since_when_and_the_limit() -> None:
    """The log line of a stop names the date, the seconds and the limit."""
    idle = should_cull(make_server(last_activity_at=ago(3700)), NOW, JhawsCuller())
    old = should_cull(make_server(), NOW, JhawsCuller(max_age=60))

    assert idle.reason == "idle since 2026-11-20T10:58:20Z (3700 s), the limit is 3600 s"
    assert old.reason == "running since 2026-11-19T12:00:00Z (86400 s), the limit is 60 s"


@pytest.mark.parametrize(
    ("user", "options", "cull"),
    [
        ({}, {}, False),
        ({}, {"cull_users": True}, True),
        ({"servers": {"": {}}}, {"cull_users": True}, False),
        ({"servers": None}, {"cull_users": True}, True),
        ({"last_activity": "2026-11-20T11:59:00Z"}, {"cull_users": True}, False),
        ({"last_activity": None, "created": "2020-01-01T00:00:00Z"}, {"cull_users": True}, False),
        ({"admin": True}, {"cull_users": True}, True),
        ({"admin": True}, {"cull_users": True, "cull_admin_users": False}, False),
    ],
)
def test_which_users_are_deleted(user: dict[str, Any], options: dict[str, Any], cull: bool) -> None:
    """Users go only when that is wanted, they were here once, are idle, and have no server."""
    model = {"name": "bob", "admin": False, "servers": {}, "last_activity": "2026-11-20T10:00:00Z"} | user

    assert should_cull_user(model, NOW, JhawsCuller(**options)).cull is cull


def test_a_user_whose_servers_are_hidden_stays() -> None:
    """Without the right to see servers nobody is taken to have none."""
    model = {"name": "bob", "admin": False, "last_activity": "2020-01-01T00:00:00Z"}

    assert should_cull_user(model, NOW, JhawsCuller(cull_users=True)).cull is False


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-11-20T12:00:00.000000Z", NOW),
        ("2026-11-20T13:00:00+01:00", NOW),
        ("2026-11-20T12:00:00", NOW),
        (None, None),
        ("", None),
        ("yesterday", None),
        (5, None),
    ],
)
def test_dates_are_aware(text: Any, date: datetime | None) -> None:
    """Dates of the API become aware UTC, and what is no date becomes None."""
    assert parse_date(text) == date


def test_servers_are_read_from_a_user_model() -> None:
    """All servers of a user are read, with what the decision needs."""
    model = {
        "name": "bob",
        "admin": True,
        "servers": {
            "": {"ready": True, "pending": None, "started": "2026-11-20T12:00:00Z", "last_activity": None},
            "lab": {"ready": False, "pending": "stop"},
        },
    }

    assert make_servers(model) == [
        Server(
            user="bob",
            name="",
            owner_is_admin=True,
            ready=True,
            pending=None,
            started_at=NOW,
            last_activity_at=None,
        ),
        Server(
            user="bob",
            name="lab",
            owner_is_admin=True,
            ready=False,
            pending="stop",
            started_at=None,
            last_activity_at=None,
        ),
    ]
    assert make_servers({"name": "bob"}) == []
