"""`jhaws people`: what the terminal shows, and the exit codes.

0: done. 1: refused, with one sentence; nothing was changed by that request, or the sentence says that it may have been.
2: wrong arguments.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from ..errors import ConfigError, JhawsError
from ..hubaccess import TOKEN, add_hub_options, printable, run_on_hub
from .client import PeopleClient

Say = Callable[[str], None]
Run = Callable[[PeopleClient, argparse.Namespace, Say], Awaitable[Any]]

DESCRIPTION = f"""
Show and change the people of a hub whose login is jhaws's. The token is an admin's, in the environment variable {TOKEN}
or in a file. Exit code: 0 done, 1 refused with one sentence, 2 wrong arguments.
"""
HEAD = ("NAME", "STATE", "ADMIN", "GROUPS", "END (UTC)", "NOTE")
STATES = ("allowed", "waiting", "blocked", "ended")
CHANGEABLE = ("ends_at", "groups", "note", "admin")
SHOWN_CHANGES = 50  # of an import, of each kind


def add_people(commands: Any, *, say: Say) -> None:
    """Add the command `people` to the parser of `jhaws`."""
    parser = commands.add_parser("people", help="show and change who may enter a hub")
    parser.description = DESCRIPTION
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, run: Run, help: str) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        add_hub_options(verb)
        verb.set_defaults(
            run=lambda options: run_on_hub(
                options, lambda hub: run(hub, options, say), client=PeopleClient, say=say, parser=verb
            )
        )
        return verb

    listing = add("list", list_people, "list people, all or some of them")
    listing.add_argument("--search", default="", metavar="TEXT", help="part of a name, note or group (default: all)")
    listing.add_argument("--state", default="", choices=STATES, help="only people in this state (default: all)")
    adding = add("add", add_names, "add people, who may then log in: all of them, or none")
    adding.add_argument("names", nargs="+", metavar="NAME", help="user name")
    adding.add_argument("--group", action="append", metavar="GROUP", help="put them into this group; may be repeated")
    adding.add_argument("--admin", action="store_true", help="make them admins (default: not)")
    adding.add_argument("--end", metavar="DATE", help="last day on which they may log in (default: no end)")
    adding.add_argument("--note", metavar="TEXT", help="any text on one line (default: none)")
    add_changes(add("change", change, "change what is said of people, and leave the rest as it is"))
    importing = add("import", import_list, "show what a list of people would change, and with --yes change it")
    importing.add_argument("file", metavar="FILE", help="CSV file or names, - for standard input")
    importing.add_argument("--remove-missing", action="store_true", help="remove who is not in the list (default: not)")
    importing.add_argument("--yes", action="store_true", help="import it (default: only show)")
    for verb, run, text in (
        ("block", block, "keep people out, and end their logins, tokens and servers"),
        ("unblock", unblock, "let blocked people in again"),
        ("revoke", revoke, "end logins, tokens and servers of people, who may log in again"),
    ):
        add(verb, run, text).add_argument("names", nargs="+", metavar="NAME", help="user name")
    resetting = add("reset", reset, "give a one-time code, with which somebody sets a new password of their own")
    resetting.add_argument("name", metavar="NAME", help="user name")
    allowing = add("allow", allow, "let people in who wait since before jhaws's login")
    who = allowing.add_mutually_exclusive_group(required=True)
    who.add_argument("names", nargs="*", default=[], metavar="NAME", help="user name")
    who.add_argument("--all", action="store_true", help="everybody who waits")
    add("undo", undo, "undo the last import; what was changed since then stays")
    export = add("export", export_list, "write the list as CSV, as import reads it")
    export.add_argument("file", nargs="?", default="-", metavar="FILE", help="file to write (default: standard output)")


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add the options of `change`; what is not given is not among the parsed options either."""
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument("names", nargs="+", metavar="NAME", help="user name")
    end, groups = parser.add_mutually_exclusive_group(), parser.add_mutually_exclusive_group()
    end.add_argument("--end", dest="ends_at", metavar="DATE", help="last day on which they may log in")
    end.add_argument("--no-end", dest="ends_at", action="store_const", const=None, help="no last day")
    groups.add_argument(
        "--group", dest="groups", action="append", metavar="GROUP", help="their groups from now on; may be repeated"
    )
    groups.add_argument(
        "--no-groups", dest="groups", action="store_const", const=[], help="take them out of all groups"
    )
    parser.add_argument("--note", metavar="TEXT", help='any text on one line, "" for none')
    parser.add_argument("--admin", action=argparse.BooleanOptionalAction, help="whether they are admins")


