"""What stands between a guesser and a real hub's passwords: through its proxy, its form and its REST API."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.hubclient import Session, eventually

from .hubs import RunningHub, program_path, running_hub
from .test_login import ADMIN, CONFIG, USER, request_token

ADD_PEOPLE = 'c.JhawsAuthenticator.allowed_users = {"ann", "bob"}\n'
TUTOR = """
c.JhawsAuthenticator.allowed_users = {"ann", "bob", "tutor", "chief"}
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "tutor", "users": ["tutor"], "scopes": ["admin:users"]},
    {"name": "chief", "users": ["chief"], "scopes": ["tokens"]},
]
"""
SCHOOL, SCANNER = "203.0.113.7", "198.51.100.66"
FORGED = [
    {},
    {"X-Real-Ip": "192.0.2.9"},
    {"X-Forwarded-For": "192.0.2.9"},
    {"X-Forwarded-For": SCHOOL, "X-Real-Ip": SCHOOL, "Forwarded": f"for={SCHOOL}"},
]


def behind_load_balancer(address: str, **forged: str) -> dict[str, str]:
    """Return the headers of a request from `address`: a load balancer appends it to what the client made up."""
    return forged | {"X-Forwarded-For": f"{forged.get('X-Forwarded-For', '')}, {address}".removeprefix(", ")}


async def open_form(hub: RunningHub, headers: dict[str, str]) -> Session:
    """Open the login form in a browser that sends `headers` with each request."""
    http = aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False))
    hub.sessions.append(http)
    session = Session(hub, http)
    assert (await session.get("hub/login"))[0] == 200
    return session


async def send_form(session: Session, name: str, password: str) -> tuple[int, int]:
    """Send the login form; return the status and Retry-After, 0 where there is none."""
    form = {"username": name, "password": password, "_xsrf": session.xsrf}
    url = f"{session.hub.url}hub/login"
    async with session.http.post(url, data=form, allow_redirects=False) as response:
        return response.status, int(response.headers.get("Retry-After", 0))


async def guess(hub: RunningHub, name: str, times: int = 1, **headers: str) -> None:
    """Ask for a token with wrong passwords, one after the other."""
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(times):
            auth = {"username": name, "password": "guessed"}
            async with http.post(f"{hub.url}hub/api/users/{name}/tokens", json={"auth": auth}) as response:
                assert response.status == 403


async def guess_until_refused(hub: RunningHub, name: str) -> int:
    """Guess until the hub does not want to hear of it for a while, and return how many guesses it has heard."""
    session = await hub.login(name, "guessed")
    heard = 1
    async with asyncio.timeout(90):
        while True:
            form = {"username": name, "password": "guessed", "_xsrf": session.xsrf}
            async with session.http.post(f"{hub.url}hub/login", data=form) as response:
                if response.status == 429 and int(response.headers["Retry-After"]) > 12:
                    return heard
                heard += response.status == 403


async def test_a_guesser_is_put_off_at_form_and_api_alike(tmp_path: Path) -> None:
    """After some guesses the name has to wait, also with the right password and after a restart; others do not."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        heard = await guess_until_refused(hub, "ann")
        login = await hub.login("ann", USER)
        form = {"username": "ann", "password": USER, "_xsrf": login.xsrf}
        async with login.http.post(f"{hub.url}hub/login", data=form, headers={"Accept-Language": "de"}) as response:
            german = await response.text()
        token = await request_token(hub, "ann", {"username": "ann", "password": USER})
        other = await hub.login("bob", USER)
        metrics = (await (await hub.login("root", ADMIN)).get("hub/metrics"))[1]
        logins = dict(re.findall(r'^jhaws_logins_total\{outcome="(\w+)"\} (\d+)', metrics, re.MULTILINE))
        put_off = hub.log().count("Put off a login of 'ann' from 127.0.0.1.")
        await hub.kill()
        await hub.start()
        (ann,) = [tally for tally in (await hub.api("GET", "jhaws/throttle"))[1] if tally["value"] == "ann"]

        assert 6 <= heard <= 9
        # JupyterHub makes a 403 of whatever goes wrong with a password in a token request.
        assert (login.status, token[0]) == (429, 403)
        assert ann["failures"] >= 6
        assert "Too many logins have failed. Try again in" in login.text
        assert "Zu viele Anmeldungen sind fehlgeschlagen. Bitte versuchen Sie es in" in german
        assert other.ok
        entries = (await hub.api("GET", "jhaws/audit?name=ann&action=login.refused"))[1]
        # Once a minute, and not each time: who is put off can go on for nothing.
        noted = [each["detail"] for each in entries].count("put off, as too many logins have failed")
        assert 1 <= noted < hub.log().count("Put off a login of 'ann'")
        # The form in two languages, the token, and what ended the guesses.
        assert put_off >= 4
        assert logins == {"ok": "2", "refused": str(heard), "throttled": str(put_off)}


