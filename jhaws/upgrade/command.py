"""`jhaws upgrade-check`: what the terminal shows, and the exit codes.

0: nothing changes. 1: something would change, or must be done first. 2: wrong arguments, or something cannot be read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ConfigError
from ..hubaccess import TOKEN, printable, read_token
from ..values.checking import check
from ..values.merging import Merged, merge
from ..values.places import Problem, value_at
from ..values.reading import read_source
from .comparing import Change, Comparison, compare
from .setups import make_setup
from .users import User, fetch_users, read_users_file

Say = Callable[[str], None]

DESCRIPTION = f"""
Print what an upgrade would change for each user: home, name of the pod, who may enter. Nothing is changed. Say the
values now by --from and those to be by --to; it works both ways, from stock z2jh to jhaws and back. The users come from
the hub, with an admin's token in the environment variable {TOKEN}, or from a file.
Exit code: 0 nothing changes, 1 something would change or must be done, 2 something cannot be read.
"""
# Columns; a line of a terminal that nobody has widened. The table is as wide as its names.
WIDTH = 100
HEAD = ("USER", "SERVER", "WHAT", "NOW", "THEN")


@dataclass(frozen=True)
class Report:
    """All that is told.

    Attributes:
        now: The classes of the hub as it is.
        then: Those of the hub as it would be.
        problems: What is wrong with the new values.
        comparison: What would change; None where the new values must be mended first.
        notes: What was not looked at.
    """

    now: str
    then: str
    problems: Sequence[Problem]
    comparison: Comparison | None
    notes: Sequence[str] = ()


def add_upgrade_check(commands: Any, *, say: Say) -> None:
    """Add the command `upgrade-check` to the parser of `jhaws`."""
    parser = commands.add_parser("upgrade-check", help="say what an upgrade would change for each user")
    parser.description = DESCRIPTION
    parser.add_argument("--from", dest="old", nargs="+", required=True, metavar="FILE", help="values files of now")
    parser.add_argument("--to", dest="new", nargs="+", required=True, metavar="FILE", help="values files to be")
    users = parser.add_mutually_exclusive_group(required=True)
    users.add_argument("--hub", metavar="URL", help="the hub's URL, to ask it for its users")
    users.add_argument(
        "--users", metavar="FILE", help="what its API answered to GET /hub/api/users?include_stopped_servers=1"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        try:
            report = make_report(options)
        except ConfigError as error:
            parser.exit(2, f"jhaws: {printable(str(error))}\n")
        if options.json:
            say(json.dumps(as_record(report), indent=2))
        else:
            for line in write_report(report):
                say(printable(line))
        return int(should_act(report))

    parser.set_defaults(run=run)


def make_report(options: argparse.Namespace) -> Report:
    """Read everything and compare.

    Raises:
        ConfigError: Something cannot be read.
    """
    (old, _), (new, warnings) = read_values(options.old), read_values(options.new)
    problems = [*warnings, *check(new)]
    now = make_setup(old.values, option="--from")
    if any(problem.serious for problem in problems):
        return Report(now.classes, "", problems, None)
    then = make_setup(new.values, option="--to")
    users = read_users(options)
    comparison = asyncio.run(compare(now, then, users))
    notes = [*_notes_on_values(old, "--from"), *_notes_on_values(new, "--to"), *_notes_on_users(users, options)]
    return Report(now.classes, then.classes, problems, comparison, notes)


def read_values(names: Sequence[str]) -> tuple[Merged, list[Problem]]:
    """Read values files as Helm does, and return them with what Helm would go on in spite of.

    Raises:
        ConfigError: One of them cannot be read.
    """
    sources = [read_source(name) for name in names]
    problems = [problem for source in sources for problem in source.problems]
    for problem in problems:
        if problem.serious:
            raise ConfigError(f"{problem.place}: {problem.sentence}")
    return merge(sources), problems


def read_users(options: argparse.Namespace) -> list[User]:
    """Read the users from where the operator says.

    Raises:
        ConfigError: They cannot be read.
    """
    if options.users:
        return read_users_file(options.users)
    return asyncio.run(fetch_users(options.hub, read_token()))


def _notes_on_users(users: Sequence[User], options: argparse.Namespace) -> Iterator[str]:
    stopped = any(not server.running and server.state != {} for user in users for server in user.servers)
    if options.users and not stopped:
        yield (
            f"{options.users} has no server that is stopped. If it is not the answer to "
            "GET /hub/api/users?include_stopped_servers=1, the homes of those who do not work now were not looked at."
        )


def _notes_on_values(merged: Merged, option: str) -> Iterator[str]:
    for key in ("extraConfig", "extraFiles"):
        if names := sorted(value_at(merged.values, ("hub", key)) or {}):
            yield (
                f"hub.{key} of {option} was not looked at ({', '.join(names)}): if it sets names, volumes or who may "
                "enter, see for yourself."
            )
    if not value_at(merged.values, ("hub", "image")) and option == "--to":
        yield "hub.image is not set in --to: give all files that helm gets."


def should_act(report: Report) -> bool:
    """Tell whether somebody has to do or to know something before the upgrade."""
    comparison = report.comparison
    return comparison is None or bool(comparison.changes or comparison.advice)


def as_record(report: Report) -> dict[str, Any]:
    """Return a report as JSON takes it."""
    problems = [
        {**asdict(each.place), "key": each.key, "sentence": each.sentence, "serious": each.serious}
        for each in report.problems
    ]
    comparison = report.comparison or Comparison(0, (), (), ())
    return {
        "from": report.now,
        "to": report.then,
        "problems": problems,
        **asdict(comparison),
        "notes": [*comparison.notes, *report.notes],
    }


def write_report(report: Report) -> Iterator[str]:
    """Give the lines of a report for people."""
    for problem in report.problems:
        about = "  ".join(filter(None, (str(problem.place), problem.key, "" if problem.serious else "(warning)")))
        yield f"{about}: {problem.sentence}"
    if report.comparison is None:
        yield "Correct the values of --to first: a hub would not start with them, so nothing was compared."
        return
    comparison = report.comparison
    yield f"From {report.now} to {report.then}."
    yield ""
    if comparison.changes:
        yield from make_table(comparison.changes)
        yield ""
    changing = len({change.user for change in comparison.changes})
    yield f"Something changes for {changing} of {comparison.users} users."
    for title, sentences in (("To do", comparison.advice), ("Note", (*comparison.notes, *report.notes))):
        for sentence in sentences:
            yield from textwrap.wrap(f"{title}: {sentence}", WIDTH, subsequent_indent="    ")


def make_table(changes: Sequence[Change]) -> list[str]:
    """Return a table's lines, each column as wide as its widest cell."""
    cells = ((each.user, each.server or "-", each.what, each.now, each.then) for each in changes)
    rows = [HEAD, *(tuple(printable(cell) for cell in row) for row in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
