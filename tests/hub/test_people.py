"""People in a real hub: blocks, ends and revoking, the REST API, imports, and users of an earlier login."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from jhaws.login.importing import DATABASE
from tests.hubclient import Session, eventually
from tests.postgres import Postgres, running_postgres

from .hubs import RunningHub, running_hub

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

USER = "shared-password"
ADMIN = "the-admins-own-password-of-40-characters"

# The hub is tried here, not the server.
SERVER = """
import http.server, os, urllib.parse
port = urllib.parse.urlparse(os.environ["JUPYTERHUB_SERVICE_URL"]).port
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
CONFIG = f"""
c.SimpleLocalProcessSpawner.home_dir_template = os.getcwd() + "/homes/{{username}}"
c.Spawner.cmd = [sys.executable, "-c", {SERVER!r}]
import jhaws.login.closing
jhaws.login.closing.CHECK_SECONDS = 1
c.JhawsAuthenticator.admin_users = {{"root"}}
c.JhawsAuthenticator.user_password = {USER!r}
c.JhawsAuthenticator.admin_password = {ADMIN!r}
c.JhawsAuthenticator.time_zone = "Europe/Berlin"
"""
DUMMY = """
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
"""
ODD_NAMES = [
    "a b",
    "100%s",
    "ann%20b",
    "o'neil",
    "<b>bold",
    "ümlaut",
    "import",
    "x" * 200,
    "a&b;c,d",
    "%",
    "revoke",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub for all tests of this module that need no other one."""
    async with running_hub(tmp_path_factory.mktemp("people"), CONFIG) as running:
        yield running
        assert "Uncaught exception" not in running.log()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def root(hub: RunningHub) -> Session:
    """The admin's browser."""
    session = await hub.login("root", ADMIN)
    assert session.ok
    return session


async def may_enter(hub: RunningHub, name: str) -> bool:
    """Tell whether the login form lets somebody in."""
    return (await hub.login(name, USER)).ok


async def add(root: Session, *names: str, **fields: Any) -> None:
    """Add people."""
    status, answer = await root.api("POST", "jhaws/people", {"names": list(names), **fields})
    assert status == 201, answer


async def person(root: Session, name: str) -> dict[str, Any]:
    """Return what the API says of somebody."""
    status, answer = await root.api("GET", f"jhaws/people/{name}")
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def start_server(root: Session, name: str) -> None:
    """Start somebody's server and wait until it is ready."""
    status, _ = await root.api("POST", f"users/{name}/server")
    assert status in (201, 202)

    async def is_ready() -> bool:
        return bool((await root.api("GET", f"users/{name}"))[1]["servers"].get("", {}).get("ready"))

    await eventually(is_ready, within=60, what="the server")


async def is_closed(hub: RunningHub, name: str, browser: Session, token: str) -> bool:
    """Tell whether login, session, token and server of somebody have ended."""
    page, _ = await browser.get("hub/home", allow_redirects=False)
    status, _ = await hub.api("GET", "user", token=token)
    _, user = await hub.api("GET", f"users/{name}")
    return page == 302 and status in (401, 403) and not user["servers"] and not await may_enter(hub, name)


async def use(hub: RunningHub, name: str) -> tuple[Session, str]:
    """Log in as somebody and make a token."""
    browser = await hub.login(name, USER)
    assert browser.ok
    status, answer = await browser.api("POST", f"users/{name}/tokens", {})
    assert status == 201
    token = str(answer["token"])
    assert (await hub.api("GET", "user", token=token))[0] == 200
    return browser, token


async def test_a_block_ends_everything_at_once(hub: RunningHub, root: Session) -> None:
    """When the answer is there, cookie and token are dead, the server is gone and the login refused; then undone."""
    await add(root, "ann", "other")
    browser, token = await use(hub, "ann")
    other = await use(hub, "other")
    await start_server(root, "ann")
    assert (await person(root, "ann"))["servers"] == 1
    status, answer = await root.api("PATCH", "jhaws/people/ann", {"blocked": True})
    assert (status, answer["state"], answer["servers"]) == (200, "blocked", 0)
    assert await is_closed(hub, "ann", browser, token)
    assert (await hub.api("GET", "user", token=other[1]))[0] == 200
    assert (await other[0].get("hub/home", allow_redirects=False))[0] == 200

    assert (await root.api("PATCH", "jhaws/people/ann", {"blocked": False}))[1]["state"] == "allowed"
    assert await may_enter(hub, "ann")
    # What was open before the block stays closed.
    assert (await browser.get("hub/home", allow_redirects=False))[0] == 302
    assert "Refused the login of 'ann' from 127.0.0.1: an admin has blocked the person." in hub.log()


async def test_nobody_starts_a_server_of_who_may_not_enter(tmp_path: Path) -> None:
    """Not even an admin, who reads why; it is no failed start, of which a hub bears only some."""
    async with running_hub(tmp_path, CONFIG + "c.Spawner.consecutive_failure_limit = 2\n") as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "kay")
        for field, value, why in (("blocked", True, "has blocked the person"), ("waiting", True, "let it in yet")):
            assert (await root.api("PATCH", "jhaws/people/kay", {field: value}))[0] == 200
            for _ in range(2):
                status, answer = await root.api("POST", "users/kay/server")
                assert (status, why in answer["message"]) == (403, True), answer
            assert (await root.api("PATCH", "jhaws/people/kay", {field: False}))[0] == 200
        await start_server(root, "kay")
        assert "consecutive" not in hub.log()
        assert (await root.api("POST", "jhaws/people/kay/revoke", {}))[1]["servers"] == 0


