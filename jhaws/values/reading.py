"""A values file: what Helm would read from it, and on which line each value stands.

YAML has many ways to write what nobody meant. What Helm takes silently and wrongly (a key twice, where the last one
wins) is a problem here, and what it refuses with the words of a parser becomes a sentence. Plain words count as what
Helm's parser makes of them, which is neither YAML 1.1 nor 1.2: `y` is true, `1:20` and a date are text.

Nothing of the file is ever in a sentence, for keys can be passwords too: those of `password_groups` are, and one that
is indented wrongly may stand anywhere. A line's number says as much.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from .places import Path, Place, Problem
from .strangers import shown

# How many values the aliases of a file may stand for, beyond those that are written out.
MOST_ALIASED = 100_000

KEY = re.compile(r"\s*(?:- +)?(?:[\w.$/-]+|'[^']*'|\"[^\"]*\"):(?P<value>\s+[^\s#].*)?(\s|$)")
# A line that separates documents for Helm, which looks for it before any parser does; and what may stand behind it.
SEPARATOR = re.compile(r"---(?P<rest>.*)", re.DOTALL)


class _Loader(yaml.SafeLoader):
    """Reads plain words as Helm does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own idiom


_TAG = "tag:yaml.org,2002:"
# What a plain word is taken for: the kind, the words, and the characters that these begin with.
WORDS = (
    ("bool", r"[yY]|yes|Yes|YES|on|On|ON|true|True|TRUE|[nN]|no|No|NO|off|Off|OFF|false|False|FALSE", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(0b[01_]+|0x[\da-fA-F_]+|0[oO][0-7_]+|\d[\d_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.\d[\d_]*|\d[\d_]*(\.[\d_]*)?)([eE][-+]?\d+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
)
for _kind, _pattern, _first in WORDS:
    # An empty word begins with nothing.
    _starts = ["" if each == "\0" else each for each in _first]
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"(?:{_pattern})$"), _starts)


def _read_bool(loader: yaml.SafeLoader, node: Any) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "on", "true")


def _read_int(loader: yaml.SafeLoader, node: Any) -> int | str:
    text = str(loader.construct_scalar(node)).replace("_", "")
    digits = text.lstrip("+-")
    base = 8 if re.fullmatch(r"0[oO]?[0-7]+", digits) else 10 if digits.isdecimal() else 0
    return int(text, base)


def _read_float(loader: yaml.SafeLoader, node: Any) -> float | str:
    """Return a number, or text where it is too large for one."""
    text = str(loader.construct_scalar(node))
    if re.fullmatch(r"[-+]?\.(inf|nan)", text.lower()):
        raise yaml.constructor.ConstructorError(None, None, "no number of JSON", node.start_mark)
    number = float(text.replace("_", ""))
    return number if math.isfinite(number) else text


_Loader.add_constructor(f"{_TAG}bool", _read_bool)
_Loader.add_constructor(f"{_TAG}int", _read_int)
_Loader.add_constructor(f"{_TAG}float", _read_float)
# Within a value << is text.
_Loader.add_constructor(f"{_TAG}merge", lambda loader, node: str(node.value))


