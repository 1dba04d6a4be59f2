"""A list of people: what is read, what is refused, and the way back."""

import csv
import io
import random
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest

from jhaws.login import roster, roster_cells, roster_changes, roster_table
from jhaws.login.roster import Entry, Roster
from jhaws.login.roster_cells import NO_END

Result = TypeVar("Result")
BERLIN = ZoneInfo("Europe/Berlin")
END = datetime(2027, 2, 28, 23, tzinfo=UTC)  # of 28 February 2027 in Berlin


def read(data: str | bytes, *existing: str) -> Roster:
    """Read a list for a hub in Berlin that lower-cases names, as JupyterHub does."""
    return roster.read_roster(data, normalise=str.lower, time_zone=BERLIN, existing=existing)


def names(data: str | bytes, *existing: str) -> list[str]:
    """Read a list without problems and give the names."""
    result = read(data, *existing)
    assert result.problems == ()
    return [entry.name for entry in result.entries]


def count_steps(work: Callable[[], Result]) -> tuple[Result, int]:
    """Do work, and count the functions that it calls: a measure of effort that is the same on each machine."""
    steps = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        return work(), steps
    finally:
        sys.setprofile(None)


def problem(data: str | bytes, *existing: str) -> tuple[int | None, str]:
    """Read a list with one problem and give that."""
    (found,) = read(data, *existing).problems
    assert found.sentence.endswith((".", "…"))
    return found.line, found.sentence


ANN = Entry("ann", frozenset({"a", "b"}), False, END, "hi")
BOB = Entry("bob", frozenset(), True, NO_END, "")


@pytest.mark.parametrize(
    "data",
    [
        "name,groups,admin,end,note\nann,a;b,no,2027-02-28,hi\nbob,,yes,,\n",
        "name;groups;admin;end;note\r\nann;a,b;0;28.02.2027;hi\r\nbob;;1;;\r\n",
        "name\tgroups\tadmin\tend\tnote\nann\ta|b\tfalse\t28.2.2027\thi\nbob\t\ttrue\t\t",
        "Notiz;BIS;Admin;Gruppen;Benutzername\nhi;28.02.2027;nein;a | b;Ann\n;;ja;;BOB\n",
        "User Name , end_date,Comment,GROUP,ADMIN\n ann ,2027-02-28,hi,b;a;;b,\n bob ,,,,X\n",
        'note,login,group,until,admin\r"hi","ann","a,b",2027-02-28,n\r,bob,,,J',
        "\ufeff# our class\n\n;;;;\nBenutzer;Gruppe;Enddatum;Bemerkung;Admin\n"
        "#ann\nann;a,b;2027-02-28;hi;\n\nbob;;;;y\n",
        "name,groups,admin,end,note,,\nann,a;b,FALSCH,2027-02-28,hi,,\nbob,,WAHR,,,,\n,,,,,,\n",
        "name,groups,admin,end,note\n'ann,'a;b,,'2027-02-28,'hi\nbob,,x,,\n",
        "name,groups,admin,end,note\nann,a;b,no,2027-03-01 00:00,hi\nbob,,yes,,\n",
        "name,groups,admin,end,note\nann,a;b,no,2027-02-28T23:00:00Z,hi\nbob,,yes,,\n",
    ],
)
def test_tables_of_all_kinds_say_the_same(data: str) -> None:
    """Separator, line ends, order and language of the header, quotes, blank lines and remarks do not matter."""
    for form in (data, data.encode(), data.encode("utf-8-sig"), data.encode("utf-16")):
        assert read(form) == Roster((ANN, BOB))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("name\nann", Entry("ann")),
        ("name,groups\nann,", Entry("ann", groups=frozenset())),
        ("name,admin\nann,", Entry("ann", admin=False)),
        ("name,end\nann,", Entry("ann", end_at=NO_END)),
        ("name,note\nann,", Entry("ann", note="")),
        ("name,groups,admin,end,note\nann,a", Entry("ann", groups=frozenset({"a"}))),
        ('name,note\nann,"two\r\n  lines"', Entry("ann", note="two lines")),
        ("name,note\nann,- gone", Entry("ann", note="- gone")),
        ("name,groups\nann,DOMAIN\\a;b\\;c;d\\\\", Entry("ann", groups=frozenset({"DOMAIN\\a", "b;c", "d\\"}))),
        ("name,groups\nann,Mu\u0308ller", Entry("ann", groups=frozenset({"M\u00fcller"}))),
        ("groups;name\na,b;ann smith", Entry("ann smith", groups=frozenset({"a", "b"}))),
    ],
)
def test_what_is_not_there_is_left_alone_and_what_is_empty_is_emptied(data: str, expected: Entry) -> None:
    """A missing column or cell is None; an empty cell means no groups, no admin, no end, no note."""
    assert read(data) == Roster((expected,))


