"""The JSON Schema of all options of jhaws, made from the options themselves.

An option's type says what it takes; the records in JhawsSpawner's tables are the frozen dataclasses that its readers
make, so a field that is added there is in the schema too. What a schema cannot say (that two options fit each other,
that a template is safe) the hub says at its start, and `jhaws values check` before.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

import traitlets
from jupyterhub import traitlets as hub_traitlets
from traitlets.config import Configurable

from ..hub import Wanted
from ..login.allowlist import UserNames
from ..login.authenticator import JhawsAuthenticator
from ..login.passwords import USER_PASSWORD_MIN_LENGTH, Password, PasswordGroups
from ..pods.gitpuller import Repository
from ..pods.homes import Share
from ..pods.iam import RoleRow
from ..pods.nodegroups import Nodegroup, Taint
from ..services.culler.settings import JhawsCuller
from ..services.placeholder.settings import JhawsPlaceholder
from ..spawner import JhawsSpawner

Schema = dict[str, Any]

CLASSES: tuple[type[Configurable], ...] = (JhawsSpawner, JhawsAuthenticator, JhawsCuller, JhawsPlaceholder)
TITLE = "Values of z2jh's chart for jhaws"

# What the readers demand of a field by its type.
PLAIN_TYPES: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    float: {"type": "number", "exclusiveMinimum": 0},
}
# The records of each table, and what an entry cannot do without.
RECORDS: Mapping[str, tuple[type[Any], Schema]] = {
    "shares": (Share, {"required": ["name"]}),
    "iam_roles": (RoleRow, {"oneOf": [{"required": ["role"]}, {"required": ["service_account"]}]}),
    "git_repos": (Repository, {"required": ["url"]}),
}
TAINT_AS_TEXT: Schema = {"type": "string", "pattern": r"^[^=:\s]+(=[^:\s]*)?:\w+$"}
PROFILE: Schema = {
    "type": "object",
    "properties": {
        "display_name": {"type": "string"},
        "slug": {"type": "string"},
        "description": {"type": "string"},
        "default": {"type": "boolean"},
        "nodegroup": {"type": "string", "description": "A name in JhawsSpawner.nodegroups."},
        "kubespawner_override": {"type": "object"},
        "profile_options": {"type": "object"},
    },
}


def make_schema() -> Schema:
    """Build the schema of a values file, draft 7 as z2jh's own; what is z2jh's or another class's may be anything."""
    sections = {cls.__name__: make_section(cls) for cls in CLASSES}
    parts = {field.name: {"type": "boolean"} for field in dataclasses.fields(Wanted)}
    switch = {
        "description": "Which parts of jhaws are used; all by default.",
        "anyOf": [{"type": ["boolean", "null"]}, closed(parts)],
    }
    config = {
        "type": ["object", "null"],
        # The hub does not start with a section that is no class's name.
        "propertyNames": {"pattern": "^[A-Z]"},
        "properties": sections,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TITLE,
        "type": "object",
        "properties": {
            "hub": {"type": ["object", "null"], "properties": {"config": config}},
            "custom": {"type": ["object", "null"], "properties": {"jhaws": switch}},
        },
    }


def make_section(cls: type[Configurable]) -> Schema:
    """Build the schema of one class's section under `hub.config`."""
    options = {name: make_option(name, trait) for name, trait in sorted(cls.class_traits(config=True).items())}
    return {"description": inspect.getdoc(cls) or "", **closed(options)}


def make_option(name: str, trait: Any) -> Schema:
    """Build the schema of one option, with its help."""
    return {"description": inspect.cleandoc(trait.help or ""), **(_table(name) or of_trait(trait))}


def _table(name: str) -> Schema:
    """Return the schema of an option that holds records, {} for another one."""
    if name == "nodegroups":
        group = {key: each for key, each in of_record(Nodegroup)["properties"].items() if key != "name"}
        entry = {"anyOf": [closed(group), {"type": "null"}]}
        return {"type": "object", "additionalProperties": entry}
    if name == "profile_list":
        return _list_or_mapping(PROFILE)
    if name in RECORDS:
        record, rule = RECORDS[name]
        return _list_or_mapping({**of_record(record), **rule})
    return {}


