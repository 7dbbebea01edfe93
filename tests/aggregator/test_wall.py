"""The alert wall with its chat, as its clients know it: closed by default, open by setting."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aggregator.errors import TooManyAttemptsError
from aggregator.live import LiveFeed
from aggregator.pace import Pace
from aggregator.store.database import Database
from aggregator.store.wall_posts import (
    KEPT_POSTS,
    WallPost,
    add_wall_post,
    last_wall_posts,
)
from aggregator.wall import DEMO_ALERTS, MAX_GUESTS, Poster, Wall
from tests.aggregator.access import new_name
from tests.aggregator.conftest import Centre, close_code_of

ALERT = {"message": "Unauthorized door access", "location": "South Gate"}
CHAT = {"sender": "Jose", "message": "Please check the back door"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """An aggregator whose wall is open, as the demo's is."""
    centre = Centre(tmp_path_factory.mktemp("opened"))
    centre.more |= {"EDGEWARDEN_WALL__OPEN": "true", "EDGEWARDEN_WALL__DEMO": "true"}
    centre.start()
    yield centre
    assert centre.stop() == 0
    assert "Traceback" not in centre.log.read_text(), centre.log.read_text()


def wall_url(centre: Centre) -> str:
    return f"ws://127.0.0.1:{centre.port}/ws"


async def received(socket: ClientConnection, *, demo: bool = False) -> dict[str, Any]:
    """Return what comes next, made up by the demo or not."""
    async with asyncio.timeout(15):
        while True:
            told: dict[str, Any] = json.loads(await socket.recv())
            if ((told["message"], told.get("location")) in DEMO_ALERTS) == demo:
                return told


def test_the_wall_is_closed_to_who_shows_no_token(centre: Centre):
    for path, body in (("/alerts", ALERT), ("/message", CHAT)):
        assert httpx.post(f"{centre.url}{path}", json=body).status_code == 401
    for path in ("/alerts/history", "/message"):
        assert httpx.get(f"{centre.url}{path}").status_code == 401


async def test_a_closed_wall_waits_for_a_token_and_closes_without_one(centre: Centre):
    async with connect(wall_url(centre)) as socket:
        await socket.send(json.dumps(CHAT))
        with pytest.raises(ConnectionClosed):
            await received(socket)
        assert socket.close_code == 4401


def test_viewers_read_the_wall_and_analysts_post(centre: Centre):
    for role, status in (("viewer", 403), ("analyst", 200)):
        headers = {"Authorization": f"Bearer {centre.token(role)}"}
        answer = httpx.post(f"{centre.url}/alerts", json=ALERT, headers=headers)
        assert answer.status_code == status
        history = httpx.get(f"{centre.url}/alerts/history", headers=headers)
        assert history.status_code == 200
    stranger = {"Authorization": f"Bearer {centre.token('stranger')}"}
    assert httpx.get(f"{centre.url}/alerts/history", headers=stranger).json() == {
        "alerts": [],
        "count": 0,
    }


async def test_a_viewer_hears_the_chat_and_is_told_that_it_may_not_speak(centre: Centre):
    headers = {"Authorization": f"Bearer {centre.token('viewer')}"}
    async with connect(wall_url(centre), additional_headers=headers) as socket:
        await socket.send(json.dumps(CHAT))
        refused = await received(socket)
        assert refused["type"] == "error"
        assert "analyst" in refused["message"]


def test_an_alert_is_posted_and_remembered_without_a_token_where_the_wall_is_open(opened: Centre):
    posted = httpx.post(f"{opened.url}/alerts", json=ALERT)
    assert posted.status_code == 200
    alert = posted.json()
    assert alert == {**ALERT, "id": alert["id"], "type": "alert", "timestamp": alert["timestamp"]}
    assert uuid.UUID(alert["id"]).version == 4
    assert alert["timestamp"].endswith("Z")
    assert datetime.fromisoformat(alert["timestamp"])
    later = httpx.post(f"{opened.url}/alerts", json=ALERT).json()
    history = httpx.get(f"{opened.url}/alerts/history").json()
    assert history["count"] == len(history["alerts"])
    assert history["alerts"].index(alert) < history["alerts"].index(later)


