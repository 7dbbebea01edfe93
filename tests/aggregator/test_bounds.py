"""What a client may send: how much, how slowly, from where; and what every answer carries."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from litestar import Litestar, get
from litestar.types import Message, Receive, Scope, Send

from aggregator.api.envelope import HEADERS, Envelope, afterwards, allow
from aggregator.api.errors import HANDLERS
from aggregator.config import AggregatorConfig, with_known_names
from runtime.config import load_config
from runtime.errors import ConfigError
from tests.aggregator.conftest import PASSWORD, Centre

PAGE = "http://dashboard.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization",
}


@contextlib.contextmanager
def connected(centre: Centre) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", centre.port), timeout=20) as client:
        yield client


def answer_to(client: socket.socket) -> bytes:
    """Return everything until the other side closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_a_request_has_a_number_of_its_own_or_the_one_it_came_with(centre: Centre):
    url = f"{centre.url}/api/v1/health"
    numbers = {httpx.get(url).headers["x-request-id"] for _ in range(2)}
    assert len(numbers) == 2
    given = httpx.get(url, headers={"X-Request-ID": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>"):
        answer = httpx.get(url, headers={"X-Request-ID": bad})
        assert answer.headers["x-request-id"] != bad


@pytest.mark.parametrize("path", ["/api/v1/nix", "/api/v1/alerts", "/api/v1/auth/login"])
def test_errors_carry_the_headers_as_well(centre: Centre, path: str):
    answers = [
        httpx.get(f"{centre.url}{path}"),
        httpx.options(f"{centre.url}{path}", headers=PREFLIGHT | {"Origin": PAGE}),
        httpx.post(f"{centre.url}{path}", content=b"x" * 2_000_000),
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_browsers_are_told_to_stay_with_https_where_it_is_https(tmp_path: Path):
    centre = Centre(tmp_path)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    body = {"username": "admin", "password": PASSWORD}
    seen = []
    for proxies in ("[]", "[127.0.0.1]"):
        centre.more["EDGEWARDEN_HTTP__TRUSTED_PROXIES"] = proxies
        centre.start()
        answer = httpx.post(f"{centre.url}/api/v1/auth/login", json=body, headers=forwarded)
        token = answer.json()["access_token"]
        entry = httpx.get(
            f"{centre.url}/api/v1/audit?limit=1", headers={"Authorization": f"Bearer {token}"}
        ).json()[0]
        seen.append((entry["address"], "strict-transport-security" in answer.headers))
        assert centre.stop() == 0
    assert seen == [("127.0.0.1", False), ("203.0.113.7", True)]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(centre: Centre, chunked: bool):  # noqa: FBT001
    content = b'{"username": "' + b"x" * 1_100_000 + b'"}'
    answer = httpx.post(
        f"{centre.url}/api/v1/auth/login",
        content=iter([content]) if chunked else content,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_head_that_is_too_large_is_refused(centre: Centre):
    with connected(centre) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                client.sendall(b"x" * 1024)
                time.sleep(0.0005)
        assert b" 431 " in answer_to(client)


LARGE = b"x" * 70_000


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: " + LARGE + b"\r\n\r\n", 431),
        (b"GET /health?" + LARGE + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (
            b"POST /api/v1/nix HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Length: 70000\r\n\r\n" + LARGE,
            404,
        ),
        (b"no request\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
    ],
)
def test_what_is_said_at_once_is_answered_with_a_problem_and_all_headers(
    centre: Centre, said: bytes, status: int
):
    with connected(centre) as client:
        client.sendall(said)
        head, _, body = answer_to(client).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in fields)
    assert first.split()[1] == str(status)
    assert json.loads(body)["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]
    assert {name: headers.get(name.lower()) for name in HEADERS} == {
        name: value.lower() for name, value in HEADERS.items()
    }


def test_a_body_may_be_larger_than_a_head(centre: Centre):
    body = b'{"refresh_token": "' + b"x" * 500_000 + b'"}'
    with httpx.Client() as client:
        for _ in range(2):
            answer = client.post(f"{centre.url}/api/v1/auth/refresh", content=body)
            assert answer.status_code == 401


def test_a_head_of_many_requests_on_one_connection_is_counted_one_by_one(centre: Centre):
    with httpx.Client() as client:
        for _ in range(10):
            headers = {"X-Large": "x" * 30_000}
            assert client.get(f"{centre.url}/health", headers=headers).status_code == 200


def test_an_answer_on_a_connection_that_is_kept_comes_at_once(centre: Centre):
    # Head and body are sent one by one: where the second waits for word of the first, each takes 40 ms.
    took_s = []
    with connected(centre) as client:
        for _ in range(30):
            before = time.monotonic()
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while b'{"status"' not in answer:
                answer += client.recv(65536)
            took_s.append(time.monotonic() - before)
    assert sorted(took_s[15:])[3] < 0.03


def test_the_description_is_made_once_and_sent_to_who_has_not_got_it(centre: Centre):
    with centre.client(None) as client:
        first = client.get("/openapi.json")
        assert client.get("/schema").json() == first.json()
        assert centre.process is not None
        process = psutil.Process(centre.process.pid)
        before = process.cpu_times()
        for _ in range(20):
            assert client.get("/openapi.json").status_code == 200
        after = process.cpu_times()
        assert after.user + after.system - before.user - before.system < 0.5
        tag = first.headers["etag"]
        again = client.get("/openapi.json", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "no-cache")
        other = client.get("/openapi.json", headers={"If-None-Match": '"another"'})
        assert other.content == first.content


@pytest.mark.parametrize("folder", ["static", "reference"])
@pytest.mark.parametrize("name", ["%00", "a%00.js", "x" * 300, "%F0%9F%A6%80" * 80, "x" * 5000])
def test_what_can_be_no_files_name_is_not_found(centre: Centre, folder: str, name: str):
    answer = httpx.get(f"{centre.url}/{folder}/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_form_in_an_encoding_that_nobody_knows_is_refused(centre: Centre):
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n'
    part += b"Content-Type: text/plain; charset=nonsense\r\n\r\nadmin\r\n--x--\r\n"
    answer = httpx.post(
        f"{centre.url}/api/v1/auth/login",
        content=part,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_who_says_nothing_or_does_not_finish_is_sent_away(centre: Centre, said: bytes):
    before = time.monotonic()
    with connected(centre) as client:
        client.sendall(said)
        assert b" 408 " in answer_to(client)
    assert 9 < time.monotonic() - before < 15


def test_a_body_that_does_not_come_ends_the_request(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_HTTP__MAX_REQUEST_S"] = "1"
    centre.start()
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with connected(centre) as client:
        client.sendall(head)
        client.settimeout(5)
        answer = client.recv(65536)
    assert centre.stop() == 0
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"application/problem+json" in answer
    assert b"x-request-id" in answer.lower()


Body = Callable[[Scope, Send], Awaitable[None]]


async def answered(body: Body, most_s: float, takes_s: float = 0) -> list[str]:
    """Return which parts of an answer a client took that takes so long for each."""
    sent: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await body(scope, send)

    async def send(message: Message) -> None:
        await asyncio.sleep(takes_s)
        sent.append(message["type"].removeprefix("http.response."))

    scope = {"type": "http", "path": "/", "scheme": "http", "headers": []}
    await Envelope(app, most_s)(scope, None, send)  # type: ignore[arg-type]
    return sent


async def begun(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def part(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"x", "more_body": True})


async def test_half_an_answer_that_takes_too_long_is_not_made_whole():
    async def body(_: Scope, send: Send) -> None:
        await begun(send)
        await asyncio.sleep(60)

    assert await answered(body, 0.05) == ["start"]


async def test_an_answer_goes_on_for_as_long_as_its_parts_are_taken():
    async def body(_: Scope, send: Send) -> None:
        await begun(send)
        for _number in range(5):
            await part(send)

    assert await answered(body, 0.1, takes_s=0.03) == ["start", *["body"] * 5]
    assert await answered(body, 0.03, takes_s=60) == []


async def test_an_answer_that_may_take_longer_to_begin_may_not_go_on_so():
    async def body(scope: Scope, send: Send) -> None:
        allow(scope, 60)
        await asyncio.sleep(0.1)
        await begun(send)
        await asyncio.sleep(60)

    assert await answered(body, 0.05) == ["start"]


@pytest.mark.parametrize("parts", [1, 1000])
async def test_what_a_request_leaves_is_closed_however_it_ends(parts: int):
    closed: list[str] = []

    async def body(scope: Scope, send: Send) -> None:
        afterwards(scope).callback(closed.append, "file")
        await begun(send)
        for _number in range(parts):
            await part(send)
            await asyncio.sleep(0 if parts == 1 else 60)

    await answered(body, 0.05)
    assert closed == ["file"]


async def test_what_failed_is_logged_with_the_number_of_the_request(
    caplog: pytest.LogCaptureFixture,
):
    @get("/", sync_to_thread=False)
    def broken() -> None:
        raise ZeroDivisionError

    app = Envelope(Litestar([broken], exception_handlers=HANDLERS, logging_config=None), 5)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/", headers={"X-Request-ID": "seen-1"})
    assert answer.status_code == 500
    (record,) = [record for record in caplog.records if record.getMessage() == "request_failed"]
    assert record.__dict__["request_id"] == answer.headers["x-request-id"] == "seen-1"


def test_pages_that_are_named_may_use_the_api_as_far_as_it_is_allowed(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more |= {
        "CORS_ORIGINS_ALLOWED": f"http://other.example/, {PAGE}",
        "CORS_CREDENTIAL": "true",
        "CORS_METHODS_ALLOWED": "POST,GET",
        "CORS_HEADERS_ALLOWED": "Authorization",
    }
    centre.start()
    url = f"{centre.url}/api/v1/alerts"
    asked = httpx.options(url, headers=PREFLIGHT | {"Origin": PAGE})
    evil = httpx.options(url, headers=PREFLIGHT | {"Origin": "http://evil.example"})
    deleting = {"Access-Control-Request-Method": "DELETE", "Origin": PAGE}
    refused = httpx.options(url, headers=deleting)
    read = httpx.get(url, headers={"Origin": PAGE})
    assert centre.stop() == 0
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert asked.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-origin" not in evil.headers
    assert refused.status_code == 400
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (401, PAGE)
    assert "X-Total-Count" in read.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("http://a, http://b/", ("http://a", "http://b")),
        ('["http://a", "http://b"]', ("http://a", "http://b")),
        ("*", ("*",)),
        ("", ()),
    ],
)
def test_origins_are_written_as_a_list_in_either_form(value: str, origins: tuple[str, ...]):
    environment = with_known_names({"CORS_ORIGINS_ALLOWED": value})
    assert load_config(AggregatorConfig, None, environment).http.allowed_origins == origins


def test_our_own_name_of_a_setting_comes_first():
    both = {"CORS_ORIGINS_ALLOWED": "http://a", "EDGEWARDEN_HTTP__ALLOWED_ORIGINS": "[http://b]"}
    config = load_config(AggregatorConfig, None, with_known_names(both))
    assert config.http.allowed_origins == ("http://b",)


def test_credentials_for_all_origins_are_refused():
    environment = with_known_names({"CORS_ORIGINS_ALLOWED": "*", "CORS_CREDENTIAL": "true"})
    with pytest.raises(ConfigError, match="named origins"):
        load_config(AggregatorConfig, None, environment)
