"""`jhaws people` against a real hub, as an admin calls it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from jhaws.cli import main

from .hubs import RunningHub, running_hub
from .test_passwords import browser, send
from .test_people import ADMIN, CONFIG, USER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@dataclass
class Terminal:
    """A shell with an admin's token, beside a hub."""

    hub: RunningHub
    folder: Path
    token: str

    async def run(
        self, *arguments: str, token: str | None = None, url: str = "", encoding: str = "utf-8"
    ) -> tuple[int, str, str]:
        """Run `jhaws people`, or `jhaws password rotate` for "rotate", and return exit code, output and errors."""
        environment = os.environ | {"JUPYTERHUB_API_TOKEN": self.token if token is None else token}
        environment["PYTHONIOENCODING"] = encoding
        verb, *rest = arguments
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "jhaws", "password" if verb == "rotate" else "people", verb, "--hub", url or self.hub.url, *rest),
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert self.token.encode() not in output + errors
        return process.returncode or 0, output.decode(), errors.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    """A terminal beside a hub."""
    folder = tmp_path_factory.mktemp("command")
    async with running_hub(folder, CONFIG + 'c.JhawsAuthenticator.personal_password = "optional"\n') as hub:
        root = await hub.login("root", ADMIN)
        _, answer = await root.api("POST", "users/root/tokens", {})
        yield Terminal(hub, folder, str(answer["token"]))


async def test_people_are_added_listed_blocked_and_revoked(terminal: Terminal) -> None:
    """Each verb says what it did, and the hub has done it when it returns."""
    hub = terminal.hub
    code, output, errors = await terminal.run(
        "add", "ann", "Bob", "--group", "a", "--group", "b;c", "--end", "2027-02-28", "--note", "from \x1b[31m Kiel"
    )
    assert (code, output) == (1, "")
    assert "A note must not contain characters that cannot be seen." in errors
    code, output, _ = await terminal.run("add", "ann", "Bob", "--group", "a", "--group", "b;c", "--end", "2027-02-28")
    assert (code, output) == (0, "Added 2: ann, bob.\n")
    code, output, _ = await terminal.run("list", "--search", "B;C")
    assert code == 0
    assert output.splitlines() == [
        "NAME  STATE    ADMIN  GROUPS  END (UTC)         NOTE",
        "ann   allowed         a, b;c  2027-02-28 23:00",
        "bob   allowed         a, b;c  2027-02-28 23:00",
        "2 people.",
    ]
    browser = await hub.login("ann", USER)
    assert (await terminal.run("revoke", "ann"))[:2] == (0, "Revoked: ann.\n")
    assert (await browser.get("hub/home", allow_redirects=False))[0] == 302
    assert (await hub.login("ann", USER)).ok
    assert (await terminal.run("block", "ann", "bob"))[:2] == (0, "Blocked: ann, bob.\n")
    assert not (await hub.login("ann", USER)).ok
    code, output, _ = await terminal.run("list", "--state", "blocked", "--json")
    assert [person["name"] for person in json.loads(output)] == ["ann", "bob"]
    assert (await terminal.run("unblock", "ann"))[:2] == (0, "Unblocked: ann.\n")
    assert (await hub.login("ann", USER)).ok
    code, output, errors = await terminal.run("block", "ann", "nobody\x1b[31m", "bob")
    assert (code, output) == (1, "")
    assert errors == "jhaws: The hub has no user 'nobody\\x1b[31m'. Blocked before: ann.\n"
    assert (await terminal.run("allow", "ann"))[:2] == (0, "Let in 0 who waited.\n")
    assert (await terminal.run("allow", "--all", "--json"))[:2] == (0, '{\n  "allowed": 0\n}\n')


