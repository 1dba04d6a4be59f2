"""The command `jhaws` as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jhaws.cli import main, make_parser

# Calls the command, and ends with what it has imported.
CODE = """
import contextlib, sys
from jhaws.cli import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(*sys.modules, sep="\\n")
"""


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--help"], {"jupyterhub", "kubespawner", "kubernetes_asyncio", "aiohttp", "jhaws.local"}),
        (["--version"], {"jupyterhub", "kubespawner", "kubernetes_asyncio", "aiohttp", "jhaws.local"}),
        (["demo", "--help"], {"jupyterhub", "kubespawner", "kubernetes_asyncio", "aiohttp", "jhaws.local"}),
        (["values", "check", "--help"], {"jhaws.local", "jhaws.upgrade"}),
        (["upgrade-check", "--help"], {"jhaws.local"}),
        (["people", "--help"], {"jupyterhub", "kubespawner", "kubernetes_asyncio", "jhaws.local", "jhaws.upgrade"}),
        (["password", "--help"], {"jupyterhub", "kubespawner", "sqlalchemy", "jhaws.local"}),
    ],
)
def test_a_command_imports_what_it_needs(arguments: list[str], spared: set[str]) -> None:
    """JupyterHub and KubeSpawner take seconds: help has none of them, and no command has the others' modules."""
    ended = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=True)

    assert spared & set(ended.stdout.split()) == set()


@pytest.mark.parametrize("command", ["values", "upgrade-check", "people", "password"])
def test_the_help_is_the_same_whatever_is_called(command: str) -> None:
    """A command whose module is not imported is listed with the sentence that its module has."""
    assert make_parser().format_help() == make_parser(command).format_help()


@pytest.mark.parametrize("arguments", [[], ["vaules"], ["--nosuch", "values", "check", "x"], ["--", "values"]])
def test_a_wrong_call_says_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, with an unknown one or an unknown option the exit code is 2, with a line on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: jhaws" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_what_cannot_be_kept_is_said() -> None:
    """A list that was to go into a file on a full disk is not lost silently; a pipe that is closed is no error."""
    call = [sys.executable, "-m", "jhaws", "password", "hash"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(call, input="long enough", stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "jhaws: The output cannot be written: no space left on device.\n")

    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(call, input="long enough", stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("given", "encoding", "said"),
    [
        (b"", "utf-8", "The new password must have at least 8 characters."),
        (b"\n", "utf-8", "The new password must have at least 8 characters."),
        (b"\xff\xfe-a-password", "utf-8", "The password on stdin must be text in UTF-8."),
        (b"\xff\xfe-a-password", "latin-1", "The password on stdin must be text in UTF-8."),
    ],
)
def test_a_password_on_stdin_is_text_in_utf_8(given: bytes, encoding: str, said: str) -> None:
    """Nothing, or something else, ends with a sentence, whatever the encoding of the terminal is."""
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    call = [sys.executable, "-m", "jhaws", "password", "hash"]
    ended = subprocess.run(call, input=given, capture_output=True, env=environment)

    assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (1, b"", f"jhaws: {said}\n")
