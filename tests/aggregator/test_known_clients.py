"""What programs written for other servers of this kind count on."""

import pytest

from tests.aggregator.access import new_name
from tests.aggregator.conftest import Centre


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
