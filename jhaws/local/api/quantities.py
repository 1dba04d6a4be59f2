"""Kubernetes quantities: `500m`, `1.5Gi`, `2e3`.

`parse_quantity` gives the number, `canonical` the one spelling that the API server stores, so that `0.5` is read
back as `500m` and `1024Mi` as `1Gi`.

Source: Kubernetes docs, "Quantity", checked against kube-apiserver 1.35.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_PATTERN = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]+))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")

REGEX = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"

# No quantity of this world needs a larger exponent, and one would take all memory to expand.
_MAX_EXPONENT = 30


def _split(text: str) -> tuple[Decimal, str]:
    """Give the number, and how it was written: `binary`, `decimal` or `exponent`."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"quantities must match the regular expression '{REGEX}'")
    number, suffix, exponent = Decimal(match[1]), match[2] or "", match[3]
    if exponent is not None:
        if len(exponent) > 4 or abs(int(exponent)) > _MAX_EXPONENT:
            raise ValueError("unable to parse quantity's suffix")
        return number.scaleb(int(exponent)), "exponent"
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), "decimal"
    return number * 1024 ** _BINARY.index(suffix), "binary"


def parse_quantity(value: str | int | float) -> Decimal:
    """Read a quantity.

    Args:
        value: As written in a manifest; YAML may have made a number of it.

    Raises:
        ValueError: It is none; the message is the API server's.
    """
    return _split(str(value))[0]


def canonical(value: str | int | float) -> str:
    """Spell a quantity as the API server stores it: no fraction, the largest suffix that fits.

    Less than a thousandth is rounded up, as the server does with all resources.

    Raises:
        ValueError: It is no quantity.
    """
    number, written = _split(str(value))
    if written == "binary" and not -1024 < number < 1024:
        whole = int(number.to_integral_value(ROUND_CEILING))
        power = 0
        while power + 1 < len(_BINARY) and whole % 1024 == 0:
            whole, power = whole // 1024, power + 1
        return f"{whole}{_BINARY[power]}"
    digits = int(number.scaleb(3).to_integral_value(ROUND_CEILING))
    if digits == 0:
        return "0"
    exponent = -3
    while exponent + 3 in _DECIMAL_SUFFIX and digits % 1000 == 0:
        digits, exponent = digits // 1000, exponent + 3
    if written == "exponent":
        return f"{digits}e{exponent}" if exponent else str(digits)
    return f"{digits}{_DECIMAL_SUFFIX[exponent]}"