@pytest.mark.parametrize(
    "data",
    [
        "ann\nbob\ncid",
        "ann,\r\nbob,\r\n\r\ncid\r\n",
        "  ann\n\tbob\n\u00a0cid",
        "# three\nann\n# of them\nbob\ncid\n",
        "ann bob  cid",
        "ann, bob, cid",
        "ann;bob;cid;",
        "ann\tbob\tcid",
        "ann, bob; cid",
        '"ann","bob","cid"',
        '"ann,bob",cid',
        "username\nann\nbob\ncid",
    ],
)
def test_a_plain_list_has_one_name_on_each_line_or_all_on_one(data: str) -> None:
    """A list of names needs no header line."""
    assert names(data) == ["ann", "bob", "cid"]


def test_words_of_the_header_may_be_names() -> None:
    """`admin` alone in the first line is a user, whom many hubs have."""
    assert names("admin\nann") == ["admin", "ann"]
    assert names("ann, admin, bob") == ["ann", "admin", "bob"]


@pytest.mark.parametrize(("data", "line"), [("ann bob\ncid", 1), ("ann\n\nbob dan\ncid", 3), ("ann, bob dan", 1)])
def test_a_space_among_several_names_is_not_guessed(data: str, line: int) -> None:
    """One name with a space or two names: the admin has to say."""
    where, sentence = problem(data)

    assert where == line
    assert "one name or several" in sentence


@pytest.mark.parametrize("data", ["ann,students\nbob,students", "ann\nbob;x", "e-mail;vorname\na@b.c;ann"])
def test_a_table_without_header_is_not_taken_for_names(data: str) -> None:
    """Cells that may be groups never become users."""
    result = read(data)

    assert result.entries == ()
    assert "needs a header line" in problem(data)[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "holds no names"),
        ("\n\n# nothing\n ; ;\n", "holds no names"),
        ("name,groups\n", "holds no names"),
        ("groups,admin\na,yes", 'no column "name"'),
        ("Gruppen;Bis\na;", 'no column "name"'),
        ("name,user\na,b", "Two columns hold the same, name"),
        ("name,end,until\na,,", "Two columns hold the same, end"),
        ("name,password\nann,secret-1", "Column 2 looks like one of passwords"),
        ("Passwort;Benutzer\nsecret-1;ann", "Column 1 looks like one of passwords"),
        ("login;Kenn-Wort neu\nann;secret-1", "Column 2 looks like one of passwords"),
        ("groups,initial_password\na,secret-1", "Column 2 looks like one of passwords"),
        ('name,note\n"ann,secret-1\nbob,\n', "quotation mark"),
        ('name,note\nann,"secret-1"x\nbob,\n', "quotation mark"),
        ("name,note\nann," + "secret-1" * 20_000, "quotation mark"),
        ("x" * 200_000, "quotation mark"),
        ("name\nann\nb\0b", "no text"),
        (b"PK\3\4\0\0secret-1", "no text"),
        ("name\nann".encode("utf-16-le"), "no text"),
        ("name\nann".encode("utf-32"), "no text"),
        (b"\xff\xfea", "encoding"),
        (b"name\n\x81\x8d", "encoding"),
    ],
)
def test_a_list_that_cannot_be_read_has_one_problem(data: str | bytes, said: str) -> None:
    """Where the rest is doubtful nothing is read, and the sentence shows no cell."""
    assert read(data).entries == ()
    sentence = problem(data)[1]
    assert said in sentence
    assert "secret" not in sentence


def test_a_missing_quotation_mark_is_reported_where_it_is_missing() -> None:
    """The line is the one that opens the cell, not the end of the file."""
    assert problem('name,note\nann,\nbob,"oh\ncid,\ndan,\n')[0] == 3


def test_excel_in_western_europe() -> None:
    """A file in Windows-1252 is read, with a remark to look at its accents."""
    result = read("Benutzer;Gruppe\r\nm\u00fcller;B\u00e4cker \u20ac\r\n".encode("cp1252"))

    assert result.entries == (Entry("m\u00fcller", frozenset({"B\u00e4cker \u20ac"})),)
    assert "Windows-1252" in result.remarks[0].sentence
    assert result.remarks[0].line is None


