"""People's own passwords, one-time codes and new shared passwords on a real hub: by its pages, its API and the CLI."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from jhaws.login.handlers import WRONG_CODE
from tests.hubclient import Session

from .hubs import RunningHub, program_path, running_hub
from .test_login import ADMIN, CONFIG, USER, may_enter, request_token

OWN = "kirschbaum im mai"
OTHER = "apfelbaum im juni"
NAMES = 'c.JhawsAuthenticator.allowed_users = {"ann", "bob"}\n'
OPTIONAL = CONFIG + NAMES + 'c.JhawsAuthenticator.personal_password = "optional"\n'
REQUIRED = CONFIG + NAMES + 'c.JhawsAuthenticator.personal_password = "required"\n'


def browser(hub: RunningHub) -> Session:
    """A browser that has been nowhere."""
    http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False))
    hub.sessions.append(http)
    return Session(hub, http)


async def send(session: Session, page: str, *, xsrf: str = "", **fields: str) -> tuple[int, str]:
    """Send the form of one of our pages as a browser without JavaScript does."""
    await session.get(f"hub/jhaws/{page}")
    data = {"again": fields.get("new", ""), "_xsrf": xsrf or session.xsrf, **fields}
    url = f"{session.hub.url}hub/jhaws/{page}"
    async with session.http.post(url, data=data, allow_redirects=False) as response:
        return response.status, html.unescape(await response.text())


async def give_code(hub: RunningHub, name: str, *, by: Session | None = None) -> str:
    """Get a one-time code, by default from the token of a service."""
    api = by or hub
    status, answer = await api.api("POST", f"jhaws/people/{name}/reset", {})
    assert status == 201, answer
    return str(answer["code"])


async def run_cli(hub: RunningHub, *arguments: str, stdin: str = "", token: str = "") -> tuple[int, str]:
    """Run `jhaws` beside the hub and return its exit code and what it prints, errors too."""
    environment = {**os.environ, "PATH": program_path(), "JUPYTERHUB_API_TOKEN": token or hub.admin_token}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "jhaws", *arguments),
        cwd=hub.state,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    return process.returncode or 0, output.decode()


def nothing_secret_in(hub: RunningHub, *secrets: str) -> bool:
    """Tell whether none of the secrets is in the hub's log or its database."""
    kept = b"".join(path.read_bytes() for path in hub.state.glob("jupyterhub.sqlite*"))
    log = hub.log()
    return not any(secret in log or secret.encode() in kept for secret in secrets) and "Traceback" not in log


