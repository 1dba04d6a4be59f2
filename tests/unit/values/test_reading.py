"""A values file becomes values with lines, or sentences."""

import json
from pathlib import Path

import pytest

from jhaws.values import reading
from jhaws.values.reading import Source, read_source


def read(tmp_path: Path, text: str | bytes) -> Source:
    file = tmp_path / "values.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_source(str(file))


def told(source: Source) -> list[tuple[int, str, str]]:
    return [(each.place.line, each.key, each.sentence) for each in source.problems]


def test_each_value_knows_its_line(tmp_path: Path) -> None:
    """A value of a mapping stands where its key does, one of a list where it begins."""
    source = read(tmp_path, "hub:\n  config:\n    A:\n      x: [1,\n        2]\n      w:\n        - z: 1\n")

    assert source.values == {"hub": {"config": {"A": {"x": [1, 2], "w": [{"z": 1}]}}}}
    assert source.lines[("hub", "config", "A", "x", 1)] == 5
    assert source.lines[("hub", "config", "A", "w", 0, "z")] == 7
    assert source.problems == []


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True),
        ("y", True),
        ("off", False),
        ("on", True),
        ("No", False),
        ("True", True),
        ("~", None),
        ("", None),
        ("010", 8),
        ("0o17", 15),
        ("0O17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("08", 8),
        ("-5", -5),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        ("1e400", "1e400"),
        ("<<", "<<"),
        ("1:20", "1:20"),
        ("2026-01-01", "2026-01-01"),
        ("'5'", "5"),
        ("!!str 5", "5"),
    ],
)
def test_a_plain_word_is_what_helm_makes_of_it(tmp_path: Path, word: str, value: object) -> None:
    """Helm's parser has its own mixture of YAML 1.1 and 1.2; these were tried with Helm 4."""
    assert read(tmp_path, f"a: {word}\n").values == {"a": value}


def test_keys_are_text(tmp_path: Path) -> None:
    """Helm makes JSON of values, so a key that YAML takes for something else is text again."""
    assert read(tmp_path, "8080: a\nyes: b\n~: c\n").values == {"8080": "a", "true": "b", "null": "c"}
    numbers = read(tmp_path, "1: a\n0: b\n1.5: c\n1e3: d\n.inf: e\n0x10: f\n")
    assert list(numbers.values) == ["1", "0", "1.5", "1000", ".inf", "16"]


def test_anchors_and_merges_of_one_file_are_unfolded(tmp_path: Path) -> None:
    """Helm takes aliases within a file; a key beside << wins."""
    source = read(tmp_path, "a: &x {one: 1, two: 2}\nb: *x\nc:\n  <<: *x\n  two: 3\n")

    assert source.values["b"] == {"one": 1, "two": 2}
    assert source.values["c"] == {"one": 1, "two": 3}
    assert source.problems == []


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("- a\n", 1, "Values are a mapping of keys"),
        ("hub\n", 1, "Values are a mapping of keys"),
        ("hub:\n\tbaseUrl: /\n", 2, "indented with a tab"),
        ("hub:\n  a: 1\n \t b: 2\n", 3, "indented with a tab"),
        ("a:\t1\n", 1, "A tab is here"),
        ("a:\n  b: 1\n    c: 2\n", 3, "The line is indented deeper than line 2, which has a value already"),
        ("a:\n    b: 1\n  c: 2\n", 3, "nothing above it is. Write 0 (as line 1) or 4 (as line 2)."),
        ("a: *x\n", 1, "anchors do not reach into other files"),
        ("a: &x [*x]\n", 1, "The aliases unfold without end"),
        ("a: 1\n--- b\n", 2, "Helm refuses text behind ---"),
        ("a: 1\n---\nb: [\n", 3, "not closed"),
        ("a: .inf\n", 1, "Helm has no infinite numbers"),
        ("a: b: c\n", 1, "Put quotes around text"),
        ("a: 'b' c\n", 1, "Something stands behind a value"),
        ("a: -\n", 1, "A list's entry cannot begin here"),
        ('a: "\\y"\n', 1, "a backslash begins a character of its own"),
        ("%TAG x\n---\na: 1\n", 1, "This is no YAML"),
        ("a: 'b\nc: d\n", 1, "quotes"),
        ("a: [1, 2\nb: 3\n", 2, "not closed"),
        ("a: {{ b }}\n", 1, "Put quotes around {{ and }}"),
        ("a: @b\n", 1, "Put quotes around it"),
        ("a: !vault x\n", 1, "The value has a tag"),
        ("a:\n  b: 1\n  c\n", 3, "A key without a colon"),
        ("<<: 5\n", 1, "must be a mapping"),
        (b"\x89PNG\x00\x01", 1, "no text in UTF-8"),
        (b"a: \xff\n", 1, "no text in UTF-8"),
        ("a: " + "[" * 5000, 1, "deeper than anything"),
        ("? [a, b]\n: 1\n", 1, "A key is a list or a mapping"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_one_sentence_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, sentence: str
) -> None:
    """A parser's words become what an operator can do, and nothing of the file is read."""
    source = read(tmp_path, text)

    assert source.values == {}
    assert len(source.problems) == 1
    assert source.problems[0].place.line == line
    assert sentence in source.problems[0].sentence


