"""The culler's options and the scopes they need.

The hub checks them when its configuration is complete and hands them to the process as JSON; see `running`. Names
and meanings are those of jupyterhub-idle-culler, so what an operator knows stays true. Nothing is decided
here: that is `deciding`.
"""

from typing import Any

from traitlets import Bool, Integer, default, validate
from traitlets.config import Configurable

from jhaws.services.running import check_number

# z2jh's and jupyterhub-idle-culler's default for the longest time between two rounds.
LONGEST_EVERY_SECONDS = 600


class JhawsCuller(Configurable):
    """Options of the culler, set as `hub.config.JhawsCuller` or `c.JhawsCuller`."""

    timeout = Integer(
        3600,
        config=True,
        help="""
        Stop a server after this many seconds without activity.

        The default, an hour, survives a lunch break and frees a forgotten server the same day. Servers report
        their activity every 5 minutes, so below 600 people at work may lose their server. Example:
        `timeout: 7200`.
        """,
    )

    every = Integer(
        config=True,
        help="""
        Look for idle servers every this many seconds.

        Default: half of `timeout`, at most 600 and at least 1, so that a server stays little longer than it
        may. Example: `every: 60`.
        """,
    )

    max_age = Integer(
        0,
        config=True,
        help="""
        Stop a server this many seconds after its start, also while somebody works in it.

        The default, 0, is off, because it takes people's unsaved work. Example: `max_age: 86400` for a day.
        """,
    )

    concurrency = Integer(
        10,
        config=True,
        help="""
        Stop at most this many servers at once (a count), whoever they belong to.

        The default of 10 empties a class in seconds and leaves the hub room for logins. Example:
        `concurrency: 20`.
        """,
    )

    cull_users = Bool(
        False,
        config=True,
        help="""
        Also delete users who have no server and were not active for `timeout` (seconds).

        Off by default: with jhaws's allow list a deleted user may not log in again. It suits hubs with
        temporary users. Users who never came stay. Requires the scope `delete:users`, which the hub grants when
        this is on. Example: `cull_users: true`.
        """,
    )

    cull_admin_users = Bool(
        True,
        config=True,
        help="""
        Treat admins like everybody else.

        On by default, because an admin's forgotten server costs as much as any. Set `cull_admin_users: false`
        to leave admins and their servers alone.
        """,
    )

    remove_named_servers = Bool(
        False,
        config=True,
        help="""
        Remove a named server from the hub's list when it is culled, instead of only stopping it.

        Off by default, because people expect to find their named servers again. It never concerns default
        servers. Example: `remove_named_servers: true`.
        """,
    )

    @default("every")
    def _default_every(self) -> int:
        return max(1, min(self.timeout // 2, LONGEST_EVERY_SECONDS))

    @validate("timeout", "every", "concurrency")
    def _check_positive(self, proposal: dict[str, Any]) -> int:
        check_number(proposal["trait"].name, proposal["value"], at_least=1)
        return int(proposal["value"])

    @validate("max_age")
    def _check_max_age(self, proposal: dict[str, Any]) -> int:
        check_number("max_age", proposal["value"], at_least=0)
        return int(proposal["value"])


def make_scopes(settings: JhawsCuller) -> list[str]:
    """Return the least scopes that the culler's role needs for these options."""
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    return [*scopes, "delete:users"] if settings.cull_users else scopes
