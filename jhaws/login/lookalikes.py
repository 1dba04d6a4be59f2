"""Names that a person cannot tell apart, although a computer can.

Two names are twins when they have the same skeleton: the same characters once normal form, case, width, spaces
and look-alike characters are taken away. The table of look-alikes is short on purpose. It has the small letters
that common fonts draw like a Latin one, dashes and apostrophes; it has no pair within ASCII (`0` and `o`, `1` and
`l`), since `ann1` and `annl` are names of people, and JupyterHub's names are in small letters.

A new name keeps to one script, whichever it is. Chinese characters, kana, hangul and bopomofo count as one, since
Japanese and Korean names mix them; Latin letters next to them count as a mixture. Digits, marks and signs belong
to every script, but digits other than 0 to 9 belong to their own.

Pure functions; `roster.py` refuses a list with them, `users_api.py` a new name in the admin panel, and `door.py` one
at its first login.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping

from ..sentences import Sentence, say
from .roster_cells import show_name

# Small letters that look like a Latin one, by script, then dashes and apostrophes. By hand, after Unicode's
# confusables.txt (UTS 39, version 16).
_LOOK_ALIKES = str.maketrans(
    {
        # Cyrillic; letters with two dots (U+0451, U+0457) fall apart into these
        "\u0430": "a",
        "\u0441": "c",
        "\u0501": "d",
        "\u0435": "e",
        "\u04bb": "h",
        "\u0456": "i",
        "\u0458": "j",
        "\u043a": "k",
        "\u04cf": "l",
        "\u043e": "o",
        "\u0440": "p",
        "\u051b": "q",
        "\u0455": "s",
        "\u0475": "v",
        "\u051d": "w",
        "\u0445": "x",
        "\u0443": "y",
        # Greek
        "\u03b1": "a",
        "\u03b9": "i",
        "\u03ba": "k",
        "\u03bf": "o",
        "\u03c1": "p",
        "\u03c5": "u",
        "\u03bd": "v",
        "\u03c7": "x",
        "\u03b3": "y",
        # Armenian
        "\u0581": "g",
        "\u0570": "h",
        "\u0575": "j",
        "\u0578": "n",
        "\u0585": "o",
        "\u0566": "q",
        "\u057d": "u",
        # Latin
        "\u0251": "a",
        "\u0261": "g",
        "\u0131": "i",
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u02b9\u02bb\u02bc\u2018\u2019\u201b\u2032", "'"),
    }
)

# Scripts that one word of Chinese, Japanese or Korean may hold.
_EAST_ASIAN = frozenset({"BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "KATAKANA"})

# What Unicode calls a script → a word that can be translated; the others keep Unicode's word in all languages.
_SCRIPTS: Mapping[str, str] = {
    "Arabic": say("Arabic"),
    "Armenian": say("Armenian"),
    "Cyrillic": say("Cyrillic"),
    "East Asian": say("East Asian"),
    "Greek": say("Greek"),
    "Hebrew": say("Hebrew"),
    "Latin": say("Latin"),
}

# Characters without a shape that Unicode counts among letters, marks and signs: what `names.check_username` lets
# through. From Default_Ignorable_Code_Point in DerivedCoreProperties.txt, and the empty braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def make_skeleton(name: str) -> str:
    """Return what is left of a name for the eye; twins have the same."""
    if not name.isascii():
        # The letters come apart from their marks first, so that one entry of the table serves all its accents.
        name = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).lower()).translate(_LOOK_ALIKES)
    return " ".join(name.lower().split())


def map_skeletons(names: Iterable[str]) -> dict[str, str]:
    """Map the skeletons of names to the names, for `find_mistake`."""
    return {make_skeleton(name): name for name in names}


def find_mistake(name: str, known: Mapping[str, str]) -> Sentence | None:
    """Say in a sentence for which other name a new one would be mistaken; None when it is fine.

    Args:
        name: A normalised name.
        known: `map_skeletons` of the others.
    """
    if fault := find_fault(name):
        return fault
    twin = known.get(make_skeleton(name), name)
    return None if twin == name else say_twins(name, twin, place=say("in the hub"))


def say_twins(name: str, twin: str, *, place: Sentence) -> Sentence:
    """Say that a name has the skeleton of another one."""
    return say(
        "{name} differs from {other} {place} only by {difference}; use one of them.",
        name=show_name(name, ascii_only=True),
        other=show_name(twin, ascii_only=True),
        place=place,
        difference=_name_difference(name, twin),
    )


def _name_difference(name: str, twin: str) -> Sentence:
    first, second = unicodedata.normalize("NFKC", name), unicodedata.normalize("NFKC", twin)
    if first == second:
        return say("Unicode normal form")
    if first.lower() == second.lower():
        return say("case")
    odd = next(
        (char for char in first + second if not char.isascii() and (char not in first or char not in second)), ""
    )
    if not odd:
        return say("spaces")
    return say("look-alike characters ({character})", character=unicodedata.name(odd, "unknown"))


def find_fault(name: str) -> Sentence | None:
    """Say in a sentence why a new name would be mistaken for another one, whichever that is; None when it is fine.

    Args:
        name: A name in Unicode's composed form, NFC.
    """
    if name.isascii():
        return None
    if _INVISIBLE.search(name):
        return say("It must not contain characters that cannot be seen.")
    if (plain := unicodedata.normalize("NFKC", name)) != name:
        odd = next(char for char in name if char not in plain)
        return say(
            "It holds a variant of a usual character, {character}; type it anew.",
            character=unicodedata.name(odd, "unknown"),
        )
    scripts = _find_scripts(name)
    if len(scripts) > 1:
        return say(
            "It mixes {scripts} letters, so it may look like another name; keep to one script.",
            scripts=functools.reduce(
                lambda some, other: say("{some} and {other}", some=some, other=other),
                (_SCRIPTS.get(each, each) for each in sorted(scripts)),
            ),
        )
    return None


def _find_scripts(name: str) -> set[str]:
    """Name the scripts of a name's letters, by the first word of their Unicode names."""
    scripts = set()
    for char in name:
        category = unicodedata.category(char)
        if category in ("Lu", "Ll", "Lt", "Lo") or (category == "Nd" and not char.isascii()):
            words = re.split("[ -]", unicodedata.name(char, "UNKNOWN").removeprefix("EXTENDED "))
            scripts.add("East Asian" if words[0] in _EAST_ASIAN else words[0].capitalize())
    return scripts