async def test_the_admin_panel_makes_an_admin_of_a_user_whose_name_stays(hub: RunningHub, root: Session) -> None:
    """It sends the name with the flag, of which JupyterHub itself would make a user without a name."""
    await add(root, "lou")
    status, answer = await root.api("PATCH", "users/lou", {"name": "lou", "admin": True})
    assert (status, answer["name"], answer["admin"]) == (200, "lou", True)
    assert (await root.api("PATCH", "users/lou", {"name": "lou"}))[1]["admin"]
    assert (await root.api("DELETE", "users/lou"))[0] == 204


async def test_no_new_name_looks_like_another_one(hub: RunningHub, root: Session) -> None:
    """Neither in the panel nor by renaming; a user whose own name was the odd one can be given the plain one."""
    await add(root, "paco")
    twin, mixed = "\u0440\u0430\u0441\u043e", "p\u0430blo"  # all Cyrillic, and with one such letter
    tries: list[tuple[str, str, Any]] = [
        ("POST", f"users/{quote(twin)}", None),
        ("POST", f"users/{quote(mixed)}", None),
        ("POST", "users", {"usernames": ["plain", twin]}),
        ("POST", "users", {"usernames": ["oca", "\u043e\u0441\u0430"]}),
        ("PATCH", "users/paco", {"name": mixed}),
    ]
    for method, path, body in tries:
        status, answer = await root.api(method, path, body)
        assert (status, answer["message"].endswith(("use one of them.", "keep to one script."))) == (400, True), answer
    assert (await root.api("GET", "users/plain"))[0] == 404
    odd = "\u0441\u0430\u0441\u0430"
    assert (await root.api("POST", f"users/{quote(odd)}"))[0] == 201
    assert (await root.api("PATCH", f"users/{quote(odd)}", {"name": "caca"}))[0] == 200


async def test_a_name_is_added_and_given_in_the_spelling_that_logs_in(hub: RunningHub, root: Session) -> None:
    """Where JupyterHub would take another one as it is, the refusal says which; elsewhere it makes the right one."""
    await add(root, "benno")
    for name, spelling in (("BENNO", "benno"), ("Nobodys", "nobodys"), ("\u00dcLI", "\u00fcli")):
        status, answer = await root.api("POST", f"users/{quote(name)}")
        assert (status, answer["message"]) == (400, f"'{name}' is written '{spelling}' in this hub; use that name.")
    assert (await root.api("GET", "users/BENNO"))[0] == 404
    assert (await root.api("POST", "users/nobodys"))[0] == 201
    assert (await root.api("POST", "users", {"usernames": ["Benno"]}))[0] == 409
    assert (await root.api("PATCH", "users/nobodys", {"name": "BENNO"}))[0] == 400
    assert (await root.api("PATCH", "users/nobodys", {"name": "Somebodys"}))[1]["name"] == "somebodys"


async def test_what_strangers_send_to_jupyterhubs_own_api_is_not_read(hub: RunningHub, root: Session) -> None:
    """Without a login, or the scope, the answer is JupyterHub's refusal, not that the body is no JSON."""
    await add(root, "stranger")
    tokens = {"": 403, await hub.token("stranger"): 403, hub.admin_token: 400}
    for method, path in (("POST", "users"), ("POST", "users/one-more"), ("PATCH", "users/stranger")):
        for token, expected in tokens.items():
            headers = {"Authorization": f"token {token}"} if token else {}
            async with (
                aiohttp.ClientSession(headers=headers) as http,
                http.request(method, f"{hub.url}hub/api/{path}", data="{no json") as response,
            ):
                assert response.status == expected, (method, path, token)


async def test_who_may_be_anybody_is_nobody_elses_twin(tmp_path: Path) -> None:
    """Where all are allowed, a new name that looks like another one is refused like a wrong password."""
    async with running_hub(tmp_path, CONFIG + "c.JhawsAuthenticator.allow_all = True\n") as hub:
        names = ("paco", "\u0440\u0430\u0441\u043e", "r\u043eot", "\u044e\u043b\u0438\u044f")
        assert [await may_enter(hub, name) for name in names] == [True, False, False, True]
        assert "an unknown name from 127.0.0.1: the name is new and looks like another one." in hub.log()


async def test_who_has_to_wait_again_loses_what_is_open(hub: RunningHub, root: Session) -> None:
    """As by a block; letting the person in opens nothing of it again."""
    await add(root, "wanda")
    browser, token = await use(hub, "wanda")
    await start_server(root, "wanda")
    status, answer = await root.api("PATCH", "jhaws/people/wanda", {"waiting": True})

    assert (status, answer["state"], answer["servers"]) == (200, "waiting", 0)
    assert await is_closed(hub, "wanda", browser, token)
    assert (await root.api("PATCH", "jhaws/people/wanda", {"waiting": False}))[1]["state"] == "allowed"
    assert await may_enter(hub, "wanda")
    assert (await browser.get("hub/home", allow_redirects=False))[0] == 302