def _list_or_mapping(entry: Schema) -> Schema:
    """Return the schema of a table, which may be a mapping whose values count in the order of their keys."""
    return {"anyOf": [{"type": "array", "items": entry}, {"type": "object", "additionalProperties": entry}]}


def closed(properties: Schema) -> Schema:
    """Return the schema of a mapping that has these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def of_record(record: type[Any]) -> Schema:
    """Return the schema of a mapping that one of our readers turns into the dataclass `record`."""
    hints = typing.get_type_hints(record)
    return closed({field.name: _of_type(hints[field.name]) for field in dataclasses.fields(record)})


def _of_type(hint: Any) -> Schema:
    """Return the schema of a record's field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        # None is what a record has where nothing was written.
        return _or_null(_of_type(next(each for each in arguments if each is not type(None))))
    if origin in (frozenset, tuple):
        entry = _of_type(arguments[0])
        return {"type": "array", "items": {"anyOf": [TAINT_AS_TEXT, entry]} if arguments[0] is Taint else entry}
    if dataclasses.is_dataclass(hint):
        return of_record(hint)  # type: ignore[arg-type]
    if origin is not None:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return dict(PLAIN_TYPES[hint])


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return _any_of([*schema["anyOf"], {"type": "null"}])
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else _any_of([schema, {"type": "null"}])


def _any_of(choices: list[Schema]) -> Schema:
    """Return the schema of one of several types; {} where one of them may be anything."""
    flat = [each for choice in choices for each in choice.get("anyOf", [choice])]
    if not all(flat):
        return {}
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def of_trait(trait: Any) -> Schema:
    """Return the schema of what a trait takes from YAML; {} where that cannot be said."""
    schema: Schema = next((make(trait) for kind, make in KINDS if isinstance(trait, kind)), {})
    return _or_null(schema) if trait.allow_none and schema else schema


def _type(name: str) -> Any:
    return lambda trait: {"type": name}


def _password(trait: Any) -> Schema:
    # Empty text is none, as it comes from a variable that is not set.
    return {"type": "string", "pattern": rf"^$|^[\s\S]{{{trait.min_length},}}$"}


def _password_groups(trait: Any) -> Schema:
    names = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "propertyNames": {"minLength": USER_PASSWORD_MIN_LENGTH}, "additionalProperties": names}


def _number(trait: Any) -> Schema:
    bounds = {"minimum": trait.min, "maximum": trait.max}
    told = {key: bound for key, bound in bounds.items() if bound is not None and math.isfinite(bound)}
    return {"type": "integer" if isinstance(trait, traitlets.Integer) else "number", **told}


def _names(trait: Any) -> Schema:
    return {"type": "array", "items": {"type": "string"}}


def _array(trait: Any) -> Schema:
    inner = getattr(trait, "_trait", None)
    return {"type": "array", **({"items": items} if inner and (items := of_trait(inner)) else {})}


def _mapping(trait: Any) -> Schema:
    inner = getattr(trait, "_value_trait", None)
    values = of_trait(inner) if inner else {}
    return {"type": "object", **({"additionalProperties": values} if values else {})}


def _union(trait: Any) -> Schema:
    # A function cannot be written in YAML.
    writable = [each for each in trait.trait_types if not isinstance(each, hub_traitlets.Callable)]
    return _any_of([of_trait(each) for each in writable]) if writable else {}


def _bytes(trait: Any) -> Schema:
    return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d+(\.\d+)?[KMGT]?$"}]}


def _command(trait: Any) -> Schema:
    return {"anyOf": [{"type": "string"}, _names(trait)]}


# In this order: the first that fits counts.
KINDS: tuple[tuple[Any, Any], ...] = (
    (Password, _password),
    (PasswordGroups, _password_groups),
    (hub_traitlets.ByteSpecification, _bytes),
    (hub_traitlets.Command, _command),
    (UserNames, _names),
    (traitlets.Bool, _type("boolean")),
    ((traitlets.Integer, traitlets.Float), _number),
    (traitlets.Enum, lambda trait: {"enum": list(trait.values)}),
    (traitlets.Union, _union),
    ((traitlets.List, traitlets.Set, traitlets.Tuple), _array),
    (traitlets.Dict, _mapping),
    (traitlets.Unicode, _type("string")),
)
