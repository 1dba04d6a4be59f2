"""The option that says in which time zone a day ends."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from traitlets import Unicode

from ..errors import ConfigError


class TimeZoneName(Unicode):  # type: ignore[type-arg]  # traitlets' own generics have no parameter at run time
    """The name of a time zone that this machine knows."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Accept names of the IANA database.

        Raises:
            ConfigError: There is no such time zone here.
        """
        name = super().validate(obj, value)
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError) as error:
            raise ConfigError(
                f"{type(obj).__name__}.{self.name} must be the name of a time zone such as 'Europe/Berlin', "
                f"got {name[:64]!r}."
            ) from error
        return name