async def test_an_own_password_takes_the_place_of_the_shared_one(tmp_path: Path) -> None:
    """Set on the page, it alone opens the account; all other logins and tokens of the person end, this one goes on."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        other, ann, bob = await hub.login("ann", USER), await hub.login("ann", USER), await hub.login("bob", USER)
        token = (await other.api("POST", "users/ann/tokens", {}))[1]["token"]
        assert (await send(ann, "password", old="wrong-one", new=OWN))[0] == 403
        assert (await send(ann, "password", old=USER, new=OWN, again=OTHER))[0] == 400
        for bad in ("short", USER, "ann", "aaaaaaaaaa", "x" * 2000):
            assert (await send(ann, "password", old=USER, new=bad))[0] == 400, bad
        assert (await other.api("GET", "user"))[0] == 200

        status, page = await send(ann, "password", old=USER, new=OWN)

        assert (status, "Your new password is set" in page) == (200, True)
        assert (await ann.api("GET", "user"))[1]["name"] == "ann"
        assert (await ann.get("hub/home"))[0] == 200
        assert (await other.api("GET", "user"))[0] in (401, 403)
        assert (await hub.api("GET", "user", token=token))[0] in (401, 403)
        assert (await bob.api("GET", "user"))[0] == 200
        assert [await may_enter(hub, "ann", each) for each in (USER, ADMIN, OWN)] == [False, False, True]
        assert [await may_enter(hub, "bob", each) for each in (USER, OWN)] == [True, False]
        assert (await request_token(hub, "ann", {"username": "ann", "password": USER}))[0] == 403
        assert (await request_token(hub, "ann", {"username": "ann", "password": OWN}))[0] == 201
        assert (await send(ann, "password", old=USER, new=OTHER))[0] == 403
        assert (await send(ann, "password", old=OWN, new=OTHER))[0] == 200
        await hub.kill()
        await hub.start()
        assert [await may_enter(hub, "ann", each) for each in (USER, OWN, OTHER)] == [False, False, True]
        assert nothing_secret_in(hub, OWN, OTHER, "short", "wrong-one")


async def test_shared_passwords_cannot_be_guessed_by_choosing_them(tmp_path: Path) -> None:
    """Choices one after the other have to wait, whatever logins succeed between them; typing errors and logins not.

    Guesses at the old password have to as well.
    """
    async with running_hub(tmp_path, OPTIONAL) as hub:
        ann = await hub.login("ann", USER)
        for _ in range(6):
            assert (await send(ann, "password", old=USER, new="short"))[0] == 400
        guesses = [f"{OWN} {number}" for number in range(6)]
        for old, new in itertools.pairwise([USER, *guesses]):
            assert (await send(ann, "password", old=old, new=new))[0] == 200
            assert (await hub.login("ann", new)).ok
        status, page = await send(ann, "password", old=guesses[-1], new=OTHER)

        assert (status, "Try again in" in page) == (429, True)
        assert (await send(ann, "password", old=guesses[-1], new="short"))[0] == 400
        assert await may_enter(hub, "ann", guesses[-1])

        olds = [(await send(ann, "password", old=f"guess {number}", new=OTHER))[0] for number in range(9)]
        assert (set(olds), olds[0], olds[-1]) == ({403, 429}, 403, 429)


async def test_a_change_that_waits_is_no_way_past_what_happens_meanwhile(tmp_path: Path) -> None:
    """With the shared password somebody changes ann's, has to wait for it, and ann becomes what the old one opens not.

    Then nothing is changed, and there is no login left.
    """
    acts: dict[str, tuple[str, str, Any]] = {
        "ann": ("PATCH", "jhaws/people/ann", {"admin": True}),
        "bob": ("PATCH", "jhaws/people/bob", {"blocked": True}),
        "cem": ("POST", "jhaws/people/cem/revoke", {}),
        "dan": ("PATCH", "users/dan", {"name": "daniel"}),
    }
    async with running_hub(tmp_path, OPTIONAL + "c.JhawsAuthenticator.allow_all = True\n") as hub:
        root = await hub.login("root", ADMIN)

        async def change_meanwhile(name: str) -> tuple[int, int]:
            stranger = await hub.login(name, USER)
            changes = itertools.pairwise([USER, *(f"{OWN} {number}" for number in range(4))])
            for old, new in changes:
                assert (await send(stranger, "password", old=old, new=new))[0] == 200
            waiting = asyncio.create_task(send(stranger, "password", old=f"{OWN} 3", new=OTHER), name=name)
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done, "it had nothing to wait for"
            assert (await root.api(*acts[name]))[0] == 200
            return (await waiting)[0], (await stranger.api("GET", "user"))[0]

        found = [await change_meanwhile(name) for name in acts]
        assert [status for status, _ in found] == [403] * len(acts)
        assert [status for _, status in found[:3]] == [403] * 3
        assert [await may_enter(hub, name, OTHER) for name in ("ann", "bob", "cem", "dan", "daniel")] == [False] * 5


async def test_the_audit_log_says_from_where_passwords_were_changed(tmp_path: Path) -> None:
    """Each change of a password stands there with who made it, whose it is, and the address."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        ann, root = await hub.login("ann", USER), await hub.login("root", ADMIN)
        assert (await send(ann, "password", old=USER, new=OWN))[0] == 200
        code = (await root.api("POST", "jhaws/people/ann/reset", {}))[1]["code"]
        assert (await send(browser(hub), "reset", name="ann", code=code, new=OTHER))[0] == 200
        assert (await root.api("POST", "jhaws/password", {"generate": True}))[0] == 201
        ann = await hub.login("ann", OTHER)
        assert (await send(ann, "password", old=OWN, new=USER))[0] == 403
        for _ in range(3):
            for name in ("ann", "nobody"):
                assert (await send(browser(hub), "reset", name=name, code=code, new=OTHER))[0] == 403

        _, entries = await root.api("GET", "jhaws/audit?limit=20")
        shown = [(each["action"], each["name"], each["actor"], each["address"]) for each in entries]
        assert [each["detail"] for each in entries[:3]] == [WRONG_CODE, WRONG_CODE, "wrong password"]
        assert [each for each in shown if each[0].startswith("password.")] == [
            # Wrong codes cost nothing, so each is not written down; and of the name of nobody nothing is.
            ("password.refused", "", "", "127.0.0.1"),
            ("password.refused", "ann", "", "127.0.0.1"),
            ("password.refused", "ann", "", "127.0.0.1"),
            ("password.shared", "", "root", "127.0.0.1"),
            ("password.own", "ann", "", "127.0.0.1"),
            ("password.code", "ann", "root", "127.0.0.1"),
            ("password.own", "ann", "", "127.0.0.1"),
        ]


