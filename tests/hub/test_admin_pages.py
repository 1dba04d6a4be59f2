"""The admins' pages in a real browser, on SQLite and on PostgreSQL: what a teacher does with a class in a term."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jhaws.sentences import Sentence, recall
from tests.hubclient import Session
from tests.postgres import running_postgres

from .browsers import log_in, needs_browser, picture, running_chromium
from .hubs import RunningHub, running_hub
from .test_people import ADMIN, CONFIG, ODD_NAMES, USER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), needs_browser]

PAGES = ("people", "import", "shared-password", "audit", "failed-logins")
OPTIONS = """
c.JhawsAuthenticator.personal_password = "optional"
c.JupyterHub.load_roles.append({"name": "tutors", "users": ["tutor"], "scopes": ["admin:users"]})
c.JhawsAuthenticator.allowed_users = {"tutor"}
"""
CLASS = "name;groups;end;note\r\nann.meier;class-a;28.02.2027;\r\njan.bell;class-a,tutors;28.02.2027;=1+1\r\n"


# Whether our script has stopped the first and the second; neither is sent.
SUBMIT_TWICE = """() => {
    const form = document.querySelector("#jhaws-password form");
    const stopped = [];
    form.addEventListener("submit", (event) => {
        stopped.push(event.defaultPrevented);
        event.preventDefault();
    });
    form.requestSubmit();
    form.requestSubmit();
    return stopped;
}"""
# Cells of tables in which one of our own words is broken into two lines.
BROKEN_WORDS = """() => [...document.querySelectorAll("#jhaws-pages td:not(.jhaws-typed)")]
    .filter((cell) => cell.textContent.trim() && !cell.textContent.trim().includes(" ") && !cell.querySelector("form"))
    .filter((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map((each) => Math.round(each.bottom / 8))).size > 1;
    }).map((cell) => cell.textContent.trim())"""
# Buttons without a colour of their own, whose text has too little contrast with what is behind it.
PALE_BUTTONS = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => parts(colour).slice(0, 3).map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (element) => {
        const colour = getComputedStyle(element).backgroundColor;
        return parts(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour;
    };
    return [...document.querySelectorAll("#jhaws-pages [class*=btn-outline]")].filter((button) => {
        const [low, high] = [light(getComputedStyle(button).color), light(behind(button))].sort((a, b) => a - b);
        return button.checkVisibility() && (high + 0.05) / (low + 0.05) < 4.5;
    }).map((button) => button.textContent.trim());
}"""


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Give the line of a configuration that names a database of this kind."""
    with running_postgres() if kind == "PostgreSQL" else nullcontext() as server:
        yield f"c.JupyterHub.db_url = {server.url(server.create_database())!r}\n" if server else ""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["SQLite", "PostgreSQL"])
async def hub(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """A hub on each kind of database."""
    with database(request.param) as line:
        options = OPTIONS
        async with running_hub(tmp_path_factory.mktemp("pages"), CONFIG + options + line) as running:
            yield running
            assert "Uncaught exception" not in running.log()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """A running browser."""
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(chromium: Any, hub: RunningHub) -> AsyncIterator[Any]:
    """The admin's browser, which says yes to every question."""
    opened = await log_in(chromium, hub, "root", ADMIN, accept_downloads=True)
    opened.set_default_timeout(20_000)
    opened.on("dialog", lambda dialog: dialog.accept())
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    await opened.wait_for_url(lambda url: "/login" not in url)
    yield opened
    await opened.context.close()
    assert not faults


@pytest_asyncio.fixture(loop_scope="module")
async def root(hub: RunningHub) -> Session:
    """The admin's own requests, to arrange what a page shall show."""
    session = await hub.login("root", ADMIN)
    assert session.ok
    return session


async def add(root: Session, *names: str, **fields: Any) -> None:
    """Have people in the hub."""
    status, answer = await root.api("POST", "jhaws/people", {"names": list(names), **fields})
    assert status == 201, answer


async def done(page: Any) -> str:
    """Wait until the page says that it is done, and return what it says."""
    await page.locator("#jhaws-notice:not(:empty)").wait_for()
    return str(await page.locator("#jhaws-notice").inner_text())


async def row(page: Any, hub: RunningHub, name: str) -> Any:
    """Open the list where somebody is, and return the row."""
    await page.goto(hub.url + f"hub/jhaws/people?search={name}")
    return page.locator("#jhaws-list tbody tr", has=page.get_by_role("link", name=name, exact=True))