def test_unknown_columns_are_ignored_with_a_remark_that_counts_them() -> None:
    """Other columns may stay in the file; their names are not shown, for the line may be none of headers."""
    result = read("e-mail,name,,phone\na@b.c,ann,x,1")

    assert result.entries == (Entry("ann"),)
    assert [finding.sentence for finding in result.remarks] == [
        "Not read, since jhaws does not know such columns: 1, 4."
    ]

    (remark,) = read("name," + ",".join("c" * 30) + "\nann").remarks
    assert remark.sentence.endswith(" 20, 21 and 10 more.")


@pytest.mark.parametrize("cell", ["=1+1", "+ann", "-ann", "@ann", "\tann", '"\rann"', " =cmd|' /C calc'!A0", "'=1+1"])
def test_a_name_never_begins_like_a_formula(cell: str) -> None:
    """What a spreadsheet could run is no name of a new user, with an apostrophe in front or without."""
    line, sentence = problem(f"name,note\n{cell},x\n")

    assert line == 2
    assert "as formulas do" in sentence


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("=secret,,", "as formulas do"),
        (",=secret,", "must hold yes or no"),
        (",,=secret", "as formulas do"),
        (",maybe secret,", "must hold yes or no"),
        ('"secret\a",,', "must not contain characters that cannot be seen"),
        ("secret\u202e,,", "must not contain characters that cannot be seen"),
        ("secret" * 50 + ",,", "may be 255 characters long, this one has 300"),
        (";".join(f"secret{number}" for number in range(101)) + ",,", "may have 100 groups, here are 101"),
        (",,,secret\a", "must not contain characters that cannot be seen"),
        (",,," + "secret" * 50, "may be 255 characters long, this one has 300"),
        (",,,,secret", "more cells than in the header line"),
    ],
)
def test_a_bad_cell_is_not_shown(cells: str, said: str) -> None:
    """A sentence names the person and the rule, never what the cell holds."""
    line, sentence = problem(f"name,groups,admin,end,note\nbob\nann,{cells}\n")

    assert line == 3
    assert sentence.startswith("'ann': ")
    assert said in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    "cell",
    [
        "28.02.27",
        "2/28/2027",
        "28-02-2027",
        "46446",
        "2027-02-30",
        "31.11.2027",
        "2027-2-28",
        "0207-02-28",
        "9999-12-31",
        "9999-12-31 10:00",
        "2027-02-28 25:00",
        "2027-02-28 10:00 nach",
        "soon",
        "\u0662\u0660\u0662\u0667-02-28",
    ],
)
def test_an_end_is_a_day_of_the_calendar_in_one_of_two_ways(cell: str) -> None:
    """Days that may be read in two ways, numbers and days that do not exist are refused."""
    assert "2027-02-28 or 28.02.2027" in problem(f"name,end\nann,{cell}")[1]


@pytest.mark.parametrize(
    ("zone", "end_at"),
    [
        (UTC, datetime(2027, 3, 29, tzinfo=UTC)),
        (BERLIN, datetime(2027, 3, 28, 22, tzinfo=UTC)),  # summer time has begun that night
        (ZoneInfo("America/Los_Angeles"), datetime(2027, 3, 29, 7, tzinfo=UTC)),
        (timezone(timedelta(hours=14)), datetime(2027, 3, 28, 10, tzinfo=UTC)),
    ],
)
def test_a_person_may_log_in_to_the_end_of_the_day(zone: ZoneInfo, end_at: datetime) -> None:
    """The end is midnight after the day in the hub's time zone, and the day can be had back."""
    assert roster_cells.read_end("2027-03-28", zone) == end_at
    assert roster_cells.last_day(end_at, zone) == date(2027, 3, 28)
    assert roster_cells.format_end(end_at, zone) == "2027-03-28"
    assert NO_END.astimezone(zone).year == 9999


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("a/b", "slash"),
        ("../b", "slash"),
        ("x" * 300, "255 bytes long in UTF-8, this one has 300"),
        ("\u00fc" * 128, "255 bytes long in UTF-8, this one has 256"),
        ("a\x1bb", "cannot be seen"),
        ("ann\x1c", "white space"),
        ("ann\u200b", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ('"a\nb"', "cannot be seen"),
        ("\ud800", "cannot be seen"),
        ("\u2028ann", "white space"),
        ("'", "no name"),
        ("\u0430nn", "mixes Cyrillic and Latin letters"),
        ("\uff41nn", "FULLWIDTH LATIN SMALL LETTER A"),
        ("ann\u3164", "cannot be seen"),
    ],
)
def test_a_name_that_could_do_harm_is_refused(cell: str, said: str) -> None:
    """Bad names are refused with their line, in a sentence that shows them cut and escaped."""
    line, sentence = problem(f"name,note\nbob,\n{cell},hi\n")

    assert line == 3
    assert said in sentence
    assert len(sentence) < 64 + 250
    assert all(unicodedata.category(char)[0] != "C" for char in sentence)