async def test_no_cache_keeps_what_is_said_of_people(hub: RunningHub, root: Session) -> None:
    """Neither lists nor files nor errors nor pages."""
    paths = ["people", "people/root", "people/nobody", "roster", "roster.csv", "audit", "audit?format=csv", "throttle"]
    headers = {"X-XSRFToken": root.xsrf}
    found = {}
    for path in [*(f"api/jhaws/{path}" for path in paths), "jhaws/people", "jhaws/people/nobody", "jhaws/audit"]:
        async with root.http.get(f"{hub.url}hub/{path}", headers=headers) as response:
            found[path] = response.headers.get("Cache-Control")

    assert set(found.values()) == {"no-store"}, found


@pytest.mark.parametrize("page", ["people", "people/root", "import", "shared-password"])
async def test_a_page_without_its_script_sends_nothing_in_an_address(hub: RunningHub, root: Session, page: str) -> None:
    """Its forms, but for the search, are posted, which the page refuses; nothing of that is in the hub's log."""
    _, html = await root.get(f"hub/jhaws/{page}")
    forms = [form for form in re.findall(r"<form[^>]*>", html) if 'role="search"' not in form]
    refused = set()
    for xsrf in ({}, {"_xsrf": root.xsrf}):
        async with root.http.post(
            f"{hub.url}hub/jhaws/{page}", data={"note": "a note about a pupil"} | xsrf
        ) as response:
            refused.add(response.status)

    assert forms
    assert [form for form in forms if 'method="post"' not in form] == []
    assert refused <= {403, 405}
    assert "pupil" not in hub.log()


async def test_revoking_closes_but_does_not_shut_out(hub: RunningHub, root: Session) -> None:
    """The person can log in again at once; other people's tokens stay."""
    await add(root, "rita")
    browser, token = await use(hub, "rita")
    await start_server(root, "rita")
    status, answer = await root.api("POST", "jhaws/people/rita/revoke", {})

    assert (status, answer["servers"], answer["state"]) == (200, 0, "allowed")
    assert (await browser.get("hub/home", allow_redirects=False))[0] == 302
    assert (await hub.api("GET", "user", token=token))[0] in (401, 403)
    assert await may_enter(hub, "rita")


async def test_a_server_that_is_starting_is_stopped_when_it_has_started(tmp_path: Path) -> None:
    """Revoking and blocking end also what was just being started, without waiting for the next look."""
    slow = """
jhaws.login.closing.CHECK_SECONDS = 3600
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
import asyncio
async def hold(spawner):
    while not os.path.exists("go"):
        await asyncio.sleep(0.05)
c.Spawner.pre_spawn_hook = hold
"""
    async with running_hub(tmp_path, CONFIG + slow) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "rita", "ben")
        for name in ("rita", "ben"):
            assert (await root.api("POST", f"users/{name}/server"))[0] == 202
        assert (await root.api("POST", "jhaws/people/rita/revoke", {}))[1]["servers"] == 1
        assert (await root.api("PATCH", "jhaws/people/ben", {"blocked": True}))[1]["servers"] == 1
        (tmp_path / "go").touch()

        async def all_gone() -> bool:
            return hub.log().count("seconds to start") >= 2 and not any(
                [(await person(root, name))["servers"] for name in ("rita", "ben")]
            )

        await eventually(all_gone, within=60, what="both servers to have started and ended")


async def test_an_end_counts_at_its_moment(tmp_path: Path) -> None:
    """No regular look is needed for it, also where it was set a moment before."""
    async with running_hub(tmp_path, CONFIG + "jhaws.login.closing.CHECK_SECONDS = 3600\n") as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "carl")
        carl = await use(hub, "carl")
        soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
        assert (await root.api("PATCH", "jhaws/people/carl", {"ends_at": soon}))[1]["state"] == "allowed"
        await eventually(lambda: is_closed(hub, "carl", *carl), within=20, what="the end")


async def test_an_end_counts_when_it_comes(hub: RunningHub, root: Session) -> None:
    """An end in the past closes at once, one that comes while the hub runs a moment later; a new end opens again."""
    await add(root, "bob", "carl", ends_at="2027-02-28")
    assert (await person(root, "bob"))["ends_at"] == "2027-02-28T23:00:00+00:00"
    bob, carl = await use(hub, "bob"), await use(hub, "carl")
    assert (await root.api("PATCH", "jhaws/people/bob", {"ends_at": "2020-01-01"}))[1]["state"] == "ended"
    assert await is_closed(hub, "bob", *bob)
    await start_server(root, "carl")
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
    assert (await root.api("PATCH", "jhaws/people/carl", {"ends_at": soon}))[1]["state"] == "allowed"
    await eventually(lambda: is_closed(hub, "carl", *carl), within=20, what="the end")
    await eventually(lambda: "Closed 'carl': the person's end has passed." in hub.log(), what="the log")

    assert (await root.api("PATCH", "jhaws/people/carl", {"ends_at": None}))[1]["state"] == "allowed"
    assert await may_enter(hub, "carl")


