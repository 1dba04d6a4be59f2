"""`jhaws values`: what the terminal shows, and the exit codes 0 right, 1 problems, 2 wrong arguments."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from . import renames
from .checking import check
from .explaining import as_record, choose, explain
from .fitting import find_notes
from .merging import Merged, merge
from .places import Problem
from .reading import Source, read_source
from .schema import make_schema

Say = Callable[[str], None]

# Columns; a line of a terminal that nobody has widened.
WIDTH = 100


def add_values(commands: Any, *, say: Say) -> None:
    """Add the command `values` to the parser of `jhaws`."""
    values = commands.add_parser("values", help="check and explain Helm values, before Helm sees them")
    values.description = "Check and explain the values of a z2jh hub with jhaws. Nothing is sent anywhere."
    verbs = values.add_subparsers(required=True, metavar="COMMAND")

    checking = verbs.add_parser("check", help="say what is wrong with values, and what to write instead")
    checking.description = "Merge values files as Helm does and say what is wrong, with file and line."
    _add_files(checking)
    checking.add_argument(
        "--schema", metavar="SCHEMA", help="values.schema.yaml or .json of your z2jh chart, to check its values too"
    )
    checking.set_defaults(run=lambda options: check_command(options, say))

    explaining = verbs.add_parser("explain", help="say which file set what")
    explaining.description = "Say which file and line set each value and what it took the place of; secrets masked."
    _add_files(explaining, more=" and, last, a dotted KEY to look at alone")
    explaining.set_defaults(run=lambda options: explain_command(options, say))

    schema = verbs.add_parser("schema", help="print the JSON Schema of all options of jhaws")
    schema.description = "Print the JSON Schema of all options of jhaws, for editors and other checks."
    schema.set_defaults(run=lambda options: say(json.dumps(make_schema(), indent=2)))


def _add_files(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help=f"values files, in the order helm gets them{more}")
    parser.add_argument("--json", action="store_true", help="print JSON")


def check_command(options: argparse.Namespace, say: Say) -> int:
    """Run `jhaws values check`; the exit code is 1 where Helm or the hub would fail."""
    sources = [read_source(name) for name in options.files]
    problems = [problem for source in sources for problem in source.problems]
    notes: list[str] = []
    merged = merge(sources)
    # Where a file cannot be read, what the others lack may be in it.
    if not any(source.unreadable for source in sources):
        schema = read_schema(options.schema) if options.schema else None
        notes = [*find_notes(merged.values), *_notes(schema)]
        problems += check(merged, schema)
    if options.json:
        say(json.dumps({"problems": [_as_record(each) for each in problems], "notes": notes}, indent=2))
    else:
        for line in _report(sources, problems, notes):
            say(line)
    return int(any(problem.serious for problem in problems))


def _as_record(problem: Problem) -> dict[str, Any]:
    record = asdict(problem)
    return {**record.pop("place"), **record}


def _notes(schema: Mapping[str, Any] | None) -> list[str]:
    """Return what limits the check, sentences."""
    if schema is None:
        return [
            f"Of z2jh's own keys only the first names of chart {renames.CHART} were checked: "
            "give the others by --schema values.schema.yaml, from your chart."
        ]
    age = renames.version(renames.schema_age(schema))
    if age < renames.version(renames.OLDEST):
        return [f"The schema is that of a chart before {renames.OLDEST}; jhaws needs z2jh {renames.CHART} or newer."]
    if age >= renames.version(renames.NEWEST):
        return [f"The schema is that of chart {renames.NEWEST} or newer; jhaws was tried with z2jh {renames.CHART}."]
    return []


def _report(sources: Sequence[Source], problems: Sequence[Problem], notes: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for problem in problems:
        head = "  ".join(filter(None, [str(problem.place), problem.key, "" if problem.serious else "(warning)"]))
        lines += [head, *textwrap.wrap(problem.sentence, WIDTH, initial_indent="    ", subsequent_indent="    "), ""]
    serious = sum(problem.serious for problem in problems)
    counts = [_count(serious, "problem"), _count(len(problems) - serious, "warning")]
    told = " and ".join(each for each in counts if each[0] != "0")
    lines.append(f"{told or 'No problem'} in {_count(len(sources), 'file')}.")
    return lines + [line for note in notes for line in textwrap.wrap(note, WIDTH)]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def explain_command(options: argparse.Namespace, say: Say) -> int:
    """Run `jhaws values explain`; the last argument is a key where it is no file."""
    names, key = list(options.files), ""
    if len(names) > 1 and not Path(names[-1]).exists() and not names[-1].endswith((".yaml", ".yml", ".json")):
        key = names.pop()
    sources = [read_source(name) for name in names]
    for source in sources:
        if source.unreadable:
            raise ConfigError(f"{source.problems[0].place}: {source.problems[0].sentence}")
    merged = merge(sources)
    settings = choose(merged, key)
    if key and not settings:
        raise ConfigError(_not_set(merged, key))
    if options.json:
        say(json.dumps([as_record(each) for each in settings], indent=2))
    else:
        for line in explain(settings, whole=bool(key)):
            say(line)
    return 0


def _not_set(merged: Merged, key: str) -> str:
    files = " or ".join(dict.fromkeys(place.file for place in merged.places.values()))
    return f"{key} is not set in {files}: the chart's or jhaws's default counts."


def read_schema(name: str) -> dict[str, Any]:
    """Read z2jh's schema, YAML or JSON.

    Raises:
        ConfigError: It cannot be read or is no schema.
    """
    source = read_source(name)
    if source.problems:
        raise ConfigError(f"{source.problems[0].place}: {source.problems[0].sentence}")
    if not isinstance(source.values.get("properties"), dict):
        raise ConfigError(f"{name} is no JSON Schema of values: give the values.schema.yaml or .json of z2jh's chart.")
    return source.values
