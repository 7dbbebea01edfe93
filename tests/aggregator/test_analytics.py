"""Packets, analytics, and how the aggregator itself is."""

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from aggregator.api.meter import Meter
from aggregator.shapes import rfc3339
from contract.attacks import Label
from contract.messages import Reading, Readings
from tests.aggregator.conftest import Centre, next_event
from tests.aggregator.messages import SECOND_NS, alert, health, now_ns, packet, presence, verdicts

HOUR_NS = 3600 * SECOND_NS
NUMBER = 8000


@pytest.fixture(scope="module")
def told_ns(centre: Centre) -> int:
    """Packets, readings and alerts of one device; returns when the first packet was seen."""
    begin_ns = now_ns() - HOUR_NS
    labels: tuple[Label, ...] = ("Scan", "benign", "Scan")
    samples = [
        msgspec.structs.replace(
            packet(), captured_ns=begin_ns + n * SECOND_NS, label=label, src_ip=f"10.7.0.{n}"
        )
        for n, label in enumerate(labels)
    ]
    samples.append(msgspec.structs.replace(samples[1], protocol="udp", dst_ip="10.7.0.9"))
    readings = [
        Reading(sensor_type="door", value=value, unit="", read_ns=now_ns()) for value in (1.0, 3.0)
    ]
    centre.told("sampling-pi", *samples, Readings(readings=readings), alert(NUMBER))
    return begin_ns