async def test_refusals_look_the_same(hub: RunningHub, root: Session) -> None:
    """Nobody learns from the answer whether a name is blocked, has ended, or does not exist."""
    await add(root, "blocked-one", "ended-one")
    await root.api("PATCH", "jhaws/people/blocked-one", {"blocked": True})
    await root.api("PATCH", "jhaws/people/ended-one", {"ends_at": "2020-01-01"})
    answers = set()
    for name in ("blocked-one", "ended-one", "nobody-here"):
        session = await hub.login(name, USER)
        text = session.text.replace(name, "").replace(session.xsrf, "")
        answers.add((session.status, "Invalid username or password" in text))
        body = {"auth": {"username": name, "password": USER}}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{hub.url}hub/api/users/{name}/tokens", json=body) as response,
        ):
            answers.add((response.status, True))

    assert answers == {(403, True)}


async def test_the_list_is_searched_and_turned_page_by_page(hub: RunningHub, root: Session) -> None:
    """With the total, the next page, and the state of each."""
    await add(root, "list-1", "list-2", "list-3", groups=["list-group"], note="met on Monday")
    status, page = await root.api("GET", "jhaws/people?search=LIST-GROUP&limit=2&order=-name")

    assert status == 200
    assert [each["name"] for each in page["items"]] == ["list-3", "list-2"]
    assert page["_pagination"]["total"] == 3
    assert page["_pagination"]["next"]["offset"] == 2
    assert page["items"][0]["groups"] == ["list-group"]
    assert (await root.api("GET", "jhaws/people?search=monday"))[1]["_pagination"]["total"] == 3
    assert (await root.api("GET", "jhaws/people?state=nonsense"))[0] == 400
    assert (await root.api("GET", "jhaws/people?order=nonsense"))[0] == 400
    assert (await root.api("GET", "jhaws/people?offset=x"))[0] == 400
    # JupyterHub sees the same users, groups and roles.
    assert (await root.api("GET", "users/list-1"))[1]["groups"] == ["list-group"]
    assert (await root.api("GET", "users/list-1"))[1]["roles"] == ["user"]


async def test_any_name_that_may_be_a_users_can_be_asked_for(hub: RunningHub, root: Session) -> None:
    """In paths, in errors and in the log."""
    for name in ODD_NAMES:
        status, answer = await root.api("POST", "jhaws/people", {"names": [name]})
        assert status == 201, (name, answer)
    for name in ODD_NAMES:
        path = f"jhaws/people/{quote(name, safe='')}"
        assert (await root.api("PATCH", path, {"note": "n"}))[1]["name"] == name
        assert (await root.api("POST", "jhaws/people", {"names": [name]}))[0] == 409
        assert (await root.api("POST", f"{path}/revoke", {}))[0] == 200
        assert (await root.api("DELETE", path))[0] == 204
        status, answer = await root.api("GET", path)
        assert (status, answer["message"].startswith("The hub has no user ")) == (404, True), answer


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", "people", {}, 400, "names must be a list"),
    ("POST", "people", [], 400, "must be a JSON object"),
    ("POST", "people", {"names": "ann"}, 400, "names must be a list"),
    ("POST", "people", {"names": [5]}, 400, "names must be a list"),
    ("POST", "people", {"names": ["new-1", "a/b"]}, 400, "must not contain a slash"),
    ("POST", "people", {"names": ["new-1", "NEW-1"]}, 400, "twice"),
    ("POST", "people", {"names": ["new-1", "root"]}, 409, "is a user of the hub already"),
    ("POST", "people", {"names": ["new-1", "ro\u043et"]}, 400, "Nobody was added"),
    ("POST", "people", {"names": ["new-1", "=1+1"]}, 400, "Nobody was added"),
    ("POST", "people", {"names": ["new-1", "x\u0000"]}, 400, "cannot be seen"),
    ("POST", "people", {"names": ["new-1", *map(str, range(500))]}, 400, "500 people at most, here are 501: import a"),
    ("POST", "people", {"names": ["new-1"], "groups": [str(n) for n in range(101)]}, 400, "100 groups, here are 101"),
    ("POST", "people", {"names": ["new-1"], "ends_at": "tomorrow"}, 400, "The end must be a day"),
    ("POST", "people", {"names": ["new-1"], "ends_at": 5}, 400, "ends_at must be text"),
    ("POST", "people", {"names": ["new-1"], "groups": "g"}, 400, "groups must be a list"),
    ("POST", "people", {"names": ["new-1"], "groups": ["g" * 300]}, 400, "255 characters"),
    ("POST", "people", {"names": ["new-1"], "admin": "yes"}, 400, "admin must be true or false"),
    ("POST", "people", {"names": ["new-1"], "note": "n" * 300}, 400, "A note may be 255"),
    ("POST", "people", {"names": ["new-1"], "password": "s3cret"}, 400, "There is no field 'password'"),
    ("PATCH", "people/root", {"blocked": True}, 409, "can neither be shut out"),
    ("PATCH", "people/root", {"ends_at": "2020-01-01"}, 409, "can neither be shut out"),
    ("PATCH", "people/root", {"admin": False}, 409, "can neither be shut out"),
    ("PATCH", "people/root", {}, 400, "Say what changes"),
    ("PATCH", "people/root", {"blocked": 1}, 400, "blocked must be true or false"),
    ("PATCH", "people/root", {"groups": ["a;b " * 200_000]}, 400, "255 characters long, this one has 799,999"),
    ("PATCH", "people/root", {"note": "n" * 1_000_000}, 413, "larger than 1,000,000 bytes"),
    ("PATCH", "people/nobody", {"blocked": True}, 404, "no user 'nobody'"),
    ("DELETE", "people/root", None, 409, "cannot delete yourself"),
    ("DELETE", "people/nobody", None, 404, "no user 'nobody'"),
    ("POST", "people/nobody/revoke", {}, 404, "no user 'nobody'"),
    ("POST", "waiting", {}, 400, "allow must be a list"),
    ("POST", "waiting", {"allow": ["root", "nobody"]}, 404, "no user 'nobody'"),
    ("POST", "waiting", {"allow": ["root"] * 501}, 400, "lets in 500 people at most, here are 501"),
    ("POST", "roster/preview", {}, 400, "text must be the list"),
    ("POST", "roster/preview", {"csv": "?"}, 400, "in base64"),
    ("POST", "roster/preview", {"text": "x-1", "remove_missing": 1}, 400, "remove_missing must be"),
    ("POST", "roster/apply", {"text": "x-1"}, 400, "digest must be"),
    ("POST", "roster/apply", {"text": "x-1", "digest": "wrong"}, 409, "has changed since the preview"),
    ("POST", "roster/apply", {"text": "name\na/b", "digest": "x"}, 400, "The list has problems"),
]


