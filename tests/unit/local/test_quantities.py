"""Quantities: reading them, and the one spelling they are stored in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jhaws.local.api.quantities import canonical, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        (2, "2"),
        (0.5, "0.5"),
        ("500m", "0.5"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1k", "1000"),
        ("2e3", "2000"),
        ("2E-3", "0.002"),
        ("-1", "-1"),
        ("+1", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("100n", "1e-7"),
        ("1E", "1e18"),
        ("1Ei", "1152921504606846976"),
    ],
)
def test_parse(text: str, value: str) -> None:
    """Every suffix has its size."""
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1Gib", "1 Gi", " 1", "1.2.3", ".", "--1", "1e", "1e99999", "1e31", "inf", "nan", "1K", "٣"]
)
def test_refuse(text: str) -> None:
    """What is none is refused; an exponent that would fill the memory too."""
    with pytest.raises(ValueError, match=r"quantit"):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["1", "1k", "1500m", "1536Mi", "3Gi", "-2Ki", "1e3", "0", "999", "1001"])
def test_canonical_is_stable(text: str) -> None:
    """The stored spelling stored again stays, and keeps the value."""
    assert canonical(canonical(text)) == canonical(text)
    assert parse_quantity(canonical(text)) == parse_quantity(text)
