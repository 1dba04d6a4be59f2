"""What is never shown: whatever is a secret by its name or looks like one, and keys that are passwords.

Nobody knows which names an operator gives to secrets, or where one slips in by a wrong indentation. So this hides
rather too much: the name of a Kubernetes Secret, the `key` of a taint and a commit's hash are hidden too.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..pods.records import describe

MASK = "******"
# Keys of mappings and indices of lists, as `places.Path`.
_Path = Sequence[str | int]

# In a name without its dashes and capitals.
NAMES = re.compile(
    "passw|passphrase|passcode|secret|token|credential|apikey|privatekey|accesskey|cryptkey|cryptokey|cookie|environment"
    "|authstate|authorization|gitrepos|extraconfig|extrafiles|dburl|connectionstring|webhook|kubeconfig|stringdata"
)
# A whole word of a name, `bind_pw` or `privateKey`.
WORDS = frozenset("pw pwd pass psk key keys salt cert dsn env consumers headers".split())
# Names that others may be slips of, and how alike two words must be for that.
MEANT, SLIP = ("password", "secret", "token", "credential"), 0.8
# Tables whose keys are secrets too.
KEYS = re.compile("passw|consumers")
# SharedPasswordAuthenticator is no secret; its options speak for themselves.
CLASS = re.compile(r"[A-Z]\w*Authenticator")

TEXT = re.compile(
    r"""
    ://\S*@                                                        # user:password@host, token@host
    | (passw\w*|passphrase|pwd|pw|token|secret|credentials?|authorization|key)["']?\s*[=:]\s*\S
    | (?<![\w-])-[\w-]*(passw|token|secret|key|pw)\S*\s+\S                    # --token abc
    | \b(bearer|basic)\s+\S
    | -----BEGIN
    | \b(gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-)\w               # GitHub's, GitLab's, Slack's and others' tokens
    | \b(AKIA|ASIA)[A-Z0-9]{12} | \beyJ[\w-]{8,}\.                  # AWS's and a JWT
    | (?<!sha256:)\b[0-9a-f]{32,}\b                                 # `openssl rand -hex 16`
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What may be random, with small letters, capitals and digits in it: `openssl rand -base64 24`.
RUN, MIXED = re.compile(r"[A-Za-z0-9+/_]{32,}"), ("[a-z]", "[A-Z]", "[0-9]")
OPTION = re.compile(r"--?\S*(passw|token|secret|key|pw)[^\s=]*", re.IGNORECASE)


@functools.cache
def _words(name: str) -> tuple[str, ...]:
    if CLASS.fullmatch(name):
        return ()
    return tuple(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name))


@functools.cache
def _is_slip(name: str, meant: tuple[str, ...]) -> bool:
    return any(difflib.get_close_matches(word, meant, n=1, cutoff=SLIP) for word in _words(name))


@functools.cache
def _is_secret_name(name: str) -> bool:
    words = _words(name)
    return bool(NAMES.search("".join(words)) or WORDS.intersection(words)) or _is_slip(name, MEANT)


@functools.cache
def has_secret_keys(name: str) -> bool:
    """Say whether the keys of a mapping of this name may be passwords, as those of `password_groups` are."""
    return bool(KEYS.search("".join(_words(name)))) or _is_slip(name, MEANT[:1])


def is_secret(path: _Path) -> bool:
    """Say whether the value at `path`, or something in it, may be a secret by its name."""
    address = ("db", "url") in itertools.pairwise(path)
    return address or any(_is_secret_name(part) for part in path if isinstance(part, str))


def looks_secret(text: str) -> bool:
    """Say whether text may have a secret in it: a password in a URL, `--token=…`, something random."""
    runs = RUN.findall(text)
    return bool(TEXT.search(text)) or any(all(re.search(each, run) for each in MIXED) for run in runs)


def masked(path: _Path, value: Any) -> Any:
    """Return `value` with everything masked that may be a secret."""
    if value in (None, "", [], {}) or isinstance(value, bool):
        return value
    if is_secret(path) or (isinstance(value, str) and looks_secret(value)):
        return _mask(value)
    if isinstance(value, dict):
        # Kubernetes writes variables and HTTP headers like this.
        pair = {"name", "value"} <= set(value)
        names = {key: "secret" if pair and key == "value" else key for key in value}
        return {MASK if looks_secret(key) else key: masked((*path, names[key]), each) for key, each in value.items()}
    if isinstance(value, list):
        before = [None, *value]
        return [
            _mask(each) if isinstance(last, str) and OPTION.fullmatch(last) else masked((*path, index), each)
            for index, (last, each) in enumerate(zip(before, value, strict=False))
        ]
    return value


def _mask(value: Any) -> str:
    lines = len(value.splitlines()) if isinstance(value, str) else 1
    return MASK if lines == 1 else f"{MASK} ({lines} lines)"


def find_secrets(values: Any, path: _Path = ()) -> Iterator[tuple[str, str]]:
    """Give each text in which a sentence may show a secret of `values`, and what to write in its place."""
    hidden = masked(path, values)
    if hidden == values:
        return
    if path:
        yield describe(values), f"a {type(values).__name__} that is not shown here"
    if isinstance(values, dict):
        for key, each in values.items():
            if any(isinstance(part, str) and has_secret_keys(part) for part in path):
                yield repr(key), MASK
            yield from find_secrets(each, (*path, key))
    elif isinstance(values, list):
        for index, each in enumerate(values):
            yield from find_secrets(each, (*path, index))
    elif isinstance(values, str) or len(repr(values)) > 3:
        yield repr(values), MASK
