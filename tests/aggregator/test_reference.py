"""The description of the API, for programs and for people, with nothing from elsewhere."""

import re
from typing import Any

import httpx
import jsonschema_rs
import pytest
from playwright.async_api import async_playwright, expect

from aggregator.api.example_answers import ANSWERS
from aggregator.api.example_requests import EXAMPLES, SPECIAL
from tests.aggregator.browser import FLAGS
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.messages import alert
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


def bodies(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return all that is sent and all that is answered, each with where it is said."""
    found = []
    for name, operation in operations(described):
        said = {"": operation.get("requestBody", {})} | operation["responses"]
        for status, part in said.items():
            for media_type, body in part.get("content", {}).items():
                found.append((f"{name} {status} {media_type}".replace("  ", " "), body))
    return found


def test_every_body_of_a_request_has_an_example(described: dict[str, Any]):
    named = {name for name, operation in operations(described) if "requestBody" in operation}
    assert EXAMPLES.keys() | SPECIAL.keys() <= named
    without = [
        name
        for name, operation in operations(described)
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items()
        if "example" not in body and media_type != "application/octet-stream"
    ]
    assert not without
    assert "POST /api/v1/models" in named  # whose body is a file


def test_what_clients_look_for_first_has_an_example_of_its_answer(described: dict[str, Any]):
    shown = {name for name, body in bodies(described) if "example" in body}
    wanted = {
        *("POST /api/v1/auth/login 200", "POST /api/v1/query 200", "GET /api/v1/alerts 200"),
        *("GET /api/v1/alerts/{alert_id} 200", "GET /api/v1/devices 200"),
        *("POST /api/v1/devices 201", "GET /api/v1/devices/{device_id} 200"),
        *(
            "GET /api/v1/ports/isolations 200",
            "POST /api/v1/ports/lift-isolation/{isolation_id} 201",
        ),
        *("GET /api/v1/dashboard/overview 200", "GET /api/v1/dashboard/timeline 200"),
        *("GET /api/v1/incidents 200", "GET /api/v1/verdicts 200", "GET /api/v1/rejects 200"),
        *("GET /api/v1/alerts/{alert_id}/changes 200", "GET /api/v1/auth/me 200"),
    }
    assert {f"{name} application/json" for name in wanted} <= shown
    errors = {name for name, body in bodies(described) if name.endswith("problem+json")}
    assert errors <= shown
    assert ANSWERS.keys() <= described["components"]["schemas"].keys()


def test_an_example_is_what_its_schema_says(described: dict[str, Any]):
    tried = 0
    for name, body in bodies(described):
        if "example" not in body:
            continue
        schema = body["schema"] | {"components": described["components"]}
        faults = list(jsonschema_rs.Draft202012Validator(schema).iter_errors(body["example"]))
        assert not faults, f"{name}: {faults[0]}"
        tried += 1
    assert tried > len(EXAMPLES) + len(SPECIAL) + len(ANSWERS)


def test_an_example_of_an_answer_leaves_nothing_out(described: dict[str, Any]):
    for name, example in ANSWERS.items():
        shape = described["components"]["schemas"][name]
        assert isinstance(example, dict)
        assert example.keys() == shape["properties"].keys(), name


def test_a_query_is_described_in_all_its_formats(centre: Centre, described: dict[str, Any]):
    content = described["paths"]["/api/v1/query"]["post"]["responses"]["200"]["content"]
    with centre.client() as client:
        for form in ("json", "csv", "arrow", "parquet"):
            question = {"sql": "SELECT 1 AS one, 'a' AS a", "format": form}
            answer = client.post("/query", json=question).raise_for_status()
            media_type, *parameters = answer.headers["content-type"].split("; ")
            assert media_type in content
            assert parameters == (["charset=utf-8"] if form == "csv" else [])
            if form == "json":
                schema = content["application/json"]["schema"]
                jsonschema_rs.validate(schema, answer.json())
    assert len(content) == 4