async def test_bad_requests_are_answered_with_a_sentence_and_change_nothing(hub: RunningHub, root: Session) -> None:
    """Of many people with one mistake nobody is added; no value that may be a secret comes back."""
    for method, path, body, expected, said in BAD:
        status, answer = await root.api(method, f"jhaws/{path}", body)
        assert (status, said in answer["message"]) == (expected, True), (method, path, body, status, answer)
        assert "s3cret" not in answer["message"]

    assert (await root.api("GET", "jhaws/people/new-1"))[0] == 404
    assert (await person(root, "root"))["state"] == "allowed"


async def test_five_hundred_are_added_and_let_in_by_one_request(hub: RunningHub, root: Session) -> None:
    """As many as one request may have, also typed in another case; a list has more."""
    names = [f"many-{number}" for number in range(500)]
    status, answer = await root.api("POST", "jhaws/people", {"names": names})
    assert (status, sorted(each["name"] for each in answer)) == (201, sorted(names))
    assert (await root.api("PATCH", "jhaws/people/many-7", {"waiting": True}))[0] == 200
    assert await root.api("POST", "jhaws/waiting", {"allow": [name.upper() for name in names]}) == (200, {"allowed": 1})
    assert (await person(root, "many-7"))["state"] == "allowed"


async def test_only_who_may_write_users_does(hub: RunningHub, root: Session) -> None:
    """Users get 403 for everything, a token to read cannot write, one to list not read, and only admins make admins."""
    await add(root, "curious")
    browser, _ = await use(hub, "curious")
    asked = [("GET", path) for path in ("people", "people/root", "roster", "roster.csv")]
    asked += [("POST", "people"), ("PATCH", "people/root"), ("DELETE", "people/root"), ("POST", "people/root/revoke")]
    asked += [("POST", "waiting"), ("POST", "roster/preview"), ("POST", "roster/apply"), ("POST", "roster/undo")]
    for method, path in asked:
        assert (await browser.api(method, f"jhaws/{path}", {}))[0] == 403, (method, path)

    async def token(*scopes: str) -> str:
        status, answer = await root.api("POST", "users/root/tokens", {"scopes": scopes})
        assert status == 201
        return str(answer["token"])

    reader, lister = await token("read:users"), await token("list:users")
    of_one = await token("list:users", "read:users!user=root", "read:users:activity")
    # No more than that in JupyterHub's own API.
    (model,) = (await hub.api("GET", "users?name_filter=curious", token=lister))[1]
    assert model.keys() - {"user_info"} == {"name", "admin", "kind"}
    for _, path in asked[:4]:
        answers = [(await hub.api("GET", f"jhaws/{path}", token=each))[0] for each in (reader, lister, of_one)]
        assert answers == [200, 403, 403], path
    assert (await hub.api("PATCH", "jhaws/people/curious", {"note": "x"}, token=reader))[0] == 403
    # The test's service may write users and groups, and is no admin.
    for body in ({"admin": True}, {"admin": False}):
        status, answer = await hub.api("PATCH", "jhaws/people/root", body)
        assert (status, "Only admins" in answer["message"]) == (403, True)
    assert (await hub.api("POST", "jhaws/people", {"names": ["boss"], "admin": True}))[0] == 403
    assert (await hub.api("POST", "jhaws/people", {"names": ["made-by-service"], "groups": ["g"]}))[0] == 201
    # Without the XSRF token a browser's request is none of the admin's.
    async with root.http.post(f"{hub.url}hub/api/jhaws/people", json={"names": ["forged"]}) as response:
        assert response.status == 403