async def test_a_guesser_elsewhere_locks_nobody_out(tmp_path: Path) -> None:
    """Where the admin has entered lately, the right password goes on to open while somebody hammers on the name."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        assert (await hub.login("root", ADMIN)).ok
        scanner = await open_form(hub, behind_load_balancer(SCANNER))
        answers = {status for status, _ in [await send_form(scanner, "root", "guessed") for _ in range(9)]}

        assert answers == {403, 429}
        assert [(await hub.login("root", ADMIN)).ok for _ in range(3)] == [True] * 3
        assert (await send_form(scanner, "root", "guessed"))[0] == 429
        # As the docs say, in the hub's pod.
        command = (sys.executable, "-m", "jupyterhub", "token", "-f", "jupyterhub_config.py", "root")
        environment = {**os.environ, "PATH": program_path()}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=hub.state, env=environment, stdout=asyncio.subprocess.PIPE
        )
        token = (await process.communicate())[0].decode().split()[-1]
        assert (await hub.api("DELETE", "jhaws/throttle?kind=name&value=root", token=token))[0] == 204
        assert (await send_form(scanner, "root", "guessed"))[0] == 403


async def test_a_guesser_at_the_same_address_is_no_end(tmp_path: Path) -> None:
    """The right password waits there too; an open session clears the name and makes another admin, who gets in."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        root = await hub.login("root", ADMIN)
        await guess_until_refused(hub, "root")
        assert (await hub.login("root", ADMIN)).status == 429
        assert (await root.api("POST", "jhaws/people", {"names": ["other"], "admin": True}))[0] == 201
        assert (await hub.login("other", ADMIN)).ok
        assert (await hub.login("root", ADMIN)).status == 429
        assert (await root.api("DELETE", "jhaws/throttle?kind=name&value=root"))[0] == 204
        assert (await hub.login("root", ADMIN)).ok


async def test_only_admins_clear_what_protects_admins(tmp_path: Path) -> None:
    """A tutor, who may change users, clears ann and an address, but no admin by flag or role, and not everything."""
    async with running_hub(tmp_path, CONFIG + TUTOR) as hub:
        tutor = await hub.token("tutor")
        for name in ("root", "chief", "ann"):
            await guess(hub, name)
        for query in ("", "?kind=name&value=root", "?kind=name&value=chief"):
            status, answer = await hub.api("DELETE", f"jhaws/throttle{query}", token=tutor)
            assert (status, "Only admins can forget" in answer["message"]) == (403, True), query
        assert (await hub.api("DELETE", "jhaws/throttle?kind=name&value=ROOT", token=tutor))[0] == 204  # nobody's
        assert (await hub.api("DELETE", "jhaws/throttle?kind=address&value=127.0.0.1", token=tutor))[0] == 204
        assert (await hub.api("DELETE", "jhaws/throttle?kind=name&value=ann", token=tutor))[0] == 204
        assert {"root", "chief", "ann", "127.0.0.1"} & set(await read_delays(hub)) == {"root", "chief"}
        root = await hub.login("root", ADMIN)
        assert (await root.api("DELETE", "jhaws/throttle?kind=name&value=chief"))[0] == 204
        assert (await root.api("DELETE", "jhaws/throttle"))[0] == 204
        assert await read_delays(hub) == {}


