"""What the page shows while something of it cannot be read."""

import asyncio

from playwright.async_api import Route, expect

from tests.aggregator.browser import opened, sign_in
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert, isolation

NUMBER = 8700  # of alerts and isolations that no other test uses


async def refuse(route: Route) -> None:
    await route.fulfill(status=503, json={"detail": "no room on the disk"})


async def lose(route: Route) -> None:
    await route.abort()


async def test_what_cannot_be_read_is_named_and_the_rest_is_there_and_goes_on(centre: Centre):
    async with opened(centre) as page, centre.device("page-parts") as device:
        await device.tell(isolation(NUMBER))
        await page.route("**/api/v1/alerts?*", refuse)
        await page.route("**/api/v1/dashboard/overview", refuse)
        await page.route("**/api/v1/ports/isolations?*", lose)
        await sign_in(page)
        trouble = page.locator("#trouble")
        await expect(trouble).to_contain_text("counters, alerts: no room on the disk")
        await expect(trouble).to_contain_text("who is cut off: the centre could not be reached")
        await expect(page.get_by_text("Nobody.")).to_be_hidden()
        await expect(page.locator("#isolations-unknown")).to_contain_text("Unknown")
        await expect(page.get_by_text("No alerts.")).to_be_hidden()
        await expect(page.locator("#stat-total")).to_have_text("\u2013")
        await expect(page.locator("li[data-device='page-parts']")).to_be_visible()

        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        await device.tell(alert(NUMBER))
        row = page.locator(f"tr[data-alert='{NUMBER:032x}']")
        await expect(row).to_be_visible()
        await expect(page.locator("#alerts-unknown")).to_contain_text("There may be others")

        await page.unroute_all()
        await expect(trouble).to_be_hidden(timeout=10_000)
        await expect(page.locator(f"li[data-isolation='{NUMBER:032x}']")).to_be_visible()
        await expect(page.locator("#isolations-unknown")).to_be_hidden()
        await expect(page.locator("#stat-total")).not_to_have_text("\u2013")
        await expect(row).to_be_visible()


async def test_what_cannot_be_read_is_tried_again_less_and_less_often_and_for_ever(centre: Centre):
    lost: list[str] = []
    async with opened(centre) as page:
        await page.clock.install()
        await page.reload()
        await page.route("**/api/v1/alerts?*", lose)
        page.on("requestfailed", lambda request: lost.append(request.url))
        await sign_in(page)
        await expect(page.locator("#trouble")).to_be_visible()
        for _ in range(8):
            async with page.expect_event("requestfailed"):
                await page.clock.run_for(30_000)
        before = len(lost)
        for _ in range(14):
            await page.clock.run_for(1000)
            await asyncio.sleep(0.02)
        assert len(lost) - before <= 2


async def test_a_page_that_comes_back_while_the_centre_is_away_says_so(centre: Centre):
    async with opened(centre) as page:
        await sign_in(page)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        await page.route("**/api/v1/auth/refresh", lose)
        await page.reload()
        await expect(page.get_by_role("alert")).to_have_text("the centre could not be reached")