async def do_import(root: Session, text: str, **options: Any) -> dict[str, Any]:
    """Preview a list and apply it."""
    status, seen = await root.api("POST", "jhaws/roster/preview", {"text": text, **options})
    assert status == 200, seen
    body = {"text": text, "digest": seen["digest"], **options}
    status, done = await root.api("POST", "jhaws/roster/apply", body)
    assert status == 200, done
    assert isinstance(done, dict)
    return done


LIST = """name;groups;admin;end;note
imp-1;class-a;;28.02.2027;new
imp-2;class-a,class-b;yes;;
imp-old;class-b;;;changed
imp-bye;;;2020-01-01;
"""


async def test_an_import_is_previewed_applied_and_undone(hub: RunningHub, root: Session) -> None:
    """Nothing is written by the preview, all of it by the import, and the undo leaves what was changed since."""
    await add(root, "imp-old", "imp-bye", groups=["class-a"], note="before")
    bye = await use(hub, "imp-bye")
    before = await person(root, "imp-old")
    status, seen = await root.api("POST", "jhaws/roster/preview", {"text": LIST})
    assert (status, seen["problems"]) == (200, [])
    assert [each["name"] for each in seen["added"]] == ["imp-1", "imp-2"]
    assert {each["new"]["name"]: each["fields"] for each in seen["changed"]} == {
        "imp-old": ["groups", "note"],
        "imp-bye": ["groups", "ends_at", "note"],
    }
    assert await person(root, "imp-old") == before
    await do_import(root, LIST)
    assert (await person(root, "imp-1"))["ends_at"] == "2027-02-28T23:00:00+00:00"
    assert (await root.api("GET", "users/imp-2"))[1]["groups"] == ["class-a", "class-b"]
    assert (await root.api("GET", "users/imp-2"))[1]["admin"] is True
    assert await may_enter(hub, "imp-1")
    assert not await may_enter(hub, "imp-2")  # an admin now
    assert await is_closed(hub, "imp-bye", *bye)
    assert (await root.api("POST", "jhaws/roster/preview", {"text": LIST}))[1]["unchanged"] == 4

    await root.api("PATCH", "jhaws/people/imp-old", {"groups": ["class-c"]})
    assert (await root.api("PATCH", "jhaws/people/imp-2", {"blocked": True}))[0] == 200
    assert (await root.api("GET", "jhaws/roster"))[1]["made_by"] == "root"
    status, answer = await root.api("POST", "jhaws/roster/undo", {})
    assert (status, [each["sentence"] for each in answer["remarks"]]) == (
        200,
        [
            "What was changed since the import stays; people with that: 1.",
            "1 of the import stay: they are changed since; delete them yourself if they shall go.",
        ],
    )
    assert (await root.api("GET", "jhaws/people/imp-1"))[0] == 404
    assert not await may_enter(hub, "imp-1")
    assert (await person(root, "imp-2"))["state"] == "blocked"
    assert (await person(root, "imp-old"))["groups"] == ["class-c"]
    assert ((await person(root, "imp-old"))["note"], (await person(root, "imp-bye"))["state"]) == ("before", "allowed")
    status, answer = await root.api("POST", "jhaws/roster/undo", {})
    assert (status, answer["message"]) == (409, "There is no import that could be undone.")


async def test_an_import_removes_who_is_missing_and_the_undo_brings_them_back(tmp_path: Path) -> None:
    """Their servers stop and their sessions end; whoever imports and the configuration's admins stay."""
    async with running_hub(tmp_path, CONFIG) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "stays", "goes", groups=["class"], note="kept")
        goes = await use(hub, "goes")
        await start_server(root, "goes")
        done = await do_import(root, "stays\nnewcomer", remove_missing=True)
        assert [each["name"] for each in done["removed"]] == ["goes"]
        assert "root" in done["remarks"][0]["sentence"]
        assert (await root.api("GET", "users/goes"))[0] == 404
        assert (await hub.api("GET", "user", token=goes[1]))[0] in (401, 403)
        assert (await goes[0].get("hub/home", allow_redirects=False))[0] == 302
        # The number of the deleted user is given to others, whom the hub must not take for them.
        assert not (await person(root, "newcomer"))["groups"]
        assert await may_enter(hub, "newcomer")
        assert (await root.api("POST", "jhaws/roster/undo", {}))[0] == 200
        back = await person(root, "goes")
        assert (back["groups"], back["note"]) == (["class"], "kept")
        assert (await hub.api("GET", "user", token=goes[1]))[0] in (401, 403)
        assert await may_enter(hub, "goes")
        await start_server(root, "goes")
        assert "Uncaught exception" not in hub.log()