def test_the_last_ten_messages_are_remembered_oldest_first(opened: Centre):
    for number in range(12):
        body = {"sender": "Ada", "message": f"line {number}"}
        said = httpx.post(f"{opened.url}/message", json=body).json()
        assert said.keys() == {"id", "timestamp", "type", "sender", "message"}
        assert said["type"] == "chat"
    history = httpx.get(f"{opened.url}/message").json()
    assert history["count"] == 10
    assert [said["message"] for said in history["chatMessages"]] == [
        f"line {number}" for number in range(2, 12)
    ]


async def test_what_anybody_posts_or_says_reaches_everybody(opened: Centre):
    async with connect(wall_url(opened)) as one, connect(wall_url(opened)) as other:
        await one.send(json.dumps(CHAT))
        for socket in (one, other):
            said = await received(socket)
            assert said == {
                **CHAT,
                "type": "chat",
                "id": said["id"],
                "timestamp": said["timestamp"],
            }
        async with httpx.AsyncClient(base_url=opened.url) as client:
            alert = (await client.post("/alerts", json=ALERT)).json()
            message = (await client.post("/message", json=CHAT)).json()
        for socket in (one, other):
            assert await received(socket) == alert
            assert await received(socket) == message


@pytest.mark.parametrize(
    "said", ["hello", "[]", "{}", '{"sender": "x"}', '{"sender": "", "message": "x"}', "[" * 5000]
)
async def test_what_is_no_message_is_answered_with_what_was_expected(opened: Centre, said: str):
    async with connect(wall_url(opened)) as socket:
        await socket.send(said)
        refused = await received(socket)
        assert refused == {
            "type": "error",
            "message": "expected: sender (text) and message (text)",
        }
        await socket.send(json.dumps(CHAT))
        assert (await received(socket))["type"] == "chat"


async def test_the_demo_makes_up_an_alert_every_ten_seconds(opened: Centre):
    async with connect(wall_url(opened)) as socket:
        alert = await received(socket, demo=True)
    assert alert.keys() == {"id", "message", "location", "timestamp", "type"}
    assert alert["type"] == "alert"


