"""The hub as people see it: a real browser, from the admin panel to the file browser of JupyterLab.

Set JHAWS_SCREENSHOTS to a folder to keep a picture of each page.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from .clusters import ADMIN_PASSWORD, USER_PASSWORD, Place, hub_on_cluster, make_course

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed: run `apt-get install chromium`"),
]

CONFIG = """
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.shares = [{{"name": "shared", "mount": "/home/jovyan/shared"}}]
c.JhawsSpawner.git_repos = [{{"url": "{course}", "branch": "main", "directory": "course"}}]
"""

# Without these Chromium asks its maker's hosts for news at each start.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A hub with home, share and course."""
    state = tmp_path_factory.mktemp("browser")
    course = make_course(state / "source")
    async with hub_on_cluster(state, CONFIG.format(course=course)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """A running browser; each test opens contexts, which share nothing."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def log_in(chromium: Any, place: Place, name: str, password: str) -> Any:
    context = await chromium.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(60_000)
    await page.goto(place.hub.url + "hub/login")
    await page.fill("#username_input", name)
    await page.fill("#password_input", password)
    await page.click("#login_submit")
    return page


async def picture(page: Any, name: str) -> None:
    if folder := os.environ.get("JHAWS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=f"{folder}/{name}.png")


async def test_the_admin_adds_a_user_who_logs_in_and_finds_the_course(chromium: Any, place: Place) -> None:
    """From "Add Users" in the admin panel to the course folder in the new user's JupyterLab."""
    admin = await log_in(chromium, place, "root", ADMIN_PASSWORD)
    await admin.goto(place.hub.url + "hub/admin")
    await admin.get_by_role("button", name="Add Users").click()
    await admin.get_by_role("textbox").first.fill("ada")
    await picture(admin, "add-user")
    await admin.get_by_role("button", name="Add Users").click()
    await admin.get_by_text("ada", exact=True).first.wait_for()
    await picture(admin, "admin-panel")

    ada = await log_in(chromium, place, "ada", USER_PASSWORD)
    await ada.wait_for_url("**/user/ada/lab**")
    await ada.locator(".jp-DirListing-itemText", has_text="course").wait_for()
    await ada.locator(".jp-DirListing-itemText", has_text="shared").wait_for()
    await picture(ada, "lab")

    await admin.reload()
    await admin.get_by_role("button", name="Stop Server").first.wait_for()
    await admin.goto(place.hub.url + "user/ada/lab")
    await admin.get_by_role("button", name="Authorize").click()
    await admin.locator(".jp-DirListing-itemText", has_text="course").wait_for()


async def test_somebody_whom_nobody_added_stays_outside(chromium: Any, place: Place) -> None:
    """The shared password alone opens nothing, and the page says the same as for a wrong password."""
    page = await log_in(chromium, place, "stranger", USER_PASSWORD)
    message = await page.locator(".login_error").inner_text()
    await picture(page, "refused")

    page = await log_in(chromium, place, "root", USER_PASSWORD)
    assert await page.locator(".login_error").inner_text() == message
    assert message.strip() == "Invalid username or password"


async def test_the_link_of_a_one_time_code_fills_the_form(chromium: Any, place: Place) -> None:
    """Name and code come from behind the `#`, which is gone then; the new password is typed, and opens."""
    admin = await place.admin()
    assert (await admin.api("POST", "users", {"usernames": ["boss"], "admin": True}))[0] == 201
    status, answer = await admin.api("POST", "jhaws/people/boss/reset", {})
    assert status == 201
    context = await chromium.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(place.hub.url.rstrip("/") + answer["link"])
    assert await page.get_by_label("Benutzername").input_value() == "boss"
    assert await page.get_by_label("Einmal-Code").input_value() == answer["code"]
    assert "#" not in page.url
    assert answer["code"] not in page.url
    await page.get_by_label("Neues Passwort, mindestens").fill("kirschbaum im mai")
    await page.get_by_label("Neues Passwort noch einmal").fill("kirschbaum im mai")
    await page.get_by_role("button", name="Passwort setzen").click()
    await page.get_by_role("status").wait_for()
    assert (await place.hub.login("boss", "kirschbaum im mai")).ok
    await context.close()
