"""What the password pages say, in German and English.

One table: what a page says has one key, and each key all languages. The browser's Accept-Language decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LANGUAGES = ("en", "de")
# How dates are written, and what spreadsheets expect between the cells of a CSV file.
DATES = {"en": "%Y-%m-%d", "de": "%d.%m.%Y"}
DELIMITERS = {"en": ",", "de": ";"}

WORDS = {
    "title": ("Your password", "Ihr Passwort"),
    "reset_title": ("Set a new password", "Neues Passwort setzen"),
    "choose_title": ("Choose your own password", "Wählen Sie Ihr eigenes Passwort"),
    "reset_help": (
        "With the one-time code that an admin gave you, you set a new password.",
        "Mit dem Einmal-Code, den Sie bekommen haben, setzen Sie ein neues Passwort.",
    ),
    "choose_help": (
        "This hub wants everybody to have a password of their own. After that only yours lets you in.",
        "Auf diesem Hub hat jede Person ein eigenes Passwort. Danach kommen Sie nur noch mit Ihrem herein.",
    ),
    "choose_by_code_help": (
        "This hub wants everybody to have a password of their own. Type the one-time code that you were given.",
        "Auf diesem Hub hat jede Person ein eigenes Passwort. Bitte tippen Sie den Einmal-Code ein, den Sie bekommen "
        "haben.",
    ),
    "change_help": (
        "After that only your own password lets you in. All your other logins and all your tokens end.",
        "Danach kommen Sie nur noch mit Ihrem eigenen Passwort herein. Alle anderen Anmeldungen und Ihre Tokens enden.",
    ),
    "name": ("User name", "Benutzername"),
    "code": ("One-time code", "Einmal-Code"),
    "old": ("Current password", "Bisheriges Passwort"),
    "new": ("New password, at least {length} characters", "Neues Passwort, mindestens {length} Zeichen"),
    "again": ("New password once more", "Neues Passwort noch einmal"),
    "send": ("Set password", "Passwort setzen"),
    "done": (
        "Your new password is set. All other logins have ended.",
        "Ihr neues Passwort gilt. Alle anderen Anmeldungen sind beendet.",
    ),
    "done_running": (
        "Your new password is set. All other logins have ended. Your server goes on: if somebody else may have used "
        "it, stop it and start it again.",
        "Ihr neues Passwort gilt. Alle anderen Anmeldungen sind beendet. Ihr Server läuft weiter: Falls jemand anders "
        "ihn benutzt haben könnte, stoppen Sie ihn und starten Sie ihn neu.",
    ),
    "login": ("Log in", "Anmelden"),
    "home": ("Home", "Zur Startseite"),
    "off": (
        "On this hub users have no passwords of their own.",
        "Auf diesem Hub gibt es keine eigenen Passwörter.",
    ),
    # Reasons of PasswordError, and those of the form.
    "differ": ("The two new passwords are not the same.", "Die beiden neuen Passwörter sind nicht gleich."),
    "wrong": ("The current password is wrong.", "Das bisherige Passwort ist falsch."),
    "same": ("The new password is the old one.", "Das neue Passwort ist das alte."),
    "invalid": (
        "The code is wrong, was used already, or is too old. Ask for a new one.",
        "Der Code ist falsch, schon benutzt oder zu alt. Bitte lassen Sie sich einen neuen geben.",
    ),
    "late": (
        "That took too long, or you have chosen a password already. Please log in again.",
        "Das hat zu lange gedauert, oder Sie haben schon ein Passwort gewählt. Bitte melden Sie sich neu an.",
    ),
    "text": ("Type a new password.", "Geben Sie ein neues Passwort ein."),
    "short": (
        "The new password must have at least {length} characters.",
        "Das neue Passwort braucht mindestens {length} Zeichen.",
    ),
    "long": ("The new password is too long.", "Das neue Passwort ist zu lang."),
    "characters": (
        "The new password has characters that cannot be seen.",
        "Das neue Passwort hat Zeichen, die man nicht sehen kann.",
    ),
    "name_used": (
        "The new password must not be your user name.",
        "Das neue Passwort darf nicht Ihr Benutzername sein.",
    ),
    "silly": (
        "That password is one of those that are tried first. Choose another one.",
        "Dieses Passwort wird als eines der ersten probiert. Bitte wählen Sie ein anderes.",
    ),
    "used": (
        "The new password must not be a shared one. Choose one that only you know.",
        "Das neue Passwort darf kein gemeinsames sein. Wählen Sie eines, das nur Sie kennen.",
    ),
}


def choose_language(header: str) -> str:
    """Return the first language of an Accept-Language header that we have, by its weights; English for none.

    Args:
        header: As the browser sent it: `de-CH,de;q=0.9,en;q=0.8`; any text.
    """
    wanted = list[tuple[float, str]]()
    for part in header[:1000].split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.lower().partition("-")[0]
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if language in LANGUAGES and quality > 0:
            wanted.append((-quality, language))
    return min(wanted, key=lambda each: each[0])[1] if wanted else LANGUAGES[0]


def pick(table: Mapping[str, tuple[str, ...]], language: str, key: str, **values: Any) -> str:
    """Return a text of a table like `WORDS` with its values in their places.

    Args:
        table: Key → the text in each of `LANGUAGES`.
        language: One of them.
        key: Of the text.
        values: What stands in braces in the text.
    """
    text = table[key][LANGUAGES.index(language)]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def make_words(header: str, *, min_length: int) -> dict[str, str]:
    """Return all texts in the browser's language.

    Args:
        header: Accept-Language, "" where there is none.
        min_length: Characters of a new password.
    """
    language = choose_language(header)
    return {key: pick(WORDS, language, key, length=min_length) for key in WORDS}
