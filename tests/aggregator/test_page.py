"""The page in a real browser: sign in, see an alert arrive, ask why, decide."""

import asyncio
import base64
import json
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from contract.commands import Isolate, Release
from contract.cuts import Part
from runtime.totp import PERIOD_S, code_at
from tests.aggregator.access import new_name
from tests.aggregator.agents import agent
from tests.aggregator.browser import opened, sign_in
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import (
    MAC,
    SECOND_NS,
    alert,
    health,
    isolation,
    now_ns,
    presence,
    verdicts,
)

NUMBER = 900  # of the alert, which no other test uses


@pytest_asyncio.fixture
async def page(centre: Centre) -> AsyncIterator[Page]:
    async with opened(centre) as page:
        yield page


async def test_an_alert_arrives_on_the_page_with_its_reasons_and_is_decided(
    centre: Centre, page: Page
):
    await sign_in(page)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    async with centre.device("page-pi") as device:
        await device.publish(presence(), 1)
        await device.tell(health())
        await device.tell(alert(NUMBER, attack_type="BruteForce"))

    row = page.locator(f"tr[data-alert='{NUMBER:032x}']")
    await expect(row).to_contain_text("Password guessing")
    await expect(row).to_contain_text("tried 240 ports on one host; usually 1")
    await expect(page.locator("li[data-device='page-pi']")).to_contain_text("online")

    await row.get_by_role("button").click()
    detail = page.get_by_role("dialog")
    await expect(detail).to_contain_text("240 ports, usually 1")
    await expect(detail).to_contain_text("speaks against (-0.25)")
    await expect(detail).to_contain_text(
        "Benign would have been: tried at most 12 ports of one host in 1 s."
    )
    await expect(detail).to_contain_text("192.168.1.7:40000 → 192.168.1.1:80 tcp, 1 packets")
    await expect(detail).to_contain_text("1:mvqHfhSipAGit6HNW97eDo7UdVM=")
    await detail.get_by_role("button", name="False positive").click()
    await expect(detail).to_contain_text("False positive, still going on")
    await page.keyboard.press("Escape")
    await expect(row).to_contain_text("False positive")
    with centre.client() as client:
        assert client.get(f"/alerts/{NUMBER:032x}").json()["status"] == "false_positive"

    await page.get_by_label("Only active").check()
    await expect(row).to_have_count(0)


async def test_what_the_model_was_not_sure_of_is_shown_beside_an_alert_of_its_host(
    centre: Centre, page: Page
):
    torn = msgspec.structs.replace(
        verdicts(("Scan", "benign", "benign")),
        window_start_ns=[now_ns() - back * SECOND_NS for back in (3, 2, 1)],
        scores=struct.pack("<6f", 0.03, 0.97, 0.41, 0.59, 0.9, 0.1),
    )
    await sign_in(page)
    async with centre.device("page-unsure") as device:
        await device.tell(torn)
        await device.tell(alert(NUMBER + 60))
    await page.locator(f"tr[data-alert='{NUMBER + 60:032x}']").get_by_role("button").click()
    shown = page.get_by_role("dialog").locator(".verdicts li")
    await expect(shown).to_have_count(3)
    await expect(shown.nth(0)).to_contain_text("Benign (90\u00a0%)")
    await expect(shown.nth(1)).to_contain_text(
        "Not sure: perhaps Scan (59\u00a0%), benign 41\u00a0%; no alert"
    )
    await expect(shown.nth(2)).to_contain_text("Scan (97\u00a0%)")


async def test_an_alert_that_was_closed_is_not_opened_again_by_its_change(
    centre: Centre, page: Page
):
    await sign_in(page)
    async with centre.device("page-pi-3") as device:
        await device.tell(alert(NUMBER + 50))
    await page.locator(f"tr[data-alert='{NUMBER + 50:032x}']").get_by_role("button").click()
    detail = page.get_by_role("dialog")
    closed = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == "GET":
            await closed.wait()
        await route.continue_()

    url = f"**/api/v1/alerts/{NUMBER + 50:032x}"
    await page.route(url, hold)
    async with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        await detail.get_by_role("button", name="False positive").click()
    async with page.expect_response(
        lambda answer: f"{NUMBER + 50:032x}" in answer.url and answer.request.method == "GET"
    ):
        await page.keyboard.press("Escape")
        closed.set()
    await page.wait_for_load_state("networkidle")
    await expect(detail).to_be_hidden()


