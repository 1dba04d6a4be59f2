"""One cell of a list of people: what it means, and how it is written.

Every function here knows one cell and nothing else. A cell that cannot be read ends in a `CellError` whose
sentence says what the cell may be and never what it is: `roster.py` puts the line and the name in front.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ..errors import TellableError
from ..sentences import Sentence, say

# The end of somebody who has none; a day before the last one that Python knows, so that every time zone can show it.
NO_END = datetime(9999, 12, 31, tzinfo=UTC)

MAX_TEXT_LENGTH = 255  # characters of a note or of a group's name, as wide as JupyterHub's `groups.name`
MAX_GROUPS = 100  # of one person
SHOWN_NAME_LENGTH = 64  # characters, with quotes and escapes

_YES = frozenset({"yes", "y", "true", "1", "x", "ja", "j", "wahr"})
_NO = frozenset({"no", "n", "false", "0", "", "nein", "falsch"})

# What a spreadsheet may run begins so (OWASP, "CSV Injection"); the line feed stands for a CR before it was read.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# What gets an apostrophe in front: that, and what reading would take for our apostrophe or for a line to ignore.
_GUARDED_STARTS = (*_FORMULA_STARTS, "'", "#")

# Where a spreadsheet that takes another separator than ours begins a cell with a formula, within one of ours.
_INNER_FORMULA = r"""(?=['" \u00a0]*[=+\-@\t\r\n])"""
_TO_GUARD = re.compile(rf"([;,\t]){_INNER_FORMULA}")
_GUARDED = re.compile(rf"([;,\t])'{_INNER_FORMULA}")

# Around a cell. Not what `str.strip` takes, which removes control characters unseen.
_SPACES = " \t\u00a0"

# In a cell of groups: a backslash in front of a separator or of a backslash makes it a part of the group's name.
_GROUP = re.compile(r"(?:\\[\\;,|]|[^;,|])+")
_ESCAPED = re.compile(r"\\([\\;,|])")
_TO_ESCAPE = re.compile(r"[\\;,|]")

_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_GERMAN_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?")
YEARS = range(2000, 3000)  # of any end: such a one can be shown in every time zone


class CellError(TellableError):
    """A cell of the list is not what its column needs."""


def show_name(name: str, *, ascii_only: bool = False) -> str:
    """Quote a name for a sentence: cut, and escaped so that neither a terminal nor a reader is fooled.

    Args:
        name: Whatever stood in the name's place.
        ascii_only: Escape all other letters too, where it matters which look-alike it is.
    """
    shown = ascii(name) if ascii_only else repr(name[:SHOWN_NAME_LENGTH])
    if max(len(shown), len(name)) <= SHOWN_NAME_LENGTH:
        return shown
    return shown[: SHOWN_NAME_LENGTH - 1] + "…"


def is_blank(cell: str) -> bool:
    """Tell whether there is nothing in a cell."""
    return not cell.strip(_SPACES)


def check_no_formula(cell: str) -> None:
    """Refuse what a spreadsheet could run.

    Raises:
        CellError: The cell begins as a formula does.
    """
    if cell.startswith(_FORMULA_STARTS) or cell.lstrip(_SPACES).startswith(_FORMULA_STARTS):
        raise CellError(say("It must not begin with =, +, -, @, a tab or a line break, as formulas do."))


def unguard(cell: str) -> str:
    """Take the spaces around a cell away, the apostrophe that spreadsheets put in front of text, and those of `guard`.

    Raises:
        CellError: The cell begins as a formula does.
    """
    check_no_formula(cell)
    return _take_off(cell.strip(_SPACES))


def guard(cell: str) -> str:
    """Put an apostrophe in front of what a spreadsheet would run, whatever it separates cells by.

    `unguard` takes it off again.
    """
    guarded = _TO_GUARD.sub(r"\1'", cell)
    return f"'{guarded}" if cell.startswith(_GUARDED_STARTS) else guarded


def read_groups(cell: str) -> frozenset[str]:
    """Read groups with semicolons, commas or bars between them.

    Raises:
        CellError: There are too many, or a name is too long or holds control characters.
    """
    parts = [_ESCAPED.sub(r"\1", part).strip(_SPACES) for part in _GROUP.findall(unguard(cell))]
    groups = [part for part in parts if part]
    check_groups(groups)
    # A Mac writes accents as characters of their own; these are no other groups.
    return frozenset(unicodedata.normalize("NFC", group) for group in groups)


def check_groups(groups: Sequence[str]) -> None:
    """Check groups of one person.

    Raises:
        CellError: There are too many, or a name is too long or holds control characters.
    """
    if len(groups) > MAX_GROUPS:
        raise CellError(
            say("One person may have {most} groups, here are {count:,}.", most=MAX_GROUPS, count=len(groups))
        )
    for group in groups:
        _check_text(group, say("The name of a group"))


def format_groups(groups: Iterable[str]) -> str:
    """Write groups into one cell."""
    return guard(";".join(_TO_ESCAPE.sub(r"\\\g<0>", group) for group in sorted(groups)))


def read_admin(cell: str) -> bool:
    """Read the admin flag.

    Raises:
        CellError: It is neither yes nor no.
    """
    word = cell.strip(_SPACES).lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise CellError(say("The admin column must hold yes or no, ja or nein, true or false, 1 or 0, x or nothing."))


def read_note(cell: str) -> str:
    """Read a note; line breaks in it become spaces.

    A note may begin like a formula, with a dash for example: it runs nowhere before it is written to a file.

    Raises:
        CellError: It is too long or holds control characters.
    """
    note = _take_off(re.sub(r"[ \t\r\n\u00a0]+", " ", cell).strip(" "))
    _check_text(note, say("A note"))
    return note


def read_end(cell: str, time_zone: tzinfo) -> datetime:
    """Read an end, a day or a moment; nothing is NO_END.

    Args:
        cell: `2027-02-28`, `28.02.2027`, `2027-02-28 17:00` or `2027-02-28T16:00:00+00:00`.
        time_zone: The one of days and of moments without one.

    Raises:
        CellError: It is none of these, or no day of the calendar.
    """
    text = unguard(cell)
    if not text:
        return NO_END
    try:
        if _MOMENT.fullmatch(text) and int(text[:4]) in YEARS:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=time_zone)).astimezone(UTC)
        if match := _ISO_DATE.fullmatch(text):
            year, month, day = match.groups()
        elif match := _GERMAN_DATE.fullmatch(text):
            day, month, year = match.groups()
        if match and int(year) in YEARS:
            return end_of_day(date(int(year), int(month), int(day)), time_zone)
    except ValueError:
        pass  # the 31st of February
    raise CellError(
        say(
            "The end must be a day from {first} to {last}, written 2027-02-28 or 28.02.2027, or nothing.",
            first=YEARS[0],
            last=YEARS[-1],
        )
    )