@pytest.mark.parametrize("text", ["", "# nothing\n", "# nothing\n---\n# nothing\n", "null\n"])
def test_a_file_that_sets_nothing_is_no_failure(tmp_path: Path, text: str) -> None:
    """Helm goes on without it, and so does the check."""
    source = read(tmp_path, text)

    assert [(each.place.line, each.serious) for each in source.problems] == [(1, False)]
    assert not source.unreadable


@pytest.mark.parametrize(
    "text", ["---\na: 1\n", "a: 1\n---\n", "--- # x\na: 1\n---\n# x\n", "# x\n---\n---\na: 1\n...\n"]
)
def test_lines_between_documents_alone_are_none(tmp_path: Path, text: str) -> None:
    """Helm 4 takes these for one document, and they are."""
    source = read(tmp_path, text)

    assert source.values == {"a": 1}
    assert source.problems == []


def test_a_second_document_is_a_problem_and_the_first_is_read(tmp_path: Path) -> None:
    """Helm 4 merges both, which older ones do not; so nobody should write two."""
    source = read(tmp_path, "a: |\n  x\n---\n\nb: 2\n")

    assert source.values == {"a": "x\n"}
    assert source.lines[("a",)] == 1
    assert [(line, sentence[:17]) for line, _, sentence in told(source)] == [(5, "A second document")]


def test_a_long_file_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what aliases stand for is counted, not what an operator has written out."""
    monkeypatch.setattr(reading, "MOST_ALIASED", 10)

    assert read(tmp_path, f"a: [{', '.join('x' * 50)}]\nb: &x [1, 2]\nc: *x\n").problems == []
    assert "unfold" in read(tmp_path, f"a: &x [{', '.join('x' * 50)}]\nb: *x\n").problems[0].sentence


def test_aliases_cannot_eat_the_memory(tmp_path: Path) -> None:
    """A few lines of aliases that stand for a billion values are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    assert "unfold without end" in read(tmp_path, "\n".join(lines)).problems[0].sentence


def test_a_key_that_is_there_twice_is_told_and_the_last_counts(tmp_path: Path) -> None:
    """Helm takes the last one in silence, and half of an operator's values with it."""
    source = read(tmp_path, "hub:\n  baseUrl: /a\nproxy: {}\nhub:\n  db: {}\n")

    assert [(line, key) for line, key, _ in told(source)] == [(4, "hub")]
    assert "This key is here a second time, after line 1" in source.problems[0].sentence
    assert source.values["hub"] == {"db": {}}


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """A wrong name and a folder are told like anything else."""
    missing = read_source(str(tmp_path / "none.yaml"))
    folder = read_source(str(tmp_path))

    assert missing.problems[0].sentence == "The file cannot be read: no such file or directory. Correct its name."
    assert "is a directory" in folder.problems[0].sentence


@pytest.mark.parametrize(
    "text",
    [
        "a: 'hunter2\n",
        "password: hunter2\n  b: c\n",
        "hunter2\n",
        "a: [hunter2\nb: 1",
        "a: !hunter2 b\n",
        "a: *hunter2\n",
        "a: &hunter2 b\nc: &hunter2 [\n",
        "%hunter2\n",
        "--- hunter2\n",
        "password_groups:\n  hunter2: [a]\n  hunter2: [b]\n",
        "pasword_grups:\n  hunter2: [a]\n  hunter2: [b]\n",
        "password_groups:\n  hunter2: [a]\n    b: [b]\n",
        "password_groups:\n  b: [a]\n    hunter2: [b]\n",
        "password_groups:\n    hunter2: [a]\n  b: [b]\n",
        "password_groups:\n    'hunter2': [a]\n  hunter2: [b]\n",
    ],
)
def test_no_sentence_has_text_of_the_file(tmp_path: Path, text: str) -> None:
    """What cannot be parsed may be a password."""
    source = read(tmp_path, text)

    assert source.problems
    assert "hunter2" not in json.dumps(told(source))
