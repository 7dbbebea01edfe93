"""What programs written for other servers of this kind count on."""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from websockets.sync.client import connect

from tests.aggregator.access import new_name
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert


def test_a_device_that_never_told_how_it_is_shows_numbers_and_its_health_says_unknown(
    centre: Centre,
):
    name = new_name()
    with centre.client() as client:
        made = client.post("/devices", json={"device_id": name}).raise_for_status().json()
        listed = client.get("/devices?limit=1000").json()
        told = client.get(f"/devices/{name}/health").json()
    for shown in (made, next(device for device in listed if device["device_id"] == name)):
        assert (shown["cpu_usage"], shown["memory_usage"], shown["uptime"]) == (0.0, 0.0, 0)
        assert (shown["temperature"], shown["status"]) == (None, "offline")
    assert (told["cpu_usage"], told["memory_usage"], told["uptime"]) == (None, None, None)


def test_a_device_may_be_called_as_it_always_was_and_write_its_addresses_as_it_likes(
    centre: Centre,
):
    name = new_name().upper()
    given = {"device_id": name, "mac_address": "A4-CF-12-0B-00-7E", "ip_address": "FD00::7E"}
    with centre.client() as client:
        made = client.post("/devices", json=given).raise_for_status().json()
        assert (made["mac_address"], made["ip_address"]) == ("a4:cf:12:0b:00:7e", "fd00::7e")
        changed = client.put(f"/devices/{name}", json={"mac_address": "A4:CF:12:0B:00:7F"})
        assert changed.json()["mac_address"] == "a4:cf:12:0b:00:7f"
        health = {"cpu_usage": 5, "memory_usage": 6, "uptime": 7}
        headers = {"Authorization": f"Bearer {made['api_key']}"}
        answer = client.put(f"/devices/{name}/health", json=health, headers=headers)
        assert answer.json()["device"]["status"] == "online"


@pytest.mark.parametrize("mac", ["A4:CF:12:0B:00", "A4CF120B007E", "a4:cf:12:0b:00:7g"])
def test_what_is_no_mac_is_refused(centre: Centre, mac: str):
    with centre.client() as client:
        body = {"device_id": "pi", "mac": mac, "duration_s": 60}
        assert client.post("/ports/isolate", json=body).status_code == 400
        body = {"attack_type": "Scan", "src_mac": mac}
        assert client.post("/alerts", json=body).status_code == 400


def test_a_suspect_of_an_alert_by_hand_is_known_by_the_address_as_agents_tell_it(centre: Centre):
    body = {"attack_type": "Scan", "src_mac": "02-00-00-00-0C-01", "src_ip": "FD00::C1"}
    with centre.client() as client:
        shown = client.post("/alerts", json=body).raise_for_status().json()
        found = client.get("/alerts?src_ip=fd00::c1").json()
    assert (shown["host"], shown["src_mac"]) == ("02:00:00:00:0c:01", "02:00:00:00:0c:01")
    assert [each["alert_id"] for each in found] == [shown["alert_id"]]


@pytest.mark.parametrize("ip", ["dead", "....", "999.999.999.999", "1.2.3", "::1::", "10.0.0.010"])
def test_what_is_no_ip_is_refused_by_name(centre: Centre, ip: str):
    refused = {
        ("POST", "/alerts", "src_ip"),
        ("POST", "/alerts", "dst_ip"),
        ("POST", "/devices", "ip_address"),
        ("PUT", "/devices/no-ip", "ip_address"),
    }
    with centre.client() as client:
        client.post("/devices", json={"device_id": "no-ip"})
        for method, path, name in refused:
            body = {"attack_type": "Scan", "src_mac": "02:00:00:00:0c:02", "device_id": new_name()}
            answer = client.request(method, path, json=body | {name: ip})
            assert (answer.status_code, answer.json()["detail"]) == (
                400,
                f"{name}: {ip} is no IP address",
            )
        for path in ("/alerts?src_ip", "/packets?src_ip", "/packets?dst_ip"):
            answer = client.get(f"{path}={ip}")
            assert answer.status_code == 400
            assert answer.json()["detail"] == f"{path.partition('?')[2]}: {ip} is no IP address"


def test_an_address_is_kept_in_one_spelling_and_found_in_any(centre: Centre):
    body = {"attack_type": "Scan", "src_ip": "FD00:0:0:0::00C2", "dst_ip": "fd00:0::c3"}
    with centre.client() as client:
        shown = client.post("/alerts", json=body).raise_for_status().json()
        assert (shown["src_ip"], shown["host"], shown["dst_ip"]) == (
            *("fd00::c2", "fd00::c2"),
            "fd00::c3",
        )
        for ip in ("fd00::c2", "FD00::C2", "fd00:0000:0::00c2"):
            (found,) = client.get(f"/alerts?src_ip={ip}").json()
            assert found["alert_id"] == shown["alert_id"]
            preview = client.post("/suppressions/preview", json={"match": {"src_ip": ip}})
            assert [one["id"] for one in preview.json()["newest"]] == [shown["id"]]
        decided = {"filter": {"src_ip": "FD00:0::C2"}, "action": "acknowledge", "reason": "known"}
        assert client.post("/alerts/bulk", json=decided).json()["changed"] == 1
        decided["filter"] = {"src_ip": "nowhere"}
        assert "filter.src_ip" in client.post("/alerts/bulk", json=decided).json()["detail"]


