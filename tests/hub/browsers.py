"""A real Chromium for tests: how it is started, how somebody logs in with it, and pictures of what it shows.

Set JHAWS_SCREENSHOTS to a folder to keep a picture of each page.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .hubs import RunningHub

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Without these Chromium asks its maker's hosts for news at each start.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed: run `apt-get install chromium`")


@contextlib.asynccontextmanager
async def running_chromium() -> AsyncIterator[Any]:
    """Run a browser until the block ends; what it opens in different contexts shares nothing."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def log_in(chromium: Any, hub: RunningHub, name: str, password: str, **context: Any) -> Any:
    """Return a page of a new context in which somebody has typed name and password."""
    opened = await chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
    page = await opened.new_page()
    page.set_default_timeout(60_000)
    await page.goto(hub.url + "hub/login")
    await page.fill("#username_input", name)
    await page.fill("#password_input", password)
    await page.click("#login_submit")
    return page


async def picture(page: Any, name: str) -> None:
    """Keep a picture of a page where somebody wants to look at it."""
    if folder := os.environ.get("JHAWS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)
