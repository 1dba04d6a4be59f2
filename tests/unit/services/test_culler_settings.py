from typing import Any

import pytest
from traitlets import TraitError

from jhaws.errors import ConfigError
from jhaws.services.culler.settings import JhawsCuller, make_scopes


@pytest.mark.parametrize(("timeout", "every"), [(3600, 600), (1200, 600), (60, 30), (3, 1), (1, 1)])
def test_every_follows_timeout(timeout: int, every: int) -> None:
    """Unless it is set, `every` is half of `timeout`, at most 600 and at least 1 second."""
    assert JhawsCuller(timeout=timeout).every == every


def test_every_that_is_set_stays() -> None:
    """A set `every` does not follow `timeout`."""
    assert JhawsCuller(timeout=60, every=45).every == 45


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", True),
        ("every", 0),
        ("concurrency", 0),
        ("concurrency", -5),
        ("max_age", -1),
        ("max_age", False),
    ],
)
def test_numbers_that_would_cull_everybody_are_refused(option: str, value: Any) -> None:
    """Zero, negative and YAML's `yes` are refused in a sentence that names option and value."""
    with pytest.raises(ConfigError, match=rf"^{option} must be a number .* got {value}\."):
        JhawsCuller(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"), [("timeout", "1h"), ("timeout", 1.5), ("timeout", None), ("cull_users", "yes")]
)
def test_wrong_types_are_refused(option: str, value: Any) -> None:
    """A value of another type is refused, not converted."""
    with pytest.raises(TraitError, match=option):
        JhawsCuller(**{option: value})


def test_the_names_are_those_of_idle_culler() -> None:
    """Options with a twin upstream have its name, and all have a help."""
    traits = JhawsCuller.class_own_traits(config=True)

    assert sorted(traits) == [
        "concurrency",
        "cull_admin_users",
        "cull_users",
        "every",
        "max_age",
        "remove_named_servers",
        "timeout",
    ]
    assert all("xample" in trait.help or "Set `" in trait.help for trait in traits.values())


def test_the_right_to_delete_users_is_asked_for_only_when_needed() -> None:
    """The scopes are the least that do the job."""
    least = ["list:users", "read:users:activity", "read:servers", "delete:servers"]

    assert make_scopes(JhawsCuller()) == least
    assert make_scopes(JhawsCuller(cull_users=True)) == [*least, "delete:users"]
