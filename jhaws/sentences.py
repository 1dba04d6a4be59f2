"""Sentences that remember how they were made, so that whoever reads them can have them in another language.

`say` makes an English sentence. It is text like any other: the log, the audit and the command line show it as it is.
Only who answers a request of a browser calls `translate`, which makes the sentence anew from the template of that
language, with the same values in it. A sentence may be a value of another one, and is translated with it.

Nothing is ever looked for in a value, so a name with braces or percent signs is a name.
"""

from __future__ import annotations

from collections.abc import Mapping

from .sentences_german import GERMAN

# Language → English template → template with the same placeholders.
CATALOGUES: Mapping[str, Mapping[str, str]] = {"de": GERMAN}


class Sentence(str):
    """An English text with what it was made of; parts of it and what is built from it are plain text.

    Attributes:
        template: The text with placeholders as `{name}` or `{count:,}`; a key of the catalogues.
        values: What stands in their places.
    """

    template: str
    values: Mapping[str, str | int]

    def __new__(cls, template: str, values: Mapping[str, str | int]) -> Sentence:
        """Make the English text."""
        sentence = super().__new__(cls, template.format_map(values))
        sentence.template, sentence.values = template, values
        return sentence

    def __getnewargs__(self) -> tuple[str, Mapping[str, str | int]]:  # type: ignore[override]  # copies and pickles
        return self.template, self.values


class _Number(int):
    """A number with points where English text has commas; jhaws's sentences have whole numbers only."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace(",", ".")


def say(template: str, /, **values: str | int) -> Sentence:
    """Make an English sentence that can be translated.

    Args:
        template: A literal, which a test looks for in the catalogues.
        values: Text, numbers and other sentences for the placeholders.
    """
    return Sentence(template, values)


def recall(text: str) -> str:
    """Make what `say` has made again of its text, as the database keeps it.

    Only of templates without placeholders, and of those with a label before their only value, as `groups: {value}`:
    there is nothing to guess. All else comes back as it is.

    Args:
        text: Any text.
    """
    if text in GERMAN and "{" not in text:
        return Sentence(text, {})
    label, colon, value = text.partition(": ")
    template = label + colon + "{value}"
    return Sentence(template, {"value": value}) if template in GERMAN else text


def translate(sentence: str, language: str) -> str:
    """Return a sentence in a language; plain text, and what has no translation, comes back as it is.

    Args:
        sentence: From `say`, or any text.
        language: As `jhaws.login.words.choose_language` returns it: `de`.
    """
    catalogue = CATALOGUES.get(language)
    if catalogue is None or not isinstance(sentence, Sentence) or sentence.template not in catalogue:
        return sentence
    values = {
        name: _Number(value) if isinstance(value, int) else translate(value, language)
        for name, value in sentence.values.items()
    }
    return catalogue[sentence.template].format_map(values)