async def test_the_navigation_leads_to_the_pages(page: Any, hub: RunningHub) -> None:
    """From JupyterHub's own page an admin comes to the people and to their own password by links."""
    await page.goto(hub.url + "hub/home")
    await page.get_by_role("link", name="People", exact=True).click()
    await page.get_by_role("heading", name="People").wait_for()
    await page.get_by_role("link", name="Password", exact=True).click()
    await page.get_by_role("heading", name="Your password").wait_for()


async def test_people_are_added_found_and_changed(page: Any, hub: RunningHub) -> None:
    """Adding needs names alone; a person's page changes end, groups and note, and the list finds all of them."""
    await page.goto(hub.url + "hub/jhaws/people")
    await page.get_by_text("Add people").click()
    await page.get_by_label("Names, one on each line").fill("Ada\n\n  grace \n")
    await page.get_by_label("Groups").fill("class-a, tutors")
    await page.get_by_label("Last day").fill("2099-02-28")
    await picture(page, "people-add")
    await page.get_by_role("button", name="Add", exact=True).click()
    await done(page)
    assert (await hub.login("ada", USER)).ok

    await page.get_by_label("Part of a name, note or group").fill("tutors")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**search=tutors**")
    assert await page.locator("#jhaws-list tbody th").all_inner_texts() == ["ada", "grace"]
    await picture(page, "people")

    await page.get_by_role("link", name="grace", exact=True).click()
    assert await page.get_by_label("Last day").input_value() == "2099-02-28"
    await page.get_by_label("Last day").fill("")
    await page.get_by_label("Groups").fill("class-b")
    await page.get_by_label("Note").fill("from <b>Kiel</b>")
    await page.get_by_role("button", name="Save").click()
    await done(page)
    await picture(page, "person")
    await page.goto(hub.url + "hub/jhaws/people?search=Kiel")
    found = page.locator("#jhaws-list tbody tr")
    assert re.sub(r"\s+", " ", await found.inner_text()).startswith("grace allowed class-b")


async def test_a_change_of_one_field_leaves_the_others(page: Any, hub: RunningHub, root: Session) -> None:
    """What another admin changed since the page was opened stays, unless this one changes it too."""
    await add(root, "mary", note="old")
    await page.goto(hub.url + "hub/jhaws/people/mary")
    assert (await root.api("PATCH", "jhaws/people/mary", {"note": "new"}))[0] == 200
    await page.get_by_label("Groups").fill("class-c")
    await page.get_by_role("button", name="Save").click()
    await done(page)

    _, answer = await root.api("GET", "jhaws/people/mary")
    assert (answer["note"], answer["groups"]) == ("new", ["class-c"])
    await page.get_by_role("button", name="Save").click()
    assert await done(page) == "Nothing was changed."


async def test_somebody_is_blocked_revoked_and_let_in_again(page: Any, hub: RunningHub, root: Session) -> None:
    """One button each; the browser and the token of the person end at that moment, and the audit log has by whom."""
    await add(root, "max")
    theirs = await hub.login("max", USER)
    found = await row(page, hub, "max")
    await found.get_by_role("button", name="Revoke now: max").click()
    assert await done(page) == "All logins, tokens and servers of max have ended."
    assert await page.evaluate("document.activeElement.id") == "jhaws-notice"
    assert (await theirs.get("hub/home", allow_redirects=False))[0] == 302
    _, entries = await root.api("GET", "jhaws/audit?name=max&action=person.revoked")
    assert [(each["actor"], each["address"]) for each in entries] == [("root", "127.0.0.1")]

    found = await row(page, hub, "max")
    await found.get_by_role("button", name="Block: max").click()
    await done(page)
    assert "blocked" in await found.inner_text()
    assert not (await hub.login("max", USER)).ok
    await found.get_by_role("button", name="Unblock: max").click()
    await done(page)
    # Two failures of a name cost nothing yet.
    assert (await hub.login("max", USER)).ok


