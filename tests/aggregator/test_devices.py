"""Devices over HTTP: enrolled by people, or appearing by themselves."""

import asyncio

import httpx
import pytest

from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert, health, presence


def test_a_device_is_enrolled_changed_and_forgotten(centre: Centre):
    with centre.client() as client:
        new = {"device_id": "esp-1", "name": "Door", "type": "esp32", "location": "hall"}
        created = client.post("/devices", json=new)
        assert created.status_code == 201
        key = created.json()["api_key"]
        assert created.json()["status"] == "offline"
        assert client.post("/devices", json=new).status_code == 409
        assert "api_key" not in client.get("/devices/esp-1").json()
        changed = client.put("/devices/esp-1", json={"name": "Back door"}).json()
        assert (changed["name"], changed["location"]) == ("Back door", "hall")
        listed = client.get("/devices").json()
        assert [device["name"] for device in listed if device["device_id"] == "esp-1"]
        assert client.delete("/devices/esp-1").status_code == 204
        assert client.get("/devices/esp-1").status_code == 404
    headers = {"Authorization": f"Bearer {key}"}
    gone = httpx.put(f"{centre.url}/api/v1/devices/esp-1/health", headers=headers)
    assert gone.status_code == 401


@pytest.mark.parametrize(
    ("cpu", "memory", "temperature", "status"),
    [
        (90, 90, 80, "online"),
        (90.1, 1, None, "warning"),
        (1, 91, 99, "warning"),
        (1, 1, 80.1, "error"),
        (1, 1, None, "online"),
    ],
)
def test_health_decides_the_status(
    centre: Centre, cpu: float, memory: float, temperature: float | None, status: str
):
    given = {"cpu_usage": cpu, "memory_usage": memory, "temperature": temperature, "uptime": 60}
    with centre.client() as client:
        client.post("/devices", json={"device_id": "esp-health"})
        answer = client.put("/devices/esp-health/health", json=given).json()
        assert answer["message"] == "Health updated"
        assert answer["device"]["status"] == status
        assert answer["device"]["uptime"] == 60
        assert client.get("/devices/esp-health/status").json()["status"] == status


@pytest.mark.parametrize("change", [{"cpu_usage": 100.1}, {"memory_usage": -1}, {"uptime": "x"}])
def test_health_out_of_range_is_refused(centre: Centre, change: dict[str, object]):
    given = {"cpu_usage": 1, "memory_usage": 1, "uptime": 1} | change
    with centre.client() as client:
        client.post("/devices", json={"device_id": "esp-range"})
        answer = client.put("/devices/esp-range/health", json=given)
    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["detail"]


@pytest.mark.parametrize("name", ["", "Not A Name", "../x", "x" * 64])
def test_a_device_needs_a_name_that_fits_into_a_topic(centre: Centre, name: str):
    with centre.client() as client:
        assert client.post("/devices", json={"device_id": name}).status_code == 400


async def test_an_agent_appears_by_itself_with_what_it_dropped(centre: Centre):
    async with centre.device("agent-pi") as device:
        await device.publish(presence(), 1)
        await device.tell(health(frames=1234))
    with centre.client() as client:
        shown = client.get("/devices/agent-pi").json()
        assert (shown["type"], shown["status"], shown["mode"]) == ("edge_ml", "online", "observe")
        assert (shown["cpu_usage"], shown["memory_usage"]) == (12.5, 30.0)
        told = client.get("/devices/agent-pi/health").json()
        assert told["dropped"] == {"kernel": 7}
        assert told["frames"] == 1234


async def test_a_removed_agent_that_still_talks_is_pending_until_somebody_wants_it(centre: Centre):
    async with centre.device("unplugged") as device:
        with centre.client() as client:

            async def pending_after(numbers: int) -> bool:
                await asyncio.sleep(1.1)  # it is noted once a second that a device was heard
                await device.tell(alert(numbers))
                found = client.get("/devices/unplugged").raise_for_status().json()
                return bool(found["pending"])

            assert not await pending_after(0x0FF1)
            client.delete("/devices/unplugged").raise_for_status()
            assert await pending_after(0x0FF2)
            assert client.get(f"/alerts/{0x0FF2:032x}").is_success
            assert client.post("/devices/unplugged/refuse").status_code == 204
            assert await pending_after(0x0FF3)
            key = client.post("/devices/unplugged/api-key").raise_for_status().json()["api_key"]
            own = {"Authorization": f"Bearer {key}"}
            heartbeat = "/devices/unplugged/heartbeat"
            assert client.post(heartbeat, headers=own).status_code == 401
            accepted = client.post("/devices/unplugged/accept").raise_for_status().json()
            assert not accepted["pending"]
            assert client.post(heartbeat, headers=own).is_success
            assert not await pending_after(0x0FF4)
            client.delete("/devices/unplugged").raise_for_status()
            client.post("/devices", json={"device_id": "unplugged"}).raise_for_status()
            assert not await pending_after(0x0FF5)


def test_lists_are_cut_into_pages(centre: Centre):
    with centre.client() as client:
        for number in range(3):
            client.post("/devices", json={"device_id": f"page-{number}"})
        everything = client.get("/devices?limit=1000").json()
        assert client.get("/devices?skip=1&limit=2").json() == everything[1:3]
        assert client.get("/devices?limit=1001").status_code == 400
        assert client.get("/devices?skip=-1").status_code == 400


def test_another_key_for_a_device_ends_the_one_before(centre: Centre):
    given = {"cpu_usage": 1, "memory_usage": 1, "uptime": 1}
    with centre.client() as client:
        old = client.post("/devices", json={"device_id": "esp-key"}).json()["api_key"]
        renewed = client.post("/devices/esp-key/api-key").raise_for_status().json()
        assert renewed["device_id"] == "esp-key"
        statuses = [
            client.put(
                "/devices/esp-key/health", json=given, headers={"Authorization": f"Bearer {key}"}
            ).status_code
            for key in (old, renewed["api_key"])
        ]
        assert statuses == [401, 200]
        assert client.post("/devices/esp-nowhere/api-key").status_code == 404
