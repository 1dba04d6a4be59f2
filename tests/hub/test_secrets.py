"""No password and no one-time code is seen by anybody but who typed it or asked for it, whatever a hub is used for.

A real hub with debug logging goes through everything that logins are made of, by its pages, its API and the command
line, on SQLite and on PostgreSQL. Then all that others could have read is searched: the log of hub and proxy, the
whole database, every answer, the audit log, the metrics, and the arguments and the environment of every process.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.diary import Diary
from tests.hubclient import eventually
from tests.postgres import Postgres, running_postgres

from .hubs import RunningHub, program_path, running_hub

pytestmark = pytest.mark.timeout(280)

NOTE = "the note"
TOKEN = "the admin's token"


@pytest.mark.parametrize(
    "written",
    [str, str.lower, quote, json.dumps, html.escape, repr, lambda text: base64.b64encode(f"a{text}".encode())],
)
def test_the_search_finds_a_secret_however_it_is_written(written: Callable[[str], object]) -> None:
    """In every escaping, in base64 and in hex, but not where it may be."""
    diary = Diary()
    text = f"{written('user:' + diary.make('it'))} and more"
    diary.see("a log", text)
    diary.see("a dump", text.encode().hex())
    diary.see("its page", text, may=["it"])
    diary.see("elsewhere", "user: and more")

    assert diary.leaks() == {("a log", "it")} | ({("a dump", "it")} if "b'" not in text else set())


@dataclass
class Trial:
    """A hub, and who uses it with an eye on its secrets."""

    hub: RunningHub
    diary: Diary

    async def browser(self) -> Browser:
        """Open a browser at the login form."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False))
        self.hub.sessions.append(http)
        browser = Browser(self, http)
        await browser.get("hub/login")
        return browser

    async def login(self, name: str, password: str, *, expect: int = 302) -> Browser:
        """Log in by the form."""
        browser = await self.browser()
        await browser.post("hub/login", expect=expect, username=name, password=password)
        return browser

    async def api(self, path: str, body: Any, *, expect: int, token: str = "", may: Iterable[str] = ()) -> Any:
        """POST to the API with the token of the service, or another one; "-" is none."""
        headers = {} if token == "-" else {"Authorization": f"token {token or self.hub.admin_token}"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.hub.url}hub/api/{path}"
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, data=data) as response:
            text = await response.text()
            self.diary.see(f"answer to POST {path}", text, may=may)
            assert response.status == expect, text
            return json.loads(text) if text else None

    async def run(
        self, *arguments: str, stdin: str = "", token: str = "", expect: int = 0, may: Iterable[str] = ()
    ) -> str:
        """Run `jhaws`, looking at all processes meanwhile, and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jhaws", *arguments),
            cwd=self.hub.state,
            env={**os.environ, "PATH": program_path(), "JUPYTERHUB_API_TOKEN": token},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.pid in self.diary.look()
        ended = asyncio.create_task(process.communicate(stdin.encode()))
        while not ended.done():
            await asyncio.wait({ended}, timeout=0.1)
            self.diary.look()
        output = (await ended)[0].decode()
        self.diary.see(f"output of {' '.join(arguments[:2])}", output, may=may)
        assert process.returncode == expect, output
        return output


@dataclass
class Browser:
    """A browser, whose pages are all put down."""

    trial: Trial
    http: aiohttp.ClientSession

    async def get(self, path: str, *, may: Iterable[str] = ()) -> str:
        """Open a page."""
        async with self.http.get(self.trial.hub.url + path) as response:
            text = await response.text()
            self.trial.diary.see(f"page {path}", text, may=may)
            assert response.status == 200, path
            return text

    async def post(
        self, path: str, *, expect: int | None, may: Iterable[str] = (), raw: bytes = b"", **fields: str
    ) -> str:
        """Send a form, or raw bytes as one; `expect` None is any status."""
        xsrf = next((each.value for each in reversed([*self.http.cookie_jar]) if each.key == "_xsrf"), "")
        data: Any = raw + f"&_xsrf={quote(xsrf)}".encode() if raw else fields | {"_xsrf": xsrf}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = self.trial.hub.url + path
        async with self.http.post(url, data=data, headers=headers, allow_redirects=False) as response:
            text = await response.text()
            self.trial.diary.see(f"answer to POST {path}", text, may=may)
            assert response.status == expect or not expect, path
            return text


@dataclass
class Place:
    """A hub's database: what the hub needs to know of it, all that is in it, and who runs a statement there."""

    config: str
    dump: Callable[[], bytes]
    run: Callable[[str], object]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each of the two databases."""
    if request.param == "sqlite":
        return Place("", lambda: dump_sqlite(tmp_path), lambda statement: run_sqlite(tmp_path, statement))
    server = request.getfixturevalue("postgres")
    database = server.create_database()
    config = f'os.environ["PGPASSWORD"] = {server.password!r}\n'
    config += f"c.JupyterHub.db_url = {server.url(database, password='')!r}\n"
    return Place(config, lambda: server.dump(database), lambda statement: server.run(statement, database=database))


def run_sqlite(folder: Path, statement: str) -> None:
    """Run a statement."""
    with contextlib.closing(sqlite3.connect(folder / "jupyterhub.sqlite")) as database:
        database.execute(statement)


def dump_sqlite(folder: Path) -> bytes:
    """Return all rows of all tables as SQL, and the bytes of the files, where deleted rows may still be."""
    with contextlib.closing(sqlite3.connect(folder / "jupyterhub.sqlite")) as database:
        rows = "\n".join(database.iterdump())
    return rows.encode() + b"".join(path.read_bytes() for path in folder.glob("jupyterhub.sqlite*"))


BASE = """
c.JupyterHub.log_level = "DEBUG"
c.ConfigurableHTTPProxy.debug = True
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.Spawner.cmd = ["sleep", "120"]
c.JhawsAuthenticator.admin_users = {"root"}
c.JhawsAuthenticator.allowed_users = {"ann", "bob", "carl", "dora", "eve", "tess", "greg"}
"""


async def test_secrets_are_nowhere_to_be_read(tmp_path: Path, place: Place) -> None:
    """Passwords from everywhere, own ones, codes, rotation, failed logins, lists and commands leave no trace."""
    diary = Diary(frozenset({TOKEN}))
    known = {each: diary.make(each) for each in ("the class's", "the admins'", "the tutors'", "the graders'")}
    trial = Trial(RunningHub(tmp_path, 1, 2, 3), diary)
    hashed = {each: (await trial.run("password", "hash", stdin=known[each])).strip() for each in list(known)[1::2]}
    config = f"""{BASE}{place.config}
