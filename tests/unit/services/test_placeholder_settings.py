from typing import Any

import pytest
from traitlets import TraitError

from jhaws.errors import ConfigError
from jhaws.services.placeholder.settings import JhawsPlaceholder


def test_nothing_is_kept_by_default() -> None:
    """Seats cost money, so there are none until somebody asks for them."""
    assert JhawsPlaceholder().seats == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seats": -1}, r"seats must be .* got -1"),
        ({"seats": True}, r"seats must be .* got True"),
        ({"seats": {"jhusers": -2}}, r"seats\['jhusers'\] must be .* got -2"),
        ({"seats": {"jhusers": True}}, r"seats\['jhusers'\] must be .* got True"),
        ({"every": 0}, "every must be .* at least 1, got 0"),
        ({"cpu_cores": 0}, "cpu_cores must be"),
        ({"cpu_cores": float("inf")}, "cpu_cores must be"),
        ({"memory_gib": float("nan")}, "memory_gib must be"),
        ({"memory_gib": -1.0}, "memory_gib must be"),
        ({"image": ""}, "image must be"),
        ({"image": "pause --help"}, "image must be"),
    ],
)
def test_wrong_values_are_refused(options: dict[str, Any], says: str) -> None:
    """A value that makes no sense is refused in a sentence with option, rule and value."""
    with pytest.raises(ConfigError, match=says):
        JhawsPlaceholder(**options)


@pytest.mark.parametrize("seats", ["2", 1.5, None, ["jhusers"], {"jhusers": "2"}, {1: 1}])
def test_wrong_types_of_seats_are_refused(seats: Any) -> None:
    """Seats are a count, or counts by nodegroup."""
    with pytest.raises(TraitError, match="seats"):
        JhawsPlaceholder(seats=seats)