async def test_a_forgotten_password_is_set_by_a_code_once(tmp_path: Path) -> None:
    """The code works once, only for its name, until a newer one; every other answer is the same, whoever is meant."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        old_login = await hub.login("ann", USER)
        first = await give_code(hub, "ann")
        code = await give_code(hub, "ann")
        new = {"new": OWN, "again": OWN}
        stranger = browser(hub)
        pages = set()
        wrong: list[tuple[str, str]] = [
            ("ann", first),
            ("bob", code),
            ("root", code),
            ("nobody", code),
            ("ann", ""),
            ("ann", "x" * 10_000),
            ("ann", "\0"),
            ("", ""),
        ]
        for name, typed in wrong:
            status, page = await send(stranger, "reset", name=name, code=typed, **new)
            assert status == 403
            pages.add(re.sub(r'value="[^"]*"|xsrf_token: "[^"]*"|\s+', "", page))
        assert len(pages) == 1
        # A bad password does not use the code up.
        assert (await send(stranger, "reset", name="ann", code=code, new="short"))[0] == 400
        assert (await send(stranger, "reset", name="ann", code=code, new=USER))[0] == 400
        typed = f" {code.lower().replace('-', ' ')} "
        assert (await send(stranger, "reset", name="ANN", code=typed, **new))[0] == 200
        assert [await may_enter(hub, "ann", each) for each in (USER, OWN)] == [False, True]
        assert (await old_login.api("GET", "user"))[0] in (401, 403)
        assert (await send(stranger, "reset", name="ann", code=code, new=OTHER))[0] == 403
        assert not await may_enter(hub, "ann", OTHER)
        assert nothing_secret_in(hub, OWN, first, code)


async def test_a_code_used_twice_at_the_same_moment_works_once(tmp_path: Path) -> None:
    """Of ten forms sent at once one is accepted, and its password is the one that opens."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        code = await give_code(hub, "ann")
        browsers = [browser(hub) for _ in range(10)]
        answers = await asyncio.gather(
            *(send(each, "reset", name="ann", code=code, new=f"{OWN} {n}") for n, each in enumerate(browsers))
        )
        assert sorted(status for status, _ in answers) == [200] + [403] * 9
        winner = [status for status, _ in answers].index(200)
        assert await may_enter(hub, "ann", f"{OWN} {winner}")