c.JhawsAuthenticator.user_password = {known["the class's"]!r}
c.JhawsAuthenticator.admin_password = {hashed["the admins'"]!r}
c.JhawsAuthenticator.manage_groups = True
c.JhawsAuthenticator.password_groups = {{
    {known["the tutors'"]!r}: ["tutors"],
    {hashed["the graders'"]!r}: ["graders"],
}}
c.JhawsAuthenticator.personal_password = "optional"
"""
    async with running_hub(tmp_path, config) as hub:
        trial.hub = hub
        token = await log_in(trial, known)
        await set_own_passwords(trial, known)
        await use_codes(trial, token)
        await rotate(trial, token)
        await mistype(trial, known)
        await break_database(trial, place)
        await keep_lists(trial, token)
        await read_everything(trial, known["the admins'"])

        file, variable = diary.make("the file's"), diary.make("the environment's")
        (tmp_path / "password").write_text(f"{file}\n")
        await hub.kill()
        hub.environment["JHAWS_ADMIN_PASSWORD"] = variable
        hub.write_config(f"""{BASE}{place.config}
c.JhawsAuthenticator.user_password_file = "{tmp_path}/password"
c.JhawsAuthenticator.personal_password = "required"
""")
        await hub.start()
        await choose(trial, "eve", file)
        await read_everything(trial, variable)
        await start_server(trial, variable)
        diary.see("the database", place.dump(), may=[NOTE])
    diary.see("the log", hub.log())

    assert all(each in hub.log() for each in ("\n[D ", "[ConfigProxy] \x1b[34mdebug"))
    assert diary.leaks() == set()


async def log_in(trial: Trial, known: dict[str, str]) -> str:
    """Log in with each configured password, by form and API; return an admin's token, got with a password."""
    for name, whose in (("ann", "the class's"), ("tess", "the tutors'"), ("greg", "the graders'")):
        await trial.login(name, known[whose])
        auth = {"username": name, "password": known[whose]}
        made = await trial.api(f"users/{name}/tokens", {"auth": auth}, expect=201, token="-", may=["a token"])
        trial.diary.keep("a token", made["token"])
    body = {"auth": {"username": "root", "password": known["the admins'"]}}
    made = await trial.api("users/root/tokens", body, expect=201, token="-", may=[TOKEN])
    return trial.diary.keep(TOKEN, made["token"])


