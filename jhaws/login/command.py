"""`jhaws password`: hash one, change the shared one, give the first admin a one-time code.

`hash` and `code` work without the hub's API: `code` writes to the hub's database, as `jupyterhub token` does, and is
how the first admin gets in; later codes come from `jhaws people reset`. `rotate` asks the hub, with an admin's token in
the environment. A password is read from stdin or typed, never an argument, which `ps` would show.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import aiohttp

from ..errors import JhawsError
from ..hubaccess import check_shape, printable, read_json

Say = Callable[[str], None]

TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of the environment variable
TIMEOUT_SECONDS = 60.0


def add_password(commands: Any, *, say: Say) -> None:
    """Add the command `password` to the parser of `jhaws`."""
    parser = commands.add_parser("password", help="hash passwords, change the shared one, give one-time codes")
    parser.description = f"Passwords of the hub. The token of an admin is read from the environment variable {TOKEN}."
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    hashing = verbs.add_parser("hash", help="print the argon2 hash of a password that is typed or comes on stdin")
    hashing.set_defaults(run=lambda options: hash_command(say=say))

    code = verbs.add_parser("code", help="give a user a one-time code, in the hub's pod, without the hub's API")
    code.add_argument("name", metavar="NAME", help="the user, for example the first admin")
    code.add_argument(
        "-f", "--config", metavar="FILE", default="jupyterhub_config.py", help="the hub's (default: %(default)s)"
    )
    code.set_defaults(run=lambda options: code_command(options, say=say))

    rotate = verbs.add_parser("rotate", help="set a new shared password while the hub runs")
    rotate.description = "Set a new shared password: the one that comes on stdin, else one that is made at random."
    add_hub(rotate)
    rotate.add_argument("--group", action="append", metavar="GROUP", help="only that of this group; may be repeated")
    rotate.add_argument(
        "--old-until", metavar="TIME", help="let the old one open until then, 2026-12-24T18:00 (default: now)"
    )
    rotate.set_defaults(run=lambda options: rotate_command(options, say=say))


def add_hub(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that ask the hub."""
    parser.add_argument("--hub", required=True, metavar="URL", help="the hub's address, https://hub.example.org/")
    parser.add_argument("--json", action="store_true", help="print JSON")


def hash_command(*, say: Say) -> None:
    """Run `jhaws password hash`.

    Raises:
        PasswordError: Nobody can use that password.
    """
    from . import hashing, passwords

    password = read_stdin() or getpass.getpass("Password: ")
    passwords.check_new(password, min_length=passwords.USER_PASSWORD_MIN_LENGTH)
    say(hashing.make_hash(password))


def code_command(options: argparse.Namespace, *, say: Say) -> None:
    """Run `jhaws password code`.

    Raises:
        JhawsError: There is no such file, database or user.
    """
    from jupyterhub.app import JupyterHub, NewToken

    from .. import store
    from . import codes, keyring

    if not os.path.isfile(options.config):
        raise JhawsError(f"There is no file {options.config!r}; name the hub's configuration by -f.")
    # As `jupyterhub token` makes it, so that the configuration is read and no hub is started.
    hub = JupyterHub(parent=NewToken())
    hub.load_config_file(options.config)
    hub.init_db()
    try:
        store.prepare_tables(hub.db)
        name = options.name if store.read_own(hub.db, options.name) else options.name.lower()
        code, ends_at = keyring.give_code(hub.db, name, whose="admin", actor="jhaws password code")
    finally:
        hub.db.close()
        hub.db.get_bind().dispose()
    link = codes.make_link(f"{hub.base_url.rstrip('/')}/hub/", name=name, code=code)
    # Once: nobody can read it again.
    say(f"One-time code of {name}, until {ends_at:%Y-%m-%d %H:%M} UTC:")
    say(code)
    say(f"or by the link, after the hub's own address: {link}")


def rotate_command(options: argparse.Namespace, *, say: Say) -> None:
    """Run `jhaws password rotate`.

    Raises:
        JhawsError: The hub has refused.
    """
    password = read_stdin()
    body: dict[str, Any] = {"password": password} if password else {"generate": True}
    if options.group:
        body["groups"] = options.group
    if options.old_until:
        body["old_ends_at"] = options.old_until
    answer = asyncio.run(ask(options.hub, "password", body))
    check_shape(answer, {} if password else {"password": str}, hub=printable(options.hub))
    if options.json:
        say(json.dumps(answer, indent=2))
        return
    whose = ", ".join(options.group) if options.group else "all users"
    say(printable(f"The new password of {whose} holds."))
    if not password:
        say(printable(answer["password"]))


def read_stdin() -> str:
    """Return what came on stdin without the line break at its end; "" where it is a terminal.

    Raises:
        JhawsError: It is no text.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise JhawsError("The password on stdin must be text in UTF-8.") from None


async def ask(hub_url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request to our part of the hub's API and return its answer.

    Raises:
        JhawsError: There is no token, no hub, or the hub refuses; the hub's own words.
    """
    token = os.environ.get(TOKEN, "")
    if not token:
        raise JhawsError(f"Set {TOKEN} to a token with the scope admin:users, as an admin's is.")
    url = f"{hub_url.rstrip('/')}/hub/api/jhaws/{path}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"token {token}"}, timeout=timeout) as http,
            http.post(url, json=body, allow_redirects=False) as response,
        ):
            status, content = response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        words = printable(f"{url} gave no answer of a hub with jhaws: {error or type(error).__name__}.")
        raise JhawsError(words) from None
    answer = read_json(content, hub=printable(hub_url))
    if status != 201 or not isinstance(answer, dict):
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        raise JhawsError(printable(f"The hub has refused, {status}: {message or 'is it a hub with jhaws?'}"))
    return answer