async def test_two_admins_import_at_once(hub: RunningHub, root: Session) -> None:
    """The second one is told to look again; what the first one wrote is whole."""
    await add(root, "second-root", admin=True)
    second = await hub.login("second-root", ADMIN)
    lists = [f"name,groups\nboth-1,{group}\nboth-2,{group}" for group in ("one", "two")]
    seen = [
        (await each.api("POST", "jhaws/roster/preview", {"text": text}))[1]["digest"]
        for each, text in zip((root, second), lists, strict=True)
    ]
    answers = await asyncio.gather(
        *(
            each.api("POST", "jhaws/roster/apply", {"text": text, "digest": digest})
            for each, text, digest in zip((root, second), lists, seen, strict=True)
        )
    )

    assert sorted(status for status, _ in answers) == [200, 409]
    groups = [(await person(root, name))["groups"] for name in ("both-1", "both-2")]
    assert groups[0] == groups[1]


async def test_the_export_can_be_imported_again(hub: RunningHub, root: Session) -> None:
    """Without any change; a formula in a note is written so that no spreadsheet runs it."""
    await add(root, "exp-1", note="=cmd|x", groups=["a;b"], ends_at="2027-03-01")
    async with root.http.get(f"{hub.url}hub/api/jhaws/roster.csv", headers={"X-XSRFToken": root.xsrf}) as response:
        text = (await response.read()).decode("utf-8-sig")
        assert (response.status, response.content_type) == (200, "text/csv")
    _, seen = await root.api("POST", "jhaws/roster/preview", {"text": text})

    assert "'=cmd|x" in text
    assert (seen["added"], seen["changed"], seen["problems"]) == ([], [], [])


async def test_the_export_leaves_the_event_loop_to_others(tmp_path: Path) -> None:
    """A list of thousands is written in a thread of its own."""
    threads = """
import threading
from jhaws.login import roster
write_csv = roster.write_csv
def tell_thread(*values, **options):
    with open("thread", "w") as told:
        told.write(threading.current_thread().name)
    return write_csv(*values, **options)
roster.write_csv = tell_thread
"""
    async with running_hub(tmp_path, CONFIG + threads) as hub:
        root = await hub.login("root", ADMIN)
        assert "root" in (await root.get("hub/api/jhaws/roster.csv"))[1]
        assert (tmp_path / "thread").read_text() != "MainThread"


async def test_an_end_that_passes_while_the_hub_is_down_counts(tmp_path: Path) -> None:
    """The hub closes the person when it starts again, with a server that ran on meanwhile."""
    async with running_hub(tmp_path, CONFIG) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann")
        ann = await use(hub, "ann")
        await start_server(root, "ann")
        soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat(timespec="seconds")
        await root.api("PATCH", "jhaws/people/ann", {"ends_at": soon})
        await hub.kill()
        await asyncio.sleep(3)
        await hub.start()

        await eventually(lambda: is_closed(hub, "ann", *ann), within=30, what="the end")
        await eventually(lambda: "Closed 'ann'" in hub.log(), what="the log")
        with closing(sqlite3.connect(tmp_path / "jupyterhub.sqlite")) as database:
            audit = database.execute(
                "SELECT action, name FROM jhaws_audit WHERE action LIKE 'person%' ORDER BY number"
            ).fetchall()
        assert audit == [("person.added", "ann"), ("person.changed", "ann"), ("person.closed", "ann")]
        assert "Uncaught exception" not in hub.log()


async def test_names_of_another_login_wait_for_an_admin(tmp_path: Path) -> None:
    """Whatever was typed into dummy's form enters only when an admin has looked at it; also after a restart."""
    async with running_hub(tmp_path, DUMMY, preset="") as hub:
        for name in ("ann", "bob", "eve", "carl"):
            assert (await hub.login(name, "anything")).ok
        await hub.kill()
        hub.write_config(CONFIG + 'c.JhawsAuthenticator.allowed_users = {"carl"}\n')
        await hub.start()
        assert "has 3 users whom another login than JhawsAuthenticator has let in" in hub.log()
        assert [await may_enter(hub, name) for name in ("ann", "bob", "eve", "carl")] == [False, False, False, True]
        root = await hub.login("root", ADMIN)
        _, page = await root.api("GET", "jhaws/people?state=waiting")
        assert ([each["name"] for each in page["items"]], page["waiting"]) == (["ann", "bob", "eve"], 3)
        assert (await root.api("POST", "jhaws/waiting", {"allow": ["ann"]}))[1] == {"allowed": 1}
        assert (await root.api("DELETE", "users/eve"))[0] == 204
        await hub.kill()
        await hub.start()
        assert [await may_enter(hub, name) for name in ("ann", "bob", "eve")] == [True, False, False]
        root = await hub.login("root", ADMIN)
        assert (await root.api("POST", "jhaws/waiting", {"allow": "all"}))[1] == {"allowed": 1}
        assert await may_enter(hub, "bob")
        assert hub.log().count("whom another login") == 1

        # Another login for a while: who came by it waits, and nobody else.
        await add(await hub.login("root", ADMIN), "dora")
        assert (await hub.api("POST", "users/panel"))[0] == 201
        await hub.kill()
        hub.write_config(DUMMY, preset="")
        await hub.start()
        assert (await hub.login("mallory", "anything")).ok
        await hub.kill()
        hub.write_config(CONFIG)
        await hub.start()
        assert "has 1 users whom another login" in hub.log()
        names = ("ann", "bob", "carl", "dora", "panel", "mallory")
        assert [await may_enter(hub, name) for name in names] == [True] * 5 + [False]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with running_postgres() as server:
        yield server