async def test_a_one_time_code_is_shown_once_and_works(
    page: Any, hub: RunningHub, root: Session, chromium: Any
) -> None:
    """The person's page gives code and link; after a reload they are gone, and the link sets a password."""
    await add(root, "lisa")
    await page.goto(hub.url + "hub/jhaws/people/lisa")
    await page.get_by_role("button", name="One-time code").click()
    await page.locator("#jhaws-code").wait_for()
    await picture(page, "person-code")
    link = await page.locator("#jhaws-code-link").input_value()
    code = await page.locator("#jhaws-code-text").inner_text()
    assert await page.locator("#jhaws-code-place").inner_text() == hub.url + "hub/jhaws/reset"
    await page.reload()
    assert code not in await page.content()

    theirs = await (await chromium.new_context()).new_page()
    await theirs.goto(hub.url + "hub/jhaws/reset")
    await theirs.goto(link)
    await theirs.get_by_label("New password, at least").fill("kirschbaum im mai")
    await theirs.get_by_label("New password once more").fill("kirschbaum im mai")
    await theirs.get_by_role("button", name="Set password").click()
    await theirs.get_by_role("status").wait_for()
    assert (await hub.login("lisa", "kirschbaum im mai")).ok
    assert not (await hub.login("lisa", USER)).ok
    await theirs.context.close()


async def test_an_impatient_person_reads_the_answer_to_the_first_click(
    hub: RunningHub, root: Session, chromium: Any
) -> None:
    """The second one is not sent, as it would find the code used; and an error is read where the cursor is."""
    await add(root, "pia")
    _, answer = await root.api("POST", "jhaws/people/pia/reset", {})
    theirs = await (await chromium.new_context()).new_page()
    await theirs.goto(hub.url.rstrip("/") + answer["link"])
    await theirs.get_by_label("New password, at least").fill("kirschbaum im mai")
    await theirs.get_by_label("New password once more").fill("kirschbaum")
    await theirs.get_by_role("button", name="Set password").click()
    await theirs.get_by_role("alert").wait_for()
    assert await theirs.evaluate("document.activeElement.id") == "jhaws-new"
    described = await theirs.locator("#jhaws-new").get_attribute("aria-describedby")
    assert await theirs.locator(f"#{described}").inner_text() == "The two new passwords are not the same."

    await theirs.get_by_label("New password, at least").fill("kirschbaum im mai")
    await theirs.get_by_label("New password once more").fill("kirschbaum im mai")
    assert await theirs.evaluate(SUBMIT_TWICE) == [False, True]
    await theirs.context.close()


async def test_a_refusal_is_read_on_the_page(page: Any, hub: RunningHub) -> None:
    """What the API refuses stands there in its own words, has the focus, and nothing typed is lost."""
    await page.goto(hub.url + "hub/jhaws/people")
    await page.get_by_text("Add people").click()
    await page.get_by_label("Names, one on each line").fill("root")
    await page.get_by_role("button", name="Add", exact=True).click()
    alert = page.get_by_role("alert").filter(has_text="is a user of the hub already")
    await alert.wait_for()
    await picture(page, "people-refused")
    assert await page.evaluate("document.activeElement.id") == "jhaws-error"
    assert await page.get_by_label("Names, one on each line").input_value() == "root"


async def test_names_of_any_kind_have_pages_and_buttons(page: Any, hub: RunningHub, root: Session) -> None:
    """Spaces, percent signs, quotes and tags are text, and their buttons mean just them."""
    await add(root, *ODD_NAMES)
    await page.goto(hub.url + "hub/jhaws/people")
    for name in ODD_NAMES:
        await page.goto(hub.url + "hub/jhaws/people")
        await page.get_by_role("link", name=name, exact=True).click()
        await page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
        await page.get_by_role("button", name="Block", exact=True).click()
        await page.get_by_role("button", name="Unblock", exact=True).wait_for()
    _, answer = await root.api("GET", "jhaws/people?state=blocked&limit=200")
    assert {each["name"] for each in answer["items"]} == set(ODD_NAMES)
    await page.get_by_role("button", name="Delete").click()
    await page.wait_for_url("**/hub/jhaws/people")
    assert (await root.api("GET", f"jhaws/people/{ODD_NAMES[-1]}"))[0] == 404


