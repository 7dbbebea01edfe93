"""What devices tell of themselves over HTTP: readings, heartbeats, status, logs."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contract.messages import LogLine, LogLines, Reading, Readings
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import now_ns

DEVICE = "esp-told"
READING = {"sensor_type": "temperature", "value": 23.5, "unit": "°C"}


@pytest.fixture(scope="module")
def key(centre: Centre) -> str:
    with centre.client() as client:
        return str(client.post("/devices", json={"device_id": DEVICE}).json()["api_key"])


@pytest.fixture
def device(centre: Centre, key: str) -> Iterator[httpx.Client]:
    """The device itself, with its key."""
    base = f"{centre.url}/api/v1/devices/{DEVICE}"
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}) as client:
        yield client


def say(device: httpx.Client, status: str) -> None:
    device.post("/status", json={"status": status}).raise_for_status()


def at(hour: int) -> str:
    return f"2024-01-01T{hour:02}:00:00Z"


def test_readings_are_taken_and_read_back_newest_first(centre: Centre, device: httpx.Client):
    given = [READING | {"value": float(hour), "timestamp": at(hour)} for hour in range(5)]
    given.append({"sensor_type": "humidity", "value": 40, "unit": "%", "timestamp": at(2)})
    taken = device.post("/readings", json={"readings": given})
    assert taken.status_code == 201
    expected = {"message": "Readings stored", "device_id": DEVICE, "accepted": 6}
    assert taken.json() == expected | {"clock_corrected": 0}
    path = f"/devices/{DEVICE}/readings"
    with centre.client("viewer") as client:
        page = client.get(f"{path}?sensor_type=temperature&limit=2&skip=1")
        assert page.headers["x-total-count"] == "5"
        assert [row["value"] for row in page.json()] == [3.0, 2.0]
        assert page.json()[0]["timestamp"] == "2024-01-01T03:00:00.000000Z"
        part = client.get(f"{path}?since={at(1)}&until={at(3)}").json()
        assert sorted(row["value"] for row in part) == [1.0, 2.0, 40.0]
        latest = client.get(f"{path}/latest").json()
        assert {row["sensor_type"]: row["value"] for row in latest} == {
            "humidity": 40.0,
            "temperature": 4.0,
        }
        (stats,) = client.get(f"{path}/stats?sensor_type=temperature&since={at(0)}").json()
        assert stats == {
            "sensor_type": "temperature",
            "unit": "°C",
            "count": 5,
            "min": 0.0,
            "max": 4.0,
            "avg": 2.0,
            "last": 4.0,
            "first_at": "2024-01-01T00:00:00.000000Z",
            "last_at": "2024-01-01T04:00:00.000000Z",
        }
        counted = {row["sensor_type"]: row["count"] for row in client.get(f"{path}/stats").json()}
        assert sum(counted.values()) == int(client.get(path).headers["x-total-count"])
        assert counted["temperature"] == 5
    with centre.client() as client:
        client.post("/devices", json={"device_id": "esp-quiet"})
        for what in ("readings", "readings/latest", "readings/stats"):
            assert client.get(f"/devices/esp-quiet/{what}").json() == []


async def test_readings_reach_those_who_watch_from_http_and_mqtt(
    centre: Centre, device: httpx.Client
):
    async with centre.watch("?types=readings") as socket, centre.device("mqtt-esp") as other:
        await asyncio.to_thread(device.post, "/readings", json={"readings": [READING]})
        event = await next_event(socket, "readings", DEVICE)
        (reading,) = event["data"]
        assert (reading["value"], reading["unit"], reading["device_id"]) == (23.5, "°C", DEVICE)
        told = Reading(sensor_type="door", value=1.0, unit="", read_ns=now_ns())
        await other.tell(Readings(readings=[told]))
        (reading,) = (await next_event(socket, "readings", "mqtt-esp"))["data"]
        assert reading["sensor_type"] == "door"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"readings": []},
        {"readings": [READING] * 1001},
        {"readings": [READING | {"value": "warm"}]},
        {"readings": [READING | {"value": 1e19}]},
        {"readings": [READING | {"sensor_type": "x" * 65}]},
        {"readings": [READING | {"timestamp": "yesterday"}]},
    ],
)
def test_readings_that_make_no_sense_are_refused(device: httpx.Client, body: dict[str, Any]):
    answer = device.post("/readings", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_moment_that_no_clock_shows_is_brought_into_range(
    centre: Centre, device: httpx.Client, moment: str
):
    given = {"sensor_type": "odd clock", "value": 1, "timestamp": moment}
    assert device.post("/readings", json={"readings": [given]}).status_code == 201
    with centre.client() as client:
        for path in (f"/devices/{DEVICE}/readings", "/alerts", "/logs", "/verdicts"):
            assert client.get(f"{path}?since={moment}").status_code == 200


def test_a_heartbeat_makes_a_device_online(centre: Centre, device: httpx.Client):
    beat = device.post("/heartbeat")
    assert beat.status_code == 200
    assert (beat.json()["status"], beat.json()["device_id"]) == ("online", DEVICE)
    assert beat.json()["server_time"].endswith("Z")
    assert device.post("/heartbeat", json={"uptime": 5}).status_code == 200
    with centre.client() as client:
        assert client.get(f"/devices/{DEVICE}/status").json()["status"] == "online"


def test_a_device_says_how_it_is(centre: Centre, device: httpx.Client):
    for status in ("warning", "error", "offline", "online"):
        assert device.post("/status", json={"status": status}).json()["status"] == status
        with centre.client() as client:
            assert client.get(f"/devices/{DEVICE}/status").json()["status"] == status
    assert device.post("/status", json={"status": "bored"}).status_code == 400


async def test_each_change_of_status_is_told_once(centre: Centre, device: httpx.Client):
    say(device, "online")
    async with centre.watch("?types=presence") as socket:
        for status in ("warning", "warning", "offline", "online"):
            say(device, status)
        told = [(await next_event(socket, "presence", DEVICE))["status"] for _ in range(3)]
    assert told == ["warning", "offline", "online"]


async def test_what_health_changes_of_a_status_is_told_and_that_a_device_is_removed(
    centre: Centre,
):
    name = "esp-passing"
    path = f"/devices/{name}"
    with centre.client() as client:
        client.post("/devices", json={"device_id": name}).raise_for_status()
        async with centre.watch("?types=presence,device_event") as socket:
            for cpu in (20, 20, 95, 95, 20):
                health = {"cpu_usage": cpu, "memory_usage": 6, "uptime": 7}
                client.put(f"{path}/health", json=health).raise_for_status()
            client.post(f"{path}/status", json={"status": "offline"}).raise_for_status()
            client.post(f"{path}/status", json={"status": "online"}).raise_for_status()
            client.delete(path).raise_for_status()
            client.post("/devices", json={"device_id": name}).raise_for_status()
            client.post(f"{path}/status", json={"status": "warning"}).raise_for_status()
            told: list[str] = []
            while told.count("connected") < 3:
                event = json.loads(await socket.recv())["data"]
                if event["device_id"] == name:
                    told.append(event.get("event_type") or event["status"])
        client.delete(path).raise_for_status()
    assert told == [
        *("connected", "online", "warning", "online", "disconnected", "offline"),
        *("connected", "online", "disconnected", "offline", "connected"),
    ]


def test_log_lines_are_taken_and_found(centre: Centre, device: httpx.Client):
    lines = [
        {"message": "boot", "timestamp": at(1), "component": "main"},
        {"message": "Wi-Fi weak", "timestamp": at(2), "level": "warn", "fields": {"rssi": "-90"}},
        {"message": "gave up", "timestamp": at(3), "level": "fatal"},
    ]
    taken = device.post("/logs", json={"logs": lines})
    assert (taken.status_code, taken.json()["accepted"]) == (201, 3)
    with centre.client("viewer") as client:
        path = f"/devices/{DEVICE}/logs"
        found = client.get(path)
        assert found.headers["x-total-count"] == "3"
        assert [row["level"] for row in found.json()] == ["error", "warning", "info"]
        assert found.json()[1]["fields"] == {"rssi": "-90"}
        for query in ("level=warning", "q=WI-FI", "q=-90", f"since={at(2)}&until={at(3)}"):
            assert [row["message"] for row in client.get(f"{path}?{query}").json()] == [
                "Wi-Fi weak"
            ]
        assert client.get(f"{path}?component=main").json()[0]["message"] == "boot"
        assert client.get(f"/logs?device_id={DEVICE}&limit=1").json() == found.json()[:1]
        assert client.get("/logs?level=loud").status_code == 400


def test_lines_of_agents_are_found_beside_those_of_others(centre: Centre):
    line = LogLine(logged_ns=now_ns(), level="error", component="capture", event="ring_lost")
    centre.told("log-pi", LogLines(lines=[line]))
    with centre.client() as client:
        (shown,) = client.get("/logs?device_id=log-pi").json()
    assert (shown["component"], shown["message"]) == ("capture", "ring_lost")


@pytest.mark.parametrize("what", ["readings", "heartbeat", "status", "logs"])
def test_a_device_tells_of_itself_alone(centre: Centre, key: str, what: str):
    body = {"readings": [READING], "status": "online", "logs": [{"message": "x"}]}
    with centre.client() as client:
        client.post("/devices", json={"device_id": "esp-other"})
    base = f"{centre.url}/api/v1/devices"
    mine = {"Authorization": f"Bearer {key}"}
    other = httpx.post(f"{base}/esp-other/{what}", json=body, headers=mine)
    assert other.status_code == 403
    assert httpx.post(f"{base}/{DEVICE}/{what}", json=body).status_code == 401
    with centre.client("analyst") as client:
        assert client.post(f"/devices/{DEVICE}/{what}", json=body).status_code == 403
    with centre.client("operator") as client:
        assert client.post(f"/devices/{DEVICE}/{what}", json=body).is_success
        assert client.post(f"/devices/nobody/{what}", json=body).status_code == 404
    with centre.client("stranger") as client:
        assert client.post(f"/devices/{DEVICE}/{what}", json=body).status_code == 404


@pytest.mark.parametrize("path", ["readings", "readings/latest", "readings/stats", "logs"])
def test_reading_back_is_for_people_of_the_organization(centre: Centre, key: str, path: str):
    where = f"{centre.url}/api/v1/devices/{DEVICE}/{path}"
    assert httpx.get(where).status_code == 401
    assert httpx.get(where, headers={"Authorization": f"Bearer {key}"}).status_code == 403
    with centre.client("stranger") as client:
        assert client.get(f"/devices/{DEVICE}/{path}").status_code == 404
        assert client.get("/logs").json() == []


@pytest.mark.parametrize("wrong", ["2200-01-01T00:00:00Z", "1970-01-02T03:04:05Z"])
def test_what_a_clock_tells_that_cannot_be_right_is_of_now(
    centre: Centre, device: httpx.Client, wrong: str
):
    name = f"clock-{wrong[:4]}"
    for value, more in ((1.0, {"timestamp": wrong}), (2.0, {})):
        given = {"sensor_type": name, "value": value, "unit": ""} | more
        taken = device.post("/readings", json={"readings": [given]}).raise_for_status()
        assert taken.json()["clock_corrected"] == len(more)
    logged = device.post("/logs", json={"logs": [{"message": name, "timestamp": wrong}]})
    assert logged.json()["clock_corrected"] == 1
    with centre.client("viewer") as client:
        latest = client.get(f"/devices/{DEVICE}/readings/latest").json()
        assert {row["sensor_type"]: row["value"] for row in latest}[name] == 2.0
        rows = client.get(f"/devices/{DEVICE}/readings?sensor_type={name}").json()
        rows += client.get(f"/devices/{DEVICE}/logs?q={name}").json()
        assert len(rows) == 3
        assert all(row["timestamp"][:4] not in {"2200", "1970"} for row in rows)
