"""Say why an image is no hub for jhaws, and end with 1; say nothing where it is one.

hub_image/Dockerfile runs `check.py base` before anything is built, and `check.py image` in the finished image, as the
user that the hub will be. It runs on any Python 3, since the base may have an older one than jhaws needs.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

# What jhaws's pyproject.toml says, and the oldest chart whose image has it; tests/unit/test_hub_image.py compares.
PYTHON = (3, 11)
JUPYTERHUB = ((5, 5), (7,))
ADVICE = "Set BASE_IMAGE to the hub image of z2jh 4.4 or newer."

# What z2jh's chart counts on: the hub's folder, the user it belongs to, and where configuration files are read.
HOME = "/srv/jupyterhub"
USER = 1000
CONFIG = "/usr/local/etc/jupyterhub/jupyterhub_config.d/10-jhaws.py"


def judge_python(version: Sequence[int]) -> str:
    """Say what is wrong with the base's Python, given as a tuple; "" where nothing is."""
    if tuple(version[:2]) >= PYTHON:
        return ""
    return f"has Python {dotted(version)}, and jhaws needs {dotted(PYTHON)} or newer"


def judge_jupyterhub(version: str) -> str:
    """Say what is wrong with the base's JupyterHub, given as its version or "" for none; "" where nothing is."""
    oldest, beyond = JUPYTERHUB
    if not version:
        return f"has no JupyterHub in the Python of {sys.executable}"
    if oldest <= tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < beyond:
        return ""
    return f"has JupyterHub {version}, and jhaws needs at least {dotted(oldest)} and less than {dotted(beyond)}"


def judge_home(home: str) -> str:
    """Say what is wrong with the hub's folder; "" where nothing is."""
    if os.path.isdir(home) and os.stat(home).st_uid == USER:
        return ""
    return f"has no folder {home} of user {USER}, as the images of z2jh have"


def judge_versions(pinned: str, needed: Sequence[str]) -> str:
    """Say which installed packages are not the pinned ones, or not what jhaws needs; "" where all are.

    Args:
        pinned: Text of requirements.txt.
        needed: What jhaws needs, as its metadata say it.
    """
    from packaging.requirements import Requirement  # JupyterHub brings it; an older base may have no JupyterHub

    mistakes = []
    requirements = [Requirement(line) for line in [*re.findall(r"^\S+==[^\s;]+", pinned, re.MULTILINE), *needed]]
    for requirement in requirements:
        found = find_version(requirement.name)
        if not (requirement.marker and not requirement.marker.evaluate({"extra": ""})) and (
            not found or not requirement.specifier.contains(found, prereleases=True)
        ):
            mistakes.append(f"{requirement} (found: {found or 'none'})")
    return f"lacks {', '.join(mistakes)}" if mistakes else ""


def judge_jhaws(version: str) -> str:
    """Say why jhaws cannot be loaded or is not of `version`, where one is given; "" where all is well."""
    if version and find_version("jhaws") != version:
        return f"is labelled {version}, but has jhaws {find_version('jhaws')}: build it by `make image`"
    if not os.access(CONFIG, os.R_OK):
        return f"has no {CONFIG} that user {os.getuid()} may read"
    try:
        importlib.import_module("jhaws.hub")
    except ImportError as error:
        return f"cannot load jhaws.hub: {error}"
    return ""


def judge_user(user: int) -> str:
    """Say if the image would not run as the hub's user; "" where it does."""
    return "" if user == USER else f"runs as user {user}, and z2jh's is {USER}"


def dotted(version: Sequence[int]) -> str:
    """Write a version tuple as people do."""
    return ".".join(str(part) for part in version[:3])


def find_version(name: str) -> str:
    """Give the installed version of a package, "" where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def main() -> None:
    """Check what the command line names, `base` or `image`."""
    if sys.argv[1:] == ["base"]:
        what = f"The base image {os.environ.get('BASE_IMAGE', '')}".rstrip()
        mistakes = [judge_python(sys.version_info), judge_jupyterhub(find_version("jupyterhub")), judge_home(HOME)]
    elif sys.argv[1:] == ["image"]:
        what = "The image"
        pinned = Path(__file__).with_name("requirements.txt").read_text()
        mistakes = [
            judge_versions(pinned, metadata.requires("jhaws") or ()),
            judge_jhaws(os.environ.get("VERSION", "")),
            judge_user(os.getuid()),
        ]
    else:
        sys.exit("Usage: check.py base|image")
    sys.exit("\n".join(f"{what} {mistake}. {ADVICE}" for mistake in mistakes if mistake) or None)


if __name__ == "__main__":
    main()
