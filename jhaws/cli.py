"""The command `jhaws`: `demo` runs a hub on this machine, `local` runs the embedded cluster alone.

Only this module prints and chooses exit codes: 0 done, 1 refused with one sentence on stderr, 2 wrong arguments.

Each command imports its own modules when it is called: JupyterHub, KubeSpawner and the embedded cluster take seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .errors import JhawsError

NOBODY_READS = (errno.EPIPE, errno.EIO)  # a pipe whose other end is closed, a terminal that is gone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process) and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    called = next((each for each in arguments if not each.startswith("-")), "")
    options = make_parser(called).parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal has no letters for must not end what is done in the middle.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(options.run(options) or 0)
    except JhawsError as error:
        print(f"jhaws: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def make_parser(called: str = "") -> argparse.ArgumentParser:
    """Build the parser; every option has a help text with unit and default.

    Args:
        called: The command that is called; the larger ones have their options only then.
    """
    parser = argparse.ArgumentParser(prog="jhaws", description="JupyterHub on AWS.")
    parser.add_argument("--version", action="version", version=f"jhaws {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run a real JupyterHub on this machine")
    demo.description = "Run JupyterHub with jhaws on an embedded Kubernetes; Ctrl-C stops everything it started."
    demo.add_argument(
        "--port", type=int, default=8000, help="port of the hub on 127.0.0.1, 0 for any free one (default: 8000)"
    )
    add_state(demo, "demo-state")
    demo.add_argument("--fresh", action="store_true", help="begin with an empty folder: no users, no homes")
    demo.add_argument(
        "--cull-after",
        type=read_seconds,
        default=1200,
        metavar="SECONDS",
        help="stop a server after this many idle seconds (default: 1200)",
    )
    demo.set_defaults(run=demo_command)

    local = commands.add_parser("local", help="run the embedded Kubernetes alone")
    local.description = "Run the embedded Kubernetes with the demo's nodegroups and print its kubeconfig."
    local.add_argument("--port", type=int, default=0, help="port of the API on 127.0.0.1 (default: a free one)")
    add_state(local, "local-state")
    local.set_defaults(run=local_command)

    if called == "values":
        from .values.command import add_values

        add_values(commands, say=say)
    else:
        commands.add_parser("values", help="check and explain Helm values, before Helm sees them")
    if called == "upgrade-check":
        from .upgrade.command import add_upgrade_check

        add_upgrade_check(commands, say=say)
    else:
        commands.add_parser("upgrade-check", help="say what an upgrade would change for each user")
    if called == "people":
        from .people.command import add_people

        add_people(commands, say=say)
    else:
        commands.add_parser("people", help="show and change who may enter a hub")
    if called == "password":
        from .login.command import add_password

        add_password(commands, say=say)
    else:
        commands.add_parser("password", help="hash passwords, change the shared one, give one-time codes")
    return parser


def read_seconds(text: str) -> int:
    """Read a number of seconds from the command line; at least 1.

    Raises:
        ArgumentTypeError: It is something else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of seconds, at least 1, got {text!r}")
    return int(text)


def add_state(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the option for the folder that keeps everything."""
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(default),
        metavar="FOLDER",
        help=f"keep everything here (default: ./{default})",
    )


def demo_command(options: argparse.Namespace) -> None:
    """Run `jhaws demo`."""
    from .local.demo import DemoOptions, run_demo

    say(f"jhaws {__version__} demo")
    wanted = DemoOptions(
        state=options.state, port=options.port, fresh=options.fresh, cull_after_seconds=options.cull_after
    )
    asyncio.run(run_demo(wanted, say=say))


def say(line: str) -> None:
    """Print a line at once, and go on where nobody reads any more, as after `jhaws demo | head`.

    Raises:
        JhawsError: It cannot be written where it shall be kept, as on a disk that is full.
    """
    try:
        print(line, flush=True)
    except OSError as error:
        # Or Python complains at its end about what it could not write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno not in NOBODY_READS:
            reason = (error.strerror or "error").lower()
            raise JhawsError(f"The output cannot be written: {reason}.") from error


def local_command(options: argparse.Namespace) -> None:
    """Run `jhaws local`."""
    from .local.cluster import LocalSettings, run_local
    from .local.demo import nodegroups

    asyncio.run(run_local(LocalSettings(state_dir=options.state, nodegroups=nodegroups(), port=options.port)))


if __name__ == "__main__":
    sys.exit(main())