async def test_a_list_is_previewed_imported_and_undone(
    page: Any, hub: RunningHub, root: Session, tmp_path: Path
) -> None:
    """A spreadsheet's file shows what would change and what is wrong, is imported, and the import is taken back."""
    await add(root, "jan.bell")
    await page.goto(hub.url + "hub/jhaws/import")
    file = tmp_path / "class.csv"
    file.write_bytes(b"\xef\xbb\xbf" + CLASS.encode())
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Show what would change").click()
    await page.get_by_role("heading", name="What would change").wait_for()
    assert await page.get_by_role("button", name="Import just that").is_visible()
    assert await page.locator("#jhaws-added tbody th").all_inner_texts() == ["ann.meier"]
    assert await page.locator("#jhaws-changed tbody ins").all_inner_texts() == [
        "class-a, tutors",
        "2027-02-28",
        "=1+1",
    ]
    await picture(page, "import-preview")
    assert (await root.api("GET", "jhaws/people/ann.meier"))[0] == 404

    await page.get_by_role("button", name="Import just that").click()
    assert await done(page) == "Imported: 1 new, 1 changed, 0 deleted."
    assert (await hub.login("ann.meier", USER)).ok
    await page.get_by_role("button", name="Undo it").click()
    assert (await done(page)).startswith("Undone: 0 added again, 1 changed back, 1 deleted.")
    assert not (await hub.login("ann.meier", USER)).ok
    assert "It was undone." in await page.locator("#jhaws-past").inner_text()


async def test_a_list_with_a_mistake_cannot_be_imported(page: Any, hub: RunningHub) -> None:
    """Each problem has its line, and the button that imports is not there."""
    await page.goto(hub.url + "hub/jhaws/import")
    await page.get_by_role("button", name="Show what would change").click()
    await page.get_by_role("alert").filter(has_text="Choose a file or paste a list first.").wait_for()
    await page.get_by_label("Or paste the list").fill("name;end\nzoe;31.02.2027\nzoe;\n<b>x</b>;\n")
    await page.get_by_role("button", name="Show what would change").click()
    await page.get_by_text("Problems: nothing can be imported yet").wait_for()
    await picture(page, "import-problems")
    problems = await page.locator("#jhaws-changes .alert-danger li").all_inner_texts()
    assert problems[0].startswith("Line 2: ")
    assert not await page.get_by_role("button", name="Import just that").is_visible()


async def test_the_shared_password_is_changed_and_printed(page: Any, hub: RunningHub, root: Session) -> None:
    """The new one is on a sheet, opens at once, and paper shows the sheet alone."""
    await add(root, "tom")
    await page.goto(hub.url + "hub/jhaws/shared-password")
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    await page.get_by_role("button", name="Set new password").click()
    await page.get_by_role("heading", name="Access to JupyterHub").wait_for()
    await picture(page, "shared-password")
    made = await page.locator("#jhaws-sheet-password").inner_text()
    assert (await hub.login("tom", made)).ok

    await page.emulate_media(media="print")
    await picture(page, "shared-password-printed")
    assert await page.locator("#jhaws-sheet-password").is_visible()
    assert not await page.get_by_role("button", name="Print").is_visible()
    assert not await page.get_by_role("navigation").first.is_visible()
    await page.emulate_media(media="screen")
    await page.locator("#jhaws-versions tbody", has_text="root").wait_for()
    await page.reload()
    assert made not in await page.content()

    # For the other tests, and to see the old one live on for a while.
    await page.get_by_label("New password, at least 8 characters").fill(USER)
    await page.get_by_label("The old one holds until").fill("2098-12-24T18:00")
    await page.get_by_role("button", name="Set new password").click()
    await page.get_by_role("heading", name="Access to JupyterHub").wait_for()
    assert (await hub.login("tom", USER)).ok
    assert (await hub.login("tom", made)).ok
    assert [each.partition("? ")[2] for each in asked] == [
        "The old one ends now.",
        "The old one holds until the time that you have given.",
    ]


async def test_the_audit_log_is_filtered_and_saved(page: Any, hub: RunningHub, root: Session, tmp_path: Path) -> None:
    """By a name and by what happened; the CSV file has the same."""
    await add(root, "nina")
    assert not (await hub.login("nina", "wrong-password")).ok
    await page.goto(hub.url + "hub/jhaws/audit")
    await page.get_by_label("Name, in full").fill("nina")
    await page.get_by_label("What", exact=True).select_option("login refused")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**action=login.refused**")
    await picture(page, "audit")
    rows = await page.locator("#jhaws-entries tbody tr").all_inner_texts()
    assert len(rows) == 1
    assert "127.0.0.1" in rows[0]
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as CSV").click()
    saved = await (await download.value).path()
    text = Path(saved).read_bytes().decode("utf-8-sig")
    assert (text.count("nina"), text.splitlines()[0]) == (1, "at,action,name,actor,address,detail")


