"""Values against a JSON Schema, in sentences.

z2jh's schema is made for values with the chart's defaults in them. Here are the operator's alone, so a key that is
required is not missed, and `null`, which deletes a default, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError, best_match

from ..pods.records import describe
from .masking import masked
from .places import Finding, Path
from .strangers import find_near

# How JSON Schema's types are called in YAML.
TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}
# How to write what was meant, where the type alone does not say it.
HINTS = {
    "object": "Write its keys below it, each with its value.",
    "array": "Write its entries below it, each behind a dash.",
    "string": "Put quotes around it.",
    "boolean": "Write one of both without quotes.",
    "integer": "Write digits alone, without quotes and unit.",
    "number": "Write digits alone, without quotes and unit.",
}
# Where null reaches the hub; elsewhere it deletes a default of the chart.
KEPT = (("hub", "config"), ("custom",))


def find_violations(
    values: Mapping[str, Any], schema: Mapping[str, Any], *, of_chart: bool = False
) -> Iterator[Finding]:
    """Give a sentence for each value that the schema does not take.

    Args:
        values: Merged values, without the chart's defaults.
        schema: JSON Schema.
        of_chart: Whether it is z2jh's own.
    """
    shown = _without_null(values, ()) if of_chart else values
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
    for error in kind(schema).iter_errors(shown):
        if error.validator == "required" and of_chart:
            continue
        yield from _sentences(_deepest(error))


def _without_null(value: Any, path: Path) -> Any:
    if isinstance(value, dict) and path not in KEPT:
        return {key: _without_null(each, (*path, key)) for key, each in value.items() if each is not None}
    return value


def _deepest(error: ValidationError) -> ValidationError:
    """Return the error in the alternative that fits best, for `anyOf` and `oneOf` say only that none does."""
    best = best_match([error])
    return best if best is not None else error


def _sentences(error: ValidationError) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = list(error.schema.get("properties", {}))
        patterns = error.schema.get("patternProperties", {})
        for key in error.instance:
            if key not in known and not patterns:
                near = find_near(key, known)
                yield Finding((*path, key), _unknown(key, near, known), nameless=not near)
        return
    yield Finding(path, f"{_rule(error)}, got {_shown(error)}. {_hint(error)}".rstrip())


def _unknown(key: str, near: str, known: list[str]) -> str:
    if near:
        return f"There is no {key!r} here. Did you mean {near!r}?"
    advice = f"Known are: {', '.join(sorted(known))}." if known else "Take it out."
    return f"There is no such key here. {advice}"


def _types(error: ValidationError) -> list[str]:
    """Return the types that a value may have, none where it has one of them and something else is wrong."""
    rule = error.validator_value
    return [] if error.validator != "type" else [rule] if isinstance(rule, str) else list(rule)


def _rule(error: ValidationError) -> str:
    rule = error.validator_value
    if types := _types(error):
        return f"It must be {' or '.join(TYPES[name] for name in types)}"
    if error.validator == "enum":
        return f"It must be one of {', '.join(str(each) for each in rule)}"
    if error.validator == "required":
        return f"It must have {' and '.join(rule)}"
    if error.validator == "pattern":
        return f"It must fit the pattern {rule}"
    return f"It does not fit {error.validator} {describe(rule)}"


def _hint(error: ValidationError) -> str:
    """Return what to do, where the rule does not say it."""
    if error.validator in ("pattern", "enum"):
        return "Write one that fits."
    if error.validator == "required":
        return "Add what is missing."
    types = _types(error)
    return HINTS.get(types[0], "") if types else "See the reference of options, or of z2jh's values."


def _shown(error: ValidationError) -> str:
    """Return what was got: its type alone, but for a single word or number in the place of another one.

    What stands where a mapping or a list belongs may be all of them in one text, secrets too; and what a rule for keys
    is about is a key, which may be a password.
    """
    value: Any = error.instance
    plain = not isinstance(value, dict | list) and not {"object", "array"} & set(_types(error))
    if not plain or "propertyNames" in error.absolute_schema_path or masked(tuple(error.absolute_path), value) != value:
        return _type_of(value)
    return describe(value)


def _type_of(value: Any) -> str:
    kinds = ((dict, "object"), (list, "array"), (str, "string"), (bool, "boolean"), (int, "integer"), (float, "number"))
    return TYPES[next((name for kind, name in kinds if isinstance(value, kind)), "null")]
