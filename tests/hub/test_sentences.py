"""A real hub answers its REST API in the language of the request: English, or German where the browser asks for it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from jhaws.login.importing import DATABASE
from tests.hubclient import read_json

from .hubs import RunningHub, running_hub

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

GERMAN = "de-CH,de;q=0.9,en;q=0.8"
CONFIG = """
c.JhawsAuthenticator.admin_users = {"root", "boss"}
c.JhawsAuthenticator.allowed_users = {"zed"}
c.JhawsAuthenticator.user_password = "shared-password"
c.JhawsAuthenticator.admin_password = "the-admins-own-password-of-40-characters"
"""
# A request, and how its answer begins in English and in German.
ERRORS = [
    ("GET", "people/nobody", None, 404, "The hub has no user 'nobody'.", "Den Namen 'nobody' gibt es auf diesem Hub"),
    ("GET", "people?state=odd", None, 400, "state must be one of allowed", "state muss eines von diesen sein: allowed"),
    ("POST", "people", {"names": ["a/b"]}, 400, "'a/b': A user name must", "'a/b': Ein Benutzername darf keinen"),
    ("POST", "people", {"names": ["zed"]}, 409, "'zed' is a user of the hub", "'zed' gibt es auf diesem Hub schon"),
    (
        "POST",
        "people",
        {"names": ["\u03b1nn"]},
        400,
        "'\u03b1nn': It mixes Greek",
        "'\u03b1nn': Der Name mischt griechische",
    ),
    (
        "POST",
        "people",
        {"names": ["x"] * 20_001},
        400,
        "One request adds 500 people at most, here are 20,001",
        "Auf einmal lassen sich höchstens 500 Personen hinzufügen, hier sind es 20.001",
    ),
    ("PATCH", "people/zed", {"ends_at": "soon"}, 400, "The end must be a day", "Das Ende muss ein Tag von 2000 bis"),
    ("PATCH", "people/zed", {"odd": 1}, 400, "There is no field 'odd'; there are", "Das Feld 'odd' gibt es nicht. Es"),
    ("PATCH", "people/root", {"note": "x"}, 403, "Only admins can make", "Nur Admins können Admins ernennen"),
    ("POST", "people", {"names": ["eve"], "admin": True}, 403, "Only admins can make", "Nur Admins können Admins"),
    ("POST", "waiting", {"allow": 1}, 400, "allow must be a list of names", "allow muss eine Liste von Namen sein"),
    ("POST", "roster/undo", {}, 409, "There is no import that could", "Es gibt keinen Import, der rückgängig"),
    (
        "POST",
        "roster/apply",
        {"text": "a", "digest": "x"},
        409,
        "The list of people has changed",
        "Die Liste der Personen",
    ),
    (
        "POST",
        "password",
        {"password": "short"},
        400,
        "The new password must have at least 8",
        "Das neue Passwort braucht",
    ),
    ("POST", "password", {"password": "shared-password"}, 409, "The new password is in use", "Das neue Passwort ist"),
    ("POST", "password", {}, 400, "Give either a password, or", "Geben Sie entweder ein Passwort an"),
    ("POST", "people/nobody/reset", None, 404, "The hub has no user 'nobody'.", "Den Namen 'nobody' gibt es"),
    ("DELETE", "throttle?kind=odd", None, 400, "kind must be name, address", "kind muss name, address oder all sein"),
    ("GET", "audit?limit=x", None, 400, "limit must be a whole number", "limit muss eine ganze Zahl ab 0 sein. Ang"),
]
ROSTER = """name,groups,admin,end,note,shoe
{0},,,,
ann,,maybe,,
bob,,,2027-02-31,
=1+1,,,,
„{x}“ 100%d,,perhaps,,
\u0430nna,,,,
anna,,,,
carl,,,,one
carl,,,,two
"""
YES_OR_NO = "In der Spalte admin muss ja oder nein, yes oder no, true oder false, 1 oder 0, x oder nichts stehen."
PROBLEMS = {
    3: f"'ann': {YES_OR_NO}",
    4: "'bob': Das Ende muss ein Tag von 2000 bis 2999 sein, geschrieben 28.02.2027 oder 2027-02-28, oder leer "
    "bleiben.",
    5: "'=1+1': Eine Zelle darf nicht wie eine Formel mit =, +, -, @, einem Tabulator oder einem Zeilenumbruch "
    "beginnen.",
    6: f"'„{{x}}“ 100%d': {YES_OR_NO}",
    7: "'\u0430nna': Der Name mischt kyrillische und lateinische Buchstaben und kann deshalb wie ein anderer aussehen. "
    "Bitte bleiben Sie bei einer Schrift.",
    10: "'carl': Hier steht etwas anderes als in Zeile 9.",
}
NAMES = ["{0}", "{name}", "100%s", "%", "„Anna“", "»C«", "{", "}}", "a{}b%(c)s"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub with two admins."""
    async with running_hub(tmp_path_factory.mktemp("sentences"), CONFIG) as running:
        yield running