async def test_a_form_from_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """Without the right XSRF token neither page does anything, and a GET never writes."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        ann = await hub.login("ann", USER)
        code = await give_code(hub, "ann")
        assert (await send(ann, "password", old=USER, new=OWN, xsrf="forged"))[0] == 403
        assert (await send(browser(hub), "reset", name="ann", code=code, new=OWN, xsrf="forged"))[0] == 403
        for page in ("password", "reset"):
            query = f"?name=ann&code={code}&old={USER}&new={OWN}&again={OWN}"
            status, text = await ann.get(f"hub/jhaws/{page}{query}")
            assert (status, code in text) == (200, False)
        assert (await browser(hub).get("hub/jhaws/password", allow_redirects=False))[0] == 302
        assert await may_enter(hub, "ann", USER)


async def test_where_an_own_password_is_required_the_first_login_leads_to_it(tmp_path: Path) -> None:
    """No session, no token before it is chosen; without JavaScript; new names of allow_all too, with their groups."""
    config = REQUIRED + "c.JhawsAuthenticator.allow_all = True\nc.JhawsAuthenticator.manage_groups = True\n"
    config += 'c.JhawsAuthenticator.password_groups = {"tutors-password": ["tutors"]}\n'
    async with running_hub(tmp_path, config) as hub:
        for name, password in (("ann", USER), ("carla", "tutors-password")):
            assert (await request_token(hub, name, {"username": name, "password": password}))[0] == 403
            session = await hub.login(name, password)
            page = html.unescape(session.text)
            assert (session.status, "Choose your own password" in page) == (200, True)
            assert session.location == ""
            assert (await session.api("GET", "user"))[0] in (401, 403)
            hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
            assert hidden["name"] == name
            form = {key: hidden[key] for key in ("name", "code", "hidden")}
            status, page = await send(session, "reset", xsrf=hidden["_xsrf"], **form, new=USER)
            assert (status, "Choose your own password" in page, "One-time code" in page) == (400, True, False)
            assert dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)) == hidden
            status, _ = await send(session, "reset", xsrf=hidden["_xsrf"], **form, new=OWN)
            assert status == 200
            status, page = await send(session, "reset", xsrf=hidden["_xsrf"], **form, new=OTHER)
            assert (status, "Please log in again." in page, "One-time code" in page) == (403, True, False)
            assert not (await hub.login(name, password)).ok
            assert (await hub.login(name, OWN)).ok
            assert (await request_token(hub, name, {"username": name, "password": OWN}))[0] == 201
        assert (await hub.api("GET", "users/carla"))[1]["groups"] == ["tutors"]
        assert (await hub.login("root", ADMIN)).ok


async def test_a_code_that_was_handed_out_is_asked_for_after_the_shared_password(tmp_path: Path) -> None:
    """A classmate who logs in first gets none and does not end it; without one the form brings its own."""
    async with running_hub(tmp_path, REQUIRED) as hub:
        code = await give_code(hub, "ann")
        for name, title in (("ann", "Type the one-time code"), ("bob", "After that only yours lets you in")):
            page = html.unescape((await hub.login(name, USER)).text)
            hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
            assert (title in page, hidden["name"], "code" in hidden) == (True, name, name == "bob")

        assert (await send(browser(hub), "reset", name="ann", code=code, new=OWN))[0] == 200
        assert (await hub.login("ann", OWN)).ok


async def test_admins_may_have_their_own_at_any_setting(tmp_path: Path) -> None:
    """At least 12 characters; then admin_password opens that account no more, but the other admins' as before."""
    async with running_hub(tmp_path, CONFIG + NAMES) as hub:
        root = await hub.login("root", ADMIN)
        await root.api("POST", "users", {"usernames": ["boss"], "admin": True})
        assert (await send(root, "password", old=ADMIN, new="11-chars-it"))[0] == 400
        assert (await send(root, "password", old=ADMIN, new=OWN))[0] == 200
        assert [await may_enter(hub, "root", each) for each in (ADMIN, USER, OWN)] == [False, False, True]
        assert await may_enter(hub, "boss", ADMIN)
        # Users have none here: the page says so, and no code is given.
        ann = await hub.login("ann", USER)
        status, page = await ann.get("hub/jhaws/password")
        assert (status, "no passwords of their own" in page) == (200, True)
        assert (await send(ann, "password", old=USER, new=OWN))[0] == 403
        status, answer = await root.api("POST", "jhaws/people/ann/reset", {})
        assert (status, "personal_password is 'off'" in answer["message"]) == (409, True)
        code = await give_code(hub, "boss", by=root)
        assert (await send(browser(hub), "reset", name="boss", code=code, new=OTHER))[0] == 200
        assert [await may_enter(hub, "boss", each) for each in (ADMIN, OTHER)] == [False, True]