async def test_unknown_names_are_put_off_like_known_ones(tmp_path: Path) -> None:
    """Nobody learns from the delays which names there are, and what was typed is kept nowhere."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        assert 6 <= await guess_until_refused(hub, "nobody-of-that-name") <= 9
        assert 6 <= await guess_until_refused(hub, "ann") <= 9
        stored = (tmp_path / "jupyterhub.sqlite").read_bytes() + hub.log().encode()

        assert b"guessed" not in stored
        assert b"nobody-of-that-name" not in (tmp_path / "jupyterhub.sqlite").read_bytes()


async def test_an_admin_sees_and_clears_what_guessing_led_to(tmp_path: Path) -> None:
    """The REST API lists names and addresses that wait, forgets them, and writes down who did; users see nothing."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        await guess_until_refused(hub, "ann")
        ann = {tally["kind"]: tally for tally in (await hub.api("GET", "jhaws/throttle"))[1]}
        root = await hub.login("root", ADMIN)
        assert (await root.api("DELETE", "jhaws/throttle?kind=name&value=ann"))[0] == 204
        session = await hub.login("ann", USER)

        assert ann["name"]["value"] == "ann"
        assert 1 <= ann["name"]["wait_seconds"] <= 30
        assert ann["address"]["value"] == "127.0.0.1"
        assert session.ok
        for method, path in (("GET", "throttle"), ("DELETE", "throttle"), ("GET", "audit")):
            assert (await session.api(method, f"jhaws/{path}"))[0] == 403
        entries = (await hub.api("GET", "jhaws/audit"))[1]
        assert [(each["action"], each["name"], each["actor"]) for each in entries[:3]] == [
            ("login", "ann", ""),
            ("throttle.cleared", "", "root"),
            ("login", "root", ""),
        ]
        assert entries[3] | {"number": 0, "at": ""} == {
            "number": 0,
            "at": "",
            "action": "login.refused",
            "name": "ann",
            "actor": "",
            "address": "127.0.0.1",
            "detail": "wrong password",
        }


async def test_a_clients_own_headers_do_not_hide_its_address(tmp_path: Path) -> None:
    """X-Real-Ip counts for nothing, X-Forwarded-For only where a trusted proxy wrote it."""
    trust = 'c.JhawsAuthenticator.trusted_proxies = ["192.0.2.0/24"]\n'
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE + trust) as hub:
        await guess(hub, "ann", 1, **{"X-Real-Ip": "198.51.100.9", "X-Forwarded-For": "198.51.100.10"})

        assert (await hub.api("GET", "jhaws/audit"))[1][0]["address"] == "127.0.0.1"


async def test_behind_a_load_balancer_people_have_their_own_addresses(tmp_path: Path) -> None:
    """What the proxies wrote is followed to the client, whatever that put before it; a user's server is no proxy."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        headers = {"X-Forwarded-For": "1.2.3.4, 198.51.100.10, 10.0.3.4"}
        await guess(hub, "ann", 1, **headers)
        with contextlib.closing(sqlite3.connect(tmp_path / "jupyterhub.sqlite")) as database, database:
            # As JupyterHub writes down that bob's server runs there.
            server = "'http', '10.0.3.4', 8888, '/user/bob/'"
            database.execute(f"INSERT INTO servers (proto, ip, port, base_url) VALUES ({server})")
            its = "SELECT '', users.id, servers.id FROM users, servers WHERE users.name = 'bob' AND ip = '10.0.3.4'"
            database.execute(f"INSERT INTO spawners (name, user_id, server_id) {its}")
        await guess(hub, "ann", 1, **headers)

        found = [each["address"] for each in (await hub.api("GET", "jhaws/audit"))[1]]
        assert found == ["10.0.3.4", "198.51.100.10"]


async def read_delays(hub: RunningHub) -> dict[str, dict[str, Any]]:
    """Return what failed logins have led to, by name and address; "" is for all together."""
    return {each["value"]: each for each in (await hub.api("GET", "jhaws/throttle"))[1]}


@pytest.mark.timeout(240)
async def test_a_class_that_mistypes_is_never_put_off(tmp_path: Path) -> None:
    """100 users of one address fail five times and get in then: no delay is over 5 s, and nobody is answered 429."""
    people = [f"student-{number}" for number in range(100)]
    # Together they fail 180 times before one of them gets in, in whatever order: 200 would be a scanner's.
    seats = asyncio.Semaphore(36)
    async with running_hub(tmp_path, CONFIG + f"c.JhawsAuthenticator.allowed_users = set({people})\n") as hub:

        async def enter(name: str) -> tuple[list[tuple[int, int]], dict[str, Any]]:
            async with seats:
                session = await open_form(hub, behind_load_balancer(SCHOOL))
                answers = [await send_form(session, name, f"mistyped-{number}") for number in range(5)]
                told = await read_delays(hub)
                return [*answers, await send_form(session, name, USER)], told

        entered = dict(zip(people, await asyncio.gather(*map(enter, people)), strict=True))
        school = (await read_delays(hub))[SCHOOL]

        assert {name: answers for name, (answers, _) in entered.items() if answers != [(403, 0)] * 5 + [(302, 0)]} == {}
        for name, (_, told) in entered.items():
            assert [told[each]["delay_seconds"] for each in (name, SCHOOL, "")] == [4, 0, 0]
            assert max(told[each]["wait_seconds"] for each in (name, SCHOOL, "")) <= 4
        assert (school["delay_seconds"], school["failures_since_success"]) == (0, 0)
        assert 400 < school["failures"] <= 500


@pytest.mark.timeout(240)
async def test_a_scanner_waits_a_minute_for_each_guess_and_nobody_else_does(tmp_path: Path) -> None:
    """After 200 failures of ever new names, by form and by token request, whatever headers it makes up."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        scanner, clock = await open_form(hub, behind_load_balancer(SCANNER)), asyncio.get_running_loop().time
        turns = asyncio.Semaphore(20)

        async def scan(number: int) -> tuple[int, int]:
            async with turns:
                return await send_form(scanner, f"name-{number}", "guessed")

        heard = await asyncio.gather(*map(scan, range(199)))
        disguises = [await open_form(hub, behind_load_balancer(SCANNER, **headers)) for headers in FORGED]
        began = clock()
        heard.append(await scan(199))
        refused = [await send_form(disguise, f"new-{number}", USER) for number, disguise in enumerate(disguises)]
        auth = {"username": "ann", "password": USER}
        tokens = [
            (await request_token(hub, "ann", auth, **behind_load_balancer(SCANNER, **headers)))[0] for headers in FORGED
        ]
        passed = clock() - began
        delays = (await read_delays(hub))[SCANNER]

        assert set(heard) == {(403, 0)}
        assert {status for status, _ in refused} == {429}
        assert min(seconds for _, seconds in refused) + passed >= 60
        assert set(tokens) == {403}
        assert hub.log().count(f"Put off a login of an unknown name from {SCANNER}.") == len(FORGED)
        assert hub.log().count(f"Put off a login of 'ann' from {SCANNER}.") == len(FORGED)
        assert (delays["failures_since_success"], delays["delay_seconds"]) == (200, 60)
        school = behind_load_balancer(SCHOOL)
        assert await send_form(await open_form(hub, school), "bob", USER) == (302, 0)
        assert (await request_token(hub, "ann", auth, **school))[0] == 201


