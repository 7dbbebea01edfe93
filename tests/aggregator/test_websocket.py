"""The live feed over WebSocket: every way of showing who one is, and none without."""

import asyncio
import json
import time
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.aggregator.conftest import ACCESS_TOKEN_S, PASSWORD, Centre, close_code_of, next_event
from tests.aggregator.messages import alert, health

UNAUTHENTICATED = 4401


def url(centre: Centre, query: str = "") -> str:
    return f"ws://127.0.0.1:{centre.port}/api/v1/ws{query}"


async def is_live(centre: Centre, socket: ClientConnection) -> bool:
    """Return whether an event reaches a socket."""
    with centre.client() as client:
        client.post("/devices", json={"device_id": "ws-probe"})
        health = {"cpu_usage": 1, "memory_usage": 1, "uptime": 1}
        for _ in range(20):  # the first message may still be on its way
            client.put("/devices/ws-probe/health", json=health).raise_for_status()
            try:
                async with asyncio.timeout(0.5):
                    return bool(await next_event(socket, "device_health"))
            except TimeoutError:
                continue
    return False


async def test_a_header_a_protocol_a_first_message_or_a_ticket_open_the_feed(centre: Centre):
    token = centre.token()
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(url(centre), additional_headers=headers) as socket:
        assert await is_live(centre, socket)
    protocols = [Subprotocol("bearer"), Subprotocol(token)]
    async with connect(url(centre), subprotocols=protocols) as socket:
        assert socket.subprotocol == "bearer"
        assert await is_live(centre, socket)
    async with connect(url(centre)) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert await is_live(centre, socket)
    with centre.client() as client:
        ticket = client.post("/auth/ws-ticket").json()
    assert ticket["expires_in"] == 30
    async with connect(url(centre, f"?ticket={ticket['ticket']}")) as socket:
        assert await is_live(centre, socket)
    async with connect(url(centre, f"?ticket={ticket['ticket']}")) as socket:
        assert await close_code_of(socket) == UNAUTHENTICATED


@pytest.mark.parametrize("first", ["{}", '{"type":"auth","token":"x"}', "x", '{"type":"auth"}'])
async def test_a_first_message_without_a_good_token_closes(centre: Centre, first: str):
    async with connect(url(centre)) as socket:
        await socket.send(first)
        assert await close_code_of(socket) == UNAUTHENTICATED


async def test_who_says_nothing_is_closed_after_five_seconds(centre: Centre):
    async with connect(url(centre)) as socket:
        assert await close_code_of(socket) == UNAUTHENTICATED


async def test_a_token_in_the_address_or_a_wrong_header_opens_nothing(centre: Centre):
    wrong = {"Authorization": "Bearer wrong"}
    async with connect(url(centre), additional_headers=wrong) as socket:
        assert await close_code_of(socket) == UNAUTHENTICATED
    async with connect(url(centre, f"?token={centre.token()}")) as socket:
        assert await close_code_of(socket) == UNAUTHENTICATED


async def test_a_session_that_ends_closes_the_feed_within_five_seconds(centre: Centre):
    body = {"username": "viewer", "password": PASSWORD}
    with centre.client(None) as client:
        token = client.post("/auth/login", json=body).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        async with connect(
            url(centre), additional_headers={"Authorization": f"Bearer {token}"}
        ) as socket:
            client.post("/auth/logout").raise_for_status()
            async with asyncio.timeout(5):
                assert await close_code_of(socket) == UNAUTHENTICATED


async def test_a_feed_ends_with_the_access_token_that_opened_it_and_the_next_one_resumes_it(
    brief: Centre,
):
    body = {"username": "admin", "password": PASSWORD}
    with brief.client(None) as client:
        tokens = client.post("/auth/login", json=body).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        ticket = client.post("/auth/ws-ticket").json()["ticket"]
        since = time.monotonic()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        async with (
            connect(url(brief), additional_headers=headers) as socket,
            connect(url(brief, f"?ticket={ticket}")) as by_ticket,
            brief.device("brief-pi") as device,
        ):
            await device.tell(health())
            cursor = (await next_event(socket, "device_health"))["cursor"]
            assert [await close_code_of(each) for each in (socket, by_ticket)] == [
                UNAUTHENTICATED
            ] * 2
            assert ACCESS_TOKEN_S - 1 <= time.monotonic() - since <= ACCESS_TOKEN_S + 5
            await device.tell(alert(630))
        answer = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    async with connect(url(brief, f"?since={cursor}"), additional_headers=headers) as socket:
        assert (await next_event(socket, "new_alert"))["data"]["alert_id"] == f"{630:032x}"


