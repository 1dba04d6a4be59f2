"""What is wrong with values, before Helm and the hub find it one after the other.

The hub's own start-up is asked: the sections under `hub.config` go through the code that a starting hub runs, so what
is said here is what its log would say. Beside that: keys that z2jh renamed, keys that stand where nothing reads them,
our JSON Schema, and z2jh's where its file is given. Each problem comes once, with the line where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import renames
from .fitting import find_misfits
from .hubcheck import CONFIG, OF_KUBESPAWNER, Said, ask_hub
from .masking import MASK, find_secrets
from .merging import Merged
from .places import Finding, Path, Problem, dotted, value_at
from .renames import Rename, find_rename, schema_has
from .schema import CLASSES, make_schema
from .strangers import SECTIONS, find_near, is_class, is_stranger, shown
from .validating import find_violations


def check(merged: Merged, schema: Mapping[str, Any] | None = None) -> list[Problem]:
    """Return what is wrong with merged values, in the order of the files' lines.

    Args:
        merged: The values.
        schema: z2jh's own schema, None where its file is not given.
    """
    found: list[Finding] = []
    fits = find_misfits(merged.values, iter(merged.settings))
    for step in (_misplaced(merged, schema), _renamed(merged, schema), _hub(merged), fits):
        found += [finding for finding in step if not _is_told(finding, found)]
    # A schema sees what is wrong within a value from outside too; then the earlier sentence is the better one.
    for each in _violations(merged, schema):
        if not (_is_told(each, found) or _is_around(each, found)):
            found.append(each)
    problems = list(_without_secrets(found, merged))
    files = list(dict.fromkeys(place.file for place in merged.places.values()))
    return sorted(dict.fromkeys(problems), key=lambda each: (files.index(each.place.file), each.place.line))


def _without_secrets(found: Iterable[Finding], merged: Merged) -> Iterator[Problem]:
    """Give the problems, without the values and keys that nobody may see.

    The hub's sentences are for its own log, and JupyterHub's are not ours.
    """
    instead = dict(find_secrets(merged.values))
    instead |= {repr(path[-1]): MASK for path in merged.places if is_stranger(path)}
    for each in found:
        sentence = each.sentence
        for text in sorted((text for text in instead if text in sentence), key=len, reverse=True):
            sentence = sentence.replace(text, instead[text])
        key = shown(each.path[:-1] if each.nameless else each.path)
        yield Problem(merged.place_of(each.path), key, sentence, each.serious)


def _is_told(finding: Finding, found: Iterable[Finding]) -> bool:
    """Say whether an earlier step has spoken of this key or of one around it.

    What is said of all of `hub.config`, because nobody knows where, tells of no key in it.
    """
    return any(
        finding.path == each.path or (each.path != CONFIG and finding.path[: len(each.path)] == each.path)
        for each in found
    )


def _is_around(finding: Finding, found: Iterable[Finding]) -> bool:
    return any(each.path[: len(finding.path)] == finding.path for each in found)


def _misplaced(merged: Merged, schema: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Find keys that stand where nobody reads them."""
    known = list(schema["properties"]) if schema and "properties" in schema else renames.SECTIONS
    for key in merged.values:
        if key not in known and not find_rename((key,)):
            yield Finding((key,), _unknown_key(key, known))
    for path in merged.places:
        if len(path) == 2 and path[0] in ("hub", "singleuser", "custom") and str(path[1]) in SECTIONS:
            yield Finding(path, f"{path[1]} has no effect here. Write hub.config.{path[1]}.")
        if len(path) == 2 and path[0] == "custom" and path[1] != "jhaws" and find_near(str(path[1]), ["jhaws"]):
            yield Finding(path, f"Nothing reads custom.{path[1]}, and all of jhaws is used. Write custom.jhaws.")
        if path[-2:-1] == ("extraEnv",) and _is_no_variable(value_at(merged.values, path)):
            yield Finding(
                path,
                f"{path[-1]} is indented as a variable of {dotted(path[:-1])}, and a variable is text or has "
                f"valueFrom. Indent it less, to make it {dotted((*path[:-2], path[-1]))}.",
            )
    for section in _mapping_at(merged, CONFIG):
        if not section[:1].isupper():
            yield Finding((*CONFIG, section), _lower_section(section))


