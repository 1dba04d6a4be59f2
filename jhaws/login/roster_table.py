"""The lines and cells of a list of people, before anybody asks what they mean.

`read_table` finds out how the list is encoded, what separates its cells, whether it has a header line and which
column is which. It stops at the first thing that makes all the rest doubtful: such a list has one problem, not
twenty. No sentence shows a cell. `roster.py` reads the rows.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import TellableError
from ..sentences import Sentence, say
from .roster_cells import is_blank

MAX_BYTES = 5_000_000  # of a text: in UTF-8
MAX_ROWS = 20_000  # lines, with the header and those that are ignored
_SHOWN_COLUMNS = 20  # in one remark
_JUDGED_LENGTH = 10_000  # characters of the first line that tell what separates cells

# The spellings of each column, in small letters and without spaces, hyphens and underscores.
_COLUMNS = {
    "name": {"name", "username", "user", "login", "benutzername", "benutzer"},
    "groups": {"groups", "group", "class", "gruppen", "gruppe", "klasse"},
    "admin": {"admin"},
    "end": {"end", "enddate", "ends", "until", "lastday", "ende", "enddatum", "bis", "letztertag"},
    "note": {"note", "notes", "comment", "notiz", "bemerkung"},
}
_COLUMN_OF = {spelling: column for column, spellings in _COLUMNS.items() for spelling in spellings}
_PASSWORD_WORDS = ("passw", "kennwort", "pwd")
_SEPARATORS = (",", ";", "\t")

_WINDOWS_1252 = say(
    "The file is not in UTF-8 and was read as Windows-1252, as Excel writes it in Western Europe; look at letters with "
    "accents."
)
_TOO_LONG = say("The list has more than {most:,} lines, or as many cells in one; import it in parts.", most=MAX_ROWS)
_TOO_MANY_CELLS = say("There are more cells than in the header line; put a cell that holds the separator into quotes.")
_ONE_OR_SEVERAL = say(
    "Is this one name or several? Put each on a line of its own; names with spaces need a header line, for example "
    '"name".'
)


@dataclass(frozen=True)
class Finding:
    """A sentence about a list, and its line, counted from 1; None for the list as a whole."""

    line: int | None
    sentence: Sentence


class UnreadableError(TellableError):
    """The list cannot be read, from this line on or as a whole."""

    def __init__(self, line: int | None, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True)
class Row:
    """A line's number, its cells, and a sentence if these cannot be what they seem."""

    line: int
    cells: Sequence[str]
    fault: Sentence | None = None


@dataclass(frozen=True)
class Table:
    """A list that was split into rows.

    Attributes:
        columns: `name`, `groups`, `admin`, `end`, `note`, as far as they are there → index of the cell.
        rows: The lines with people.
        remarks: What an admin should know.
    """

    columns: Mapping[str, int]
    rows: Sequence[Row]
    remarks: Sequence[Finding]


def read_table(data: str | bytes) -> Table:
    """Split a list into rows.

    Args:
        data: A file's content or a pasted text.

    Raises:
        UnreadableError: It is too large, no text, has no rows, or it is not clear where the names are.
    """
    remarks: list[Finding] = []
    rows = _split_rows(_decode(data, remarks))
    if rows and _is_header(rows[0].cells):
        columns = _find_columns(rows[0], remarks)
        rows = list(_check_widths(rows))
    else:
        columns = {"name": 0}
        rows = list(_split_names(rows))
    if not rows:
        raise UnreadableError(None, say("The list holds no names."))
    return Table(columns, rows, remarks)