async def test_what_many_watch_is_not_compressed_for_each_of_them(centre: Centre):
    headers = {"Authorization": f"Bearer {centre.token()}"}
    async with connect(url(centre), additional_headers=headers, compression="deflate") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_a_page_of_another_origin_is_refused(centre: Centre):
    headers = {"Authorization": f"Bearer {centre.token()}"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            url(centre),
            additional_headers=headers,
            origin="https://evil.example",  # type: ignore[arg-type]
        ):
            pass
    assert refused.value.response.status_code == 403
    async with connect(url(centre), additional_headers=headers, origin=centre.url) as socket:  # type: ignore[arg-type]
        assert await is_live(centre, socket)


async def test_nobody_sees_what_happens_elsewhere(centre: Centre):
    async with asyncio.timeout(15), centre.watch(username="stranger") as stranger:
        async with centre.device("ws-ours") as ours:
            await ours.tell(alert(600))
        async with centre.device("ws-theirs", "elsewhere") as theirs:
            await theirs.tell(alert(601))
        assert (await next_event(stranger, "new_alert"))["data"]["device_id"] == "ws-theirs"


async def test_who_comes_back_with_a_cursor_misses_nothing(centre: Centre):
    async with asyncio.timeout(15), centre.device("ws-back") as device:
        async with centre.watch("?types=new_alert") as socket:
            await device.tell(alert(610))
            cursor = (await next_event(socket, "new_alert"))["cursor"]
        await device.tell(alert(611))
        async with centre.watch(f"?types=new_alert&since={cursor}") as socket:
            event = await next_event(socket, "new_alert")
    assert event["data"]["alert_id"] == f"{611:032x}"


async def test_events_come_in_arrays_for_those_who_want_batches(centre: Centre):
    async with asyncio.timeout(15), centre.watch("?batch=1") as socket:
        async with centre.device("ws-batch") as device:
            for number in range(3):
                await device.tell(health(frames=number))
        events: list[dict[str, Any]] = []
        while len([e for e in events if e.get("device_id") == "ws-batch"]) < 3:
            events += json.loads(await socket.recv())
    cursors = [event["cursor"] for event in events]
    assert cursors == sorted(set(cursors))


@pytest.mark.parametrize("path", ["/api/v1/ws", "/ws/alerts"])
@pytest.mark.parametrize("query", ["since=abc", "since=-1", "batch=maybe"])
async def test_a_choice_that_makes_no_sense_closes_the_feed_and_says_which(
    centre: Centre, path: str, query: str
):
    headers = {"Authorization": f"Bearer {centre.token()}"}
    url = f"ws://127.0.0.1:{centre.port}{path}?{query}"
    async with connect(url, additional_headers=headers) as socket:
        assert await close_code_of(socket) == 4400
        assert query.partition("=")[0] in str(socket.close_reason)


async def test_a_decision_is_pushed_to_those_who_watch(centre: Centre):
    async with asyncio.timeout(15), centre.watch() as socket:
        async with centre.device("ws-decide") as device:
            await device.tell(alert(620))
        with centre.client() as client:
            client.patch(f"/alerts/{620:032x}", json={"status": "acknowledged"}).raise_for_status()
        event = await next_event(socket, "alert_updated")
    assert event["data"]["status"] == "acknowledged"


async def test_what_a_watcher_sends_is_ignored_unless_it_is_too_large(centre: Centre):
    async with centre.watch() as socket:
        await socket.send("hello")
        await socket.send(b"\xff")
        assert await is_live(centre, socket)
        await socket.send("x" * 100_000)
        assert await close_code_of(socket) == 1009
