"""Course repositories: the script runs here with real git and a real shell."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jhaws.errors import ConfigError
from jhaws.pods.gitpuller import LOG_NAME, make_post_start, make_script, read_repositories, repositories_for

PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin"
GITPULLER = Path(sys.executable).with_name("gitpuller")


def read(*entries: object) -> tuple:
    return read_repositories("JhawsSpawner.git_repos", list(entries))


@pytest.fixture
def course(tmp_path: Path) -> str:
    """A git repository with one notebook, as a URL."""
    source = tmp_path / "source"
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(source)], check=True)
    (source / "lesson.ipynb").write_text("{}")
    subprocess.run(["git", "-C", str(source), "add", "."], check=True)
    subprocess.run(["git", "-C", str(source), *identity, "commit", "-qm", "First"], check=True)
    return f"file://{source}"


def run_hook(home: Path, *, repositories: tuple, existing: list[str] | None = None, path: str = PLAIN_PATH) -> int:
    hook = make_post_start(make_script(repositories, home=str(home)), existing)
    environment = {"PATH": path, "HOME": str(home)}
    return subprocess.run(hook["exec"]["command"], env=environment, timeout=30, check=False).returncode


def wait_for_log(home: Path, text: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        log = (home / LOG_NAME).read_text() if (home / LOG_NAME).exists() else ""
        if text in log:
            return log
        time.sleep(0.05)
    raise AssertionError(f"{text!r} did not come into the log: {log!r}")


def test_a_repository_comes_into_the_home(tmp_path: Path, course: str) -> None:
    """With git alone in the image the repository is cloned once, under the name it was given."""
    home = tmp_path / "home with space"
    home.mkdir()

    assert run_hook(home, repositories=read({"url": course, "directory": "course one"})) == 0
    wait_for_log(home, "course one is up to date")
    assert (home / "course one" / "lesson.ipynb").exists()


@pytest.mark.skipif(not GITPULLER.exists(), reason="nbgitpuller is not installed: run `make install`")
def test_a_students_change_survives_the_next_pull(tmp_path: Path, course: str) -> None:
    """Nbgitpuller merges: what the student wrote stays, what the teacher added comes."""
    home = tmp_path / "home"
    home.mkdir()
    repositories = read({"url": course, "branch": "main", "directory": "course"})
    path = f"{GITPULLER.parent}{os.pathsep}{PLAIN_PATH}"
    run_hook(home, repositories=repositories, path=path)
    wait_for_log(home, "course is up to date")
    (home / "course" / "lesson.ipynb").write_text('{"mine": 1}')
    (home / LOG_NAME).unlink()

    run_hook(home, repositories=repositories, path=path)
    wait_for_log(home, "course is up to date")

    assert (home / "course" / "lesson.ipynb").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("url", ["file:///does/not/exist", "https://127.0.0.1:1/x"])
def test_a_repository_that_cannot_be_had_never_fails_the_start(tmp_path: Path, url: str) -> None:
    """The hook ends with 0 at once, and the log says what could not be pulled."""
    assert run_hook(tmp_path, repositories=read({"url": url, "directory": "course"})) == 0
    wait_for_log(tmp_path, "course could not be pulled")


def test_a_home_that_is_not_there_or_not_writable_never_fails_the_start(tmp_path: Path, course: str) -> None:
    """Also then the hook ends with 0."""
    assert run_hook(tmp_path / "none", repositories=read({"url": course})) == 0


def test_the_operators_own_hook_runs_too_and_its_status_counts(tmp_path: Path, course: str) -> None:
    """A postStart command that was there before runs after ours started, with its arguments as they were."""
    existing = ["sh", "-c", 'echo "$1" > mark; exit 3', "own", "a b"]
    home = tmp_path / "home"
    home.mkdir()
    os.chdir(tmp_path)

    assert run_hook(home, repositories=read({"url": course}), existing=existing) == 3
    assert (tmp_path / "mark").read_text() == "a b\n"


def test_quotes_in_a_directory_run_nothing(tmp_path: Path, course: str) -> None:
    """A directory's name is data, whatever stands in it."""
    odd = "a'; touch pwned; '$(touch pwned)"
    run_hook(tmp_path, repositories=read({"url": course, "directory": odd}))
    wait_for_log(tmp_path, "is up to date")

    assert (tmp_path / odd).is_dir()
    assert not (tmp_path / "pwned").exists()


def test_the_directory_is_the_repositorys_name_unless_it_is_given() -> None:
    """As git itself names a clone."""
    urls = ["https://example.org/org/course.git", "git@example.org:org/course", "https://example.org/org/course/"]

    assert [read({"url": url})[0].directory for url in urls] == ["course"] * 3


def test_a_group_gets_its_own_branch_in_the_same_folder() -> None:
    """Of several entries with one directory the first that applies counts."""
    found = read(
        {"url": "https://example.org/c", "branch": "solutions", "groups": ["staff"]}, {"url": "https://example.org/c"}
    )

    assert [each.branch for each in repositories_for(found, frozenset({"staff"}))] == ["solutions"]
    assert [each.branch for each in repositories_for(found, frozenset())] == [""]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"url": "--upload-pack=touch x"}, "must be an https, ssh, git or file URL"),
        ({"url": "ext::sh -c touch"}, "must be an https, ssh, git or file URL"),
        ({"url": "https://example.org/c", "branch": "--orphan"}, "branch must be a branch's name"),
        ({"url": "https://example.org/c", "directory": "../x"}, "relative path"),
        ({"url": "https://example.org/c", "directory": "/etc"}, "relative path"),
        ({"url": "https://example.org/c", "directory": "-x"}, "must not begin with a dash"),
        ({"url": "https://example.org/c", "dir": "x"}, "has no field 'dir'. Known are: branch, directory"),
    ],
)
def test_a_wrong_repository_is_refused_in_a_sentence(entry: object, sentence: str) -> None:
    """Options of git, transports that run commands and folders outside the home never reach a shell."""
    with pytest.raises(ConfigError, match=sentence):
        read(entry)


def test_a_token_in_a_wrong_url_is_not_shown() -> None:
    """An error never repeats a URL, which may carry a token."""
    with pytest.raises(ConfigError) as caught:
        read({"url": "htps://user:SECRET@example.org/c"})

    assert "SECRET" not in str(caught.value)


def test_two_repositories_in_one_folder_are_refused() -> None:
    """The second could never come, so the hub says so at its start."""
    with pytest.raises(ConfigError, match="two repositories use the directory 'c'"):
        read({"url": "https://example.org/a/c"}, {"url": "https://example.org/b/c"})
