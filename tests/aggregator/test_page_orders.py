"""What becomes of "Let go" and "Cut off" is told on the page, in a real browser."""

from pathlib import Path

import msgspec
from playwright.async_api import expect

from contract.messages import CommandAck, CommandState
from tests.aggregator.access import new_name
from tests.aggregator.agents import Codes, agent
from tests.aggregator.browser import opened, sign_in
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import MAC, alert, isolation, now_ns, presence
from tests.aggregator.test_lifting import enrolled

NUMBER = 8600  # of alerts and isolations that no other test uses


def operator(centre: Centre) -> tuple[str, Codes]:
    """Return an operator who has an authenticator, and the codes that are good in place of it."""
    name = f"page-operator-{new_name()}"
    with centre.client() as admin:
        body = {"username": name, "password": PASSWORD, "role": "operator"}
        admin.post("/users", json=body).raise_for_status()
    with centre.client(name) as client:
        return name, enrolled(client)


def answer(centre: Centre, device_id: str, state: CommandState, detail: str = "") -> CommandAck:
    """Return a device's word on the last command that it was given."""
    with centre.client() as client:
        (last, *_) = client.get(f"/devices/{device_id}/commands").json()
    return CommandAck(command_id=last["command_id"], state=state, at_ns=now_ns(), detail=detail)


async def test_a_lift_is_told_as_done_when_it_is_and_as_failed_with_the_reason(centre: Centre):
    name, codes = operator(centre)
    async with opened(centre) as page, centre.device("page-silent") as device:
        held = isolation(NUMBER)
        await device.tell(held)
        await sign_in(page, name)
        row = page.locator(f"li[data-isolation='{NUMBER:032x}']")
        await row.get_by_role("button", name="Let go").click()
        question = page.locator("#question")
        await question.get_by_label("Code").fill(codes.take())
        await question.get_by_role("button", name="Let go").click()
        waits = "Not let go yet: waiting for page-silent: the command is sent"
        await expect(question.get_by_role("alert")).to_have_text(waits)
        await expect(row).to_contain_text("letting go: sent")

        await device.tell(answer(centre, "page-silent", "failed", "the kernel says no"))
        failed = "letting go failed: the kernel says no"
        await expect(question.get_by_role("alert")).to_have_text(failed)
        await expect(row).to_contain_text(failed)

        await question.get_by_label("Code").fill(codes.take())
        await question.get_by_role("button", name="Let go").click()
        await expect(question.get_by_role("alert")).to_have_text(waits)
        await device.tell(msgspec.structs.replace(held, state="lifted", lifted_ns=now_ns()))
        await device.tell(answer(centre, "page-silent", "verified"))
        await expect(question).to_be_hidden()
        await expect(page.locator("#said")).to_contain_text(f"{MAC} was let go")
        await expect(row).to_have_count(0)


async def test_a_cut_that_was_not_done_is_told_in_its_alert_and_among_who_is_cut_off(
    centre: Centre,
):
    async with opened(centre) as page, centre.device("page-absent") as device:
        await device.publish(presence(), 1)
        await device.tell(alert(NUMBER + 1))
        await sign_in(page)
        opens = page.locator(f"tr[data-alert='{NUMBER + 1:032x}']").get_by_role("button")
        await opens.click()
        page.on("dialog", lambda asked: asked.accept())
        detail = page.locator("#detail")
        await detail.get_by_role("button", name="Cut off for 10 min").click()
        await expect(detail).to_contain_text("cutting off: sent")
        row = page.locator("#isolations li").filter(has_text="page-absent")
        await expect(row).to_contain_text(f"{MAC}Scan, by hand · page-absentcutting off: sent")
        await expect(detail.get_by_role("button", name="Cut off for 10 min")).to_be_disabled()

        with centre.client() as admin:
            admin.delete("/devices/page-absent").raise_for_status()
        expired = "cutting off expired: the device was removed"
        await expect(detail).to_contain_text(expired)
        await expect(row).to_contain_text(expired)
        await expect(detail.get_by_role("button", name="Cut off for 10 min")).to_be_enabled()


async def test_a_cut_that_was_only_made_as_if_is_not_told_as_done(centre: Centre, tmp_path: Path):
    async with opened(centre) as page, agent(centre, tmp_path, "page-late") as device:
        device.late_s = 2.0
        await device.publisher.put([alert(NUMBER + 4)])
        await sign_in(page)
        await page.locator(f"tr[data-alert='{NUMBER + 4:032x}']").get_by_role("button").click()
        page.on("dialog", lambda asked: asked.accept())
        detail = page.locator("#detail")
        await detail.get_by_role("button", name="Cut off for 10 min").click()
        await expect(detail).to_contain_text("cutting off: received")
        await expect(detail).to_contain_text("cutting off: done (dry run: not cut off)")


async def test_what_the_feed_does_not_tell_of_a_lift_is_asked_for_and_told_without_its_dialog(
    centre: Centre,
):
    name, codes = operator(centre)
    async with opened(centre) as page, centre.device("page-deaf") as device:
        await device.tell(isolation(NUMBER + 3))
        await page.route_web_socket("**/api/v1/ws*", lambda socket: socket.close())
        await page.clock.install()
        await page.reload()
        await sign_in(page, name)
        row = page.locator(f"li[data-isolation='{NUMBER + 3:032x}']")
        await row.get_by_role("button", name="Let go").click()
        question = page.locator("#question")
        await question.get_by_label("Code").fill(codes.take())
        await question.get_by_role("button", name="Let go").click()
        await expect(question.get_by_role("alert")).to_contain_text("Not let go yet")
        await page.keyboard.press("Escape")
        await expect(row).to_contain_text("letting go: sent")
        await device.tell(answer(centre, "page-deaf", "failed", "the kernel says no"))
        await page.clock.run_for(45_000)
        await expect(page.locator("#said")).to_contain_text(
            "letting go failed: the kernel says no"
        )
        await expect(row).to_contain_text("letting go failed: the kernel says no")


async def test_what_the_centre_says_of_a_lift_stays_on_the_screen(centre: Centre, tmp_path: Path):
    name, codes = operator(centre)
    async with opened(centre) as page, agent(centre, tmp_path, "page-double") as device:
        async with centre.device("page-beside") as beside:
            await beside.tell(isolation(NUMBER + 3))
        await device.tell(isolation(NUMBER + 2, state="applied"))
        await sign_in(page, name)
        row = page.locator(f"li[data-isolation='{NUMBER + 2:032x}']")
        await row.get_by_role("button", name="Let go").click()
        question = page.locator("#question")
        await question.get_by_label("Code").fill(codes.take())
        await question.get_by_role("button", name="Let go").click()
        await expect(question).to_be_hidden()
        said = page.locator("#said")
        await expect(said).to_contain_text(
            "Port isolation lifted successfully; it is still cut off by isolation"
        )
        await said.get_by_role("button", name="Close").click()
        await expect(said).to_be_hidden()
