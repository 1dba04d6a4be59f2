"""Where a configured password comes from: the option, a file, or the environment; from one of them only.

A file is what a Kubernetes Secret or the CSI driver of AWS Secrets Manager mounts. A variable of the environment is
taken out of it at once, since services and the proxy inherit what is left, and its place in memory is overwritten,
since Linux shows that to everybody who may look at the process (`ps e`). No error here has any of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from traitlets.config import Config

from ..errors import ConfigError
from . import passwords

# Bytes; far more than any password, so that a wrong path does not fill the memory.
MAX_FILE_BYTES = 64 * 1024
HIDDEN = "hidden"


def read_password(option: str, *, value: str | None, file: str, variable: str, min_length: int) -> str | None:
    """Return a password from where the operator put it; None where it is nowhere.

    Args:
        option: The option as an operator writes it, `JhawsAuthenticator.user_password`.
        value: What it holds; None for nothing.
        file: The path that `option` + "_file" holds; "" for none.
        variable: The name of the variable in the environment; afterwards it is no longer there.
        min_length: Characters it must have at least.

    Raises:
        ConfigError: There are two, or one that is no good or cannot be read.
    """
    from_environment = take_from_environment(variable)
    there = {option: value, f"{option}_file": file, f"the environment variable {variable}": from_environment}
    found = [name for name, each in there.items() if each]
    if len(found) > 1:
        raise ConfigError(f"{' and '.join(found)} are both set; keep one of them, so that it is clear which holds.")
    if not found or value:
        return value
    password = _read_file(f"{option}_file", file) if file else from_environment
    if fault := passwords.find_password_fault(password, min_length=min_length):
        raise ConfigError(f"The password in {found[0]} {fault}.")
    return password


def take_from_environment(variable: str) -> str | None:
    """Return a variable's value and leave no trace of it in this process's environment."""
    if variable not in os.environ:
        return None
    with contextlib.suppress(OSError, AttributeError):
        getenv = ctypes.CDLL(None).getenv
        getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
        if address := getenv(variable.encode()):
            # In this place the kernel reads /proc/PID/environ, whatever `unsetenv` does.
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
    return os.environ.pop(variable)


def hide_passwords(config: Config, sections: Iterable[str]) -> None:
    """Take the passwords out of a configuration that has been read, which `--JupyterHub.show_config` would print.

    Args:
        config: The hub's; changed in place.
        sections: The names of the authenticator's class and its parents.
    """
    for section in sections:
        options = config[section] if section in config else {}
        for name in ("user_password", "admin_password"):
            if options.get(name):
                options[name] = HIDDEN
        if isinstance(groups := options.get("password_groups"), Mapping):
            options["password_groups"] = {f"{HIDDEN} {number}": each for number, each in enumerate(groups.values(), 1)}


def _read_file(option: str, path: str) -> str:
    """Read a file with a password, without the line break at its end."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ConfigError(f"{option} must name a file, got {path!r}, which is none.")
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such path can be"
        raise ConfigError(
            f"{option} names {path!r}, which cannot be read ({reason}); mount the Secret there, readable for the hub's "
            "user, or correct the path."
        ) from None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{option} names {path!r}, which is not text in UTF-8.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError(f"{option} names {path!r}, which is empty; put the password there, or remove the option.")
    return text
