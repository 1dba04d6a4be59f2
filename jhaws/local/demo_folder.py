"""The folder of `jhaws demo`: whose it is, the passwords and the course in it.

One demo at a time has it, by a lock on its marker, and only a folder with the marker is ever emptied. What is made
here is made once and kept, each part whole or not at all: the demo may be killed at any moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import LocalError

MARKER = ".jhaws-demo"  # `--fresh` empties no folder without it
# The embedded cluster writes real paths into the shell scripts of pods, as they are.
UNSAFE = re.compile(r"""[\s"'`$\\&;|<>(){}\[\]*?!#%~]""")
# Words that are easy to say to a class and to type.
WORDS = "amber birch cedar delta ember fjord grove hazel iris jade karst lotus maple nectar opal pine quartz river"

WELCOME = """\
# Welcome

This notebook came from the course repository. jhaws pulled it when your server started, and it will never
overwrite what you change in it.
"""


@contextlib.contextmanager
def claimed_folder(folder: Path) -> Iterator[Path]:
    """Make the demo's folder where it is missing, and keep other demos out of it until the block ends.

    Args:
        folder: As it was asked for, also relative or with `~`.

    Yields:
        Its absolute path.

    Raises:
        LocalError: It is a file, a folder that the demo did not make, in use by another demo, not writable, or its
            path has signs that a shell reads.
    """
    try:
        state = folder.expanduser().resolve()
        _refuse_unfit(state)
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        state.chmod(0o700)  # homes, tokens and passwords; also where the folder was there and empty
    except (OSError, RuntimeError) as error:  # expanduser raises a RuntimeError for a user that is not there
        reason = getattr(error, "strerror", None) or error
        raise LocalError(f"The demo cannot use the folder {folder} ({reason}). {_choose_another()}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield state
    except BlockingIOError as error:
        raise LocalError(
            f"A demo already runs on {state}, and a folder can have only one. Use that one, stop it, or run a second: "
            "jhaws demo --state FOLDER --port 8001."
        ) from error
    finally:
        os.close(lock)


def _refuse_unfit(state: Path) -> None:
    if found := UNSAFE.search(str(state)):
        raise LocalError(
            f"The demo's folder must have no spaces or other signs that a shell reads in its path, and {state} "
            f"has {found[0]!r}. {_choose_another()}"
        )
    if (state / MARKER).exists() or not state.exists():
        return
    if not state.is_dir() or any(state.iterdir()):
        raise LocalError(f"{state} is there and was not made by `jhaws demo`, so it is left alone. {_choose_another()}")


def _choose_another() -> str:
    return "Choose another folder: jhaws demo --state FOLDER."


def empty_folder(state: Path) -> None:
    """Delete what is in a claimed folder, except the marker with its lock.

    Raises:
        LocalError: Something in it cannot be deleted.
    """
    try:
        for entry in state.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER:
                entry.unlink()
    except OSError as error:
        raise LocalError(f"--fresh could not empty {state} ({error}). {_choose_another()}") from error


def ensure_passwords(state: Path) -> dict[str, str]:
    """Return the demo's passwords, `{"admin": ..., "user": ...}`, made at the first start and kept.

    Raises:
        LocalError: The file of an earlier start was changed by hand and has no passwords any more.
    """
    path = state / "passwords.json"
    if path.exists():
        try:
            kept = json.loads(path.read_text())
            return {"admin": str(kept["admin"]), "user": str(kept["user"])}
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(
                f'{path} must be a JSON object with "admin" and "user", and it is not. Delete it to get new passwords.'
            ) from error
    words = WORDS.split()
    made = {
        "admin": secrets.token_hex(16),  # 32 characters, as JupyterHub demands of an admin's password
        "user": "-".join(secrets.choice(words) for _ in range(4)),
    }
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(json.dumps(made))
    new.replace(path)
    return made


def ensure_course(state: Path) -> str:
    """Make the course's git repository where it is missing and return its URL.

    Raises:
        LocalError: git is not installed or failed.
    """
    course = state / "course.git"
    if not course.exists():
        new = state / "course.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        (new / "Welcome.ipynb").write_text(json.dumps(make_notebook(), indent=1))
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Welcome"]):
            _git(new, *command)
        new.replace(course)
    return course.as_uri()


def make_notebook() -> dict[str, Any]:
    """Build the course's notebook, with the metadata that JupyterLab would add: a look at it leaves it unchanged."""
    code: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "first",
        "metadata": {},
        "outputs": [],
        "source": "import os\n\nprint('Hello from', os.environ['JUPYTERHUB_USER'])",
    }
    language = {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    }
    return {
        "cells": [{"cell_type": "markdown", "id": "welcome", "metadata": {}, "source": WELCOME}, code],
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": language,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _git(folder: Path, *arguments: str) -> None:
    # Neither a user's hooks and signing keys nor a surrounding repository have a say.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=jhaws demo", "-c", "user.email=demo@example.org"]
    try:
        subprocess.run(
            ["git", "-C", str(folder), *identity, *arguments],
            check=True,
            capture_output=True,
            timeout=60,
            env=environment,
        )
    except FileNotFoundError as error:
        raise LocalError("git is not installed, and the demo's course is a git repository. Install git.") from error
    except subprocess.SubprocessError as error:
        raise LocalError(f"git could not make the demo's course in {folder}: {error}. Try --fresh.") from error
