"""`jhaws password`: hash one, change the shared one, give the first admin a one-time code.

`hash` and `code` work without the hub's API: `code` writes to the hub's database, as `jupyterhub token` does, and is
how the first admin gets in; later codes come from `jhaws people reset`. `rotate` asks the hub as `jhaws people` does,
with the same options and exit codes. A password is read from stdin or typed, never an argument, which `ps` would show.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import JhawsError
from ..hubaccess import TOKEN, HubClient, add_hub_options, printable, run_on_hub

Say = Callable[[str], None]

SCOPES = "admin:users (with --group: admin:groups too)"
HASH = "Print the argon2 hash of a password, which comes on stdin or is typed, for the hub's configuration."
CODE = """
Print a one-time code, with which a user sets a password of their own. It is for the first admin: call it in the hub's
pod, in the folder in which the hub runs. It needs no token, and the hub may go on meanwhile.
"""
ROTATE = f"""
Set a new shared password: the one that comes on stdin, else one that is made at random and printed. The token is an
admin's, in the environment variable {TOKEN} or in a file. Exit code: 0 done, 1 refused with one sentence, 2 wrong
arguments.
"""


def add_password(commands: Any, *, say: Say) -> None:
    """Add the command `password` to the parser of `jhaws`."""
    parser = commands.add_parser("password", help="hash passwords, change the shared one, give one-time codes")
    parser.description = "Passwords of the hub."
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    hashing = verbs.add_parser("hash", help="print the argon2 hash of a password that is typed or comes on stdin")
    hashing.description = HASH
    hashing.set_defaults(run=lambda options: hash_command(say=say))

    code = verbs.add_parser("code", help="give a user a one-time code, in the hub's pod, without the hub's API")
    code.description = CODE
    code.add_argument("name", metavar="NAME", help="the user, for example the first admin")
    code.add_argument(
        "-f", "--config", metavar="FILE", default="jupyterhub_config.py", help="the hub's (default: %(default)s)"
    )
    code.set_defaults(run=lambda options: code_command(options, say=say))

    rotate = verbs.add_parser("rotate", help="set a new shared password while the hub runs")
    rotate.description = ROTATE
    add_hub_options(rotate)
    rotate.add_argument("--group", action="append", metavar="GROUP", help="only that of this group; may be repeated")
    rotate.add_argument(
        "--old-until", metavar="TIME", help="let the old one open until then, 2026-12-24T18:00 (default: now)"
    )
    rotate.set_defaults(
        run=lambda options: run_on_hub(
            options,
            lambda hub: rotate_password(hub, options, say),
            client=partial(HubClient, needs=SCOPES),
            say=say,
            parser=rotate,
        )
    )


def hash_command(*, say: Say) -> None:
    """Run `jhaws password hash`.

    Raises:
        JhawsError: There is no password, or nobody can use it.
    """
    from . import hashing, passwords

    password = getpass.getpass("Password: ") if is_typed() else read_stdin()
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
    check_database(hub.db_url)
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


def check_database(url: str) -> None:
    """Refuse a database that is no file yet: JupyterHub would make one, beside that of the hub.

    Raises:
        JhawsError: There is none.
    """
    from sqlalchemy.engine import make_url

    kind, path = make_url(url).get_backend_name(), make_url(url).database or ""
    if kind == "sqlite" and not path.startswith("file:") and not os.path.isfile(path):
        raise JhawsError(f"The hub's database {path!r} is not here. Call this in the folder in which the hub runs.")


async def rotate_password(hub: HubClient, options: argparse.Namespace, say: Say) -> Any:
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
    answer = await hub.ask("POST", "password", body, shape={} if password else {"password": str})
    if not options.json:
        whose = ", ".join(options.group) if options.group else "all users"
        say(printable(f"The new password of {whose} holds."))
        if not password:
            say(printable(answer["password"]))
    return answer


def is_typed() -> bool:
    """Tell whether stdin is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_stdin() -> str:
    """Return what came on stdin without the line break at its end; "" where it is a terminal.

    Raises:
        JhawsError: It is no text.
    """
    if sys.stdin is None or is_typed():
        return ""
    try:
        # As browsers send it, whatever the terminal's encoding is.
        return sys.stdin.buffer.read().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise JhawsError("The password on stdin must be text in UTF-8.") from None
