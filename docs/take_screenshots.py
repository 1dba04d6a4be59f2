"""Take the pictures of the docs from a running demo: `python docs/take_screenshots.py URL STATE_FOLDER`.

It logs in as the admin, adds the user ada, looks at the preview of a list, starts ada's server and opens the course, as
the tutorial tells. It needs `make install` (Playwright) and Debian's or the user's Chromium.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).with_name("images")
LIST = "name;groups;end\nada;class-a;28.02.2027\ngrace;class-a,tutors;28.02.2027\n"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def log_in(browser: Any, url: str, name: str, password: str) -> Any:
    """Return a page on which `name` is logged in."""
    page = browser.new_context(viewport={"width": 1200, "height": 700}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/hub/login")
    page.fill("#username_input", name)
    page.fill("#password_input", password)
    page.click("#login_submit")
    return page


def main(url: str, state: Path) -> None:
    """Take all pictures; ada must have no server yet."""
    passwords = json.loads((state / "passwords.json").read_text())
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        admin = log_in(browser, url, "admin", passwords["admin"])
        admin.goto(f"{url}/hub/admin")
        admin.get_by_role("button", name="Add Users").click()
        admin.get_by_role("textbox").first.fill("ada")
        admin.get_by_role("button", name="Add Users").click()
        admin.get_by_text("ada", exact=True).first.wait_for()
        admin.screenshot(path=IMAGES / "admin.png")
        admin.goto(f"{url}/hub/jhaws/import")
        admin.get_by_label("Or paste the list").fill(LIST)
        admin.get_by_role("button", name="Show what would change").click()
        admin.get_by_role("button", name="Import just that").wait_for()
        admin.screenshot(path=IMAGES / "import.png", full_page=True)

        ada = log_in(browser, url, "ada", passwords["user"])
        ada.get_by_role("button", name="Start").wait_for()
        ada.screenshot(path=IMAGES / "profiles.png")
        ada.get_by_role("button", name="Start").click()
        ada.locator(".jp-DirListing-itemText", has_text="course").wait_for()
        ada.goto(f"{url}/user/ada/lab/tree/course/Welcome.ipynb")
        ada.get_by_role("button", name="No", exact=True).click()  # the makers' news
        # The notebook's own indicator says "idle" before there is a kernel; running a cell then opens a dialog.
        ada.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        ada.locator(".jp-Notebook .jp-CodeCell").first.click()
        ada.keyboard.press("Control+Enter")
        ada.locator(".jp-OutputArea-output", has_text="Hello from ada").wait_for()
        ada.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        ada.keyboard.press("Control+s")
        ada.locator(".jp-mod-dirty").first.wait_for(state="detached")
        ada.get_by_text("Saving completed").wait_for(state="hidden")
        ada.mouse.move(700, 500)  # no tooltip
        ada.screenshot(path=IMAGES / "demo.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
