"""Course repositories: brought into the home when a server starts, and never in its way.

A postStart hook that fails or takes long kills or delays the server. So ours starts one background shell and ends:
it pulls each repository with nbgitpuller's `gitpuller` (which merges and never overwrites a student's work), or
clones it once where the image has only git, each with a time limit, and writes what happened into a log in the home.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..names import folder_path
from .records import Reader, applies_to, describe, entries

LOG_NAME = ".jhaws-gitpuller.log"
PULL_SECONDS = 300  # a first clone of a large course over a slow line
SAFE_URL = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+|/\S+")
SAFE_BRANCH = re.compile(r"[\w][\w./+-]*")


@dataclass(frozen=True)
class Repository:
    """A git repository that comes into a home.

    Attributes:
        url: Where git finds it.
        branch: Branch name, "" for the remote's default.
        directory: Folder below the home, relative.
        groups: JupyterHub groups whose members get it; None is everybody.
    """

    url: str
    branch: str
    directory: str
    groups: frozenset[str] | None


def read_repositories(option: str, value: Any) -> tuple[Repository, ...]:
    """Return the repositories that an operator wrote as `[{url, branch, directory, groups}, …]`.

    Raises:
        ConfigError: A field is wrong, a repository can never be reached because an earlier one for everybody has
            its folder, or a folder leaves the home.
    """
    found = tuple(_read_repository(place, entry) for place, entry in entries(option, value))
    for_all: set[str] = set()
    for each in found:
        if each.directory in for_all:
            raise ConfigError(
                f"{option}: two repositories use the directory {each.directory!r}. Give one another directory."
            )
        if each.groups is None:
            for_all.add(each.directory)
    return found


def _read_repository(place: str, entry: Any) -> Repository:
    reader = Reader(place, entry, ("url", "branch", "directory", "groups"))
    url, branch = reader.text("url"), reader.text("branch", "")
    if not SAFE_URL.fullmatch(url):
        # The URL itself stays out of the text: it may carry a token.
        raise ConfigError(f"{place}.url must be an https, ssh, git or file URL without white space.")
    if branch and not SAFE_BRANCH.fullmatch(branch):
        raise ConfigError(f"{place}.branch must be a branch's name, got {describe(branch)}.")
    name = re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")
    directory = reader.text("directory", name)
    if directory.startswith("-"):
        raise ConfigError(f"{place}.directory must not begin with a dash, got {describe(directory)}.")
    return Repository(url=url, branch=branch, directory=folder_path(directory), groups=reader.names("groups"))


def repositories_for(repositories: tuple[Repository, ...], member_of: frozenset[str]) -> tuple[Repository, ...]:
    """Return the repositories of a user who is in the groups `member_of`, one per folder: the first that applies."""
    chosen: dict[str, Repository] = {}
    for each in repositories:
        if applies_to(each.groups, member_of):
            chosen.setdefault(each.directory, each)
    return tuple(chosen.values())


def make_script(repositories: tuple[Repository, ...], *, home: str) -> str:
    """Build the shell script that pulls in the background; POSIX sh, it always ends with status 0.

    Args:
        repositories: What to pull.
        home: Folder of the home in the server, absolute, without quotes in it (`homes.check_mount`).
    """
    pulls = "\n".join(_pull_command(each) for each in repositories)
    return f"""\
(
cd '{home}' || exit 0
log={LOG_NAME}
[ -w . ] || log=/dev/null
limit=
if command -v timeout >/dev/null 2>&1; then limit="timeout {PULL_SECONDS}"; fi
export GIT_TERMINAL_PROMPT=0
pull() {{
  echo "$(date): $3"
  if command -v gitpuller >/dev/null 2>&1; then
    $limit gitpuller "$1" "$2" "$3"
  elif [ ! -e "$3" ]; then
    $limit git clone --quiet ${{2:+--branch "$2"}} -- "$1" "$3"
  fi
  status=$?
  if [ $status = 0 ]; then echo "$3 is up to date"; else echo "$3 could not be pulled: exit status $status"; fi
}}
{{
{pulls}
}} >"$log" 2>&1 </dev/null
) >/dev/null 2>&1 </dev/null &
"""


def _pull_command(repository: Repository) -> str:
    return "pull " + " ".join(shlex.quote(each) for each in (repository.url, repository.branch, repository.directory))


def make_post_start(script: str, existing: list[str] | None) -> dict[str, Any]:
    """Build the postStart hook that starts `script`, and then the operator's own command where there is one.

    Args:
        script: From `make_script`.
        existing: Command of the postStart hook that the operator configured, None where there is none.

    Returns:
        v1 LifecycleHandler, camelCase keys.
    """
    if existing:
        return {"exec": {"command": ["sh", "-c", script + 'exec "$@"\n', "jhaws-gitpuller", *existing]}}
    return {"exec": {"command": ["sh", "-c", script + "exit 0\n"]}}
