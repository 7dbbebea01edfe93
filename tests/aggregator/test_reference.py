"""The description of the API, for programs and for people, with nothing from elsewhere."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from aggregator.api.examples import EXAMPLES
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert
from tests.aggregator.test_page import FLAGS
from tests.tools import require

PAGES = ("/docs", "/api/docs", "/redoc", "/api/redoc")
NUMBER = 8500


@pytest.fixture(scope="module")
def described(centre: Centre) -> dict[str, Any]:
    return dict(httpx.get(f"{centre.url}/api/v1/openapi.json").json())


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_and_all_it_is_made_of_come_from_here(centre: Centre, path: str):
    page = httpx.get(f"{centre.url}{path}")
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/reference/page.js", "/reference/page.css"} <= set(parts)
    for part in parts:
        answer = httpx.get(f"{centre.url}{part}")
        assert answer.status_code == 200, part
        if part.startswith("/reference"):
            assert "://" not in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_a_browser_shows_every_operation(
    centre: Centre, described: dict[str, Any], path: str
):
    faults: list[str] = []
    async with async_playwright() as playwright:
        program = require("chromium", package="chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = await browser.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{centre.url}{path}")
        shown = page.locator("details.operation")
        await expect(shown).to_have_count(len(operations(described)))
        await page.get_by_label("Find").fill("analytics/trends")
        await expect(shown.filter(visible=True)).to_have_count(1)
        await browser.close()
    assert not faults


async def test_a_person_signs_in_and_tries_an_operation(centre: Centre):
    async with async_playwright() as playwright:
        program = require("chromium", package="chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = await browser.new_page()
        await page.goto(f"{centre.url}/docs")
        operation = page.locator("#ApiV1DevicesListDevices")
        await operation.locator("summary").click()
        await operation.get_by_label("limit").fill("1")
        send = operation.get_by_role("button", name="Send")
        await send.click()
        await expect(operation).to_contain_text("401 Unauthorized")
        sign_in = page.locator("#sign-in")
        await sign_in.get_by_label("User").fill("viewer")
        await sign_in.get_by_label("Password").fill(PASSWORD)
        await sign_in.get_by_role("button").click()
        await expect(page.locator("#who")).to_have_text("viewer, viewer")
        await send.click()
        await expect(operation).to_contain_text("GET /api/v1/devices?limit=1 → 200 OK")
        await browser.close()


def test_every_operation_says_who_may_and_what_an_error_looks_like(described: dict[str, Any]):
    for name, operation in operations(described):
        errors = {
            status: answer["content"]["application/problem+json"]["schema"]
            for status, answer in operation["responses"].items()
            if status >= "400" and name != "GET /readyz"
        }
        problem = {"$ref": "#/components/schemas/Problem"}
        assert all(schema == problem for schema in errors.values()), name
        assert operation["summary"], name
        assert operation["description"], name


def test_what_needs_no_token_is_what_is_said_to_need_none(
    centre: Centre, described: dict[str, Any]
):
    for name, operation in operations(described):
        method, _, path = name.partition(" ")
        if "/auth/" in path:  # counts who knocks wrongly, and shuts them out
            continue
        url = f"{centre.url}{re.sub(r'{[^}]+}', '1', path)}"
        answer = httpx.request(method, url, json={})
        said_open = "security" not in operation
        refused = answer.status_code == 401 and "sign in first" in answer.json()["detail"]
        assert refused != said_open, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_request_that_works(centre: Centre, name: str):
    centre.told("example-pi", alert(NUMBER))
    method, _, path = name.partition(" ")
    with centre.client() as client:
        incident_id = client.get(f"/alerts/{NUMBER:032x}").json()["incident_id"]
        filled = path.format(
            alert_id=f"{NUMBER:032x}",
            device_id="example-pi",
            incident_id=incident_id,
            organization="elsewhere",
        )
        answer = client.request(method, f"{centre.url}{filled}", json=EXAMPLES[name])
    assert answer.is_success, answer.text