async def set_own_passwords(trial: Trial, known: dict[str, str]) -> None:
    """Set one, change it, and be refused in every way that there is."""
    ann, make = await trial.login("ann", known["the class's"]), trial.diary.make
    first, second, typo = make("ann's first"), make("ann's second"), make("ann's typo")
    old = known["the class's"]
    for status, typed, new, again in (
        (403, typo, first, first),
        (400, old, first, typo),
        (400, old, old, old),
        (400, old, first[:7], first[:7]),
        (200, old, first, first),
        (200, first, second, second),
    ):
        await ann.post("hub/jhaws/password", expect=status, old=typed, new=new, again=again)
    await trial.login("ann", first, expect=403)
    await (await trial.login("ann", second)).get("hub/home")


async def use_codes(trial: Trial, token: str) -> None:
    """Get codes by the API, the command and the pod's command, and use each; a wrong one, and one twice."""
    diary = trial.diary
    given = await trial.api("jhaws/people/bob/reset", {}, expect=201, may=["bob's code"])
    codes = {"bob": diary.keep("bob's code", given["code"])}
    output = await trial.run("people", "reset", "carl", "--hub", trial.hub.url, token=token, may=["carl's code"])
    codes["carl"] = diary.keep("carl's code", output.splitlines()[1])
    output = await trial.run("password", "code", "-f", "jupyterhub_config.py", "dora", may=["dora's code"])
    codes["dora"] = diary.keep(
        "dora's code", next(line for line in output.splitlines() if re.fullmatch("[A-Z2-7-]{31}", line))
    )
    for name, code in codes.items():
        browser, new = await trial.browser(), diary.make(f"{name}'s new")
        # What stands in a field that shows its text is still there when the page comes back.
        again = {"code": code, "name": name, "new": new, "again": new, "may": [f"{name}'s code"]}
        await browser.get("hub/jhaws/reset")
        await browser.post("hub/jhaws/reset", expect=400, **again | {"again": "x"})
        await browser.post("hub/jhaws/reset", expect=400, **again | {"new": new[:5], "again": new[:5]})
        await browser.post("hub/jhaws/reset", expect=403, **again | {"name": "greg"})
        await browser.post("hub/jhaws/reset", expect=200, **again | {"may": []})
        await browser.post("hub/jhaws/reset", expect=403, **again)
        await trial.login(name, new)


async def rotate(trial: Trial, token: str) -> None:
    """Change shared passwords: made by the hub and given, by API and command; and be refused."""
    make, keep = trial.diary.make, trial.diary.keep
    made = await trial.api("jhaws/password", {"generate": True}, expect=201, may=["made by the API"])
    keep("made by the API", made["password"])
    given = make("given by the API")
    body = {"password": given, "old_ends_at": "2099-01-01T00:00Z"}
    await trial.api("jhaws/password", body, expect=201)
    await trial.api("jhaws/password", body, expect=409)
    for broken in (
        {"password": [given]},
        {"password": given, "groups": given},
        {"password": given, "old_ends_at": given},
        {given: True},
        {"password": make("with a NUL") + "\0"},
        {"password": make("of a megabyte") * 30_000},
        f'{{"password": "{make("in broken JSON")}'.encode(),
    ):
        await trial.api("jhaws/password", broken, expect=400)
    rotation = ("password", "rotate", "--hub", trial.hub.url)
    output = await trial.run(*rotation, token=token, may=["made by the command"])
    keep("made by the command", output.splitlines()[1])
    await trial.run(*rotation, "--group", "tutors", stdin=make("given by the command"), token=token)
    await trial.run(*rotation, stdin=make("refused") + "\a", token=token, expect=1)
    await trial.login("eve", given, expect=403)
    await trial.login("eve", made["password"], expect=403)


async def mistype(trial: Trial, known: dict[str, str]) -> None:
    """Type passwords into the wrong field, wrong ones, ones in no encoding, and go on until the hub puts it off."""
    make = trial.diary.make
    stray = make("typed as a name")
    browser = await trial.browser()
    for name in (stray, stray[:24]):
        await browser.post("hub/login", expect=403, may=["typed as a name"], username=name, password="")
        await browser.post("hub/jhaws/reset", expect=403, may=["typed as a name"], name=name, code="", new="", again="")
        body = {"auth": {"username": name, "password": make("of an unknown name")}}
        await trial.api("users/eve/tokens", body, expect=403, token="-")
    for auth in (
        stray,
        [stray],
        {"username": stray},
        {"password": stray},
        {"username": {stray: 1}, "password": [stray]},
    ):
        await trial.api("users/eve/tokens", {"auth": auth}, expect=403, token="-")
    wrong = make("wrong")
    for password in (wrong, wrong + "\0", wrong * 2000):
        await browser.post("hub/login", expect=403, username="greg", password=password)
    coded = quote(make("in no encoding")).encode() + b"%ff"
    for raw, page in ((b"username=greg&password=", "login"), (b"name=greg&code=X&again=a&new=", "jhaws/reset")):
        await browser.post(f"hub/{page}", expect=400, raw=raw + coded)
    greg = await trial.login("tess", known["the graders'"])
    await greg.post("hub/jhaws/password", expect=400, raw=b"new=a&again=a&old=" + coded)
    broken = f'{{"auth": {{"username": "greg", "password": "{make("in a broken request")}'.encode()
    await trial.api("users/greg/tokens", broken, expect=400, token="-")
    # Five of them have their turn within 5 s; the others are put off.
    answers = [browser.post("hub/login", expect=None, username="bob", password=wrong) for _ in range(6)]
    assert "Too many logins have failed" in "".join(await asyncio.gather(*answers))


