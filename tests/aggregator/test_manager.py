"""/api/health and /api/devices in the envelope that clients of device managers know."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.aggregator.conftest import Centre

GIVEN = {
    "name": "Edge Box, hall",
    "host": "localhost",
    "port": 2222,
    "username": "root",
    "password": "toor",
    "description": "by the door",
}


@pytest.fixture
def manager(centre: Centre) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {centre.token()}"}
    with httpx.Client(base_url=f"{centre.url}/api", headers=headers) as client:
        yield client


def test_health_needs_no_sign_in(centre: Centre):
    answer = httpx.get(f"{centre.url}/api/health").json()
    assert (answer["success"], answer["data"]) == (True, {"status": "healthy"})


def test_a_device_is_added_found_and_removed(manager: httpx.Client, centre: Centre):
    added = manager.post("/devices", json=GIVEN)
    assert added.status_code == 201
    assert added.json()["success"]
    device = added.json()["data"]
    assert device["apiKey"].startswith("ewd_")
    found = manager.get(f"/devices/{device['id']}").json()
    assert found["success"]
    assert found["data"] == {
        "id": "edge-box-hall",
        "name": "Edge Box, hall",
        "host": "localhost",
        "port": 2222,
        "username": "root",
        "description": "by the door",
        "hostKey": None,
        "status": "offline",
        "lastSeen": None,
        "createdAt": device["createdAt"],
    }
    listed = manager.get("/devices?limit=1000")
    assert found["data"] in listed.json()["data"]
    assert listed.headers["x-total-count"] == str(len(listed.json()["data"]))
    with centre.client() as client:
        assert client.get("/devices/edge-box-hall").json()["name"] == "Edge Box, hall"
    removed = manager.delete("/devices/edge-box-hall")
    assert removed.json() == {"success": True, "data": None, "message": "Device deleted"}
    assert manager.get("/devices/edge-box-hall").status_code == 404


def test_a_password_is_shown_and_kept_nowhere(manager: httpx.Client, centre: Centre):
    secret = "never-to-be-kept-anywhere"
    given = GIVEN | {"name": "secretive", "password": secret}
    assert secret not in manager.post("/devices", json=given).text
    assert secret not in manager.get("/devices/secretive").text
    files = [file for file in centre.data.rglob("*") if file.is_file()]
    assert not [file for file in files if secret.encode() in file.read_bytes()]
    assert secret not in centre.log.read_text()


def test_devices_of_one_name_get_names_of_their_own(manager: httpx.Client):
    ids = [manager.post("/devices", json={"name": "Twin"}).json()["data"]["id"] for _ in range(3)]
    assert ids == ["twin", "twin-2", "twin-3"]
    named = {"name": "Twin", "device_id": "other-twin"}
    assert manager.post("/devices", json=named).json()["data"]["id"] == "other-twin"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"name": "x", "host": "a b"}, 400),
        ({"name": "x", "port": 0}, 400),
        ({"name": "!!!"}, 400),
        ({"name": "x", "device_id": "other-twin-2"}, 409),
    ],
)
def test_an_error_lies_in_the_envelope_and_is_a_problem(
    manager: httpx.Client, given: dict[str, object], status: int
):
    manager.post("/devices", json={"name": "x", "device_id": "other-twin-2"})
    answer = manager.post("/devices", json=given)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    failed = answer.json()
    assert (failed["success"], failed["data"], failed["status"]) == (False, None, status)
    assert failed["error"] == failed["detail"]
    assert failed["detail"]


async def test_devices_of_one_name_that_are_added_at_once_are_all_added(centre: Centre):
    async with centre.async_client("admin") as client, asyncio.TaskGroup() as tasks:
        url, body = f"{centre.url}/api/devices", {"name": "Six at once"}
        posts = [tasks.create_task(client.post(url, json=body)) for _ in range(6)]
    made = sorted(post.result().raise_for_status().json()["data"]["id"] for post in posts)
    assert made == ["six-at-once", *(f"six-at-once-{number}" for number in range(2, 7))]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "devices", 405), ("GET", "devices/x/nope", 404), ("GET", "v2", 404)],
)
def test_what_no_route_takes_is_answered_in_the_envelope(
    manager: httpx.Client, method: str, path: str, status: int
):
    answer = manager.request(method, path)
    failed = answer.json()
    assert (answer.status_code, failed["success"], failed["data"]) == (status, False, None)
    assert failed["error"] == failed["detail"]


def test_the_envelope_opens_for_those_who_may(centre: Centre, manager: httpx.Client):
    manager.post("/devices", json={"name": "guarded", "device_id": "guarded"})
    nobody = httpx.get(f"{centre.url}/api/devices")
    assert (nobody.status_code, nobody.json()["success"]) == (401, False)
    assert nobody.headers["www-authenticate"] == "Bearer"
    operator = {"Authorization": f"Bearer {centre.token('operator')}"}
    posted = httpx.post(f"{centre.url}/api/devices", json={"name": "new"}, headers=operator)
    assert posted.status_code == 403
    for role, status in (("operator", 403), ("stranger", 404)):
        headers = {"Authorization": f"Bearer {centre.token(role)}"}
        answer = httpx.delete(f"{centre.url}/api/devices/guarded", headers=headers)
        assert answer.status_code == status
    headers = {"Authorization": f"Bearer {centre.token('stranger')}"}
    theirs = httpx.get(f"{centre.url}/api/devices", headers=headers).json()["data"]
    assert "guarded" not in [each["id"] for each in theirs]
