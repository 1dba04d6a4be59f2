"""What a user name may be, and how it becomes a folder.

The pod's name, its labels and the IAM role use KubeSpawner's own slugs, which are made for that. A folder is
different: it must be one level below the folder of all homes, it must be the same for ever, and no two users may
share it. So everything that names a folder goes through `folder_path`, and everything that lets a name in goes
through `check_username`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import PurePosixPath

from .errors import ConfigError, UsernameError
from .sentences import say

MAX_USERNAME_BYTES = 255  # JupyterHub's column `users.name` is VARCHAR(255)
MAX_FOLDER_BYTES = 255  # NAME_MAX of Linux file systems and of NFS (RFC 7530, section 5.1, leaves it to the server)
HASH_DIGITS = 32  # 128 bits: nobody finds two names with the same folder
# Two separators in a row never come out of escapism, where `-` is always followed by two hexadecimal digits.
HASH_SEPARATOR = "---"


HUB_LABEL = "jhaws.io/hub"  # on all pods of a hub; its value is the hub's id
DATABASE_LABEL = "jhaws.io/hub-database"  # on pods of servers; its value is an id that the hub's database keeps


def hub_id(namespace: str, base_url: str) -> str:
    """Return the value of the label that marks this hub's own pods: the same after every restart.

    z2jh puts one hub into a namespace; a second one there must have another base URL.
    """
    return hashlib.sha256(f"{namespace} {base_url}".encode()).hexdigest()[:16]


def check_username(username: str) -> None:
    """Refuse a user name that JupyterHub, a folder or a log line could trip over.

    Args:
        username: The name after normalisation, as it would stand in the hub's database.

    Raises:
        UsernameError: It is empty, longer than 255 bytes in UTF-8, begins or ends with white space, holds a
            slash, or holds characters that cannot be seen (control, format, line break, unpaired surrogate).
    """
    if not username or username != username.strip():
        raise UsernameError(say("A user name must not be empty and must not begin or end with white space."))
    if (size := len(username.encode(errors="replace"))) > MAX_USERNAME_BYTES:
        raise UsernameError(
            say(
                "A user name may be {most} bytes long in UTF-8, this one has {size}.",
                most=MAX_USERNAME_BYTES,
                size=size,
            )
        )
    if "/" in username:
        raise UsernameError(say("A user name must not contain a slash."))
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in username):
        raise UsernameError(say("A user name must not contain characters that cannot be seen."))


def folder_path(path: str) -> str:
    """Return `path` with every part short enough for a file system, and refuse one that leaves its volume.

    A part that is too long is cut and ends in a hash of the whole part, so two different parts stay different.

    Args:
        path: A relative path in which user names are already escaped, `home/m-c3-bcller`.

    Raises:
        ConfigError: The path is absolute, empty, or has an empty part, `.` or `..`.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise ConfigError(
            f"A folder on the NFS server must be a relative path without empty parts, '.' or '..', got {path!r}. "
            "Correct JhawsSpawner.nfs_home or the path of the share."
        )
    return str(PurePosixPath(*(_short_part(part) for part in parts)))


def _short_part(part: str) -> str:
    encoded = part.encode()
    if len(encoded) <= MAX_FOLDER_BYTES:
        return part
    digest = hashlib.sha256(encoded).hexdigest()[:HASH_DIGITS]
    head = encoded[: MAX_FOLDER_BYTES - HASH_DIGITS - len(HASH_SEPARATOR)].decode(errors="ignore")
    return f"{head}{HASH_SEPARATOR}{digest}"
