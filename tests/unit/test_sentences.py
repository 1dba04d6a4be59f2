"""Sentences that can be translated, and their German."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import jhaws
from jhaws.errors import PasswordError, UsernameError
from jhaws.login import api, gate_api, people_api
from jhaws.login.answers import SentenceMixin
from jhaws.names import check_username
from jhaws.sentences import CATALOGUES, Sentence, recall, say, translate
from jhaws.sentences_german import GERMAN

PACKAGE = Path(jhaws.__file__).parent
# Where sentences for the REST API come from, and what takes them there.
TOLD = [*sorted((PACKAGE / "login").glob("*.py")), PACKAGE / "names.py"]
TAKERS = {"CellError", "Finding", "HTTPError", "PasswordError", "RefusedError", "UnreadableError", "UsernameError"}
TAKERS |= {"refuse"}

HOSTILE = [
    "{name}",
    "{0}",
    "{",
    "}}{{",
    "{name.__class__.__mro__}",
    "{count:,}",
    "100%s %(name)s %d",
    "„Anna“ »C«",
    "A note",
    "\\N{BULLET} \n\0",
    "€" * 300,
]


def placeholders(template: str) -> set[tuple[str, str, str]]:
    """Return the name, format and conversion of each placeholder."""
    found = Formatter().parse(template)
    return {(name, form or "", conversion or "") for _, name, form, conversion in found if name is not None}


def said() -> Iterator[tuple[str, ast.Call]]:
    """Give each call of `sentences.say` in jhaws, with its place; others are called `say` too."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        imported = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "sentences")
        if any(alias.name == "say" for node in imported for alias in node.names):
            yield from ((f"{path.name}:{call.lineno}", call) for call in calls_of({"say"}, tree))


