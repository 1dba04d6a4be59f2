"""Values against a JSON Schema, in sentences.

z2jh's schema is made for values with the chart's defaults in them. Here are the operator's alone, so a key that is
required is not missed, and `null`, which deletes a default, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError, best_match

from ..pods.records import describe, suggest
from .places import Finding, Path, is_secret

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
                advice = suggest(key, known) if known else "Take it out."
                yield Finding((*path, key), f"There is no {key!r} here. {advice}")
        return
    yield Finding(path, f"{_rule(error)}, got {_shown(path, error.instance)}.")


def _rule(error: ValidationError) -> str:
    rule = error.validator_value
    if error.validator == "type":
        names = [rule] if isinstance(rule, str) else list(rule)
        return f"It must be {' or '.join(TYPES[name] for name in names)}"
    if error.validator == "enum":
        return f"It must be one of {', '.join(str(each) for each in rule)}"
    if error.validator == "required":
        return f"It must have {' and '.join(rule)}"
    if error.validator == "pattern":
        return f"It must fit the pattern {rule}"
    return f"It does not fit {error.validator} {describe(rule)}"


def _shown(path: Path, value: Any) -> str:
    if is_secret(path) or isinstance(value, dict | list):
        return f"a {type(value).__name__} that is not shown here"
    return describe(value)