@dataclass
class Source:
    """One file.

    Attributes:
        name: As the operator named it.
        values: What Helm reads; empty where the file cannot be read. Of several documents it is the first.
        lines: The line of each value, by its path; that of a value in a mapping is the line of its key.
        problems: What is wrong with the file as YAML.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def unreadable(self) -> bool:
        """Whether nobody knows what is in it."""
        return not self.values and any(problem.serious for problem in self.problems)

    def refuse(self, line: int, sentence: str, path: Path = (), *, serious: bool = True) -> None:
        """Note a problem."""
        self.problems.append(Problem(Place(self.name, line), shown(path), sentence, serious))


def read_source(name: str) -> Source:
    """Read the values file `name`; whatever is wrong with it is in its problems."""
    source = Source(name)
    text = _read_text(source)
    if text is not None:
        _parse(source, text)
    return source


def _read_text(source: Source) -> str | None:
    try:
        data = FilePath(source.name).read_bytes()
    except OSError as error:
        source.refuse(1, f"The file cannot be read: {(error.strerror or 'error').lower()}. Correct its name.")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\U0010ffff]", text):
        source.refuse(1, "The file is no text in UTF-8. Values are YAML; give the file that helm gets.")
        return None
    return text


def _parse(source: Source, text: str) -> None:
    """Read the documents of a file: the first that says anything counts, and there should be no other."""
    nodes = []
    for document in _documents(source, text):
        loader = _Loader(document)
        try:
            node = loader.get_single_node()
            if node is None or node.tag == f"{_TAG}null":
                continue
            nodes.append(node)
            if len(nodes) == 1:
                _convert(source, loader, node)
        except yaml.YAMLError as error:
            source.values, source.lines = {}, {}
            source.refuse(*_explain(error, document.splitlines()))
            return
        except RecursionError:
            source.refuse(1, "The values are nested deeper than anything reads them. Take levels out.")
            return
        finally:
            loader.dispose()
    if not nodes and not source.problems:
        source.refuse(1, "The file sets nothing, and Helm goes on without it. Leave it out.", serious=False)
    if len(nodes) > 1:
        source.refuse(
            _line(nodes[1]),
            "A second document is here. Helm 4 merges it, older ones may leave it out, and this reads the first. Put "
            "both into one, or this one into a file of its own.",
        )


def _documents(source: Source, text: str) -> Iterator[str]:
    """Give the documents of a file as Helm cuts them, each below as many empty lines as are before it."""
    lines, start = text.splitlines(keepends=True), 0
    for number, line in enumerate(lines):
        if not (separator := SEPARATOR.match(line)):
            continue
        if not re.match(r"\s*(#|$)", separator["rest"]):
            source.refuse(number + 1, "Helm refuses text behind ---. Write it on a line of its own, or take --- out.")
            return
        yield "\n" * start + "".join(lines[start:number])
        start = number + 1
    yield "\n" * start + "".join(lines[start:])


def _convert(source: Source, loader: _Loader, node: Any) -> None:
    if isinstance(node, yaml.MappingNode):
        source.values = _Converter(source, loader).convert(node, ())
    else:
        source.refuse(_line(node), "Values are a mapping of keys, and this is none. Begin with a key such as `hub:`.")


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


class _Converter:
    """Makes plain values of YAML's nodes and notes each one's line."""

    def __init__(self, source: Source, loader: _Loader) -> None:
        self.source, self.loader = source, loader
        self.seen: set[int] = set()
        self.aliased = 0
        self.open: list[Any] = []

    def convert(self, node: Any, path: Path) -> Any:
        """Return the value of a node.

        Raises:
            YAMLError: It holds itself, or unfolds to more than anybody would write, or has a tag.
        """
        self.aliased += id(node) in self.seen
        self.seen.add(id(node))
        if self.aliased > MOST_ALIASED or any(node is each for each in self.open):
            raise yaml.constructor.ConstructorError(None, None, "aliases without end", node.start_mark)
        self.source.lines.setdefault(path, _line(node))
        self.open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.convert(each, (*path, index)) for index, each in enumerate(node.value)]
            return self.loader.construct_object(node)
        finally:
            self.open.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        written: dict[str, int] = {}
        for key, _ in node.value:
            name, line = self._name(key), _line(key)
            if name in written and key.tag != f"{_TAG}merge":
                self.source.refuse(
                    line,
                    f"This key is here a second time, after line {written[name]}; Helm would silently take the last "
                    "one alone. Put both into one.",
                    (*path, name),
                )
            written.setdefault(name, line)
        self.loader.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key, child in node.value:
            name = self._name(key)
            self.source.lines[(*path, name)] = _line(key)
            values[name] = self.convert(child, (*path, name))
        return values

    def _name(self, key: Any) -> str:
        """Return a key as Helm makes it: text, whatever it was."""
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
        try:
            name = self.loader.construct_object(key)
        except yaml.constructor.ConstructorError:
            return str(key.value)
        if isinstance(name, str):
            return name
        if name is None or isinstance(name, bool):
            return {True: "true", False: "false", None: "null"}[name]
        return repr(name).removesuffix(".0")


QUOTED = "while scanning a quoted scalar"
# What PyYAML says, and what an operator can do about it.
SENTENCES = (
    (
        "undefined alias",
        "The alias has no anchor before it in this file; anchors do not reach into other files. Write out what it "
        "stands for.",
    ),
    ("aliases without end", "The aliases unfold without end. Write out what they stand for."),
    ("a key that is no text", "A key is a list or a mapping. Put quotes around {{ and }}, or write a key."),
    ("no number of JSON", "Helm has no infinite numbers. Write a finite one, or put quotes around the word."),
    ("could not determine a constructor", "The value has a tag, which Helm ignores or refuses. Take the !… out."),
    ("expected a mapping or list of mappings", "What << merges in must be a mapping. Give it the alias of one."),
    (
        "could not find expected ':'",
        "A key without a colon, or text that needs quotes, is here or a line above. Add what is missing.",
    ),
    (QUOTED, "The text that begins here in quotes never ends. Close the quotes."),
    ("expected the node content", "A [list] or {mapping} is not closed, or a value is missing. Add what is missing."),
    (
        "expected ',' or",
        "A [list] or {mapping} is not closed, or has no comma between two entries. Add what is missing.",
    ),
    ("cannot start any token", "The text begins with a character that YAML keeps for itself. Put quotes around it."),
    (
        "mapping values are not allowed",
        "A colon is within a text, or a key stands too deep. Put quotes around text.",
    ),
    ("sequence entries are not allowed", "A list's entry cannot begin here. Begin it on a line below the list's key."),
    ("expected <block end>", "Something stands behind a value that has ended, or is indented wrongly. Line it up."),
    ("unknown escape character", "Within \"…\" a backslash begins a character of its own. Write '…' instead."),
)


def _explain(error: yaml.YAMLError, lines: list[str]) -> tuple[int, str]:
    """Return the line and a sentence for what the parser refused."""
    said = f"{getattr(error, 'context', '')} {getattr(error, 'problem', '')}"
    marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
    # A quote that is not closed is the mistake, not what comes after it.
    mark = next(filter(None, reversed(marks) if QUOTED in said else marks), None)
    line = min(mark.line + 1 if mark else 1, max(len(lines), 1))
    for number in (line, line - 1):
        if number and re.match(r" *\t", lines[number - 1] if lines else ""):
            return number, "The line is indented with a tab, and YAML wants spaces. Write spaces instead."
    if "'\\t' that cannot start any token" in said:
        return line, "A tab is here, and not every reader of YAML takes it. Write spaces instead."
    if sentence := _explain_indentation(lines, line):
        return line, sentence
    for words, sentence in SENTENCES:
        if words in said:
            return line, sentence
    return line, "This is no YAML, here or a line above. Correct it, or put quotes around the text."


def _explain_indentation(lines: list[str], line: int) -> str:
    """Return a sentence where the key on `line` stands in no column that it may stand in, "" where it does."""
    if not (lines and KEY.match(lines[line - 1])):
        return ""
    column = _indent(lines[line - 1])
    above = list(_keys_above(lines, line))
    if above and above[0][1] < column and above[0][2]:
        return (
            f"The line is indented deeper than line {above[0][0]}, which has a value already. "
            f"Line both up, with {above[0][1]} spaces."
        )
    if above and column not in [each[1] for each in above] and above[0][1] > column:
        fitting = " or ".join(f"{indent} (as line {number})" for number, indent, _ in reversed(above))
        return f"The line is indented by {column} spaces, and nothing above it is. Write {fitting}."
    return ""


def _keys_above(lines: list[str], line: int) -> Iterator[tuple[int, int, bool]]:
    """Give the keys that `line` may belong beside, nearest first: line, column, whether it has a value."""
    lowest = None
    for number in range(line - 1, 0, -1):
        text = lines[number - 1]
        found = KEY.match(text)
        if found and not text.lstrip().startswith(("#", "- ")) and (lowest is None or _indent(text) < lowest):
            lowest = _indent(text)
            yield number, lowest, bool(found["value"])


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))
