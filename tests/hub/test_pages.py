"""Our pages in a real browser, on SQLite and on PostgreSQL: what everybody's and the admins' have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.hubclient import Session

from .browsers import log_in, needs_browser, picture, running_chromium
from .hubs import RunningHub, running_hub
from .test_admin_pages import OPTIONS, PAGES, add, database, done
from .test_passwords import OWN
from .test_people import ADMIN, CONFIG, DUMMY, USER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), needs_browser]

EARLIER = ("ann", "bob", "carl", "dora", "eve")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["SQLite", "PostgreSQL"])
async def hub(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub on each kind of database, which another login has let people into before."""
    with database(request.param) as line:
        async with running_hub(tmp_path_factory.mktemp("pages"), DUMMY + line, preset="") as running:
            for name in EARLIER:
                assert (await running.login(name, "anything")).ok
            await running.kill()
            running.write_config(CONFIG + OPTIONS + line)
            await running.start()
            yield running
            assert "Uncaught exception" not in running.log()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """A running browser."""
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def root(hub: RunningHub) -> Session:
    """The admin's own requests, to arrange what a page shall show."""
    session = await hub.login("root", ADMIN)
    assert session.ok
    return session


async def type_passwords(page: Any, old: str, new: str) -> None:
    """Fill in the form from its first field on, which has the focus, and leave the last one focused."""
    for key, text in (("old", old), ("new", new), ("again", new)):
        assert await page.evaluate("document.activeElement.id") == f"jhaws-{key}"
        await page.keyboard.type(text)
        if key != "again":
            await page.keyboard.press("Tab")


async def test_a_person_sets_a_password_by_keyboard(chromium: Any, hub: RunningHub, root: Session) -> None:
    """After a wrong old one the fields are empty and the cursor is in the first; the new one then logs in."""
    await add(root, "kim")
    opened = await log_in(chromium, hub, "kim", USER)
    await opened.wait_for_url(lambda url: "/login" not in url)
    await opened.goto(hub.url + "hub/jhaws/password")
    for _ in range(await opened.locator("a, button, input").count()):
        await opened.keyboard.press("Tab")
        if await opened.evaluate("document.activeElement.id") == "jhaws-old":
            break
    await type_passwords(opened, "not-the-password", OWN)
    await opened.keyboard.press("Enter")
    await opened.get_by_role("alert").filter(has_text="The current password is wrong.").wait_for()
    await picture(opened, "password-wrong")
    typed = await opened.locator("#jhaws-password input[type=password]").evaluate_all("all => all.map(e => e.value)")
    assert typed == ["", "", ""]
    assert not (await hub.login("kim", OWN)).ok

    await type_passwords(opened, USER, OWN)
    await opened.keyboard.press("Tab")
    await opened.keyboard.press("Enter")
    await opened.get_by_role("status").filter(has_text="Your new password is set.").wait_for()
    await opened.context.close()
    again = await log_in(chromium, hub, "kim", OWN)
    await again.wait_for_url(lambda url: "/login" not in url)
    await again.context.close()
    assert not (await hub.login("kim", USER)).ok


async def test_who_waits_is_let_in_by_buttons(chromium: Any, hub: RunningHub, root: Session) -> None:
    """In the list, on the person's page, or all at once; they can log in then, and the audit log has who did it."""
    assert [(await hub.login(name, USER)).ok for name in EARLIER] == [False] * 5
    opened = await log_in(chromium, hub, "root", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    opened.on("dialog", lambda dialog: dialog.accept())
    await opened.goto(hub.url + "hub/jhaws/people")
    await opened.get_by_role("link", name="Show them").click()
    await opened.wait_for_url("**state=waiting**")
    assert await opened.locator("#jhaws-list tbody th").all_inner_texts() == list(EARLIER)
    await picture(opened, "people-waiting")
    await opened.get_by_role("button", name="Let in: ann").click()
    assert await done(opened) == "ann is let in."
    await opened.get_by_role("link", name="bob", exact=True).click()
    await opened.get_by_role("button", name="Let in", exact=True).click()
    assert await done(opened) == "bob is let in."
    # What `jhaws people allow carl` asks for.
    assert await root.api("POST", "jhaws/waiting", {"allow": ["carl"]}) == (200, {"allowed": 1})
    assert [(await hub.login(name, USER)).ok for name in EARLIER] == [True, True, True, False, False]

    await opened.goto(hub.url + "hub/jhaws/people")
    await opened.get_by_role("button", name="Let all of them in").click()
    assert await done(opened) == "All of them are let in."
    assert await opened.locator("#jhaws-waiting").count() == 0
    await opened.context.close()
    assert [(await hub.login(name, USER)).ok for name in EARLIER] == [True] * 5
    _, entries = await root.api("GET", "jhaws/audit")
    told = [(each["action"], each["name"], each["detail"]) for each in entries if each["actor"] == "root"]
    assert [each for each in told if "allowed" in each[0] or "waiting" in each[2]] == [
        ("people.allowed", "", "waited: 2"),
        ("person.allowed", "carl", ""),
        ("person.allowed", "bob", ""),
        ("person.allowed", "ann", ""),
    ]


async def test_no_page_loads_anything_from_elsewhere(chromium: Any, hub: RunningHub) -> None:
    """No page of ours makes the browser ask another host than the hub, so they work where there is no Internet."""
    opened = await log_in(chromium, hub, "root", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    asked: dict[str, set[str]] = {}
    for path in (*PAGES, "people/root", "password", "reset"):
        fresh = await opened.context.new_page()
        hosts = asked[path] = set()
        fresh.on("request", lambda request, hosts=hosts: hosts.add(urlsplit(request.url).netloc))
        # Idle: with what the scripts load.
        answer = await fresh.goto(hub.url + f"hub/jhaws/{path}", wait_until="networkidle")
        assert (answer.status, await fresh.locator("main h1").count()) == (200, 1)
        await fresh.close()
    await opened.context.close()
    assert asked == {path: {urlsplit(hub.url).netloc} for path in asked}


async def test_an_import_that_takes_longer_shows_that_it_runs(chromium: Any, hub: RunningHub) -> None:
    """Preview, import and undo have a progress bar from the click until the hub has answered."""
    opened = await log_in(chromium, hub, "root", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    opened.on("dialog", lambda dialog: dialog.accept())
    progress = opened.get_by_role("progressbar", name="One moment")
    held: asyncio.Queue[Any] = asyncio.Queue()
    # The hub gets a request when the test lets it go on: as long as a list may take.
    await opened.route("**/jhaws/roster/*", held.put)
    await opened.goto(hub.url + "hub/jhaws/import")
    await opened.get_by_label("Or paste the list").fill("paula")
    for button, end in (
        ("Show what would change", opened.get_by_role("heading", name="What would change")),
        ("Import just that", opened.get_by_text("Imported: 1 new")),
        ("Undo it", opened.get_by_text("Undone:")),
    ):
        assert not await progress.is_visible()
        await opened.get_by_role("button", name=button).click()
        request = await held.get()
        await progress.wait_for()
        await picture(opened, "import-progress")
        await request.continue_()
        await end.wait_for()
        await progress.wait_for(state="hidden")
    await opened.context.close()