async def test_people_are_changed_and_the_rest_of_them_stays(terminal: Terminal) -> None:
    """Just what is said changes, for all who are named; an end that has passed shuts out until --no-end."""
    added = ("add", "cleo", "dan", "--group", "a", "--end", "2027-02-28", "--note", "from Kiel")
    assert (await terminal.run(*added))[0] == 0

    async def change(*arguments: str) -> dict[str, Any]:
        code, output, errors = await terminal.run("change", "cleo", "DAN", *arguments, "--json")
        assert (code, errors) == (0, "")
        cleo, dan = json.loads(output)
        assert {**cleo, "name": "dan", "created": dan["created"]} == dan
        return {field: cleo[field] for field in ("groups", "ends_at", "note", "admin", "blocked")}

    said = {"groups": ["a"], "ends_at": "2027-02-28T23:00:00+00:00", "note": "from Kiel", "admin": False}
    said["blocked"] = False
    steps: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("--group", "b", "--group", "c"), {"groups": ["b", "c"]}),
        (("--no-groups", "--note", ""), {"groups": [], "note": ""}),
        (("--admin",), {"admin": True}),
        (("--no-admin", "--note", "from Ulm"), {"admin": False, "note": "from Ulm"}),
        (("--end", "2020-01-31"), {"ends_at": "2020-01-31T23:00:00+00:00"}),
    ]
    for arguments, changed in steps:
        said |= changed
        assert await change(*arguments) == said
    assert not (await terminal.hub.login("dan", USER)).ok
    assert await change("--no-end") == said | {"ends_at": None}
    assert (await terminal.hub.login("dan", USER)).ok
    assert (await terminal.run("change", "cleo", "dan", "--no-groups"))[:2] == (0, "Changed: cleo, dan.\n")
    code, output, errors = await terminal.run("change", "cleo", "nobody", "dan", "--no-admin")
    assert (code, output, errors) == (1, "", "jhaws: The hub has no user 'nobody'. Changed before: cleo.\n")


async def test_a_forgotten_password_is_set_by_the_printed_code(terminal: Terminal) -> None:
    """The code is printed with the whole link to the page; with --json it is the API's answer."""
    hub = terminal.hub
    assert (await terminal.run("add", "emil"))[0] == (await terminal.run("add", "fay", "--admin"))[0] == 0
    code, output, _ = await terminal.run("reset", "Emil")
    first, printed, last = output.splitlines()
    link = urlsplit(last.removeprefix("or by the link "))
    given = dict(parse_qsl(link.fragment))
    assert (code, first[:26]) == (0, "One-time code of emil, unt")
    assert f"{link.scheme}://{link.netloc}{link.path}" == f"{hub.url}hub/jhaws/reset"
    assert given == {"name": "emil", "code": printed}
    code, output, _ = await terminal.run("reset", "fay", "--json")
    answer = json.loads(output)
    assert (code, answer["name"], answer["link"][:17]) == (0, "fay", "/hub/jhaws/reset#")
    for name, one_time_code in (("emil", printed), ("fay", answer["code"])):
        new = f"a-new-password-of-{name}"
        assert (await send(browser(hub), "reset", name=name, code=one_time_code, new=new))[0] == 200
        assert (await hub.login(name, new)).ok


async def test_a_list_is_shown_then_imported_then_undone(terminal: Terminal) -> None:
    """Nothing is changed without --yes; a file of Excel's is read as it is; the export is the list again."""
    list_file = terminal.folder / "class.csv"
    list_file.write_bytes("name;groups;note\r\njörg;class;über uns\r\nines;class;\r\n".encode("windows-1252"))
    code, output, errors = await terminal.run("import", "class.csv")
    assert (code, errors) == (0, "")
    assert "+ jörg  groups class; note über uns\n" in output
    assert "2 added, 0 changed, 0 removed, 0 unchanged.\n" in output
    assert "was read as Windows-1252" in output
    assert "Nothing was changed yet" in output
    assert not (await terminal.hub.login("ines", USER)).ok
    assert (await terminal.run("import", "class.csv", "--yes"))[0] == 0
    assert (await terminal.hub.login("ines", USER)).ok
    code, output, _ = await terminal.run("export")
    assert (code, "jörg,class,no,,über uns" in output) == (0, True)
    assert (await terminal.run("export", "out.csv"))[:2] == (0, "Written to out.csv.\n")
    assert (terminal.folder / "out.csv").stat().st_mode & 0o777 == 0o600
    assert " unchanged.\n" in (await terminal.run("import", "out.csv"))[1]
    code, output, _ = await terminal.run("undo")
    assert (code, output.splitlines()[-1]) == (0, "The last import is undone.")
    assert not (await terminal.hub.login("ines", USER)).ok
    assert (await terminal.run("undo"))[2] == "jhaws: There is no import that could be undone.\n"

    list_file.write_text("name,admin\nann,perhaps\n")
    code, output, errors = await terminal.run("import", "class.csv", "--yes")
    assert (code, errors) == (1, "jhaws: The list has problems, so nothing was changed.\n")
    assert "Problem, line 2: 'ann': The admin column must hold yes or no" in output


