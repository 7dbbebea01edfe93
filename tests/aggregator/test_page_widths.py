"""The page on screens of every width."""

from playwright.async_api import expect

from tests.aggregator.browser import opened, sign_in
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import SECOND_NS, alert, now_ns

NUMBER = 8800  # of alerts that no other test uses
DAY_NS = 24 * 3600 * SECOND_NS


async def test_no_alert_makes_the_page_wider_than_the_screen(centre: Centre):
    v6 = "2001:db8:1111:2222:3333:4444:5555:"
    long = {"attack_type": "MITM", "src_ip": f"{v6}6666", "dst_ip": f"{v6}7777"}
    async with opened(centre) as page, centre.device("page-phone") as device:
        days_ago_ns = now_ns() - 3 * DAY_NS
        await device.tell(alert(NUMBER + 1, attack_type="BruteForce", opened_ns=days_ago_ns))
        with centre.client() as client:
            made = client.post("/alerts", json=long).raise_for_status().json()
        await sign_in(page)
        for each in (f"{NUMBER + 1:032x}", made["alert_id"]):
            await expect(page.locator(f"tr[data-alert='{each}']")).to_be_visible()
        for width in (390, 910, 1024, 1210, 1400):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") == width