def _decode(data: str | bytes, remarks: list[Finding]) -> str:
    """Turn a list into text.

    Raises:
        UnreadableError: It is too large, or no text.
    """
    size = len(data) if len(data) > MAX_BYTES or isinstance(data, bytes) else len(data.encode(errors="replace"))
    if size > MAX_BYTES:
        raise UnreadableError(
            None, say("The list is larger than {most} MB; import it in parts.", most=MAX_BYTES // 1_000_000)
        )
    text = data if isinstance(data, str) else _decode_bytes(data, remarks)
    if "\0" in text:
        raise UnreadableError(
            text.count("\n", 0, text.index("\0")) + 1,
            say("This is no text; save a spreadsheet as CSV in UTF-8, and import that file."),
        )
    return text.lstrip("\ufeff")  # two where a file with one was saved with another


def _decode_bytes(data: bytes, remarks: list[Finding]) -> str:
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise UnreadableError(None, say("The file's encoding is not known; save it as CSV in UTF-8.")) from error
    remarks.append(Finding(None, _WINDOWS_1252))
    return text


def _split_rows(text: str) -> list[Row]:
    """Split a text into rows and cells, without blank rows and those that begin with `#`.

    Raises:
        UnreadableError: There are too many lines, or quotation marks do not match.
    """
    rows: list[Row] = []
    reader = csv.reader(_content_lines(text), delimiter=_find_separator(text), strict=True)
    line = 1
    try:
        for cells in reader:
            if reader.line_num > MAX_ROWS or len(cells) > MAX_ROWS:
                raise UnreadableError(None, _TOO_LONG)
            if not all(is_blank(cell) for cell in cells):
                rows.append(Row(line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError(
            line,
            say(
                "From this line on the cells cannot be told apart: a quotation mark is missing or too many, or a cell "
                "is longer than {most:,} characters.",
                most=csv.field_size_limit(),
            ),
        ) from error
    return rows


def _content_lines(text: str) -> Iterator[str]:
    """Give the lines of a text, with a blank one for each that is to be ignored: lines are counted."""
    for line in io.StringIO(text, newline=None):
        yield "\n" if line.startswith("#") else line


def _find_separator(text: str) -> str:
    """Find what is between the cells of the first line: what gives most columns that are known, then most cells."""
    lines = itertools.islice(_content_lines(text), MAX_ROWS)
    first = next((line for line in lines if line.strip(" ,;\t\n")), "")

    def judge(separator: str) -> tuple[int, int]:
        cells = next(csv.reader([first[:_JUDGED_LENGTH]], delimiter=separator), [])
        return sum(_spelling(cell) in _COLUMN_OF for cell in cells), len(cells)

    return max(_SEPARATORS, key=judge)


def _spelling(cell: str) -> str:
    return re.sub(r"[\s\u00a0_-]+", "", cell).casefold()


def _is_header(cells: Sequence[str]) -> bool:
    """Tell a header line from names: `admin` alone is a name, `groups` and `admin` are two columns."""
    spellings = [_spelling(cell) for cell in cells if not is_blank(cell)]
    if any(_COLUMN_OF.get(spelling) == "name" for spelling in spellings):
        return True
    known = [spelling in _COLUMN_OF or _is_password(spelling) for spelling in spellings]
    return len(known) > 1 and all(known)


def _is_password(spelling: str) -> bool:
    return any(word in spelling for word in _PASSWORD_WORDS)


def _find_columns(header: Row, remarks: list[Finding]) -> dict[str, int]:
    """Find where the columns are.

    Raises:
        UnreadableError: There is no column of names, one of passwords, or two for the same.
    """
    columns: dict[str, int] = {}
    unknown: list[str] = []
    for index, cell in enumerate(header.cells):
        spelling = _spelling(cell)
        column = _COLUMN_OF.get(spelling)
        if _is_password(spelling):
            raise UnreadableError(
                header.line,
                say(
                    "Column {number} looks like one of passwords, which do not belong into a list; delete the column "
                    "and the file, and change passwords that others may have seen.",
                    number=index + 1,
                ),
            )
        if column in columns:
            raise UnreadableError(
                header.line, say("Two columns hold the same, {column}; delete one of them.", column=str(column))
            )
        if column:
            columns[column] = index
        elif spelling:
            unknown.append(str(index + 1))
    if "name" not in columns:
        raise UnreadableError(header.line, say('The header line has no column "name".'))
    if unknown:
        sentence = say("Not read, since jhaws does not know such columns: {columns}.", columns=_shorten(unknown))
        remarks.append(Finding(header.line, sentence))
    return columns


def _check_widths(rows: Sequence[Row]) -> Iterator[Row]:
    """Give the rows below the header line, and mark those that have more cells than it."""
    width = max(index for index, cell in enumerate(rows[0].cells, 1) if not is_blank(cell))
    for row in rows[1:]:
        too_many = not all(is_blank(cell) for cell in row.cells[width:])
        yield Row(row.line, row.cells, _TOO_MANY_CELLS if too_many else None)


def _shorten(numbers: Sequence[str]) -> str:
    shown, more = ", ".join(numbers[:_SHOWN_COLUMNS]), len(numbers) - _SHOWN_COLUMNS
    return say("{some} and {more:,} more", some=shown, more=more) if more > 0 else shown


def _split_names(rows: Sequence[Row]) -> Iterator[Row]:
    """Find the names in a list without a header line: one on each line, or all on one line.

    Raises:
        UnreadableError: A line of several has more than one cell.
    """
    for row in rows:
        text = "\t".join(row.cells)
        names = [part for part in re.split(r"[,;\t]", text) if not is_blank(part)]
        if len(rows) > 1 and len(names) > 1:
            raise UnreadableError(
                row.line,
                say('A list with several cells in a line needs a header line such as "name,groups,admin,end,note".'),
            )
        if len(rows) == 1 and len(names) == 1:
            names = [part for part in re.split(r"[ \u00a0]", text) if not is_blank(part)]
        if len(names) > MAX_ROWS:
            raise UnreadableError(None, _TOO_LONG)
        for name in names:
            ambiguous = re.search(r"[ \u00a0]", name.strip(" \u00a0"))
            yield Row(row.line, [name], _ONE_OR_SEVERAL if ambiguous else None)
