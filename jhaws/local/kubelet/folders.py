"""Folders that stay inside a folder, whatever an object or a user's home says.

Names come from manifests (`../../etc`), folders may hold symbolic links that a user made. `open_inside` walks from
a trusted folder down, one component at a time, and never follows a link out; `volumes` uses it for every path.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from jhaws.errors import LocalError

# What a part of a path may be called: anything that stays where it is.
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
MAX_NAME_BYTES = 255


class OutsideError(LocalError):
    """A path of a manifest, or a link in a volume, leads out of the folder it has to stay in."""


def path_parts(path: str, *, what: str) -> tuple[str, ...]:
    """Split a path into names, without anything that goes up.

    Args:
        path: As in the manifest, absolute or not.
        what: What to call it in the error, for example `subPath`.

    Raises:
        OutsideError: It holds `..`, a NUL, or a name no file system takes.
    """
    parts = tuple(part for part in PurePosixPath(path).parts if part not in ("/", "//"))
    if any(part == ".." or "\0" in part for part in parts):
        raise OutsideError(f"{what} {path!r} must not contain '..': write the path without it.")
    if any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        raise OutsideError(f"{what} has a name of more than {MAX_NAME_BYTES} bytes: shorten it.")
    return parts


def ensure_inside(base: Path, parts: tuple[str, ...], *, what: str, create: bool = True, mode: int = 0o755) -> Path:
    """Make the folders `parts` below `base`, and give the real path of the last one.

    Links are followed as long as they stay in `base`, as the kubelet does with a subPath.

    Args:
        base: A folder of ours, which exists.
        parts: From `path_parts`.
        what: What to call it in the error.
        create: Whether to make what is missing.
        mode: Of the folders made.

    Returns:
        A folder or a file, free of links.

    Raises:
        OutsideError: A link leads out of `base`, or something on the way is no folder.
        FileNotFoundError: It is not there and `create` is false.
    """
    root = base.resolve(strict=True)
    here = root
    for number, part in enumerate(parts):
        target = here / part
        if create and not os.path.lexists(target):
            # Not exist_ok: whoever was faster with a link must not be trusted.
            _mkdir(target, mode)
        try:
            real = target.resolve(strict=True)
        except (FileNotFoundError, RuntimeError) as exc:
            if target.is_symlink():
                raise OutsideError(f"{what}: the link {part!r} leads nowhere: remove it in the volume.") from exc
            raise
        if not real.is_relative_to(root):
            raise OutsideError(f"{what}: the link {part!r} leads out of the volume: remove it in the volume.")
        if number < len(parts) - 1 and not real.is_dir():
            raise OutsideError(f"{what}: {part!r} is a file and has to be a folder: remove it in the volume.")
        here = real
    return here


def _mkdir(target: Path, mode: int) -> None:
    try:
        target.mkdir(mode=mode)
    except FileExistsError:
        return


def host_part(host: str) -> str:
    """Check that a server's name can be the name of a folder.

    Raises:
        OutsideError: It cannot.
    """
    if not HOST.fullmatch(host) or ".." in host or len(host) > MAX_NAME_BYTES:
        raise OutsideError(f"nfs.server must be a host name or an address, got {host!r}: correct it.")
    return host


def link_inside(base: Path, parts: tuple[str, ...], target: Path) -> Path | None:
    """Put a link to `target` at `parts` below `base`, where a real kubelet would mount.

    An older link and an empty folder give way; anything else of the owner stays, and there is no link.

    Returns:
        The link, or `None`.

    Raises:
        OutsideError: A link on the way leads out of `base`.
    """
    link = ensure_inside(base, parts[:-1], what="mountPath") / parts[-1]
    try:
        if link.is_symlink():
            link.unlink()
        elif link.is_dir():
            link.rmdir()
        link.symlink_to(target)
    except OSError:
        # A folder with files in it, or a file; a real mount would hide it.
        return None
    return link
