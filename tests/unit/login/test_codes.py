"""One-time codes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from jhaws.login import codes

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CODE = "ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-2"
HASH = codes.hash_code(CODE)
LATER = NOW + timedelta(hours=1)


def test_a_code_has_128_bits_and_can_be_typed() -> None:
    """26 letters and digits in groups, another one each time, and no digit that looks like a letter."""
    made = [codes.make_code() for _ in range(100)]

    assert len(set(made)) == 100
    for code in made:
        assert [len(part) for part in code.split("-")] == [5, 5, 5, 5, 5, 1]
        assert set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-")


def test_only_a_hash_is_kept() -> None:
    """SHA-256 in hexadecimal, in which the code is not."""
    assert len(HASH) == 64
    assert CODE.replace("-", "") not in HASH.upper()


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        (CODE, True),
        (CODE.lower().replace("-", ""), True),
        (f"  {CODE.replace('-', ' ')}\n", True),
        (CODE.replace("O", "0").replace("I", "1"), True),
        (CODE[:-1], False),
        (CODE + "A", False),
        ("", False),
        (HASH, False),
        ("\0", False),
        ("\ud800", False),
        ("A" * 1_000_000, False),
    ],
)
def test_which_text_is_the_code(typed: str, right: bool) -> None:
    """Case, dashes and spaces do not matter, all else does; no text is an error."""
    assert codes.is_right(typed, code_hash=HASH, ends_at=LATER, now=NOW) is right


@pytest.mark.parametrize(
    ("code_hash", "ends_at"), [(None, None), (HASH, NOW), (HASH, NOW - timedelta(days=1)), (HASH, None), ("", LATER)]
)
def test_a_right_code_is_worth_nothing_without_a_row_or_after_its_end(
    code_hash: str | None, ends_at: datetime | None
) -> None:
    """Used, replaced or too old."""
    assert not codes.is_right(CODE, code_hash=code_hash, ends_at=ends_at, now=NOW)


@pytest.mark.parametrize("name", ["ann", "ann b&code=x#", "漢字", "a%2Fb+c"])
def test_the_link_has_name_and_code_behind_the_hash_sign(name: str) -> None:
    """Nothing of it is in path or query, and any name comes back whole."""
    link = urlsplit(codes.make_link("/hub/", name=name, code=CODE))

    assert (link.path, link.query) == ("/hub/jhaws/reset", "")
    assert parse_qs(link.fragment) == {"name": [name], "code": [CODE]}