async def list_people(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `list`."""
    people = [person async for person in hub.list_people(search=options.search, state=options.state)]
    if not options.json:
        for line in make_table(people):
            say(line)
        say("1 person." if len(people) == 1 else f"{len(people)} people.")
    return people


async def add_names(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `add`."""
    fields = {"groups": options.group, "admin": options.admin or None, "ends_at": options.end, "note": options.note}
    added = await hub.add(options.names, {name: value for name, value in fields.items() if value is not None})
    tell(options, say, f"Added {len(added)}: {', '.join(person['name'] for person in added)}.")
    return added


async def change(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `change`.

    Raises:
        ArgumentTypeError: There is nothing to change.
    """
    fields = {name: getattr(options, name) for name in CHANGEABLE if name in options}
    if not fields:
        raise argparse.ArgumentTypeError("say what changes: --end, --group, --note, --admin, or one with --no-")
    return await _each(options, say, "Changed", lambda name: hub.change(name, fields))


async def import_list(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `import`."""
    body: dict[str, Any] = {
        "csv": base64.b64encode(read_file(options.file)).decode(),
        "remove_missing": options.remove_missing,
    }
    seen = await hub.roster("preview", body)
    if not options.json:
        for line in write_changes(seen):
            say(line)
    if seen["problems"]:
        if options.json:
            say(json.dumps(seen, indent=2))
        raise JhawsError("The list has problems, so nothing was changed.")
    if not options.yes:
        tell(options, say, "Nothing was changed yet: add --yes to import it.")
        return seen
    done = await hub.roster("apply", body | {"digest": seen["digest"]})
    tell(options, say, "Imported. `jhaws people undo` undoes it.")
    return done


async def block(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `block`."""
    return await _each(options, say, "Blocked", lambda name: hub.change(name, {"blocked": True}))


async def unblock(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `unblock`."""
    return await _each(options, say, "Unblocked", lambda name: hub.change(name, {"blocked": False}))


async def revoke(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `revoke`."""
    return await _each(options, say, "Revoked", hub.revoke)


async def reset(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `reset`: print a code, once, as nobody can read it again."""
    given = await hub.reset(options.name)
    link = make_link(options.hub, given["link"])
    tell(options, say, f"One-time code of {given['name']}, until {format_time(given['ends_at'])} UTC:")
    tell(options, say, given["code"])
    tell(options, say, f"or by the link {link}")
    return given


async def allow(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `allow`."""
    answer = await hub.allow("all" if options.all else options.names)
    tell(options, say, f"Let in {answer['allowed']} who waited.")
    return answer


async def undo(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `undo`."""
    done = await hub.roster("undo", {})
    if not options.json:
        for line in write_changes(done):
            say(line)
    tell(options, say, "The last import is undone.")
    return done


async def export_list(hub: PeopleClient, options: argparse.Namespace, say: Say) -> Any:
    """Run `export`.

    Raises:
        ConfigError: The list cannot be written so that it can be read again.
    """
    content = await hub.export()
    if options.file == "-":
        text = content.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
        try:
            text.encode(sys.stdout.encoding)
        except UnicodeEncodeError as error:
            sentence = f"The list has letters that {error.encoding} lacks, the encoding of this output. Name a FILE."
            raise ConfigError(sentence) from error
        # Not all that is not printable: a group may have spaces of other kinds, and the list is to be read again.
        say(re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: printable(found[0]), text))
        return None
    write_file(options.file, content)
    tell(options, say, f"Written to {options.file}.")
    return {"file": options.file}


async def _each(options: argparse.Namespace, say: Say, done: str, do: Callable[[str], Awaitable[Any]]) -> Any:
    """Do something for one name after the other; an error says what was done before."""
    answers: list[Any] = []
    for name in options.names:
        try:
            answers.append(await do(name))
        except JhawsError as error:
            before = ", ".join(answer["name"] for answer in answers)
            raise JhawsError(f"{error} {done} before: {before}." if before else str(error)) from error
    tell(options, say, f"{done}: {', '.join(answer['name'] for answer in answers)}.")
    if left := sum(answer["servers"] for answer in answers if not answer["state"] == "allowed" or done == "Revoked"):
        tell(options, say, f"Servers that have not stopped yet: {left}.")
    return answers


def tell(options: argparse.Namespace, say: Say, line: str) -> None:
    """Say a line for people."""
    if not options.json:
        say(printable(line))


def read_file(name: str) -> bytes:
    """Read a file, or standard input.

    Raises:
        ConfigError: It cannot be read.
    """
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {(error.strerror or 'error').lower()}.") from error


def write_file(name: str, content: bytes) -> None:
    """Write a file that only its owner reads: it has names of people.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{name} cannot be written: {(error.strerror or 'error').lower()}.") from error


def make_link(hub: str, path: str) -> str:
    """Return the address of a page of the hub.

    Raises:
        ConfigError: The hub gave no path of its own.
    """
    if not path.startswith("/") or path.startswith("//") or not path.isprintable():
        raise ConfigError(f"{hub} gave a link that leads elsewhere. Is --hub its URL?")
    return urljoin(hub, path)


def format_time(text: str) -> str:
    """Return a time of the hub's API without seconds and zone, which is UTC."""
    return text[:16].replace("T", " ")


def make_table(people: Sequence[dict[str, Any]]) -> list[str]:
    """Return a table's lines, each column as wide as its widest cell."""
    cells = [
        (
            person["name"],
            person["state"],
            "yes" if person["admin"] else "",
            ", ".join(person["groups"]),
            format_time(person["ends_at"] or ""),
            person["note"],
        )
        for person in people
    ]
    rows = [HEAD, *(tuple(printable(cell) for cell in row) for row in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def write_changes(changes: dict[str, Any]) -> Iterator[str]:
    """Give the lines of a preview, for people."""
    for word, sign in (("added", "+"), ("changed", "~"), ("removed", "-")):
        entries = changes[word]
        for entry in entries[:SHOWN_CHANGES]:
            yield printable(f"{sign} {_describe_change(entry) if word == 'changed' else _describe_entry(entry)}")
        if len(entries) > SHOWN_CHANGES:
            yield f"{sign} … and {len(entries) - SHOWN_CHANGES:,} more"
    counts = (f"{len(changes[word]):,} {word}" for word in ("added", "changed", "removed"))
    yield f"{', '.join(counts)}, {changes['unchanged']:,} unchanged."
    for title, findings in (("Problem", changes.get("problems", ())), ("Note", changes.get("remarks", ()))):
        for finding in findings:
            place = f", line {finding['line']}" if finding["line"] else ""
            yield printable(f"{title}{place}: {finding['sentence']}")


def _describe_entry(entry: dict[str, Any]) -> str:
    parts = [f"groups {', '.join(entry['groups'])}"] if entry["groups"] else []
    parts += ["admin"] if entry["admin"] else []
    parts += [f"end {format_time(entry['ends_at'])} UTC"] if entry["ends_at"] else []
    parts += [f"note {entry['note']}"] if entry["note"] else []
    return f"{entry['name']}  {'; '.join(parts)}".rstrip()


def _describe_change(change: dict[str, Any]) -> str:
    def show(name: str, value: Any) -> str:
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "none"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{format_time(value)} UTC" if name == "ends_at" and value else str(value or "none")

    old, new = change["old"], change["new"]
    words = {name: "end" if name == "ends_at" else name for name in change["fields"]}
    parts = (f"{word}: {show(name, old.get(name))} -> {show(name, new.get(name))}" for name, word in words.items())
    return f"{change['new']['name']}  {'; '.join(parts)}"
