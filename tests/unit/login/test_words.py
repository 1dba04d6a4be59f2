"""What the password pages say."""

import ast
import re
from pathlib import Path

import pytest

from jhaws.login import passwords, words

LOGIN = Path(passwords.__file__).parent


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9", "en"),
        ("fr,en;q=0.5,de;q=0.7", "de"),
        ("DE", "de"),
        ("de;q=0,en;q=0.1", "en"),
        ("de;q=x", "en"),
        ("*;q=1", "en"),
        (",,;;,=", "en"),
        ("de," * 100_000, "de"),
        ("\0de", "en"),
    ],
)
def test_the_browser_chooses(header: str, language: str) -> None:
    """By its weights, among what we have; whatever else it sends is English."""
    assert words.choose_language(header) == language


def test_every_text_is_in_every_language() -> None:
    """Each key has a sentence for each language, with the same places for numbers."""
    for key, texts in words.WORDS.items():
        assert len(texts) == len(words.LANGUAGES), key
        assert all(texts), key
        assert len({tuple(re.findall(r"\{\w+\}", text)) for text in texts}) == 1, key
    assert "mindestens 12 Zeichen" in words.make_words("de", min_length=12)["new"]


def test_every_reason_has_its_words() -> None:
    """What a new password is refused for can be said on the page."""
    reasons = set()
    for name in ("passwords.py", "keyring.py", "handlers.py"):
        for node in ast.walk(ast.parse((LOGIN / name).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PasswordError":
                reasons.add(ast.literal_eval(node.args[0]))

    assert len(reasons) > 8
    assert reasons - {"nobody"} <= set(words.WORDS)
