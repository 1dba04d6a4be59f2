"""Names that look like others."""

import pytest

from jhaws.login import lookalikes
from jhaws.sentences import say


@pytest.mark.parametrize(
    ("name", "twin", "difference"),
    [
        ("\u0430nn", "ann", "look-alike characters (CYRILLIC SMALL LETTER A)"),
        ("\u0441\u043e\u0440\u0430", "copa", "look-alike characters (CYRILLIC SMALL LETTER ES)"),
        ("copa", "\u0441\u043e\u0440\u0430", "look-alike characters (CYRILLIC SMALL LETTER ES)"),
        ("\u03bf\u03c5", "ou", "look-alike characters (GREEK SMALL LETTER OMICRON)"),
        ("al\u0131", "ali", "look-alike characters (LATIN SMALL LETTER DOTLESS I)"),
        ("anna\u2013lena", "anna-lena", "look-alike characters (EN DASH)"),
        ("o\u2019neill", "o'neill", "look-alike characters (RIGHT SINGLE QUOTATION MARK)"),
        ("\u0451va", "\u00ebva", "look-alike characters (CYRILLIC SMALL LETTER IO)"),
        ("mu\u0308ller", "m\u00fcller", "Unicode normal form"),
        ("\ufb01nn", "finn", "Unicode normal form"),
        ("\uff41nn", "ann", "Unicode normal form"),
        ("Ann", "ann", "case"),
        ("\u00c4nn", "\u00e4nn", "case"),
        ("ann  smith", "ann smith", "spaces"),
        ("m\u00fc  ller", "m\u00fc ller", "spaces"),
    ],
)
def test_twins_have_one_skeleton_and_a_named_difference(name: str, twin: str, difference: str) -> None:
    """Two names that a person cannot tell apart are twins, and it is said what differs."""
    assert lookalikes.make_skeleton(name) == lookalikes.make_skeleton(twin)
    assert f"only by {difference};" in lookalikes.say_twins(name, twin, place=say("in the hub"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann1", "annl"),
        ("bob0", "bobo"),
        ("rene", "ren\u00e9"),
        ("m\u00fcller", "mueller"),
        ("m\u00fcller", "muller"),
        ("wei\u00df", "weiss"),
        ("ann smith", "annsmith"),
        ("an-n", "ann"),
    ],
)
def test_names_that_people_tell_apart_are_no_twins(one: str, other: str) -> None:
    """Accents, digits and spellings make names of their own."""
    assert lookalikes.make_skeleton(one) != lookalikes.make_skeleton(other)


@pytest.mark.parametrize(
    "name",
    [
        "ann",
        "m\u00fcller-l\u00fcdenscheidt_2",
        "\u00f8yvind.\u00e5s@example.org",
        "\u0430\u043d\u043d\u0430",  # Anna in Cyrillic
        "\u03b1\u03bd\u03bd\u03b1",  # and in Greek
        "\u7530\u4e2d\u305f\u308d\u3046",  # Tanaka Taro: Chinese characters and hiragana
        "\u7530\u3005\u30fc2",  # iteration mark and prolonged sound mark belong to all
        "\u0639\u0644\u06cc\u06f1\u06f2",  # Ali 12 with Persian digits
        "\u0905\u0928\u0940\u0924\u093e",  # Anita in Devanagari, with vowel signs
        "ann\u2019s",
    ],
)
def test_a_name_in_one_script_is_fine(name: str) -> None:
    """Any single script will do, with its own signs and with the digits 0 to 9."""
    assert lookalikes.find_fault(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("\u0430nn", "mixes Cyrillic and Latin letters"),
        ("ann\u03bf", "mixes Greek and Latin letters"),
        ("\u7530a", "mixes East Asian and Latin letters"),
        ("ann\u0966", "mixes Devanagari and Latin letters"),
        ("ann\u0661", "mixes Arabic and Latin letters"),
        ("\uff41nn", "variant of a usual character, FULLWIDTH LATIN SMALL LETTER A"),
        ("\ufb01nn", "variant of a usual character, LATIN SMALL LIGATURE FI"),
        ("ann\u00b2", "variant of a usual character, SUPERSCRIPT TWO"),
        ("ann\u00a0smith", "variant of a usual character, NO-BREAK SPACE"),
        ("ann\u2024", "variant of a usual character, ONE DOT LEADER"),
        ("ann\u3164", "cannot be seen"),
        ("ann\u034f", "cannot be seen"),
        ("ann\u2800", "cannot be seen"),
        ("ann\U000e0100", "cannot be seen"),
    ],
)
def test_a_new_name_is_not_made_of_strange_characters(name: str, said: str) -> None:
    """Mixed scripts, variants of usual characters and invisible ones are refused in a sentence."""
    fault = lookalikes.find_fault(name)

    assert fault
    assert fault.startswith("It ")
    assert fault.endswith(".")
    assert said in fault