async def break_database(trial: Trial, place: Place) -> None:
    """Type into the forms while a table is missing, so that the log has errors of the database."""
    what = "while the database is broken"
    browser, stray = await trial.browser(), trial.diary.make(what)
    typed = {"name": stray[:24], "code": stray, "new": stray, "again": stray}
    place.run("ALTER TABLE jhaws_person RENAME TO broken")
    await browser.post("hub/login", expect=503, may=[what], username=stray[:24], password=stray)
    await browser.post("hub/jhaws/reset", expect=503, may=[what], **typed)
    place.run("ALTER TABLE broken RENAME TO jhaws_person")


async def keep_lists(trial: Trial, token: str) -> None:
    """Import a list with notes and one with passwords, undo it, and run each command of people."""
    note, stray = trial.diary.make(NOTE), trial.diary.make("in a list")
    folder = trial.hub.state
    (folder / "token").write_text(token)
    (folder / "class.csv").write_text(f'name;note\nhans;"{note.replace(chr(34), chr(34) * 2)}"\n')
    (folder / "passwords.csv").write_text(f"name,password\nida,{stray[:24]}\n")
    (folder / "only.csv").write_text(f"jan\n{stray}\n")

    async def run(verb: str, *arguments: str, expect: int = 0, may: Iterable[str] = ()) -> None:
        access = ("--hub", trial.hub.url, "--token-file", "token")
        await trial.run("people", verb, *access, *arguments, expect=expect, may=may)

    await run("import", "class.csv", may=[NOTE])
    await run("import", "class.csv", "--yes", may=[NOTE])
    await run("import", "passwords.csv", expect=1)
    await run("import", "only.csv", expect=1, may=["in a list"])
    await run("list", may=[NOTE])
    await run("export", may=[NOTE])
    for verb in ("change", "block", "unblock", "revoke"):
        await run(verb, "hans", *(["--end", "2099-01-01"] if verb == "change" else []))
    await run("add", "kim")
    await run("undo", may=[NOTE])
    await run("import", "class.csv", "--yes", may=[NOTE])


async def choose(trial: Trial, name: str, shared: str) -> None:
    """Log in where an own password is required, and choose it with the code that the page has."""
    browser, new = await trial.browser(), trial.diary.make(f"{name}'s chosen")
    whose = f"{name}'s code at login"
    page = await browser.post("hub/login", expect=200, may=[whose], username=name, password=shared)
    code = trial.diary.keep(whose, re.findall(r'name="code" value="([^"]+)"', page)[0])
    await browser.post("hub/jhaws/reset", expect=200, name=name, code=code, new=new, again=new)
    await trial.login(name, new)


async def read_everything(trial: Trial, password: str) -> None:
    """Open what an admin can open, and the metrics."""
    root = await trial.login("root", password)
    for path in ("home", "admin", "token", "jhaws/password", "metrics"):
        await root.get(f"hub/{path}")
    for path in ("import", "shared-password", "audit", "failed-logins"):
        await root.get(f"hub/jhaws/{path}")
    for path in ("people", "people/root", "people/ann"):
        await root.get(f"hub/jhaws/{path}", may=[NOTE])
    for path in ("throttle", "audit", "audit?format=csv"):
        await root.get(f"hub/api/jhaws/{path}")
    for path in ("people", "roster.csv"):
        await root.get(f"hub/api/jhaws/{path}", may=[NOTE])


async def start_server(trial: Trial, password: str) -> None:
    """Start a server, whose process inherits what the hub's has, and look at them."""
    await (await trial.login("root", password)).get("hub/spawn")
    assert trial.hub.process

    def is_seen() -> bool:
        return trial.hub.process.pid in trial.diary.look() and any(
            each.startswith(b"sleep\x00120\0") for each in trial.diary.processes
        )

    await eventually(is_seen, what="the server's process")
