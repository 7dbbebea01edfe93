"""Tokens of programs: their role at most the owner's, in time, revocable, never in a log."""

import asyncio
import logging

import httpx
import pytest
from websockets.asyncio.client import connect

from runtime.logs import JsonFormatter
from tests.aggregator.conftest import PASSWORD, Centre, close_code_of
from tests.aggregator.test_websocket import UNAUTHENTICATED, is_live, url


def with_token(centre: Centre, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{centre.url}/api/v1", headers=headers)


def test_a_token_may_what_its_role_may_and_shows_its_last_use(centre: Centre):
    with centre.client("operator") as client:
        body = {"name": "reader", "role": "viewer", "expires_in": 3600}
        made = client.post("/auth/tokens", json=body).raise_for_status().json()
        token = made.pop("token")
        listed = client.get("/auth/tokens").json()
        assert made in listed
        assert made["last_used_at"] is None
        assert token not in client.get("/auth/tokens").text
        with with_token(centre, token) as program:
            assert program.get("/auth/me").json()["role"] == "viewer"
            assert program.get("/alerts").status_code == 200
            health = {"cpu_usage": 1, "memory_usage": 1, "uptime": 1}
            assert program.put("/devices/x/health", json=health).status_code == 403
        (used,) = [one for one in client.get("/auth/tokens").json() if one["id"] == made["id"]]
        assert used["last_used_at"] is not None
        assert client.delete(f"/auth/tokens/{made['id']}").status_code == 204
        assert client.delete(f"/auth/tokens/{made['id']}").status_code == 404
        with with_token(centre, token) as program:
            assert program.get("/auth/me").status_code == 401


def test_a_token_is_its_owners_at_most(centre: Centre):
    with centre.client("analyst") as client:
        for role, status in (("analyst", 201), ("operator", 403), ("admin", 403)):
            body = {"name": "t", "role": role}
            assert client.post("/auth/tokens", json=body).status_code == status


def test_a_token_makes_no_token_and_ends_no_session(centre: Centre):
    with centre.client() as client:
        body = {"name": "t", "role": "admin"}
        token = client.post("/auth/tokens", json=body).json()["token"]
    with with_token(centre, token) as program:
        assert program.post("/auth/tokens", json=body).status_code == 403
        assert program.post("/auth/stream-tokens", json={}).status_code == 403
        assert program.post("/auth/logout").status_code == 403
        assert program.get("/users").status_code == 200


@pytest.mark.parametrize("expires_in", [0, 59, 366 * 86400 + 1, "soon"])
def test_a_token_ends_within_a_year(centre: Centre, expires_in: object):
    with centre.client() as client:
        body = {"name": "t", "expires_in": expires_in}
        assert client.post("/auth/tokens", json=body).status_code == 400


def test_nobody_sees_or_revokes_the_tokens_of_others(centre: Centre):
    with centre.client("viewer") as client:
        made = client.post("/auth/tokens", json={"name": "mine"}).json()
    with centre.client("admin") as client:
        assert made["id"] not in [one["id"] for one in client.get("/auth/tokens").json()]
        assert client.delete(f"/auth/tokens/{made['id']}").status_code == 404


def test_a_user_has_a_hundred_tokens_at_most(centre: Centre):
    with centre.client() as client:
        body = {"username": "hoarder", "password": PASSWORD}
        client.post("/users", json=body).raise_for_status()
        token = client.post("/auth/login", json=body).json()["access_token"]
    with with_token(centre, token) as client:
        statuses = [
            client.post("/auth/tokens", json={"name": "t"}).status_code for _ in range(101)
        ]
        assert statuses == [201] * 100 + [409]
        assert client.get("/auth/tokens?limit=1").headers["x-total-count"] == "100"


async def test_a_stream_token_in_the_address_opens_the_feed_and_nothing_else(centre: Centre):
    with centre.client() as client:
        made = client.post("/auth/stream-tokens", json={}).raise_for_status().json()
        api = client.post("/auth/tokens", json={"name": "t"}).json()["token"]
        assert (made["kind"], made["role"]) == ("stream", "viewer")
        async with connect(url(centre, f"?token={made['token']}")) as socket:
            assert await is_live(centre, socket)
            client.delete(f"/auth/tokens/{made['id']}").raise_for_status()
            async with asyncio.timeout(5):
                assert await close_code_of(socket) == UNAUTHENTICATED
    for token in (made["token"], api, "ews_guessed"):
        async with connect(url(centre, f"?token={token}")) as socket:
            assert await close_code_of(socket) == UNAUTHENTICATED
    with with_token(centre, made["token"]) as program:
        assert program.get("/alerts").status_code == 401


def test_a_stream_token_that_holds_opens_no_route(centre: Centre):
    with centre.client() as client:
        token = client.post("/auth/stream-tokens", json={}).json()["token"]
    with with_token(centre, token) as program:
        assert program.get("/alerts").status_code == 401
        assert program.post("/auth/ws-ticket").status_code == 401


def test_no_token_is_in_the_log_of_the_centre(centre: Centre):
    with centre.client() as client:
        token = client.post("/auth/stream-tokens", json={}).json()["token"]
        httpx.get(f"{centre.url}/api/v1/nix?token={token}")
        httpx.get(f"{centre.url}/api/v1/ws?token={token}")
    assert token not in centre.log.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/ws?batch=1&token=SECRET&types=x HTTP/1.1",
        "GET /ws?ticket=SECRET",
        "Authorization: Bearer SECRET",
        "wss://centre/ws?token=SECRET",
    ],
)
def test_what_is_logged_holds_no_secret_that_an_address_shows(text: str):
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    record.path = text
    line = JsonFormatter().format(record)
    assert "SECRET" not in line
    assert "[redacted]" in line


def test_tokens_are_kept_as_hashes(centre: Centre):
    with centre.client() as client:
        token = client.post("/auth/tokens", json={"name": "t"}).json()["token"]
    for file in centre.data.glob("edgewarden.duckdb*"):
        assert token.encode() not in file.read_bytes()