async def ask(
    hub: RunningHub, method: str, path: str, body: Any = None, *, language: str = "", token: str = ""
) -> tuple[int, Any]:
    """Ask the hub, by default as a service, with Accept-Language or without."""
    headers = {"Authorization": f"token {token or hub.admin_token}"}
    headers |= {"Accept-Language": language} if language else {}
    url = f"{hub.url}hub/api/jhaws/{path}"
    async with aiohttp.ClientSession() as http, http.request(method, url, json=body, headers=headers) as response:
        return response.status, await read_json(response)


@pytest.mark.parametrize(("method", "path", "body", "status", "english", "german"), ERRORS)
async def test_an_error_is_in_the_language_of_the_request(
    hub: RunningHub, method: str, path: str, body: Any, status: int, english: str, german: str
) -> None:
    """German for a German browser; English for all others, and where nothing is asked for."""
    for language, sentence in ((GERMAN, german), ("", english), ("fr-FR,fr;q=0.9", english), ("en,de;q=0.5", english)):
        answered, answer = await ask(hub, method, path, body, language=language)
        assert (answered, answer["status"]) == (status, status), answer
        assert answer["message"].startswith(sentence)


async def test_an_error_from_below_the_handlers_is_translated_too(hub: RunningHub) -> None:
    """The authenticator refuses to delete an admin of the configuration, whoever asks it."""
    token = await hub.token("root")
    status, answer = await ask(hub, "DELETE", "people/boss", language=GERMAN, token=token)

    assert status == 409
    assert answer["message"].startswith("boss steht in JhawsAuthenticator.admin_users und kann hier nicht gelöscht")
    english = (await ask(hub, "DELETE", "people/boss", token=token))[1]["message"]
    assert english.startswith("boss is in JhawsAuthenticator.admin_users and cannot be deleted here: remove the name")


async def test_a_database_without_an_answer_is_told_of_in_the_language_of_the_request(hub: RunningHub) -> None:
    """Whatever the database says, the answer is our sentence."""
    with closing(sqlite3.connect(hub.state / "jupyterhub.sqlite")) as db:
        db.execute("ALTER TABLE jhaws_roster_import RENAME TO away")
        try:
            status, answer = await ask(hub, "GET", "roster", language=GERMAN)
            english = (await ask(hub, "GET", "roster"))[1]["message"]
        finally:
            db.execute("ALTER TABLE away RENAME TO jhaws_roster_import")

    assert (status, answer["message"]) == (
        503,
        "Die Datenbank des Hubs antwortet nicht, deshalb wurde nichts geändert. Bitte versuchen Sie es in einer Minute "
        "noch einmal.",
    )
    assert english == DATABASE


async def test_problems_of_a_list_are_in_the_language_of_the_request(hub: RunningHub) -> None:
    """With their lines; names come out as they went in, and the same list has as many problems in English."""
    _, german = await ask(hub, "POST", "roster/preview", {"text": ROSTER}, language=GERMAN)
    _, english = await ask(hub, "POST", "roster/preview", {"text": ROSTER})

    assert {each["line"]: each["sentence"] for each in german["problems"]} == PROBLEMS
    assert [each["line"] for each in english["problems"]] == list(PROBLEMS)
    assert english["problems"][5] == {"line": 10, "sentence": "'carl': This says something else than line 9."}
    assert german["remarks"] == [
        {"line": 1, "sentence": "Nicht gelesen, weil jhaws solche Spalten nicht kennt: 6."},
    ]
    assert german["digest"] == english["digest"]
    assert german["added"] == english["added"]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_unharmed(hub: RunningHub, name: str) -> None:
    """Whatever they hold."""
    status, answer = await ask(hub, "GET", f"people/{quote(name, safe='')}", language=GERMAN)

    assert (status, answer["message"]) == (404, f"Den Namen {name!r} gibt es auf diesem Hub nicht.")


async def test_a_list_seen_in_german_can_be_imported_in_english_and_undone_in_german(hub: RunningHub) -> None:
    """The digest does not depend on the language; what an undo leaves is said in the reader's."""
    body = {"text": "dora\nemil\nfriedrich"}
    seen = (await ask(hub, "POST", "roster/preview", body, language=GERMAN))[1]
    status, _ = await ask(hub, "POST", "roster/apply", body | {"digest": seen["digest"]})
    assert status == 200
    assert (await ask(hub, "DELETE", "people/emil"))[0] == 204

    status, undone = await ask(hub, "POST", "roster/undo", {}, language=GERMAN)
    assert (status, [each["name"] for each in undone["removed"]]) == (200, ["dora", "friedrich"])
    sentence = "Vom Import nicht rückgängig gemacht: 1 (nicht mehr da, seither neu angelegt, oder geschützt)."
    assert undone["remarks"] == [{"line": None, "sentence": sentence}]


async def test_the_log_stays_english(hub: RunningHub) -> None:
    """An operator searches it for the words of the documentation, whoever has asked."""
    status, answer = await ask(hub, "GET", "people/somebody", language=GERMAN)

    assert (status, answer["message"]) == (404, "Den Namen 'somebody' gibt es auf diesem Hub nicht.")
    assert "The hub has no user 'somebody'." in hub.log()
    assert "gibt es auf diesem Hub" not in hub.log()
