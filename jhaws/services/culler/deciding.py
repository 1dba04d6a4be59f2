"""Which server goes, which user goes, and why: pure functions of the hub's models, the time and the options.

In doubt everything stays: a server that is starting or stopping, one without any date, one whose owner may be
an admin because the hub does not say. `culling` acts on what is decided here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jhaws.services.culler.settings import JhawsCuller

# The hub itself refuses activity that is reported further ahead; a clock that far off says nothing.
CREDIBLE_SKEW = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server as the hub's API shows it; `name` is "" for the default server, dates are aware UTC."""

    user: str
    name: str
    owner_is_admin: bool | None
    ready: bool
    pending: str | None
    started_at: datetime | None
    last_activity_at: datetime | None


@dataclass(frozen=True)
class Decision:
    """Whether a server or a user goes, and the reason as the end of a sentence."""

    cull: bool
    reason: str


def parse_date(text: Any) -> datetime | None:
    """Read an ISO 8601 date of the hub's API as aware UTC; what is none becomes None."""
    try:
        date = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def make_servers(user: dict[str, Any]) -> list[Server]:
    """Read the servers in one user model of the hub's API."""
    return [
        Server(
            user=user["name"],
            name=name,
            owner_is_admin=user.get("admin"),
            ready=bool(model.get("ready")),
            pending=model.get("pending"),
            started_at=parse_date(model.get("started")),
            last_activity_at=parse_date(model.get("last_activity")),
        )
        for name, model in (user.get("servers") or {}).items()
    ]


def should_cull(server: Server, now: datetime, settings: JhawsCuller) -> Decision:
    """Decide whether a server is stopped.

    Args:
        server: The server.
        now: The present, aware UTC.
        settings: The limits.
    """
    if server.pending:
        return Decision(False, f"it is pending {server.pending}")
    if not server.ready:
        return Decision(False, "it is not ready")
    if not settings.cull_admin_users and server.owner_is_admin is not False:
        return Decision(False, "its owner is, or may be, an admin")
    if server.started_at and 0 < settings.max_age <= (now - server.started_at).total_seconds():
        return Decision(True, _since("running", server.started_at, now, limit=settings.max_age))
    return _decide_idle(server.last_activity_at, server.started_at, now, settings)


def should_cull_user(user: dict[str, Any], now: datetime, settings: JhawsCuller) -> Decision:
    """Decide whether a user is deleted.

    Args:
        user: The user's model in the hub's API.
        now: The present, aware UTC.
        settings: The limits.
    """
    if not settings.cull_users:
        return Decision(False, "users are not culled")
    if "servers" not in user or user["servers"]:
        return Decision(False, "there is, or may be, a server")
    if not settings.cull_admin_users and user.get("admin") is not False:
        return Decision(False, "this is, or may be, an admin")
    # Who was added and has not come yet has no activity, and stays.
    return _decide_idle(parse_date(user.get("last_activity")), None, now, settings)


def _decide_idle(
    active_at: datetime | None, begun_at: datetime | None, now: datetime, settings: JhawsCuller
) -> Decision:
    if active_at is None or active_at > now + CREDIBLE_SKEW:
        active_at = begun_at
    if active_at is None:
        return Decision(False, "nobody knows since when it is idle")
    cull = (now - active_at).total_seconds() >= settings.timeout
    return Decision(cull, _since("idle", active_at, now, limit=settings.timeout))


def _since(state: str, date: datetime, now: datetime, *, limit: int) -> str:
    seconds = (now - date).total_seconds()
    return f"{state} since {date:%Y-%m-%dT%H:%M:%SZ} ({seconds:.0f} s), the limit is {limit} s"