def test_a_line_without_a_name_is_a_problem() -> None:
    """Groups without a person are a mistake that must not go unseen."""
    assert problem("name,groups\nann,a\n,b\n") == (3, "The line has no name.")


@pytest.mark.parametrize(
    ("name", "ascii_only", "shown"),
    [
        ("ann", False, "'ann'"),
        ("m\u00fcller", False, "'m\u00fcller'"),
        ("m\u00fcller", True, "'m\\xfcller'"),
        ("a\x1b[2J\u202e", False, "'a\\x1b[2J\\u202e'"),
        ("x" * 62, False, f"'{'x' * 62}'"),
        ("x" * 63, False, f"'{'x' * 62}…"),
        ("x" * 1_000_000, False, f"'{'x' * 62}…"),
        ("\x01" * 64, False, "'" + "\\x01" * 15 + "\\x…"),
    ],
)
def test_a_name_in_a_sentence_is_short_and_harmless(name: str, ascii_only: bool, shown: str) -> None:
    """At most 64 characters are shown, and what cannot be seen is escaped."""
    assert roster_cells.show_name(name, ascii_only=ascii_only) == shown


def test_the_rules_of_the_hub_hold_too() -> None:
    """A name that Authenticator.validate_username refuses is a problem, one the hub has already is none."""
    for existing, count in (((), 1), (("..",), 0)):
        result = roster.read_roster(
            "..\nann", normalise=str.lower, time_zone=UTC, existing=existing, validate=lambda name: name != ".."
        )
        assert len(result.problems) == count


def test_names_are_normalised_as_the_hub_does() -> None:
    """The hub's normalisation decides, its username_map among it, also for accents that a Mac writes apart."""
    result = roster.read_roster(
        "ANN\nMu\u0308ller\nBob",
        normalise=lambda name: {"m\u00fcller": "mueller"}.get(name.lower(), name.lower()),
        time_zone=UTC,
        existing=["bob"],
    )

    assert [entry.name for entry in result.entries] == ["ann", "mueller", "bob"]


def test_the_same_person_twice() -> None:
    """A line that says the same is a remark, another one a problem, and case makes no other person."""
    same = read("name,groups\nann,a;b\nANN,b;a\n")
    other = read("name,groups\nann,a\nbob,\nAnn,b\n")

    assert same.entries == (Entry("ann", frozenset({"a", "b"})),)
    assert [(found.line, found.sentence) for found in same.remarks] == [(3, "'ANN': This says the same as line 2.")]
    assert same.problems == ()
    assert [(found.line, found.sentence) for found in other.problems] == [
        (4, "'Ann': This says something else than line 2.")
    ]


def test_a_second_line_after_a_bad_one_is_not_a_second_problem() -> None:
    """Where the first line of a person has a problem that is the one to mend."""
    assert problem("name,admin\nann,maybe\nann,yes\n")[0] == 2
    assert [found.line for found in read("name,admin\nann,yes\nann,maybe\n").problems] == [3]


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("copa", "\u0441\u043e\u0440\u0430", "look-alike characters (CYRILLIC SMALL LETTER ES)"),
        ("anna-lena", "anna\u2013lena", "look-alike characters (EN DASH)"),
        ("ann smith", "ann  smith", "spaces"),
    ],
)
def test_two_people_do_not_look_the_same(first: str, second: str, difference: str) -> None:
    """A new name that looks like another one is refused, whether that is in the list or in the hub."""
    line, sentence = problem(f"name\n{first}\n{second}\n")
    assert line == 3
    assert f"differs from {first!r} in line 2 only by {difference}" in sentence

    line, sentence = problem(f"name\n{second}\n", first)
    assert line == 2
    assert f"differs from {first!r} in the hub only by {difference}" in sentence
    assert sentence.isascii() or second in sentence