@pytest.mark.parametrize(
    "body", [{}, {"message": "x"}, {"message": "", "location": "y"}, {"message": 1, "location": 2}]
)
def test_an_alert_without_message_or_location_is_refused(opened: Centre, body: dict[str, Any]):
    answer = httpx.post(f"{opened.url}/alerts", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_pages_of_other_hosts_do_not_use_an_open_wall(opened: Centre):
    headers = {"Origin": "https://evil.example"}
    answer = httpx.post(f"{opened.url}/alerts", json=ALERT, headers=headers)
    assert answer.status_code == 403
    assert httpx.get(f"{opened.url}/message", headers=headers).status_code == 403


def test_guests_of_the_wall_read_nothing_else(opened: Centre):
    for path in ("/api/v1/alerts", "/api/v1/devices"):
        assert httpx.get(f"{opened.url}{path}").status_code == 401


async def test_guests_of_the_wall_watch_nothing_else(opened: Centre):
    async with connect(f"ws://127.0.0.1:{opened.port}/api/v1/ws") as socket:
        await socket.send(json.dumps(CHAT))
        with pytest.raises(ConnectionClosed):
            await received(socket)
        assert socket.close_code == 4401


async def test_a_guest_may_sign_in_after_all_but_not_with_a_wrong_token(opened: Centre):
    async with connect(wall_url(opened)) as socket:
        await socket.send(json.dumps({"type": "auth", "token": opened.token()}))
        await socket.send(json.dumps(CHAT))
        assert (await received(socket))["type"] == "chat"
        await socket.send(json.dumps({"type": "auth", "token": "wrong"}))
        with pytest.raises(ConnectionClosed):
            await received(socket)
        assert socket.close_code == 4401


async def test_who_was_given_a_lesser_role_meanwhile_may_not_speak_any_more(centre: Centre):
    body = {"username": new_name(), "password": "correct-horse-9", "role": "analyst"}
    with centre.client() as admin:
        user = admin.post("/users", json=body).raise_for_status().json()
        token = admin.post("/auth/login", json=body).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(wall_url(centre), additional_headers=headers) as socket:
            await socket.send(json.dumps(CHAT))
            assert (await received(socket))["message"] == CHAT["message"]
            admin.patch(f"/users/{user['id']}", json={"role": "viewer"}).raise_for_status()
            await socket.send(json.dumps(CHAT))
            assert (await received(socket))["type"] == "error"


async def test_a_guest_who_signed_in_is_gone_with_the_session(opened: Centre):
    body = {"username": new_name(), "password": "correct-horse-9", "role": "analyst"}
    with opened.client() as admin:
        user = admin.post("/users", json=body).raise_for_status().json()
        token = admin.post("/auth/login", json=body).raise_for_status().json()["access_token"]
        async with connect(wall_url(opened)) as socket:
            await socket.send(json.dumps({"type": "auth", "token": token}))
            await socket.send(json.dumps(CHAT))
            assert (await received(socket))["message"] == CHAT["message"]
            admin.delete(f"/users/{user['id']}/sessions").raise_for_status()
            await socket.send(json.dumps(CHAT))
            assert await close_code_of(socket) == 4401


async def test_a_guest_who_signed_in_and_only_listens_is_gone_with_the_session_too(
    opened: Centre,
):
    body = {"username": new_name(), "password": "correct-horse-9", "role": "viewer"}
    with opened.client() as admin:
        user = admin.post("/users", json=body).raise_for_status().json()
        token = admin.post("/auth/login", json=body).raise_for_status().json()["access_token"]
        async with connect(wall_url(opened)) as socket:
            await socket.send(json.dumps({"type": "auth", "token": token}))
            await socket.send(json.dumps(CHAT))
            assert "analyst" in (await received(socket))["message"]
            admin.delete(f"/users/{user['id']}/sessions").raise_for_status()
            assert await close_code_of(socket) == 4401


def test_who_posts_faster_than_people_do_has_to_wait():
    now_s = [0.0]
    pace = Pace(burst=2, per_s=0.5, clock=lambda: now_s[0])
    pace.take("ada")
    pace.take("ada")
    with pytest.raises(TooManyAttemptsError) as refused:
        pace.take("ada")
    assert refused.value.retry_after_s == 2
    pace.take("bob")
    now_s[0] = 2.0
    pace.take("ada")


async def test_the_wall_keeps_a_bounded_number_of_posts_for_each_organization(database: Database):
    wall = Wall(database, LiveFeed())
    for organization in ("ours", "theirs"):
        await wall.post_alert(Poster(organization, "a", 1), "first", "gate")
    for _ in range(KEPT_POSTS):
        post = WallPost("x", "alert", None, "between", "gate", 1)
        await database.write(add_wall_post("ours", post, None)[0])
    await wall.post_alert(Poster("ours", "a", 1), "last", "gate")
    kept = await last_wall_posts(database, "ours", "alert", limit=2 * KEPT_POSTS)
    assert len(kept) == KEPT_POSTS
    assert kept[0].message == "last"
    assert "first" not in {post.message for post in kept}
    (other,) = await last_wall_posts(database, "theirs", "alert", limit=2)
    assert other.message == "first"


async def test_only_so_many_guests_look_at_the_wall(database: Database):
    wall = Wall(database, LiveFeed())
    guests = [wall.guest() for _ in range(MAX_GUESTS)]
    for guest in guests:
        guest.__enter__()
    with pytest.raises(TooManyAttemptsError), wall.guest():
        pass
    guests[0].__exit__(None, None, None)
    with wall.guest():
        pass


def test_the_wall_outlives_a_restart(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.start()
    headers = {"Authorization": f"Bearer {centre.token()}"}
    posted = httpx.post(f"{centre.url}/alerts", json=ALERT, headers=headers).json()
    assert centre.stop() == 0
    centre.start()
    history = httpx.get(f"{centre.url}/alerts/history", headers=headers).json()
    assert centre.stop() == 0
    assert history == {"alerts": [posted], "count": 1}
