"""Where a configured password comes from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jhaws.errors import ConfigError
from jhaws.login import sources
from jhaws.login.hashing import make_hash

OPTION = "JhawsAuthenticator.user_password"
VARIABLE = "JHAWS_USER_PASSWORD"
SECRET = "s3cret-password"


def read(*, value: str | None = None, file: str = "") -> str | None:
    return sources.read_password(OPTION, value=value, file=file, variable=VARIABLE, min_length=8)


def test_the_option_itself() -> None:
    """What stands in the option is taken as it is, and nothing is nothing."""
    assert read(value=SECRET) == SECRET
    assert read() is None


@pytest.mark.parametrize(
    "content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", make_hash(SECRET) + "\n", "Größenwahn\n"], ids=range(5)
)
def test_a_file(tmp_path: Path, content: str) -> None:
    """A line break at the end, as `echo` and editors put there, is no part of the password."""
    (tmp_path / "password").write_bytes(content.encode())

    assert read(file=str(tmp_path / "password")) == content.rstrip("\r\n")


def test_a_file_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    """A Secret's file is a link to a link."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "password").write_text(SECRET)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "password").symlink_to("..data/password")

    assert read(file=str(tmp_path / "password")) == SECRET


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "which cannot be read (No such file or directory)"),
        (b"", "which is empty"),
        (b"\n", "which is empty"),
        (b"s3cret", "must have at least 8 characters, got 6"),
        (b"s3cret-\xff-password", "which is not text in UTF-8"),
        (b"s3cret-password\n\n", "control characters"),
        (b"$argon2id$s3cret", "must be a whole argon2id hash"),
        (b"s3cret" * 100_000, "at most 1024 bytes"),
    ],
)
def test_a_bad_file_ends_the_start_with_a_sentence(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Missing, empty, too short or no text: the option is named, and no part of the content is."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"JhawsAuthenticator\.user_password_file") as caught:
        read(file=str(path))

    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("path", ["/", "/dev/null", "a\0b"])
def test_what_is_no_file_is_not_read(path: str) -> None:
    """A folder, a device that could give bytes for ever, or no path at all."""
    with pytest.raises(ConfigError, match="user_password_file"):
        read(file=path)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read once and is gone; an empty one is none."""
    monkeypatch.setenv(VARIABLE, SECRET)

    assert read() == SECRET
    assert VARIABLE not in os.environ
    monkeypatch.setenv(VARIABLE, "")
    assert read() is None


def test_a_short_one_in_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variable."""
    monkeypatch.setenv(VARIABLE, "s3cret")

    with pytest.raises(ConfigError, match="environment variable JHAWS_USER_PASSWORD must have at least 8") as caught:
        read()
    assert "s3cret" not in str(caught.value)


def test_two_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two holds must not be a guess; the variable is gone from the environment nevertheless."""
    (tmp_path / "password").write_text(SECRET)
    file = str(tmp_path / "password")

    with pytest.raises(ConfigError, match=f"{OPTION} and {OPTION}_file are both set"):
        read(value=SECRET, file=file)
    for option in ({"value": SECRET}, {"file": file}):
        monkeypatch.setenv(VARIABLE, SECRET)
        with pytest.raises(ConfigError, match="the environment variable JHAWS_USER_PASSWORD are both set") as caught:
            read(**option)
        assert "s3cret" not in str(caught.value)
        assert VARIABLE not in os.environ


CODE = """
import os, subprocess
from pathlib import Path
from jhaws.login.sources import take_from_environment
environment = Path("/proc/self/environ")
assert b"s3cret" in environment.read_bytes()
assert take_from_environment("JHAWS_USER_PASSWORD") == "s3cret-password"
assert b"s3cret" not in environment.read_bytes()
assert "s3cret" not in subprocess.check_output(["env"], text=True)
assert os.environ["OTHER"] == "kept" and b"OTHER=kept" in environment.read_bytes()
"""


def test_no_process_shows_it_any_more() -> None:
    """Neither the kernel's view of the hub, which `ps e` prints, nor what is started later has the variable."""
    environment = {**os.environ, VARIABLE: SECRET, "OTHER": "kept"}

    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
