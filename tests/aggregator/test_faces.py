"""What holds for every answer: its headers, its errors, its description."""

import httpx
import pytest

from aggregator.api.envelope import HEADERS
from tests.aggregator.conftest import Centre

ADDRESSES = ("/", "/health", "/api/v1/health", "/nix", "/static/style.css", "/api/v1/alerts")


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_answer_has_the_headers_that_protect_a_browser(centre: Centre, path: str):
    answer = httpx.get(f"{centre.url}{path}")
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "server" not in answer.headers
    if path.startswith("/api/"):
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nix", 404), ("GET", "/api/v1/nix", 404), ("PUT", "/health", 405)],
)
def test_an_error_says_what_it_is(centre: Centre, method: str, path: str, status: int):
    answer = httpx.request(method, f"{centre.url}{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["status"] == status


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/config.py", "/static//etc"])
def test_nothing_but_the_page_is_served_as_files(centre: Centre, path: str):
    assert httpx.get(f"{centre.url}{path}").status_code == 404


def test_health_needs_no_sign_in(centre: Centre):
    for path in ("/health", "/api/v1/health"):
        assert httpx.get(f"{centre.url}{path}").json() == {"status": "healthy"}
    ready = httpx.get(f"{centre.url}/readyz").json()
    assert (ready["status"], ready["broker_connected"]) == ("ready", True)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/health", "/api/health", "/api/v1/health", "/readyz"]
)
def test_who_watches_whether_we_are_up_may_ask_for_the_head_alone(centre: Centre, path: str):
    whole, head = (httpx.request(method, f"{centre.url}{path}") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/auth/login", {"POST"}),
        ("/health", {"GET", "HEAD"}),
        ("/api/health", {"GET", "HEAD"}),
        ("/api/v1/alerts", {"GET", "POST"}),
        ("/api/v1/devices/any/health", {"GET", "PUT"}),
        ("/api/v1/alerts/any", {"GET", "PATCH"}),
        ("/api/devices/any", {"GET", "DELETE"}),
        ("/message", {"GET", "POST"}),
    ],
)
def test_options_name_every_method_of_a_path_to_everybody(
    centre: Centre, path: str, methods: set[str]
):
    answer = httpx.options(f"{centre.url}{path}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"}


def test_the_api_describes_itself(centre: Centre):
    described = httpx.get(f"{centre.url}/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    paths = described["paths"]
    for path in ("/api/v1/alerts", "/api/v1/auth/login", "/api/v1/devices/{device_id}/health"):
        assert path in paths


def test_a_slash_at_the_end_changes_nothing(centre: Centre):
    with centre.client() as client:
        assert client.get("/alerts/").json() == client.get("/alerts").json()


def test_pages_elsewhere_may_not_use_the_api_unless_they_are_allowed(centre: Centre):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = httpx.options(f"{centre.url}/api/v1/alerts", headers=headers)
    assert "access-control-allow-origin" not in answer.headers