def explained(centre: Centre, **given: object) -> dict[str, Any]:
    """Return an alert by hand with its reasons."""
    body = {"attack_type": "Scan", "src_ip": "10.7.7.7"}
    with centre.client() as client:
        made = client.post("/alerts", json=body | given)
        assert made.status_code == 201, made.text
        shown = client.get(f"/alerts/{made.json()['alert_id']}")
    return dict(shown.json())


FEATURE = {
    "feature": "ports",
    "value": 240.0,
    "unit": "ports",
    "contribution": 2.5,
    "words": "many",
}


@pytest.mark.parametrize("none", [None, "null", ""])
def test_reasons_of_an_alert_by_hand_may_be_none(centre: Centre, none: str | None):
    shown = explained(centre, top_features=none, shap_values=none)
    assert (shown["top_features"], shown["shap_values"]) == ([], {})


@pytest.mark.parametrize("write", [json.dumps, lambda given: given])
def test_reasons_of_an_alert_by_hand_are_kept_as_json_or_as_text_that_holds_it(
    centre: Centre, write: Callable[[object], object]
):
    weights = {"a": 0.5, "ports": 3.0, "b": -2.0}
    shown = explained(centre, top_features=write([FEATURE]), shap_values=write(weights))
    assert list(shown["shap_values"].items()) == [("ports", 3.0), ("b", -2.0), ("a", 0.5)]
    assert shown["top_features"][0] == FEATURE | {"contribution": 3.0, "usual": None}
    assert shown["top_features"][1]["words"] == "b: -2"
    many = {f"f{number}": number for number in range(200)}
    kept = explained(centre, shap_values=write(many))["shap_values"]
    assert kept == {f"f{number}": number for number in range(190, 200)}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("shap_values", '{"a": "much"}'),
        ("shap_values", "[" * 10_000),
        ("shap_values", {f"f{number}": 1 for number in range(301)}),
        ("shap_values", "x" * 40_000),
        ("top_features", "[0.5"),
        ("top_features", '[{"feature": "a"}]'),
        ("top_features", [FEATURE] * 11),
        ("top_features", json.dumps([FEATURE] * 11)),
    ],
)
def test_reasons_that_cannot_be_kept_are_refused_by_name(centre: Centre, name: str, given: object):
    with centre.client() as client:
        body = {"attack_type": "Scan", "src_ip": "10.7.7.7", name: given}
        answer = client.post("/alerts", json=body)
    assert answer.status_code == 400
    assert name in answer.json()["detail"]


def test_lines_of_a_log_are_taken_with_levels_as_other_programs_write_them(centre: Centre):
    name = new_name()
    logs = [{"level": level, "message": level} for level in ("INFO", "WARN", "fatal")]
    with centre.client() as client:
        client.post("/devices", json={"device_id": name}).raise_for_status()
        client.post(f"/devices/{name}/logs", json={"logs": logs}).raise_for_status()
        shown = client.get(f"/devices/{name}/logs").json()
        warned = client.get(f"/logs?device_id={name}&level=WARNING").json()
    assert {line["message"]: line["level"] for line in shown} == {
        "INFO": "info",
        "WARN": "warning",
        "fatal": "error",
    }
    assert [line["message"] for line in warned] == ["WARN"]


def test_a_request_that_lacks_its_body_is_told_so(centre: Centre):
    with centre.client() as client:
        answer = client.post("/devices")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "a body is missing: JSON is expected"


def test_a_stream_token_needs_no_word_beside_the_wish(centre: Centre):
    with centre.client() as client:
        made = client.post("/auth/stream-tokens")
    assert (made.status_code, made.json()["kind"]) == (201, "stream")


def test_a_device_service_calls_its_devices_as_it_likes_and_who_told_is_in_the_audit(
    centre: Centre,
):
    name = f"Küche {new_name()}"
    headers = {"Authorization": f"Bearer {centre.token('operator')}"}
    url = f"ws://127.0.0.1:{centre.port}/ws/device"
    with connect(url, additional_headers=headers) as socket, centre.client() as client:
        socket.send(json.dumps({"device_id": f"{name}\n", "event_type": "connected"}))
        assert json.loads(socket.recv(timeout=10))["type"] == "error"
        socket.send(json.dumps({"device_id": name, "event_type": "connected"}))
        deadline = time.monotonic() + 20
        while not (events := client.get("/device-events", params={"device_id": name}).json()):
            assert time.monotonic() < deadline
        (entry,) = client.get("/audit", params={"target": name}).json()
    assert [event["event_type"] for event in events] == ["connected"]
    assert (entry["action"], entry["username"]) == ("device.event", "operator")


def test_an_alert_says_whether_there_is_evidence_and_where(centre: Centre):
    kept = msgspec.structs.replace(alert(77_101), evidence_sha256="ab" * 32)
    centre.told("evident-pi", kept, alert(77_102))
    with centre.client() as client:
        with_frames, without = (
            client.get(f"/alerts/{number:032x}").json()["evidence"] for number in (77_101, 77_102)
        )
    assert with_frames == {"sha256": "ab" * 32, "pcap": f"/api/v1/alerts/{77_101:032x}/pcap"}
    assert without is None