def test_normal_forms_are_one_name_in_a_list_and_two_next_to_the_hub() -> None:
    """A Mac's accents are composed; a name that the hub has uncomposed is not given a twin."""
    composed, apart = "m\u00fcller", "mu\u0308ller"

    assert names(f"{apart}\n{composed}") == [composed]
    assert names(apart, composed) == [composed]
    assert "only by Unicode normal form" in problem(composed, apart)[1]


@pytest.mark.parametrize("name", ["\u0430nn", "mu\u0308ller", "\uff41nn", "'tis", "-ann", "=1+1", "#ann", "@x", "''"])
def test_names_that_the_hub_has_may_be_listed(name: str) -> None:
    """Whatever a user of the hub is called, the exported list can be imported."""
    text = roster.write_csv([Entry(name), Entry("bob")], time_zone=BERLIN)

    assert names(text, name) == [name, "bob"]
    assert text.splitlines()[1][0] not in "=+-@\t\r#"


EXPORTED = [
    Entry("ann", frozenset({"a", "b"}), True, END, "=HYPERLINK(1)"),
    Entry("m\u00fcller", frozenset({"=a", "b;c", "d,e|f", "g\\", "\\;"}), False, NO_END, "+1"),
    Entry("cid", frozenset({"'x"}), False, END + timedelta(hours=3, minutes=5), "\"quoted\", 'so'"),
    Entry("dan smith", frozenset({"#x"}), False, NO_END, "'=x"),
    Entry("eve", frozenset(), False, NO_END, "-1 @ #"),
]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_what_is_written_reads_the_same(encoding: str) -> None:
    """An exported list is the same people again, in every encoding that a spreadsheet may save it in."""
    text = roster.write_csv(EXPORTED, time_zone=BERLIN)

    assert read(text.encode(encoding)) == Roster(tuple(EXPORTED))


def test_a_spreadsheet_runs_nothing_that_is_written() -> None:
    """Whatever begins like a formula has an apostrophe in front."""
    text = roster.write_csv(
        [Entry(f"{start}x", frozenset({f"{start}x"}), note=f"{start}x") for start in "=+-@\t\r"], time_zone=UTC
    )

    assert text.count("'") == 18
    assert roster.write_csv(EXPORTED[:1], time_zone=BERLIN) == (
        "name,groups,admin,end,note\r\nann,a;b,yes,2027-02-28,'=HYPERLINK(1)\r\n"
    )


SPLIT_ELSEWHERE = [
    "a;=1+1",
    "a,-1",
    "a; @x",
    'a;"=1"',
    'a,"" =1',
    "a;'=1",
    "a,''+1",
    "a;;,=1",
    "=1;=1,=1",
    "';=1",
    "\\;=1",
]


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("other", [",", ";", "\t"])
def test_a_spreadsheet_that_splits_elsewhere_runs_nothing_either(delimiter: str, other: str) -> None:
    """No cell begins like a formula wherever a line is split, also with quotes or spaces before; it reads the same."""
    tabbed = [f"{text}\t=1\t\t-1" for text in SPLIT_ELSEWHERE]
    entries = [Entry(text, frozenset({text, "b"}), False, NO_END, text) for text in SPLIT_ELSEWHERE]
    text = roster.write_csv(entries, time_zone=UTC, delimiter=delimiter)
    wild = roster.write_csv([Entry("x", frozenset({each}), note=each) for each in tabbed], time_zone=UTC)
    cells = [cell for part in (text, wild) for row in csv.reader(io.StringIO(part), delimiter=other) for cell in row]

    assert len(cells) > 50
    assert [cell for cell in cells if cell.lstrip('" ').startswith(tuple("=+-@\t\r"))] == []
    assert read(text, *SPLIT_ELSEWHERE) == Roster(tuple(entries))


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (Entry("ann"),),
        (Entry("ann", admin=True), Entry("bob", admin=False)),
        (Entry("ann", note="x", end_at=NO_END),),
    ],
)
def test_a_column_that_nobody_has_is_not_written(entries: tuple[Entry, ...]) -> None:
    """What is not known stays not known."""
    assert read(roster.write_csv(entries, time_zone=UTC)).entries == entries


def test_a_gap_among_others_is_written_as_an_empty_cell() -> None:
    """A table has no way to leave one cell out."""
    text = roster.write_csv([Entry("ann"), BOB], time_zone=UTC)

    assert text == "name,groups,admin,end,note\r\nann,,,,\r\nbob,,yes,,\r\n"


