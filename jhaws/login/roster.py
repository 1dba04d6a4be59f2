"""A list of people, as an admin imports and exports it.

`read_roster` takes a CSV file as spreadsheets write it, or what somebody pasted, and gives entries, problems with
their lines, and remarks. A list without a header line holds nothing but names: one on each line, or all on one
line. `write_csv` is the way back: a spreadsheet runs nothing of what it writes, and reading it gives the same
entries. `roster_table.py` finds the cells, `roster_cells.py` reads one, `lookalikes.py` judges new names, and
`roster_changes.py` says what an import changes.

A cell that is empty empties its field; a cell or column that is not there leaves the field as it is. A sentence
shows at most the name of its line, for cells may hold anything. A list with a problem must not be applied: its
entries lack the people of those lines, who could be taken for removed.

Pure functions: no file, no database, no clock.
"""

import csv
import io
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from ..errors import TellableError
from ..names import check_username
from ..sentences import Sentence, say
from . import lookalikes, roster_cells
from .roster_cells import CellError, show_name
from .roster_table import Finding, Row, UnreadableError, read_table

MAX_PROBLEMS = 20  # that are listed, the others are counted; as many remarks

# The column of each field of `Entry`, in the order of writing.
_FIELDS = {"name": "name", "groups": "groups", "admin": "admin", "end": "end_at", "note": "note"}


@dataclass(frozen=True)
class Entry:
    """One person; None in a field means: leave it as it is.

    Attributes:
        name: The normalised name.
        groups: All groups of the person.
        admin: The admin flag.
        end_at: The first moment at which the person may no longer log in, aware UTC; `roster_cells.NO_END` for
            never.
        note: Any text on one line.
    """

    name: str
    groups: frozenset[str] | None = None
    admin: bool | None = None
    end_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True)
class Roster:
    """A list that was read: people in its order, why it must not be applied, and what an admin should know."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()


def read_roster(
    data: str | bytes,
    *,
    normalise: Callable[[str], str],
    time_zone: tzinfo,
    existing: Collection[str],
    validate: Callable[[str], bool] = bool,
) -> Roster:
    """Read a list of people; whatever it holds, the answer is a roster.

    Args:
        data: A file's content or a pasted text.
        normalise: `Authenticator.normalize_username`.
        time_zone: Where a day ends; a person with an end date may log in until then.
        existing: The names of the hub's users. These may be in the list whatever they look like; a new name must
            not be mistaken for another one.
        validate: `Authenticator.validate_username`; by default all names will do that jhaws lets in.
    """
    try:
        table = read_table(data)
    except UnreadableError as error:
        return Roster(problems=(Finding(error.line, error.sentence),))
    reading = _Reading(_Names(normalise=normalise, validate=validate, existing=existing), time_zone, table.remarks)
    for row in table.rows:
        reading.read_row(row, table.columns)
    return Roster(reading.entries(), reading.problems.listed(), reading.remarks.listed())


def write_csv(entries: Iterable[Entry], *, time_zone: tzinfo, delimiter: str = ",") -> str:
    """Write a list of people that a spreadsheet can open and `read_roster` can read.

    Encode it as `utf-8-sig`, or Excel takes it for Windows-1252. A column that nobody has is left out.

    Args:
        entries: The people. Where others have the column, a field that is None becomes an empty cell.
        time_zone: The one that the list is read with.
        delimiter: Between two cells, "," or ";".
    """
    entries = list(entries)
    columns = [
        column
        for column, field in _FIELDS.items()
        if column == "name" or any(getattr(entry, field) is not None for entry in entries)
    ]
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=delimiter)
    writer.writerow(columns)
    for entry in entries:
        cells = {
            "name": roster_cells.guard(entry.name),
            "groups": roster_cells.format_groups(entry.groups or ()),
            "admin": "yes" if entry.admin else "" if entry.admin is None else "no",
            "end": roster_cells.format_end(entry.end_at, time_zone),
            "note": roster_cells.guard(entry.note or ""),
        }
        writer.writerow([cells[column] for column in columns])
    return lines.getvalue()


class _Findings:
    """Sentences in their order, as many as somebody reads, and a count of the others."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._findings = list(findings)
        self._more = 0

    def add(self, line: int | None, sentence: Sentence) -> None:
        if len(self._findings) < MAX_PROBLEMS:
            self._findings.append(Finding(line, sentence))
        else:
            self._more += 1

    def listed(self) -> tuple[Finding, ...]:
        more = [Finding(None, say("… and {more:,} more.", more=self._more))] if self._more else []
        return (*self._findings, *more)