async def test_an_end_is_shown_with_the_zone_of_its_time(terminal: Terminal) -> None:
    """The hub's days end at its own midnight; what the command shows is UTC, and it says so."""
    assert (await terminal.run("add", "gilbert", "--end", "2027-02-28"))[0] == 0
    end = "2027-02-28 23:00"
    code, output, _ = await terminal.run("list", "--search", "gilbert")
    assert (code, output.splitlines()[1:]) == (0, [f"gilbert  allowed                 {end}", "1 person."])
    assert "END (UTC)" in output
    (terminal.folder / "ends.csv").write_text("name;end\ngilbert;31.08.2027\nhelena;31.08.2027\n")
    code, output, _ = await terminal.run("import", "ends.csv")
    assert (code, output.splitlines()[:2]) == (
        0,
        ["+ helena  end 2027-08-31 22:00 UTC", f"~ gilbert  end: {end} UTC -> 2027-08-31 22:00 UTC"],
    )


async def test_a_terminal_without_the_letters_of_a_name_shows_their_numbers(terminal: Terminal) -> None:
    """All that was asked is done and told; a list that could not be read again is not written."""
    code, output, errors = await terminal.run("add", "\u674e", "zoe", encoding="ascii")
    assert (code, output, errors) == (0, "Added 2: zoe, \\u674e.\n", "")
    code, output, _ = await terminal.run("list", "--search", "\u674e", encoding="latin-1")
    assert (code, "\\u674e  " in output) == (0, True)
    code, output, errors = await terminal.run("export", encoding="ascii")
    assert (code, output, "letters that ascii lacks" in errors) == (1, "", True)
    assert (await terminal.run("export", "letters.csv", encoding="ascii"))[0] == 0
    assert "\u674e,,no,," in (terminal.folder / "letters.csv").read_text(encoding="utf-8-sig")


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"
EVIL = {"name": ESCAPES, "state": ESCAPES, "admin": True, "groups": [ESCAPES], "ends_at": ESCAPES, "note": ESCAPES}
EVIL |= {"servers": 1}
CODE = {"name": ESCAPES, "code": ESCAPES, "ends_at": ESCAPES}
CHANGE = {"old": EVIL, "new": EVIL, "fields": ["groups", ESCAPES]}
FINDING = {"line": 2, "sentence": ESCAPES}
UNDONE = {"added": [EVIL], "changed": [CHANGE], "removed": [EVIL], "unchanged": 1, "remarks": [FINDING]}
# What the server answers, what is asked, and the exit code.
ANSWERS: list[tuple[int, Any, tuple[str, ...], int]] = [
    (201, {"password": ESCAPES, "groups": [ESCAPES]}, ("password", "rotate"), 0),
    (413, b"<html>", ("people", "undo"), 1),
    (504, b"\n<html>", ("people", "list"), 1),
    (503, b"", ("people", "list"), 1),
    (201, {"groups": 5}, ("password", "rotate"), 1),
    (201, {"password": 5}, ("password", "rotate"), 1),
    (201, b"[" * 100_000, ("password", "rotate"), 1),
    (403, {"message": ESCAPES}, ("password", "rotate"), 1),
    (403, {"message": f"{ESCAPES}."}, ("people", "list"), 1),
    (200, CODE | {"link": f"/{ESCAPES}"}, ("people", "reset", "ann"), 1),
    (200, CODE | {"link": "/\t/["}, ("people", "reset", "ann"), 1),
    (200, CODE | {"link": "//["}, ("people", "reset", "ann"), 1),
    (200, CODE | {"link": "/hub/jhaws/reset"}, ("people", "reset", "ann"), 0),
    (200, {}, ("people", "reset", "ann"), 1),
    (200, {"items": [EVIL], "_pagination": {"next": None}}, ("people", "list"), 0),
    (200, {"items": [EVIL | {"groups": [5]}], "_pagination": {"next": None}}, ("people", "list"), 1),
    (200, {"items": [], "_pagination": {"next": {"offset": "1"}}}, ("people", "list"), 1),
    (200, {"items": [5], "_pagination": {"next": None}}, ("people", "list"), 1),
    (200, b"[" * 100_000, ("people", "list"), 1),
    (200, [1], ("people", "revoke", "ann"), 1),
    (200, EVIL, ("people", "revoke", "ann"), 0),
    (200, [1], ("people", "allow", "ann"), 1),
    (200, {"allowed": ESCAPES}, ("people", "allow", "ann"), 1),
    (200, {}, ("people", "undo"), 1),
    (200, UNDONE, ("people", "undo"), 0),
    (200, UNDONE | {"changed": [{}]}, ("people", "undo"), 1),
    (200, {}, ("people", "add", "ann"), 1),
    (200, b"\xff\xfe", ("people", "export"), 1),
    (200, ESCAPES.encode(), ("people", "export"), 0),
]