def test_twenty_problems_are_enough() -> None:
    """A list that is wrong everywhere is not answered with a page for each line; so are its remarks."""
    problems = read("name\n" + "a/b\n" * 1500).problems
    remarks = read("name\n" + "ann\n" * 26).remarks

    assert [found.line for found in problems] == [*range(2, 22), None]
    assert problems[-1].sentence == "… and 1,480 more."
    assert len(remarks) == 21
    assert remarks[-1].sentence == "… and 5 more."


@pytest.mark.parametrize(
    "data",
    [
        "a\n" * 1_000_000,
        b"name,groups\r\n" + b"user,students\r\n" * 1_000_000,
        "\n" * 1_000_000,
        "#\n" * 1_000_000,
        "a," * 1_000_000,
        "a " * 1_000_000,
        "name" + "\nann" * 20_000,
        "x" * 100_000_000,
        "\u00fc" * 3_000_000,
    ],
    ids=["short", "long", "blank", "remarks", "commas", "spaces", "one-too-many", "one-cell", "bytes"],
)
def test_a_million_rows_are_refused_at_once(data: str | bytes) -> None:
    """A list beyond the limits costs no more steps than one at the limits, and has one sentence."""
    result, steps = count_steps(lambda: read(data))

    assert steps < 300_000  # a list of 20,000 good lines takes 1,400,000
    assert result.entries == ()
    assert len(result.problems) == 1
    assert "import it in parts" in result.problems[0].sentence or "quotation" in result.problems[0].sentence


def test_as_many_lines_as_there_may_be() -> None:
    """The limit itself is within the limits."""
    assert len(names("name\n" + "\n".join(f"u{number}" for number in range(roster_table.MAX_ROWS - 1)))) == 19_999


def test_whatever_comes_there_is_an_answer() -> None:
    """Text and bytes of all kinds give a roster, and all its sentences can be printed on one line."""
    chance = random.Random(7)
    pieces = [
        "name",
        "groups",
        "end",
        "note",
        ",",
        ";",
        "\t",
        "\n",
        "\r",
        '"',
        "'",
        "#",
        "=",
        " ",
        "\0",
        "\ufeff",
        "ann",
    ]
    pieces += [
        "\u0301",
        "\u0430",
        "\ud800",
        "\U000e0100",
        "\u0130",
        "\x85",
        "2027-02-28",
        "9999-99-99 99:99",
        "\\",
        "|",
    ]
    for _ in range(3000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 30)))
        for data in (text, text.encode("utf-8", "surrogatepass"), chance.randbytes(20)):
            result = read(data, "ann", "\u0430")
            assert result.entries or result.problems
            for found in (*result.problems, *result.remarks):
                assert found.sentence.encode()
                assert "\n" not in found.sentence


def test_marks_upon_marks_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of nothing but accents, which take the square of their number to compose, is refused by its length."""
    marks = "\u0301\u0323" * 50_000
    composed: list[int] = []
    normalize = unicodedata.normalize
    monkeypatch.setattr(
        unicodedata, "normalize", lambda form, text: composed.append(len(text)) or normalize(form, text)
    )
    read("name,groups,note\n" + f"{marks},x,x\n" * 10)
    read("name,groups,note\n" + f"ann,{marks},x\n" * 10)
    read("name,groups,note\nann,x,x\n")

    assert composed
    assert max(composed) < 1000


def test_a_school_is_imported() -> None:
    """Five thousand people are read and compared, half of them with accents; each costs few steps."""
    umlaut = "m\u00fcller"
    text = "name;groups;admin;end;note\r\n" + "".join(
        f"{('smith', umlaut)[number % 2]}{number};class-{number % 30},all;;28.02.2027;row {number}\r\n"
        for number in range(5000)
    )
    existing = [f"smith{number}" for number in range(0, 5000, 2)]
    current = {name: Entry(name, frozenset({"all"}), False, NO_END, "") for name in [*existing, "gone"]}

    result, steps = count_steps(lambda: read(text.encode(), *current))
    changes, more = count_steps(lambda: roster_changes.compare(result.entries, current, remove_missing=True, keep=()))

    assert result.problems == ()
    assert (len(changes.added), len(changes.changed), len(changes.removed)) == (2500, 2500, 1)
    assert (steps + more) / 5000 < 400