LIST_OF_OTHERS = {"text": "name,groups,note\nann,new,after\nbob,new,\ncarl,new,\nroot,,", "remove_missing": True}
WAITING = "SELECT {what} FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"


@asynccontextmanager
async def in_the_middle(root: Session, postgres: Postgres, database: str) -> AsyncIterator[asyncio.Task[Any]]:
    """Import a list, which stops before the last thing that it writes, holding all the rest, until the block ends."""
    psycopg2 = pytest.importorskip("psycopg2")
    _, seen = await root.api("POST", "jhaws/roster/preview", LIST_OF_OTHERS)
    body = LIST_OF_OTHERS | {"digest": seen["digest"]}
    with closing(psycopg2.connect(postgres.url(database).replace("+psycopg2", ""))) as other:
        other.cursor().execute("LOCK TABLE jhaws_roster_import IN ACCESS EXCLUSIVE MODE")
        importing = asyncio.create_task(root.api("POST", "jhaws/roster/apply", body))
        is_waiting = WAITING.format(what="pid", database=database)
        await eventually(lambda: asyncio.to_thread(postgres.run, is_waiting), what="the import in the middle")
        yield importing


async def check_nothing_of_it(hub: RunningHub, root: Session) -> None:
    """Check that nothing of the list was written, and that it can be."""
    assert [(await root.api("GET", f"jhaws/people/{name}"))[0] for name in ("bob", "carl")] == [404, 404]
    assert (await person(root, "leaves"))["note"] == "before"
    ann = await person(root, "ann")
    assert (ann["groups"], ann["note"]) == ([], "before")
    assert await may_enter(hub, "leaves")
    done = await do_import(root, **LIST_OF_OTHERS)
    assert (len(done["added"]), len(done["removed"])) == (2, 1)
    assert (await person(root, "ann"))["note"] == "after"
    assert await may_enter(hub, "bob")
    assert not await may_enter(hub, "leaves")


async def test_an_import_that_ends_in_the_middle_has_written_nothing(tmp_path: Path, postgres: Postgres) -> None:
    """Neither where the database goes away nor where the hub is killed; while it lasts the hub answers others."""
    database = postgres.create_database()
    config = CONFIG + f"c.JupyterHub.db_url = {postgres.url(database)!r}\n"
    async with running_hub(tmp_path, config) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann", "leaves", note="before")
        async with in_the_middle(root, postgres, database) as importing:
            assert (await person(root, "ann"))["note"] == "before"
            await root.api("PATCH", "jhaws/people/root", {"note": "written meanwhile"})
            postgres.run(WAITING.format(what="pg_terminate_backend(pid)", database=database))
            status, answer = await importing
        assert (status, answer["message"]) == (503, DATABASE)
        assert (await person(root, "root"))["note"] == "written meanwhile"
        await check_nothing_of_it(hub, root)
        assert (await root.api("POST", "jhaws/roster/undo", {}))[0] == 200

        async with in_the_middle(root, postgres, database) as importing:
            await hub.kill()
            assert isinstance((await asyncio.gather(importing, return_exceptions=True))[0], aiohttp.ClientError | tuple)
        await hub.start()
        await check_nothing_of_it(hub, await hub.login("root", ADMIN))
        assert postgres.password not in hub.log()


async def test_five_thousand_are_imported_while_the_hub_answers_others(tmp_path: Path) -> None:
    """The whole list goes in and out by one request each, and the hub answers others between its steps."""
    async with running_hub(tmp_path, CONFIG) as hub:
        root = await hub.login("root", ADMIN)
        lines = (f"student-{n:04},class-{n % 50};students,2027-02-28,matriculation {n}" for n in range(5000))
        text = "\n".join(["name,groups,end,note", *lines])
        waits: list[float] = []
        took: dict[str, float] = {}
        answered: dict[str, int] = {}

        async def ask_all_the_time() -> None:
            loop = asyncio.get_running_loop()
            async with aiohttp.ClientSession() as http:
                while True:
                    start = loop.time()
                    async with http.get(f"http://127.0.0.1:{hub.hub_port}/hub/health") as response:
                        await response.read()
                    waits.append(loop.time() - start)

        asking = asyncio.create_task(ask_all_the_time())
        digest = ""
        for verb in ("preview", "apply", "undo"):
            start = asyncio.get_running_loop().time()
            status, answer = await root.api("POST", f"jhaws/roster/{verb}", {"text": text, "digest": digest})
            took[verb] = asyncio.get_running_loop().time() - start
            assert (status, len(answer["removed" if verb == "undo" else "added"])) == (200, 5000)
            digest = answer.get("digest", "")
            took[f"longest wait of others, {verb}"], answered[verb] = max(waits), len(waits)
            waits.clear()
        asking.cancel()
        print({what: round(seconds, 3) for what, seconds in took.items()})

        assert answered["apply"] > 1