class _Names:
    """What a name may be, given the hub's names and those above in the list."""

    def __init__(
        self, *, normalise: Callable[[str], str], validate: Callable[[str], bool], existing: Collection[str]
    ) -> None:
        self._normalise = normalise
        self._validate = validate
        self._existing = frozenset(existing)
        # Skeleton → a name with it, and its line; None for one of the hub.
        self._known: dict[str, tuple[str, int | None]] = {
            lookalikes.make_skeleton(name): (name, None) for name in self._existing
        }

    def read(self, cell: str, line: int) -> str:
        """Return the normalised name in a cell.

        Raises:
            CellError: There is none, it begins like a formula, or it could be mistaken for another one.
            UsernameError: It is none that jhaws lets in.
        """
        written = roster_cells.unguard(cell)
        if not written:
            raise CellError(say("The line has no name."))
        check_username(written)
        name = self._normalise(written)
        if name not in self._existing:
            # A Mac writes accents as characters of their own, which nobody types into a login form.
            name = _compose(self._normalise(_compose(written)))
        if name != written:
            check_username(name)
        if name not in self._existing:
            self._check_new(name, line)
        return name

    def _check_new(self, name: str, line: int) -> None:
        roster_cells.check_no_formula(name)  # an apostrophe makes no name of it that is good for a new user
        if not self._validate(name):
            raise CellError(say("The hub's own rules for user names (Authenticator.validate_username) refuse it."))
        if fault := lookalikes.find_fault(name):
            raise CellError(fault)
        twin, twin_line = self._known.setdefault(lookalikes.make_skeleton(name), (name, line))
        if twin != name:
            place = say("in the hub") if twin_line is None else say("in line {line}", line=twin_line)
            raise CellError(lookalikes.say_twins(name, twin, place=place))


class _Reading:
    """One way through the rows of a list: what was found until now."""

    def __init__(self, names: _Names, time_zone: tzinfo, remarks: Iterable[Finding]) -> None:
        self.problems = _Findings()
        self.remarks = _Findings(remarks)
        self._names = names
        self._time_zone = time_zone
        # Name → its first line, and its entry unless that line has a problem.
        self._people: dict[str, tuple[int, Entry | None]] = {}

    def entries(self) -> tuple[Entry, ...]:
        """List the people whose lines have no problem."""
        return tuple(entry for _, entry in self._people.values() if entry)

    def read_row(self, row: Row, columns: Mapping[str, int]) -> None:
        """Read one line; its entry, problem or remark joins the others."""
        cells = {column: row.cells[index] for column, index in columns.items() if index < len(row.cells)}
        try:
            if row.fault:
                raise CellError(row.fault)
            name = self._names.read(cells.get("name", ""), row.line)
            first_line, first = self._people.setdefault(name, (row.line, None))
            entry = self._read_entry(name, cells)
        except TellableError as error:
            self.problems.add(row.line, _sentence(cells, error.sentence))
            return
        if first_line == row.line:
            self._people[name] = row.line, entry
        elif first == entry:
            same = say("This says the same as line {line}.", line=first_line)
            self.remarks.add(row.line, _sentence(cells, same))
        elif first:
            other = say("This says something else than line {line}.", line=first_line)
            self.problems.add(row.line, _sentence(cells, other))

    def _read_entry(self, name: str, cells: Mapping[str, str]) -> Entry:
        return Entry(
            name,
            groups=roster_cells.read_groups(cells["groups"]) if "groups" in cells else None,
            admin=roster_cells.read_admin(cells["admin"]) if "admin" in cells else None,
            end_at=roster_cells.read_end(cells["end"], self._time_zone) if "end" in cells else None,
            note=roster_cells.read_note(cells["note"]) if "note" in cells else None,
        )


def _sentence(cells: Mapping[str, str], sentence: Sentence) -> Sentence:
    name = cells.get("name", "")
    if roster_cells.is_blank(name):
        return sentence
    return say("{name}: {sentence}", name=show_name(name), sentence=sentence)


def _compose(name: str) -> str:
    return unicodedata.normalize("NFC", name)