async def test_who_may_give_codes_and_change_the_shared_password(tmp_path: Path) -> None:
    """Users and strangers may neither; a service that may change users gets no code for an admin's account."""
    async with running_hub(tmp_path, OPTIONAL) as hub:
        ann, root = await hub.login("ann", USER), await hub.login("root", ADMIN)
        for path, body in (("jhaws/people/bob/reset", {}), ("jhaws/password", {"generate": True})):
            assert (await ann.api("POST", path, body))[0] == 403
            assert (await browser(hub).api("POST", path, body))[0] == 403
            assert (await hub.api("GET", path))[0] == 405
            async with root.http.post(f"{hub.url}hub/api/{path}", json=body) as response:
                assert response.status == 403  # a cookie without an XSRF token
        assert (await hub.api("POST", "jhaws/people/root/reset", {}))[0] == 403
        assert (await root.api("POST", "jhaws/people/root/reset", {}))[0] == 201
        for name in ("nobody", "a%2Fb", "..%2Froot", "%00"):
            assert (await hub.api("POST", f"jhaws/people/{name}/reset", {}))[0] == 404, name
        assert await may_enter(hub, "ann")


GROUPS = """
c.JhawsAuthenticator.manage_groups = True
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "chief", "groups": ["chiefs"], "scopes": ["tokens"]},
    {"name": "tutor", "users": ["tutor"], "scopes": ["admin:users", "list:users"]},
]
"""


async def test_who_may_set_a_password_for_groups(tmp_path: Path) -> None:
    """It takes the scope for groups; where the roles of the groups make admins, nobody may."""
    async with running_hub(tmp_path, CONFIG + GROUPS) as hub:
        root, tutor = await hub.login("root", ADMIN), await hub.token("tutor")

        async def change(*groups: str, **options: Any) -> int:
            body = {"generate": True, **({"groups": list(groups)} if groups else {})}
            return (await hub.api("POST", "jhaws/password", body, **options))[0]

        assert [await change(token=tutor), await change("class-a", token=tutor)] == [201, 403]
        # The hub's service may change groups, and is no admin.
        assert [await change("class-a"), await change("class-a", "chiefs"), await change("new-one")] == [201, 400, 201]
        assert (await root.api("POST", "jhaws/password", {"generate": True, "groups": ["chiefs"]}))[0] == 400


BAD_CHANGES: list[Any] = [
    None,
    [],
    {},
    {"password": None},
    {"password": 12345678},
    {"password": "short"},
    {"password": "nul\0in-the-middle"},
    {"password": "x" * 1_000_000},
    {"password": OWN, "generate": True},
    {"generate": "yes"},
    {"generate": True, "old_ends_at": "tomorrow"},
    {"generate": True, "old_ends_at": "2020-01-01T00:00:00Z"},
    {"generate": True, "old_ends_at": 5},
    {"generate": True, "old_ends_at": "3000-01-01T00:00Z"},
    {"generate": True, "old_ends_at": "9999-12-31T23:59:59+00:00"},  # the page could not show it east of UTC
    {"generate": True, "groups": "tutors"},
    {"generate": True, "groups": []},
    {"generate": True, "groups": ["tutors"]},
    {"generate": True, "sudo": True},
]


