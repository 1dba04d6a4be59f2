"""The hub as people see it: a real browser, from the admin panel to the file browser of JupyterLab."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from .browsers import log_in, needs_browser, picture, running_chromium
from .clusters import ADMIN_PASSWORD, USER_PASSWORD, Place, hub_on_cluster, make_course

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_browser]

CONFIG = """
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.shares = [{{"name": "shared", "mount": "/home/jovyan/shared"}}]
c.JhawsSpawner.git_repos = [{{"url": "{course}", "branch": "main", "directory": "course"}}]
"""


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
    async with running_chromium() as browser:
        yield browser


async def test_the_admin_adds_a_user_who_logs_in_and_finds_the_course(chromium: Any, place: Place) -> None:
    """From "Add Users" in the admin panel to the course folder in the new user's JupyterLab."""
    admin = await log_in(chromium, place.hub, "root", ADMIN_PASSWORD)
    await admin.goto(place.hub.url + "hub/admin")
    await admin.get_by_role("button", name="Add Users").click()
    await admin.get_by_role("textbox").first.fill("ada")
    await picture(admin, "add-user")
    await admin.get_by_role("button", name="Add Users").click()
    await admin.get_by_text("ada", exact=True).first.wait_for()
    await picture(admin, "admin-panel")

    ada = await log_in(chromium, place.hub, "ada", USER_PASSWORD)
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
    page = await log_in(chromium, place.hub, "stranger", USER_PASSWORD)
    message = await page.locator(".login_error").inner_text()
    await picture(page, "refused")

    page = await log_in(chromium, place.hub, "root", USER_PASSWORD)
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