def _unknown_key(key: str, known: Iterable[str]) -> str:
    if near := find_near(key, known):
        return f"The chart has no key {key!r}. Did you mean {near!r}?"
    if key in SECTIONS or is_class(key):
        return f"{key} is a class of the hub, and the chart has no such key. Write hub.config.{key}."
    if key == "jhaws":
        return "The chart has no key 'jhaws'. Write custom.jhaws."
    name = "such key" if is_stranger((key,)) else f"key {key!r}"
    return f"The chart has no {name}. Take it out, or put it in custom."


def _is_no_variable(value: Any) -> bool:
    return isinstance(value, Mapping) and not {"valueFrom", "value"} & set(value)


def _lower_section(section: str) -> str:
    near = find_near(section, (*SECTIONS, "JupyterHub", "KubeSpawner", "Spawner", "Authenticator"))
    advice = f"Write {near}." if near else "z2jh's own values belong one or two levels further out."
    name = "this key" if is_stranger((*CONFIG, section)) else repr(section)
    return f"A section of hub.config is a class and begins with a capital; with {name} the hub ends. {advice}"


def _mapping_at(merged: Merged, path: Path) -> Mapping[str, Any]:
    value = value_at(merged.values, path)
    return value if isinstance(value, Mapping) else {}


def _renamed(merged: Merged, schema: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Find keys that z2jh, JupyterHub or KubeSpawner call something else today."""
    for path in merged.settings:
        row = find_rename(path)
        if row and _is_gone(row, schema):
            # The parts of JupyterHub's classes go on for now under their old names.
            yield Finding(_row_path(path, row), row.sentence, serious=path[:2] != CONFIG or path[2] in SECTIONS)


def _row_path(path: Path, row: Rename) -> Path:
    """Return the part of `path` that is the row's key."""
    return next((path[:end] for end in range(1, len(path)) if dotted(path[:end]) == row.old), path)


def _is_gone(row: Rename, schema: Mapping[str, Any] | None) -> bool:
    """Say whether the chart has no such key any more; a schema may still have it."""
    chart = renames.CHART if schema is None else renames.schema_age(schema)
    known = schema is None or schema_has(schema, row.old)
    return not known or renames.version(row.since) <= renames.version(chart)


def _hub(merged: Merged) -> Iterator[Finding]:
    """Ask the hub's start-up what it says of these values."""
    for said in ask_hub(merged.values):
        yield Finding(_path_of(said, merged), said.sentence, said.serious)


def _path_of(said: Said, merged: Merged) -> Path:
    """Return the written key that a sentence of the hub speaks of: the deepest one whose name is in it."""
    best, deepest, text = said.path, 0, said.names
    for path in merged.places:
        for parts in _names(path, merged):
            if len(parts) > deepest and dotted(parts) in text:
                best, deepest = path, len(parts)
    if "a name that it does not know" in text:
        # The hub does not show what may be a password in the wrong place; its line is no secret.
        return next((path for path in merged.places if path[:-1] == best and is_stranger(path)), best)
    return best if best != CONFIG else _of_cull(said, merged)


def _names(path: Path, merged: Merged) -> Iterator[Path]:
    """Give the names by which the hub may speak of what is written at `path`."""
    if path[:2] == ("custom", "jhaws"):
        yield path
    if path[:2] == CONFIG and len(path) > 2:
        yield path[2:]
        # An option of a parent's section is our class's option too, unless that says something itself.
        for cls in CLASSES:
            sections = [each for each in cls.section_names() if each == path[2] or _says(merged, each, path[3:4])]
            if len(path) > 3 and sections[-1:] == [path[2]]:
                yield (cls.__name__, *path[3:])
    for option, place in OF_KUBESPAWNER.items():
        if path[: len(place)] == place:
            for section in ("KubeSpawner", "JhawsSpawner"):
                if not _says(merged, section, (option,)):
                    yield (section, option, *path[len(place) :])


def _says(merged: Merged, section: str, option: Path) -> bool:
    return (*CONFIG, section, *option) in merged.places


def _of_cull(said: Said, merged: Merged) -> Path:
    """Return the key of the chart's `cull` that a sentence about our culler speaks of; its values are our options."""
    for key in _mapping_at(merged, ("cull",)):
        option = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)
        if re.search(rf"'{option}' trait of a JhawsCuller|^{option} must be", said.sentence):
            return ("cull", key)
    return said.path


def _violations(merged: Merged, schema: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Find what the schemas do not take."""
    yield from find_violations(merged.values, make_schema())
    if schema is not None:
        yield from find_violations(merged.values, schema, of_chart=True)