async def test_a_host_is_cut_off_from_an_alert_and_let_go_with_a_code_of_a_new_authenticator(
    centre: Centre, page: Page, tmp_path: Path
):
    name = f"page-operator-{new_name()}"
    with centre.client() as admin:
        body = {"username": name, "password": PASSWORD, "role": "operator"}
        admin.post("/users", json=body).raise_for_status()
    async with agent(centre, tmp_path, "page-lift-pi") as device:
        await sign_in(page, name)
        await device.publisher.put([alert(NUMBER + 2)])
        await page.locator(f"tr[data-alert='{NUMBER + 2:032x}']").get_by_role("button").click()
        page.on("dialog", lambda asked: asked.accept())
        await page.get_by_role("button", name="Cut off for 10 min").click()
        await expect(page.locator("#detail")).to_contain_text("page-lift-pi runs dry")
        await page.keyboard.press("Escape")

        isolated = page.locator("#isolations li").filter(has_text="page-lift-pi")
        await expect(isolated).to_contain_text(MAC)
        await isolated.get_by_role("button", name="Let go").click()
        question = page.locator("#question")
        await question.get_by_label("Password").fill(PASSWORD)
        await question.get_by_role("button", name="Next").click()
        secret = base64.b32decode(await question.locator(".secret").inner_text())
        code = code_at(secret, int(time.time()) // PERIOD_S)  # noqa: TID251
        await question.get_by_label("Code").fill(code)
        await question.get_by_role("button", name="Confirm").click()
        recovery = await question.locator(".recovery li").first.inner_text()
        await question.get_by_role("button", name="I have kept them").click()

        await question.get_by_label("Code").fill(code)
        await question.get_by_role("button", name="Let go").click()
        await expect(question).to_contain_text("the authorization code is wrong or was used")
        await expect(isolated).to_have_count(1)
        await question.get_by_label("Code").fill(recovery)
        await question.get_by_role("button", name="Let go").click()
        await expect(isolated).to_have_count(0)
        await expect(question).to_be_hidden()
    assert [type(command) for command in device.told] == [Isolate, Release]


async def test_a_viewer_sees_who_is_cut_off_and_has_no_button(
    centre: Centre, page: Page, tmp_path: Path
):
    async with agent(centre, tmp_path, "page-view-pi") as device:
        pair = Part(kind="pair", peer_ip="192.168.1.10")
        told = isolation(NUMBER + 3, state="applied")
        await device.tell(msgspec.structs.replace(told, isolated_port=None, part=pair))
        await sign_in(page, "viewer")
        isolated = page.locator("#isolations li").filter(has_text="page-view-pi")
        await expect(isolated).to_contain_text("Scan")
        await expect(isolated).to_contain_text("only with 192.168.1.10")
        await expect(isolated.get_by_role("button")).to_have_count(0)


async def test_a_wrong_password_is_told_and_a_viewer_may_only_look(centre: Centre, page: Page):
    async with centre.device("page-pi-2") as device:
        await device.tell(alert(NUMBER + 1))
    await sign_in(page, "viewer", "wrong")
    await expect(page.get_by_role("alert")).to_have_text("wrong username or password")
    await sign_in(page, "viewer")
    await page.locator(f"tr[data-alert='{NUMBER + 1:032x}']").get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_contain_text("may look, not decide")
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


async def test_a_reload_keeps_the_sign_in_and_signing_out_ends_it(page: Page):
    await sign_in(page)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await page.reload()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_a_page_whose_token_is_over_comes_back_with_another_and_misses_no_event(
    brief: Centre,
):
    told = asyncio.Event()

    async def hold(route: Route) -> None:
        await told.wait()
        await route.continue_()

    async with opened(brief) as page, brief.device("page-pi-4") as device:
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await sign_in(page)
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        await page.route("**/api/v1/auth/refresh", hold)
        await device.tell(alert(NUMBER))
        await expect(page.locator(f"tr[data-alert='{NUMBER:032x}']")).to_be_visible()
        await expect(page.locator("#connection")).to_have_attribute(
            "data-state", "lost", timeout=10_000
        )
        await device.tell(alert(NUMBER + 1))
        told.set()
        await expect(page.locator(f"tr[data-alert='{NUMBER + 1:032x}']")).to_be_visible()
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    assert "since=" in sockets[1]


async def test_markup_that_a_device_sends_stays_text(centre: Centre, page: Page):
    await sign_in(page)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    evil = "<img src=x onerror=document.title='caught'>"
    told = json.loads(json.dumps({"name": evil}))
    with centre.client() as client:
        client.post("/devices", json={"device_id": "evil", **told}).raise_for_status()
        health = {"cpu_usage": 1, "memory_usage": 1, "uptime": 1}
        client.put("/devices/evil/health", json=health).raise_for_status()
    await expect(page.locator("li[data-device='evil'] .name")).to_have_text(evil)
    assert await page.title() == "Edgewarden"


def test_programs_get_a_greeting_where_browsers_get_the_page(centre: Centre):
    assert httpx.get(centre.url).json().keys() == {"message", "version"}
    page = httpx.get(centre.url, headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_page_asks_no_other_host_for_anything(centre: Centre):
    page = httpx.get(centre.url, headers={"Accept": "text/html"}).text
    assert "http://" not in page
    assert "https://" not in page