async def test_the_audit_log_is_read_by_name_page_and_as_csv(tmp_path: Path) -> None:
    """An admin filters it, pages through it, and takes it away as a table that runs no formula."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE) as hub:
        for name in ("ann", "bob", "ann"):
            assert (await hub.login(name, USER)).ok
        assert (await hub.api("POST", "users/=1+1"))[0] == 201
        first = (await hub.api("GET", "jhaws/audit?name=ann&limit=1"))[1]
        second = (await hub.api("GET", f"jhaws/audit?name=ann&limit=5&before={first[0]['number']}"))[1]
        text = (await hub.api("GET", "jhaws/audit?format=csv"))[1]
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))

        assert [each["name"] for each in first + second] == ["ann", "ann"]
        assert rows[0] == ["at", "action", "name", "actor", "address", "detail"]
        assert [row[2] for row in rows[1:]] == ["'=1+1", "ann", "bob", "ann"]
        assert (await hub.api("GET", "jhaws/audit?before=x"))[0] == 400


async def test_old_entries_of_the_audit_log_go_without_a_login(tmp_path: Path) -> None:
    """What is older than `audit_days` is gone soon after the hub's start, though nobody logs in."""
    async with running_hub(tmp_path, CONFIG + ADD_PEOPLE + "c.JhawsAuthenticator.audit_days = 2\n") as hub:
        for name in ("ann", "bob"):
            assert (await hub.login(name, USER)).ok
        await hub.kill()
        with contextlib.closing(sqlite3.connect(hub.state / "jupyterhub.sqlite")) as db, db:
            db.execute("UPDATE jhaws_audit SET at = datetime('now', '-3 days') WHERE name = 'ann'")
            db.execute("UPDATE jhaws_audit SET at = datetime('now', '-1 days') WHERE name = 'bob'")
        await hub.start()

        async def names() -> list[str]:
            return [each["name"] for each in (await hub.api("GET", "jhaws/audit?action=login"))[1]]

        async def is_gone() -> bool:
            return "ann" not in await names()

        await eventually(is_gone, what="the old entry")
        assert await names() == ["bob"]