async def test_failed_logins_are_seen_and_forgotten(page: Any, hub: RunningHub, root: Session) -> None:
    """A name that waits stands there, and one button lets it in at once."""
    await add(root, "otto")
    await asyncio.gather(*(hub.login("otto", "wrong-password") for _ in range(3)))
    await page.goto(hub.url + "hub/jhaws/failed-logins")
    await page.get_by_role("cell", name="otto", exact=True).wait_for()
    await picture(page, "failed-logins")
    await page.get_by_role("button", name="Clear: otto").click()
    await done(page)
    assert await page.get_by_role("cell", name="otto", exact=True).count() == 0
    await page.get_by_role("button", name="Clear all").click()
    await page.get_by_text("Nobody waits.").wait_for()


async def test_hundreds_of_names_come_in_pages(page: Any, hub: RunningHub, root: Session) -> None:
    """A page has a hundred; the next ones, the order and the search are in its address."""
    await add(root, *(f"bulk{number:03}" for number in range(250)))
    await page.goto(hub.url + "hub/jhaws/people?search=bulk")
    assert "1 to 100 of 250" in await page.locator("#jhaws-count").inner_text()
    await page.get_by_role("link", name="Name", exact=True).click()
    await page.get_by_role("link", name="Next page").click()
    await page.get_by_role("link", name="Next page").click()
    await page.wait_for_url("**page=3**")
    assert "201 to 250 of 250" in await page.locator("#jhaws-count").inner_text()
    assert (await page.locator("#jhaws-list tbody th").all_inner_texts())[-1] == "bulk000"
    await picture(page, "people-page")
    await page.get_by_role("link", name="bulk000").click()
    await page.get_by_role("link", name="All people").click()
    await page.wait_for_url("**page=3**")


async def test_a_list_that_deletes_says_so_before(page: Any, hub: RunningHub, root: Session) -> None:
    """The button is red and has the number, another list hides the preview, and two lists at once are refused."""
    await page.goto(hub.url + "hub/jhaws/import")
    await page.get_by_label("Or paste the list").fill("somebody")
    await page.get_by_label("Delete people who are not in the list").check()
    await page.get_by_role("button", name="Show what would change").click()
    button = page.get_by_role("button", name=re.compile(r"Import just that, and delete \d+"))
    await button.wait_for()
    assert "btn-danger" in str(await button.get_attribute("class"))
    await picture(page, "import-deletes")
    await page.get_by_label("Delete people who are not in the list").uncheck()
    assert not await button.is_visible()
    file = {"name": "class.csv", "mimeType": "text/csv", "buffer": b"somebody else"}
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Show what would change").click()
    await page.get_by_role("alert").filter(has_text="Either a file or a pasted list").wait_for()


async def test_a_long_name_leaves_the_buttons_on_the_page(page: Any, hub: RunningHub, root: Session) -> None:
    """It is broken into lines, in the list and on its own page."""
    await add(root, "w" * 200)
    for path in ("people?search=www", "people/" + "w" * 200):
        await page.goto(hub.url + f"hub/jhaws/{path}")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        right = await page.evaluate("""() => Math.max(...[...document.querySelectorAll("#jhaws-pages button")]
            .map((each) => each.getBoundingClientRect().right))""")
        assert right <= 1280


async def test_a_narrow_dark_window_shows_all_of_it(chromium: Any, hub: RunningHub, root: Session) -> None:
    """Words stay whole, pages are no wider than the window, and buttons can be read as WCAG wants it (4.5 to 1)."""
    await add(root, "anna-maria.von-der-heide", groups=["working-group-robotics-and-electronics"])
    assert (await root.api("PATCH", "jhaws/people/anna-maria.von-der-heide", {"waiting": True}))[0] == 200
    narrow = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark", "locale": "de-DE"}
    opened = await log_in(chromium, hub, "root", ADMIN, **narrow)
    await opened.wait_for_url(lambda url: "/login" not in url)
    for path in (*PAGES, "people/root", "people/anna-maria.von-der-heide", "people?order=-name"):
        await opened.goto(hub.url + f"hub/jhaws/{path}")
        await picture(opened, f"dark-{path.partition('?')[0].replace('/', '-')}")
        assert await opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert await opened.evaluate(BROKEN_WORDS) == [], path
        assert await opened.evaluate(PALE_BUTTONS) == [], path
    marker = "getComputedStyle(document.querySelector('[aria-sort] a'), '::after').content"
    assert "▼" in await opened.evaluate(marker)

    await opened.goto(hub.url + "hub/jhaws/import")
    await opened.get_by_label("Oder die Liste einfügen").fill(CLASS)
    await opened.get_by_role("button", name="Zeigen, was sich ändern würde").click()
    await opened.get_by_role("heading", name="Was sich ändern würde").wait_for()
    assert await opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert await opened.evaluate(BROKEN_WORDS) == []
    await opened.context.close()