async def test_no_answer_reaches_the_terminal_raw_or_ends_in_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a server answers that is no hub of ours, or means harm: escapes are written out, and 1 is one line."""
    answers: list[tuple[int, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        status, body = answers.pop()
        return web.Response(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode())

    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    server = TestServer(web.Application())
    server.app.router.add_route("*", "/{path:.*}", answer)
    async with server:
        for status, body, arguments, expected in ANSWERS:
            answers.append((status, body))
            code = await asyncio.to_thread(main, [*arguments, "--hub", str(server.make_url("/"))])
            written = capsys.readouterr()

            assert code == expected, (arguments, body, written)
            shown = written.out + written.err
            assert shown.replace("\n", "").isprintable(), (arguments, body)
            assert answers == []
            if code == 1:
                assert (written.err.count("\n"), written.err[:7]) == (1, "jhaws: "), (arguments, body)


async def test_a_request_without_an_answer_may_have_been_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what reads, and what never arrived, can be tried again without looking."""

    async def break_off(request: web.Request) -> web.Response:
        assert request.transport is not None
        if "gateway" not in request.path:
            request.transport.abort()
        return web.Response(status=504)

    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token")
    server = TestServer(web.Application())
    server.app.router.add_route("*", "/{path:.*}", break_off)
    async with server:
        for path, verb, may in (("", "undo", True), ("", "list", False), ("gateway", "undo", True)):
            assert await asyncio.to_thread(main, ["people", verb, "--hub", str(server.make_url(f"/{path}"))]) == 1
            assert ("may have done it: look before" in capsys.readouterr().err) == may
    assert await asyncio.to_thread(main, ["people", "undo", "--hub", "http://127.0.0.1:1"]) == 1
    assert "does not answer (ClientConnectorError)" in capsys.readouterr().err


async def test_wrong_calls_and_refusals_have_their_exit_codes(terminal: Terminal) -> None:
    """2 for what cannot be right, 1 for what the hub says no to; one sentence each, never a traceback."""
    reader = await terminal.hub.api("POST", "users/root/tokens", {"scopes": ["read:users"]})
    calls = [
        (await terminal.run("list", token=""), 2, "Put an admin's token into the environment variable"),
        (await terminal.run("list", url="ftp://x"), 2, "--hub must be the hub's URL"),
        (await terminal.run("list", "--state", "nonsense"), 2, "invalid choice"),
        (await terminal.run("list", "--token-file", "nowhere"), 2, "nowhere cannot be read: no such file"),
        (await terminal.run("allow"), 2, "required"),
        (await terminal.run("change", "ann"), 2, "say what changes: --end, --group, --note, --admin"),
        (await terminal.run("change", "ann", "--end", "2027-02-28", "--no-end"), 2, "not allowed with argument --end"),
        (await terminal.run("change", "ann", "--end", "soon"), 1, "The end must be a day"),
        (await terminal.run("change", "root", "--no-admin"), 1, "nor lose the admin flag here."),
        (await terminal.run("reset", "nobody"), 1, "The hub has no user 'nobody'."),
        (await terminal.run("reset"), 2, "required"),
        (await terminal.run("reset", " "), 1, "' ': A user name must not be empty"),
        (await terminal.run("reset", "a\x1b[2Jb"), 1, "'a\\x1b[2Jb': A user name must not contain characters that"),
        (
            await terminal.run("reset", "n" * 2000),
            1,
            "nnn…: A user name may be 255 bytes long in UTF-8, this one has 2000",
        ),
        (await terminal.run("reset", ".."), 1, "No user can have the name '..'."),
        (await terminal.run("block", ""), 1, "No user can have the name ''."),
        (await terminal.run("block", "a/../b%2e"), 1, "The hub has no user 'a/../b%2e'."),
        (await terminal.run("reset", "n" * 200), 1, "nnn…."),
        (await terminal.run("list", token="wrong"), 1, "refused the token (403)"),
        (await terminal.run("list", url="http://127.0.0.1:1"), 1, "does not answer"),
        (await terminal.run("list", url=terminal.hub.url + "nonsense"), 1, "sends elsewhere"),
        (await terminal.run("import", "nowhere.csv"), 1, "nowhere.csv cannot be read"),
        (await terminal.run("add", "root"), 1, "'root' is a user of the hub already, so nobody was added."),
        (await terminal.run("add", *(f"n-{n}" for n in range(501))), 1, "here are 501: import a list of them."),
        (await terminal.run("block", "root"), 1, "can neither be shut out"),
        (await terminal.run("block", "ann", token=str(reader[1]["token"])), 1, "refused the token"),
    ]
    for (code, output, errors), expected, said in calls:
        assert (code, output, said in errors) == (expected, "", True), (code, output, errors, said)
        assert "Traceback" not in errors
    (terminal.folder / "token").write_text(terminal.token + "\n")
    assert (await terminal.run("list", "--token-file", "token", token=""))[0] == 0


