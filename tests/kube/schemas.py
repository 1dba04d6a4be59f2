"""JSON Schemas of Kubernetes's kinds for kubeconform, from the API server's own OpenAPI document.

The schemas that kubeconform fetches by default are made from the same document, but are on the internet. A field that
the document does not have is an error (`additionalProperties: false`), as with kubeconform's `-strict`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where kubeconform looks for the schema of an object, as its `-schema-location`, below the folder.
LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def write_schemas(openapi: dict[str, Any], folder: Path) -> None:
    """Write a schema for each kind that can be applied.

    Args:
        openapi: What the API server answers to /openapi/v2.
        folder: Where to; it must be there.
    """
    definitions = {name: make_strict(body) for name, body in openapi["definitions"].items()}
    definitions[QUANTITY] = {"type": ["string", "number"]}
    for name, definition in openapi["definitions"].items():
        for group, version, kind in find_kinds(definition):
            schema = {"$ref": f"#/definitions/{name}", "definitions": collect(definitions, name)}
            suffix = "-".join(filter(None, [group.split(".")[0], version]))
            (folder / f"{kind.lower()}-{suffix}.json").write_text(json.dumps(schema))


def find_kinds(definition: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """List group, version and kind of a definition that is one kind of object; parts of objects have none."""
    kinds = definition.get("x-kubernetes-group-version-kind", [])
    # DeleteOptions and Status belong to every group, and nobody applies them.
    if len(kinds) == 1:
        yield kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]


def make_strict(schema: Any) -> Any:
    """Return a schema that refuses unknown fields, and knows the numbers that Kubernetes also takes as text."""
    if isinstance(schema, list):
        return [make_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    made = {name: make_strict(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


def collect(definitions: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a definition and all that it refers to."""
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found[each] = definitions[each]
            waiting.extend(find_references(definitions[each]))
    return found


def find_references(schema: Any) -> Iterator[str]:
    """List the definitions to which a schema refers."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/definitions/")
        for each in schema.values():
            yield from find_references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from find_references(each)