async def test_a_refusal_of_rights_is_told_as_that(chromium: Any, hub: RunningHub, root: Session) -> None:
    """Who is logged in reads what is not allowed; who is no longer, that; who is again in another tab goes on."""
    await add(root, "bob")
    opened = await log_in(chromium, hub, "root", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    await opened.goto(hub.url + "hub/jhaws/people/bob")
    ask = "(path) => window.jhaws.ask('GET', path).then(() => 'done', (error) => error.message)"
    assert await opened.evaluate(ask, "users/bob/tokens/none") == "No such token none for user bob"
    await opened.context.clear_cookies()
    assert await opened.evaluate(ask, "jhaws/people/bob") == "You are not logged in any more. Load the page again."

    other = await opened.context.new_page()
    await other.goto(hub.url + "hub/login")
    await other.fill("#username_input", "root")
    await other.fill("#password_input", ADMIN)
    await other.click("#login_submit")
    await other.wait_for_url(lambda url: "/login" not in url)
    await opened.get_by_label("Note").fill("typed before")
    await opened.get_by_role("button", name="Save").click()
    await opened.locator("#jhaws-notice:not(:empty)").wait_for()
    assert (await root.api("GET", "jhaws/people/bob"))[1]["note"] == "typed before"
    await opened.context.close()


async def test_who_may_change_users_but_is_no_admin_reads_what_is_refused(
    chromium: Any, hub: RunningHub, root: Session
) -> None:
    """Such a tutor sees the pages without what is for admins, and a refused request says why."""
    opened = await log_in(chromium, hub, "tutor", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    await opened.goto(hub.url + "hub/jhaws/people/root")
    await opened.get_by_text("Only admins can change the logins of an admin.").wait_for()
    assert await opened.get_by_role("button", name="One-time code").count() == 0
    ask = "() => window.jhaws.ask('POST', 'jhaws/people/root/revoke', {}).catch((error) => error.message)"
    assert await opened.evaluate(ask) == "Only admins can make, change or remove admins."
    await opened.context.close()


async def test_somebody_is_deleted_in_a_tab_that_has_not_seen_the_list(
    chromium: Any, hub: RunningHub, root: Session
) -> None:
    """A person's page that was opened by its address leads to the whole list."""
    await add(root, "leaver")
    opened = await log_in(chromium, hub, "root", ADMIN)
    await opened.wait_for_url(lambda url: "/login" not in url)
    opened.on("dialog", lambda dialog: dialog.accept())
    await opened.goto(hub.url + "hub/jhaws/people/leaver")
    await opened.get_by_role("button", name="Delete", exact=True).click()
    await opened.wait_for_url(hub.url + "hub/jhaws/people")
    assert await done(opened) == "leaver is deleted."
    await opened.context.close()


async def test_all_of_it_is_there_in_german(chromium: Any, hub: RunningHub) -> None:
    """A browser that asks for German gets German, and a page says so to a screen reader."""
    german = await log_in(chromium, hub, "root", ADMIN, locale="de-DE")
    await german.wait_for_url(lambda url: "/login" not in url)
    headings = ["Personen", "Liste importieren", "Gemeinsames Passwort", "Protokoll", "Fehlversuche"]
    for path, heading in zip(PAGES, headings, strict=True):
        await german.goto(hub.url + f"hub/jhaws/{path}")
        await german.get_by_role("heading", level=1, name=heading, exact=True).wait_for()
        assert await german.locator("#jhaws-pages").get_attribute("lang") == "de"
        await picture(german, f"german-{path}")
    await german.goto(hub.url + "hub/jhaws/import")
    await german.get_by_label("Oder die Liste einfügen").fill("name;ende\nzoe;31.02.2027\n")
    await german.get_by_role("button", name="Zeigen, was sich ändern würde").click()
    await german.get_by_text("Zeile 2: 'zoe': Das Ende muss ein Tag").wait_for()
    await german.goto(hub.url + "hub/jhaws/people")
    async with german.expect_download() as download:
        await german.get_by_role("link", name="Ganze Liste als CSV").click()
    saved = Path(await (await download.value).path()).read_bytes()
    assert saved.startswith(b"\xef\xbb\xbfname;groups")
    await german.context.close()


async def test_the_audit_log_tells_its_details_in_german(chromium: Any, hub: RunningHub, root: Session) -> None:
    """All that it has kept as English text, with ends as days of the hub's time zone, in English too."""
    await add(root, "erika")
    for change in ({"ends_at": "2027-02-28", "groups": ["a", "b"]}, {"groups": [], "blocked": True}):
        assert (await root.api("PATCH", "jhaws/people/erika", change))[0] == 200
    assert not (await hub.login("erika", USER)).ok
    german = await log_in(chromium, hub, "root", ADMIN, locale="de-DE")
    await german.wait_for_url(lambda url: "/login" not in url)
    shown = german.locator("#jhaws-entries td:nth-child(4)")
    await german.goto(hub.url + "hub/jhaws/audit?name=erika")
    told = set(await shown.all_inner_texts())
    assert {"von einem Admin gesperrt", "Gruppen: a, b; Ende: 28.02.2027", "Gruppen: keine; gesperrt: ja"} <= told
    await german.context.close()
    assert "groups: a, b; end: 2027-02-28" in (await root.get("hub/jhaws/audit?name=erika"))[1]

    _, entries = await root.api("GET", "jhaws/audit?limit=1000")
    parts = {part for each in entries for part in each["detail"].split("; ") if part}
    assert [part for part in parts if not isinstance(recall(part), Sentence)] == []


async def test_keyboard_and_screen_reader_find_everything(page: Any, hub: RunningHub) -> None:
    """Each field has a label, each button a name, each table headings, and the order of the tab key is the page's."""
    for path in (*PAGES, "people/root"):
        await page.goto(hub.url + f"hub/jhaws/{path}")
        nameless = await page.evaluate("""() => [...document.querySelectorAll(
            "#jhaws-pages input:not([type=hidden]), #jhaws-pages textarea, #jhaws-pages select")]
            .filter((field) => !field.labels.length).map((field) => field.outerHTML)""")
        assert nameless == []
        unnamed = await page.evaluate("""() => [...document.querySelectorAll("#jhaws-pages button, #jhaws-pages a")]
            .filter((each) => !(each.getAttribute("aria-label") || each.textContent.trim()))
            .map((each) => each.outerHTML)""")
        assert unnamed == []
        jumps = await page.locator("#jhaws-pages [tabindex]:not([tabindex='-1'])").count()
        assert jumps == 0
        assert await page.locator("main h1").count() == 1
    await page.goto(hub.url + "hub/jhaws/people")
    await page.locator("#jhaws-add summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "jhaws-names"


async def test_who_is_no_admin_sees_none_of_it(hub: RunningHub, root: Session) -> None:
    """Neither page nor link, whether logged in or not; and nobody may put a page into a frame."""
    await add(root, "eve")
    theirs = await hub.login("eve", USER)
    _, home = await theirs.get("hub/home")
    assert "jhaws/people" not in home
    assert "jhaws/password" in home
    for path in (*PAGES, "people/root"):
        status, text = await theirs.get(f"hub/jhaws/{path}")
        assert status == 403
        assert "root" not in text
        assert "This page is for admins." in text
        assert (
            "Diese Seite ist für Admins."
            in (await theirs.get(f"hub/jhaws/{path}", headers={"Accept-Language": "de"}))[1]
        )
        async with root.http.get(hub.url + f"hub/jhaws/{path}") as response:
            assert response.status == 200
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["Cache-Control"] == "no-store"


async def test_a_request_from_another_site_does_nothing(hub: RunningHub, root: Session) -> None:
    """The API takes the browser's cookies only together with the XSRF token of a page."""
    await add(root, "victim")
    async with root.http.patch(hub.url + "hub/api/jhaws/people/victim", json={"blocked": True}) as response:
        assert response.status == 403
    async with root.http.post(hub.url + "hub/jhaws/people", data={"names": "evil"}) as response:
        assert response.status in (403, 405)
    assert (await hub.login("victim", USER)).ok
