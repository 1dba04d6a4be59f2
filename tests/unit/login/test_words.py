"""What our pages say, in each language."""

import ast
import re
from pathlib import Path

import pytest

from jhaws.login import admin_pages, admin_words, passwords, words
from jhaws.pages import TEMPLATES

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


@pytest.mark.parametrize("table", [words.WORDS, admin_words.WORDS, admin_words.ACTIONS])
def test_every_text_is_in_every_language(table: dict[str, tuple[str, ...]]) -> None:
    """Each key has a sentence for each language, with the same places for numbers."""
    for key, texts in table.items():
        assert len(texts) == len(words.LANGUAGES), key
        assert all(texts), key
        assert len({tuple(re.findall(r"\{\w+\}", text)) for text in texts}) == 1, key
    assert "mindestens 12 Zeichen" in words.make_words("de", min_length=12)["new"]


def test_a_value_is_put_in_as_it_is() -> None:
    """Whatever a name holds, it is the name's text."""
    assert words.pick(admin_words.WORDS, "de", "delete_confirm", name="{x} %s {0}") == "{x} %s {0} löschen?"


def test_the_admins_pages_use_every_text_and_no_other() -> None:
    """What a template or the pages' code says is in the table, and nothing else is."""
    python = (LOGIN / "admin_pages.py").read_text()
    html = "".join(path.read_text() for path in TEMPLATES.glob("jhaws_*.html"))
    used = (
        set(re.findall(r"""text\(["'](\w+[^_])["']""", html + python))
        | set(admin_pages.TABS)
        | set(admin_pages.SCRIPT_WORDS)
    )
    used |= {key for key in admin_words.WORDS if key.startswith(("state_", "kind_"))}

    assert used == set(admin_words.WORDS)


def test_every_entry_of_the_audit_log_has_its_words() -> None:
    """What is written into the log anywhere can be said on its page, and chosen there."""
    written = set()
    for path in LOGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"(person|people|password|throttle|login)\.\w+", str(node.value)
            ):
                written.add(node.value)

    assert written | {"login"} == set(admin_words.ACTIONS)


def test_every_reason_has_its_words() -> None:
    """What a new password is refused for can be said on the page."""
    reasons = set()
    for name in ("passwords.py", "keyring.py", "handlers.py"):
        for node in ast.walk(ast.parse((LOGIN / name).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PasswordError":
                reasons.add(ast.literal_eval(node.args[0]))

    assert len(reasons) > 8
    assert reasons - {"nobody"} <= set(words.WORDS)