def found(centre: Centre, query: str) -> list[dict[str, Any]]:
    with centre.client("viewer") as client:
        answer = client.get(f"/packets?device_id=sampling-pi{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json())


@pytest.mark.usefixtures("told_ns")
def test_packets_come_newest_first_in_the_shape_that_clients_know(centre: Centre):
    newest = found(centre, "&protocol=TCP")[0]
    assert newest == {
        "packet_id": newest["packet_id"],
        "src_ip": "10.7.0.2",
        "dst_ip": "192.168.1.1",
        "src_port": 40_000,
        "dst_port": 23,
        "src_mac": "02:00:00:00:00:07",
        "dst_mac": "02:00:00:00:00:01",
        "protocol": "tcp",
        "packet_size": 60,
        "ttl": 64,
        "flags": "S",
        "feature_vector": None,
        "is_malicious": True,
        "attack_type": "Scan",
        "confidence": 0.9,
        "captured_by_device_id": "sampling-pi",
        "captured_at": newest["captured_at"],
        "processed_at": newest["processed_at"],
    }
    assert newest["captured_at"].endswith("Z")


def test_packets_are_filtered_and_paged(centre: Centre, told_ns: int):
    def sources(query: str) -> list[str]:
        return [row["src_ip"] for row in found(centre, query)]

    assert sources("&is_malicious=true") == ["10.7.0.2", "10.7.0.0"]
    assert sources("&is_malicious=false&protocol=tcp") == ["10.7.0.1"]
    assert sources("&src_ip=10.7.0.0") == ["10.7.0.0"]
    assert sources("&dst_ip=10.7.0.9") == ["10.7.0.1"]
    assert sources("&protocol=udp") == ["10.7.0.1"]
    assert sources("&skip=1&limit=1&is_malicious=true") == ["10.7.0.0"]
    second = rfc3339(told_ns + SECOND_NS)
    assert sources(f"&since={second}&is_malicious=true") == ["10.7.0.2"]
    assert sources(f"&until={second}") == ["10.7.0.0"]
    with centre.client() as client:
        counted = client.get("/packets?device_id=sampling-pi&limit=1")
        assert counted.headers["x-total-count"] == "4"
        assert client.get("/packets?limit=1001").status_code == 400
    with centre.client("stranger") as client:
        assert client.get("/packets").json() == []


@pytest.mark.usefixtures("told_ns")
def test_the_summary_counts_what_reached_us(centre: Centre):
    with centre.client("viewer") as client:
        summary = client.get("/analytics/summary").json()
        overview = client.get("/dashboard/overview").json()["stats"]
        devices = client.get("/devices?limit=1000").json()
    assert summary["alerts"]["total"] == overview["total_alerts"]
    assert summary["alerts"]["by_severity"]["critical"] == overview["critical_alerts"]
    assert sum(summary["alerts"]["by_severity"].values()) == summary["alerts"]["total"]
    assert summary["devices"]["total"] == len(devices)
    states = {status: summary["devices"][status] for status in ("online", "warning", "error")}
    assert sum(states.values()) == overview["active_devices"]
    assert summary["readings"] >= 2
    assert summary["sensors"] >= 1
    with centre.client("stranger") as client:
        strange = client.get("/analytics/summary").json()
    assert (strange["alerts"]["total"], strange["readings"], strange["devices"]["total"]) == (
        0,
    ) * 3


@pytest.mark.usefixtures("told_ns")
def test_trends_have_a_point_for_every_step(centre: Centre):
    with centre.client("viewer") as client:
        query = "/analytics/trends?metric=readings&device_id=sampling-pi&hours=2&step_s=600"
        told = client.get(f"{query}&sensor_type=door").json()
        alerts = client.get("/analytics/trends?device_id=sampling-pi").json()
        assert client.get(f"{query}&sensor_type=nix").json()["trends"][-1]["count"] == 0
        assert client.get("/analytics/trends?metric=mood").status_code == 400
        assert client.get("/analytics/trends?hours=2000&step_s=10").status_code == 400
    assert len(told["trends"]) == 13
    filled = [point for point in told["trends"] if point["count"]]
    assert [(point["count"], point["average"]) for point in filled] in (
        [(2, 2.0)],
        [(1, 1.0), (1, 3.0)],
    )
    assert sum(point["count"] for point in alerts["trends"]) == 1
    assert alerts["metric"] == "alerts"


def test_malicious_verdicts_have_a_trend_too(centre: Centre):
    batch = verdicts(("benign", "Scan", "Scan"), number=now_ns() // SECOND_NS)
    centre.told("trend-pi", batch)
    with centre.client() as client:
        query = "/analytics/trends?metric=detections&device_id=trend-pi&hours=1&step_s=60"
        told = client.get(query).json()
    assert sum(point["count"] for point in told["trends"]) == 2


def test_the_system_says_how_it_is(centre: Centre):
    with centre.client("viewer") as client:
        for _ in range(5):
            client.get("/health")
        told = client.get("/system/metrics").json()
    keys = {"uptime", "memory_usage", "cpu_usage", "active_connections", "requests_per_minute"}
    assert told.keys() == keys
    assert 20 < told["memory_usage"] < 2000
    assert told["requests_per_minute"] >= 5
    assert told["active_connections"] >= 1
    assert httpx.get(f"{centre.url}/api/v1/system/metrics").status_code == 401
    version = httpx.get(f"{centre.url}/api/v1/system/version").json()
    assert version["version"] == httpx.get(centre.url).json()["version"]


def test_requests_older_than_a_minute_count_no_more():
    now_s = [100.0]
    meter = Meter(clock=lambda: now_s[0])
    for second in range(200):
        now_s[0] = 100.0 + second
        meter.count()
        meter.count()
    assert meter.requests_per_minute() == 120
    now_s[0] += 59
    assert meter.requests_per_minute() == 2
    now_s[0] += 1
    assert meter.requests_per_minute() == 0
    assert meter.uptime_s == 259


async def test_each_socket_of_the_fleet_tells_its_kind_alone(centre: Centre):
    headers = {"Authorization": f"Bearer {centre.token('viewer')}"}
    url = f"ws://127.0.0.1:{centre.port}/ws"
    async with (
        asyncio.timeout(20),
        connect(f"{url}/live-data", additional_headers=headers) as live_data,
        connect(f"{url}/device-status", additional_headers=headers) as status,
        connect(f"{url}/alerts?batch=true", additional_headers=headers) as alerts,
        centre.device("fleet-pi") as device,
    ):
        await device.publish(presence(), 1)
        await device.tell(health())
        await device.tell(alert(NUMBER + 1))
        await device.tell(alert(NUMBER + 1, windows=5))
        told = Reading(sensor_type="door", value=1.0, unit="", read_ns=now_ns())
        await device.tell(Readings(readings=[told]))
        event = json.loads(await live_data.recv())
        assert (event["type"], event["device_id"]) == ("readings", "fleet-pi")
        assert (await next_event(status, "presence", "fleet-pi"))["status"] == "online"
        kinds: list[str] = []
        while len(kinds) < 2:
            kinds += [event["type"] for event in json.loads(await alerts.recv())]
        assert kinds == ["new_alert", "alert_updated"]


@pytest.mark.parametrize("path", ["live-data", "device-status", "alerts"])
async def test_the_sockets_of_the_fleet_want_a_token(centre: Centre, path: str):
    async with connect(f"ws://127.0.0.1:{centre.port}/ws/{path}") as socket:
        await socket.send("{}")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4401


def test_verdicts_are_paged_and_counted(centre: Centre):
    centre.told("paged-pi", verdicts(("Scan", "benign", "Scan"), number=5), verdicts(number=6))
    with centre.client("viewer") as client:
        page = client.get("/verdicts?device_id=paged-pi&label=Scan&skip=1&limit=1")
        assert page.headers["x-total-count"] == "3"
        assert [row["window_start"] for row in page.json()] == ["1970-01-01T00:00:05.000000Z"]
        until = client.get("/verdicts?device_id=paged-pi&until=1970-01-01T00:00:06Z")
    assert until.headers["x-total-count"] == "3"
