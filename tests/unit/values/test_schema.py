"""The JSON Schema is what the options are."""

import re
from typing import Any

import jsonschema
import pytest
from traitlets import HasTraits, Integer, List, Unicode

from jhaws.errors import ConfigError
from jhaws.hub import Wanted
from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.services.culler.settings import JhawsCuller
from jhaws.spawner import READERS, JhawsSpawner
from jhaws.values.schema import CLASSES, RECORDS, make_schema, make_section, of_trait

SCHEMA = make_schema()
SECTIONS = SCHEMA["properties"]["hub"]["properties"]["config"]["properties"]


def accepts(**sections: Any) -> bool:
    checker = jsonschema.Draft7Validator(SCHEMA)
    return checker.is_valid({"hub": {"config": sections}})


def test_it_is_a_schema_that_needs_nobodys_extensions() -> None:
    """Draft 7, as z2jh's, so that Helm and editors take both."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_each_option_is_in_it_with_its_help(cls: type[HasTraits]) -> None:
    """An option that comes later is in the schema by itself, since it is made from the classes."""
    options = SECTIONS[cls.__name__]["properties"]

    assert set(options) == set(cls.class_traits(config=True))
    assert all(options[name]["description"] for name in cls.class_own_traits(config=True))


def test_a_new_option_appears_by_itself() -> None:
    """A class with one more option has one more in its section."""

    class Later(JhawsCuller):
        grace_seconds = Integer(5, min=1, config=True, help="New.")

    assert make_section(Later)["properties"]["grace_seconds"] == {
        "description": "New.",
        "type": "integer",
        "minimum": 1,
    }


def test_every_default_fits_its_schema() -> None:
    """What an option is without being set, it may also be set to."""
    for cls in CLASSES:
        for name, trait in cls.class_traits(config=True).items():
            default = trait.default_value
            schema = SECTIONS[cls.__name__]["properties"][name]
            if isinstance(default, str | int | float | bool):
                jsonschema.Draft7Validator(schema).validate(default)


@pytest.mark.parametrize("option", RECORDS)
def test_a_records_fields_are_those_that_its_reader_takes(option: str) -> None:
    """The reader, asked with a field it cannot know, lists the same fields as the schema."""
    fields = SECTIONS["JhawsSpawner"]["properties"][option]["anyOf"][0]["items"]["properties"]
    with pytest.raises(ConfigError) as caught:
        READERS[option](option, [{"qqqqqqqq": 1}])

    assert re.findall(r"\w+", str(caught.value).split("Known are:")[1]) == sorted(fields)


def test_a_nodegroups_fields_are_those_that_its_reader_takes() -> None:
    """So it is for nodegroups, whose name is the key."""
    fields = SECTIONS["JhawsSpawner"]["properties"]["nodegroups"]["additionalProperties"]["anyOf"][0]["properties"]
    with pytest.raises(ConfigError) as caught:
        READERS["nodegroups"]("nodegroups", {"a": {"qqqqqqqq": 1}})

    assert re.findall(r"\w+", str(caught.value).split("Known are:")[1]) == sorted(fields)


@pytest.mark.parametrize(
    ("sections", "fits"),
    [
        ({"JhawsSpawner": {"nfs_server": "drive"}}, True),
        ({"JhawsSpawner": {"nfs_sever": "drive"}}, False),
        ({"JhawsSpawner": {"nfs_server": 5}}, False),
        ({"JhawsSpawner": {"shares": [{"name": "data", "read_only": False, "groups": ["a"]}]}}, True),
        ({"JhawsSpawner": {"shares": {"a": {"name": "data"}}}}, True),
        ({"JhawsSpawner": {"shares": [{"mount": "/data"}]}}, False),
        ({"JhawsSpawner": {"shares": [{"name": "data", "groups": "a"}]}}, False),
        ({"JhawsSpawner": {"shares": "data"}}, False),
        ({"JhawsSpawner": {"iam_roles": [{"role": "a"}, {"service_account": "b", "groups": ["c"]}]}}, True),
        ({"JhawsSpawner": {"iam_roles": [{"role": "a", "service_account": "b"}]}}, False),
        ({"JhawsSpawner": {"iam_roles": [{"groups": ["c"]}]}}, False),
        ({"JhawsSpawner": {"git_repos": [{"url": "https://x/y", "branch": "main"}]}}, True),
        ({"JhawsSpawner": {"git_repos": ["https://x/y"]}}, False),
        ({"JhawsSpawner": {"nodegroups": {"a": {"taints": ["k=v:NoSchedule"], "memory_gib": 4}, "b": None}}}, True),
        ({"JhawsSpawner": {"nodegroups": {"a": {"taints": [{"key": "k", "effect": "NoExecute"}]}}}}, True),
        ({"JhawsSpawner": {"nodegroups": {"a": {"memory_gib": 0}}}}, False),
        ({"JhawsSpawner": {"profile_list": [{"display_name": "A", "nodegroup": "a"}]}}, True),
        ({"JhawsSpawner": {"profile_list": [{"display_name": 5}]}}, False),
        ({"JhawsSpawner": {"unknown_pods": "adopt", "mem_limit": "2G", "cpu_limit": None}}, True),
        ({"JhawsSpawner": {"unknown_pods": "eat"}}, False),
        ({"JhawsSpawner": {"mem_limit": "2 giga"}}, False),
        ({"JhawsAuthenticator": {"user_password": "12345678", "admin_users": ["a"]}}, True),
        ({"JhawsAuthenticator": {"user_password": ""}}, True),
        ({"JhawsAuthenticator": {"user_password": None}}, True),
        ({"JhawsAuthenticator": {"user_password": 12345678}}, False),
        ({"JhawsAuthenticator": {"user_password": "1234567"}}, False),
        ({"JhawsAuthenticator": {"admin_users": "a"}}, False),
        ({"JhawsAuthenticator": {"admin_users": [1]}}, False),
        ({"JhawsAuthenticator": {"password_groups": {"12345678": ["a"]}}}, True),
        ({"JhawsAuthenticator": {"password_groups": {"1234567": ["a"]}}}, False),
        ({"JhawsCuller": {"timeout": 3600}}, True),
        ({"JhawsCuller": {"timeout": "1h"}}, False),
        ({"JhawsCuller": {"timeout": True}}, False),
        ({"JhawsPlaceholder": {"seats": {"a": 2}, "cpu_cores": None}}, True),
        ({"JhawsPlaceholder": {"seats": {"a": "two"}}}, False),
        ({"KubeSpawner": {"whatever": 1}}, True),
        ({"jhawsSpawner": {}}, False),
        ({"JhawsSpawner": []}, False),
    ],
)
def test_it_takes_what_the_hub_takes(sections: dict[str, Any], fits: bool) -> None:
    """Right and wrong values of each kind of option."""
    assert accepts(**sections) is fits


@pytest.mark.parametrize(
    ("switch", "fits"),
    [(False, True), (True, True), ({"culler": False}, True), ({"cullr": False}, False), ("no", False)],
)
def test_custom_jhaws_has_the_parts_of_jhaws(switch: object, fits: bool) -> None:
    """The switches are the fields that the hub reads."""
    parts = SCHEMA["properties"]["custom"]["properties"]["jhaws"]["anyOf"][1]["properties"]

    assert list(parts) == list(Wanted.__dataclass_fields__)
    assert jsonschema.Draft7Validator(SCHEMA).is_valid({"custom": {"jhaws": switch}}) is fits


def test_lists_say_what_is_in_them() -> None:
    """A list of names takes no numbers, and one of anything takes all."""
    assert of_trait(List(Unicode())) == {"type": "array", "items": {"type": "string"}}
    assert of_trait(List()) == {"type": "array"}
    assert of_trait(JhawsAuthenticator.admin_users)["items"] == {"type": "string"}
    assert of_trait(JhawsSpawner.cmd)["anyOf"][-1] == {"type": "null"}
