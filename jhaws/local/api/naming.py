"""What may be called how: names, labels, annotations, keys, in the rules and words of the API server.

Each check returns the sentence that is wrong with a text, or none. Source: Kubernetes docs, "Object Names and IDs"
and "Labels and Selectors", checked against kube-apiserver 1.35.
"""

from __future__ import annotations

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME_PART})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_ENV_NAME = re.compile("[ -<>-~]+")

_LABEL_SENTENCE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_SENTENCE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_DNS_1035_SENTENCE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character "
    f"(e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS_1035}')"
)
_PART_SENTENCE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_PART}')"
)
_VALUE_SENTENCE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
)
_KEY_SENTENCE = (
    f"a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY}')"
)


def check_label_name(text: str) -> list[str]:
    """Check an RFC 1123 label: names of containers, volumes, namespaces."""
    return _check(text, _LABEL, _LABEL_SENTENCE, limit=63, unit="characters")


def check_subdomain(text: str) -> list[str]:
    """Check an RFC 1123 subdomain: names of most objects."""
    return _check(text, _SUBDOMAIN, _SUBDOMAIN_SENTENCE, limit=253, unit="characters")


def check_dns_1035(text: str) -> list[str]:
    """Check the name of a Kubernetes Service."""
    return _check(text, _DNS_1035, _DNS_1035_SENTENCE, limit=63, unit="characters")


def check_label_value(text: str) -> list[str]:
    """Check the value of a label."""
    return _check(text, _VALUE, _VALUE_SENTENCE, limit=63, unit="bytes")


def check_config_key(text: str) -> list[str]:
    """Check a key of a Secret or ConfigMap."""
    problems = _check(text, _CONFIG_KEY, _KEY_SENTENCE, limit=253, unit="characters")
    # As a file in a volume these would lead out of it.
    if text in (".", "..") or text.startswith(".."):
        problems.append("must not be '.' or '..' or start with '..'")
    return problems


def check_env_name(text: str) -> list[str]:
    """Check the name of an environment variable."""
    if _ENV_NAME.fullmatch(text):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def check_qualified_name(text: str) -> list[str]:
    """Check the key of a label, annotation, node selector or resource: `prefix/name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_PART_SENTENCE} "
            "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems = []
    if slash:
        found = check_subdomain(prefix) if prefix else ["must be non-empty"]
        problems = [f"prefix part {problem}" for problem in found]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_NAME_PART, name):
        problems.append(f"name part {_PART_SENTENCE}")
    return problems


def _check(text: str, pattern: str, sentence: str, *, limit: int, unit: str) -> list[str]:
    problems = []
    if len(text.encode()) > limit:
        problems.append(f"must be no more than {limit} {unit}")
    if not re.fullmatch(pattern, text):
        problems.append(sentence)
    return problems