def calls_of(names: set[str], tree: ast.AST) -> Iterator[ast.Call]:
    """Give the calls of functions, methods and classes by their last name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in names:
                yield node


def test_a_sentence_is_english_text() -> None:
    """Whoever knows nothing of languages has a str: in JSON, in parts, in other texts and as a key."""
    sentence = say("{name} has {count:,} groups.", name="ann", count=1234)

    assert sentence == "ann has 1,234 groups."
    assert {sentence: 1}["ann has 1,234 groups."] == 1
    assert json.dumps([sentence]) == '["ann has 1,234 groups."]'
    assert (sentence[:3], sentence + "!", f"{sentence}") == ("ann", "ann has 1,234 groups.!", "ann has 1,234 groups.")


def test_an_error_keeps_its_sentence() -> None:
    """Its text is English for the log, and the sentence is there for whoever translates it."""
    error = PasswordError("short", say("The new password must have at least {least} characters.", least=8))
    with pytest.raises(UsernameError) as caught:
        check_username("a/b")

    assert str(error) == "The new password must have at least 8 characters."
    assert translate(error.sentence, "de") == "Das neue Passwort braucht mindestens 8 Zeichen."
    assert translate(caught.value.sentence, "de") == "Ein Benutzername darf keinen Schrägstrich enthalten."


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_of_a_sentence_is_one(twin: object) -> None:
    """It can be translated as well."""
    assert callable(twin)
    copied = twin(say("{name} is in the list twice.", name="'{x}'"))

    assert copied == "'{x}' is in the list twice."
    assert translate(copied, "de") == "'{x}' steht zweimal in der Liste."


def test_a_sentence_in_a_sentence_is_translated_with_it() -> None:
    """However deep it is."""
    place, case = say("in line {line}", line=1500), say("case")
    rule = "{name} differs from {other} {place} only by {difference}; use one of them."
    differs = say(rule, name="'Ann'", other="'ann'", place=place, difference=case)
    nobody = say("{problem} Nobody was added.", problem=say("{name}: {sentence}", name="'Ann'", sentence=differs))

    assert nobody == "'Ann': 'Ann' differs from 'ann' in line 1500 only by case; use one of them. Nobody was added."
    assert translate(nobody, "de") == (
        "'Ann': 'Ann' unterscheidet sich von 'ann' in Zeile 1500 nur durch Groß- und Kleinschreibung. Bitte nehmen Sie "
        "einen der beiden Namen. Es wurde niemand hinzugefügt."
    )


@pytest.mark.parametrize("sentence", [say("wrong password"), say("groups: {value}", value="a: b"), say("groups: none")])
def test_a_sentence_is_recalled_from_its_text(sentence: Sentence) -> None:
    """What the database keeps as text can be translated, where the text alone says how it was made."""
    recalled = recall(str(sentence))

    assert recalled == sentence
    assert translate(recalled, "de") == translate(sentence, "de") != sentence


@pytest.mark.parametrize(
    "text", [*HOSTILE[:6], "", "a: b", "'a' is in the list twice.", "{name}: {sentence}", "a: {value}"]
)
def test_text_that_nobody_said_is_not_recalled(text: str) -> None:
    """A name that looks like a template is a name, and of a sentence with values inside nothing is guessed."""
    assert translate(recall(text), "de") == text


def test_numbers_are_written_as_in_the_language() -> None:
    """A German would read 20,000 as twenty; numbers in names are left alone."""
    most = say("The request is larger than {most:,} bytes: divide the list into parts.", most=20_000)
    twice = say("{name} is in the list twice.", name="'20,000'")

    assert most == "The request is larger than 20,000 bytes: divide the list into parts."
    assert translate(most, "de") == "Die Anfrage ist größer als 20.000 Bytes. Teilen Sie die Liste auf."
    assert translate(twice, "de") == "'20,000' steht zweimal in der Liste."


def test_what_has_no_translation_stays_english() -> None:
    """Plain text, other languages, and a sentence that nobody has translated yet."""
    assert translate("The hub has no user 'ann'.", "de") == "The hub has no user 'ann'."
    assert translate(say("The hub has no user {name}.", name="'ann'"), "en") == "The hub has no user 'ann'."
    assert translate(say("The hub has no user {name}.", name="'ann'"), "fr") == "The hub has no user 'ann'."
    assert translate(say("Nobody has {what} this.", what="translated"), "de") == "Nobody has translated this."


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_looked_for_in_a_value(name: str) -> None:
    """Braces, percent signs and quotes of a name come out as they went in, also from a sentence in a sentence."""
    inner = say("{name} is in the list twice.", name=name)
    outer = say("{name}: {sentence}", name=name, sentence=inner)

    assert outer == name + ": " + name + " is in the list twice."
    assert translate(outer, "de") == name + ": " + name + " steht zweimal in der Liste."


def test_every_sentence_is_made_of_a_literal_and_its_values() -> None:
    """So that the catalogue can be compared with the code, and no text of a user is ever a template."""
    for place, call in said():
        assert len(call.args) == 1, place
        assert isinstance(call.args[0], ast.Constant), place
        assert {name for name, _, _ in placeholders(call.args[0].value)} == {each.arg for each in call.keywords}, place


def test_every_sentence_is_in_every_catalogue() -> None:
    """And a catalogue has nothing that is no longer said."""
    templates = {ast.literal_eval(call.args[0]) for _, call in said()}

    assert len(templates) > 100
    for language, catalogue in CATALOGUES.items():
        assert templates - catalogue.keys() == set(), language
        assert catalogue.keys() - templates == set(), language


def test_a_translation_has_the_placeholders_of_the_english() -> None:
    """Each value of the English sentence is in the other one too, written in the same way."""
    for english, german in GERMAN.items():
        assert placeholders(english) == placeholders(german), english
        assert all(name.isidentifier() and not conversion for name, _, conversion in placeholders(english)), english


def test_what_the_api_tells_can_be_translated() -> None:
    """No text for it is written down as plain text; mypy sees to that where it goes through a variable."""
    calls = [(path.name, call) for path in TOLD for call in calls_of(TAKERS, ast.parse(path.read_text()))]
    plain = [
        f"{name}:{call.lineno}"
        for name, call in calls
        for each in (*call.args, *(keyword.value for keyword in call.keywords))
        if isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and " " in str(each.value))
    ]

    assert len(calls) > 80
    assert plain == []


def test_every_handler_of_our_api_translates() -> None:
    """Whatever has a path below /hub/api/jhaws/ answers in the language of the request."""
    for path, handler in (*api.HANDLERS, *gate_api.HANDLERS, *people_api.HANDLERS):
        assert path.startswith("/api/jhaws/")
        assert issubclass(handler, SentenceMixin), path
