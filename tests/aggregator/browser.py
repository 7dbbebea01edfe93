"""The page in a real browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from tests.aggregator.conftest import PASSWORD, Centre
from tests.tools import require

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def opened(centre: Centre) -> AsyncIterator[Page]:
    """Open the page for the length of the block, in which nothing may go wrong unnoticed."""
    program = require("chromium", package="chromium")
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = await browser.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(centre.url)
        yield page
        await browser.close()
    assert not faults


async def sign_in(page: Page, username: str = "admin", password: str = PASSWORD) -> None:
    """Sign in by the form."""
    await page.get_by_label("Username or e-mail").fill(username)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