async def test_the_shared_password_is_changed_by_api_and_cli(tmp_path: Path) -> None:
    """A made one is told once, a given one never; the old one ends as it is said; bad requests change nothing."""
    async with running_hub(tmp_path, CONFIG + NAMES) as hub:
        for body in BAD_CHANGES:
            assert (await hub.api("POST", "jhaws/password", body))[0] == 400, repr(body)[:60]
        many = {"generate": True, "groups": [f"group-{number}" for number in range(101)]}
        status, answer = await hub.api("POST", "jhaws/password", many)
        assert (status, answer["message"]) == (400, "A password may be of 100 groups, here are 101.")
        assert (await hub.api("POST", "jhaws/password", {"password": USER}))[0] == 409
        assert (await hub.api("POST", "jhaws/password", {"password": ADMIN}))[0] == 409
        assert await may_enter(hub, "ann")
        status, answer = await hub.api("POST", "jhaws/password", {"generate": True})
        assert (status, set(answer)) == (201, {"password", "groups", "made_at"})
        made = answer["password"]
        assert [await may_enter(hub, "ann", each) for each in (USER, made)] == [False, True]
        status, answer = await hub.api("POST", "jhaws/password", {"password": OWN, "old_ends_at": "2099-01-01T00:00Z"})
        assert (status, "password" in answer) == (201, False)
        assert [await may_enter(hub, "ann", each) for each in (made, OWN)] == [True, True]

        code, output = await run_cli(hub, "password", "rotate", "--hub", hub.url, "--json", stdin=f"{OTHER}\n")
        assert (code, set(json.loads(output))) == (0, {"groups", "made_at"})
        assert [await may_enter(hub, "ann", each) for each in (made, OWN, OTHER)] == [False, False, True]
        code, output = await run_cli(hub, "password", "rotate", "--hub", hub.url)
        assert code == 0
        assert await may_enter(hub, "ann", output.split("\n")[1])
        code, output = await run_cli(hub, "password", "rotate", "--hub", hub.url, "--group", "x", stdin=OWN)
        assert (code, "manage_groups" in output, "Traceback" in output) == (1, True, False)
        assert not await may_enter(hub, "root", OTHER)
        assert nothing_secret_in(hub, made, OWN, OTHER)


async def test_the_first_admin_gets_in_by_a_code_from_the_pod(tmp_path: Path) -> None:
    """Without any password configured; while the hub runs; the link has the code behind the `#` only."""
    config = 'c.JhawsAuthenticator.admin_users = {"root"}\n'
    async with running_hub(tmp_path, config) as hub:
        command = ("password", "code", "-f", "jupyterhub_config.py")
        code, output = await run_cli(hub, *command, "Root")
        assert code == 0, output
        lines = [line for line in output.splitlines() if "jhaws/reset#" in line]
        link = urlsplit(lines[0].split()[-1])
        given = {key: values[0] for key, values in parse_qs(link.fragment).items()}
        assert (link.path, link.query, given["name"]) == ("/hub/jhaws/reset", "", "root")
        assert given["code"] in output.splitlines()
        assert (await send(browser(hub), "reset", new=OWN, **given))[0] == 200
        root = await hub.login("root", OWN)
        assert (await root.get("hub/admin"))[0] == 200
        elsewhere = hub.state / "elsewhere.py"
        elsewhere.write_text('c.JupyterHub.db_url = "sqlite:///elsewhere.sqlite"\n')
        code, output = await run_cli(hub, "password", "code", "-f", "elsewhere.py", "root")
        assert (code, "jhaws: The hub's database 'elsewhere.sqlite' is not here." in output) == (1, True)
        assert not elsewhere.with_suffix(".sqlite").exists()
        code, output = await run_cli(hub, *command, "nobody")
        assert (code, "no user 'nobody'" in output, "Traceback" in output) == (1, True, False)
        code, output = await run_cli(hub, "password", "code", "-f", "nowhere.py", "root")
        assert (code, "There is no file" in output) == (1, True)
        assert nothing_secret_in(hub, given["code"], OWN)


@pytest.mark.parametrize(("languages", "said"), [("de-CH,de;q=0.9", "Neues Passwort"), ("fr,en;q=0.5", "New password")])
async def test_the_page_speaks_german_and_english_and_is_labelled(tmp_path: Path, languages: str, said: str) -> None:
    """Each field has its label, the page is in no cache, and its address is told to nobody."""
    async with running_hub(tmp_path, OPTIONAL) as hub, aiohttp.ClientSession() as http:
        async with http.get(f"{hub.url}hub/jhaws/reset", headers={"Accept-Language": languages}) as response:
            page = html.unescape(await response.text())
            assert (response.status, said in page) == (200, True)
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
        form = page[page.index("<form") : page.index("</form>")]
        assert re.findall(r'for="([^"]*)"', form) == re.findall(r'\bid="([^"]*)"', form)
        assert len(re.findall(r"<label", form)) == 4