def format_end(end_at: datetime | None, time_zone: tzinfo) -> str:
    """Write an end as a day where it is the end of one, else as a moment in UTC."""
    if end_at is None or end_at >= NO_END:
        return ""
    day = last_day(end_at, time_zone)
    return day.isoformat() if end_of_day(day, time_zone) == end_at else end_at.astimezone(UTC).isoformat(" ", "seconds")


def end_of_day(day: date, time_zone: tzinfo) -> datetime:
    """Return the first moment after a day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=time_zone).astimezone(UTC)


def last_day(end_at: datetime, time_zone: tzinfo) -> date:
    """Return the last day on which somebody with that end may log in."""
    return (end_at - timedelta(microseconds=1)).astimezone(time_zone).date()


def _take_off(cell: str) -> str:
    return _GUARDED.sub(r"\1", cell.removeprefix("'"))


def _check_text(text: str, what: Sentence) -> None:
    if len(text) > MAX_TEXT_LENGTH:
        raise CellError(
            say(
                "{what} may be {most} characters long, this one has {length:,}.",
                what=what,
                most=MAX_TEXT_LENGTH,
                length=len(text),
            )
        )
    # `isprintable` is fast, and False for a few characters more.
    if not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
        raise CellError(say("{what} must not contain characters that cannot be seen.", what=what))