async def test_a_new_shared_password_is_refused_as_people_are(terminal: Terminal) -> None:
    """`jhaws password rotate` has the options, the sentences and the exit codes of `jhaws people`."""
    (terminal.folder / "empty").write_text("\n")
    (terminal.folder / "binary").write_bytes(b"\xff\0\xfe")
    _, few = await terminal.hub.api("POST", "users/root/tokens", {"scopes": ["admin:users!user=root"]})
    calls: list[tuple[dict[str, str], tuple[str, ...], int, str]] = [
        ({"token": ""}, (), 2, "Put an admin's token into the environment variable"),
        ({"url": "ftp://x"}, (), 2, "--hub must be the hub's URL"),
        ({}, ("--token-file", "nowhere"), 2, "nowhere cannot be read: no such file"),
        ({}, ("--token-file", "empty"), 2, "empty holds no token; put an admin's there"),
        ({}, ("--token-file", "binary"), 2, "binary holds no token; put an admin's there"),
        ({"token": "wrong"}, (), 1, "refused the token (403). It must be an admin's, or have admin:users"),
        ({"token": str(few["token"])}, (), 1, "refused the token (403). It must be an admin's, or have admin:users"),
        ({"url": "http://127.0.0.1:1"}, (), 1, "does not answer"),
    ]
    for how, arguments, expected, said in calls:
        for verb in ("rotate", "list"):
            code, output, errors = await terminal.run(verb, *arguments, **how)
            assert (code, output, errors.count("\n"), said in errors) == (expected, "", 1, True), (verb, errors)
    rotation = ("rotate", "--old-until")
    code, _, errors = await terminal.run("rotate", url=terminal.hub.url + "nonsense")
    assert (code, "answered with a page, as no API does" in errors) == (1, True)
    assert "The end of the old password (old_ends_at) must be a time" in (await terminal.run(*rotation, "soon"))[2]
    (terminal.folder / "token").write_text(terminal.token + "\n")
    code, output, _ = await terminal.run(*rotation, "2099-01-01T00:00Z", "--token-file", "token", token="")
    assert (code, output.splitlines()[0]) == (0, "The new password of all users holds.")
    assert (await terminal.hub.login("root", ADMIN)).ok


async def test_a_hub_that_is_down_is_told_from_a_wrong_address(terminal: Terminal) -> None:
    """The proxy answers for it; when the hub is back, all is as before."""
    try:
        await terminal.hub.kill()
        for verb in ("list", "rotate"):
            code, output, errors = await terminal.run(verb)
            said = f"jhaws: {terminal.hub.url} does not run, or is just starting (503). Try it again soon.\n"
            assert (code, output, errors) == (1, "", said)
    finally:
        await terminal.hub.start()
    assert (await terminal.run("list"))[0] == 0
