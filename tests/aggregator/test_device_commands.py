"""Commands to devices over REST: queued by people, fetched and moved on by the device's own key."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.aggregator.conftest import TLS, Centre, next_event

DEVICE = "/devices/polling-esp"
REBOOT = {"command": "reboot", "parameters": {"after_s": 5}}


@pytest.fixture(scope="module")
def key(centre: Centre) -> str:
    with centre.client() as admin:
        body = {"device_id": "polling-esp", "type": "esp32"}
        return str(admin.post("/devices", json=body).raise_for_status().json()["api_key"])


@pytest.fixture
def device(centre: Centre, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"{centre.url}/api/v1", headers=headers, verify=TLS) as client:
        yield client


@pytest.fixture
def command(centre: Centre, key: str) -> dict[str, Any]:
    assert key
    with centre.client("operator") as client:
        answer = client.post(f"{DEVICE}/commands", json=REBOOT)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def state(centre: Centre, command: dict[str, Any]) -> str:
    with centre.client("viewer") as client:
        listed = client.get(f"{DEVICE}/commands").json()
    (found,) = [row for row in listed if row["command_id"] == command["command_id"]]
    return str(found["state"])


def test_commands_come_in_pages_and_are_counted(centre: Centre, command: dict[str, Any]):
    with centre.client("operator") as client:
        client.post(f"{DEVICE}/commands", json=REBOOT).raise_for_status()
        whole = client.get(f"{DEVICE}/commands")
        page = client.get(f"{DEVICE}/commands?skip=1&limit=1")
    assert command in whole.json()
    assert page.json() == whole.json()[1:2]
    assert page.headers["x-total-count"] == str(len(whole.json()))


def test_a_device_fetches_its_commands_and_says_that_it_has_carried_one_out(
    centre: Centre, device: httpx.Client, command: dict[str, Any]
):
    assert (command["state"], command["command"]) == ("queued", "reboot")
    assert command["parameters"] == {"after_s": 5}
    assert command["username"] == "operator"
    path = f"{DEVICE}/commands/{command['command_id']}"
    assert state(centre, command) == "queued"  # a person who looks does not move it
    for _ in range(2):  # an answer that got lost is given again
        given = device.get(f"{DEVICE}/commands").json()
        assert command["command_id"] in [row["command_id"] for row in given]
    assert state(centre, command) == "sent"
    assert device.put(path, json={"status": "executed"}).json()["state"] == "applied"
    given = device.get(f"{DEVICE}/commands").json()
    assert command["command_id"] not in [row["command_id"] for row in given]
    back = device.put(path, json={"status": "received"})
    assert back.json()["state"] == "applied"


def test_a_device_that_says_nothing_more_means_that_it_has_done_it(
    device: httpx.Client, command: dict[str, Any]
):
    path = f"{DEVICE}/commands/{command['command_id']}"
    assert device.put(path).json()["state"] == "applied"


def test_a_device_says_why_it_could_not(device: httpx.Client, command: dict[str, Any]):
    path = f"{DEVICE}/commands/{command['command_id']}"
    told = device.put(path, json={"status": "failed", "detail": "no flash left"}).json()
    assert (told["state"], told["detail"]) == ("failed", "no flash left")


def test_nobody_but_the_device_says_how_far_it_is(centre: Centre, command: dict[str, Any]):
    path = f"{DEVICE}/commands/{command['command_id']}"
    with centre.client("admin") as client:
        assert client.put(path, json={"status": "executed"}).status_code == 403
    assert state(centre, command) == "queued"


async def test_the_feed_tells_how_far_a_command_is(centre: Centre, key: str):
    async with centre.watch("?types=command") as socket:
        async with httpx.AsyncClient(base_url=f"{centre.url}/api/v1", verify=TLS) as client:
            person = {"Authorization": f"Bearer {centre.token('operator')}"}
            made = await client.post(f"{DEVICE}/commands", json=REBOOT, headers=person)
            await client.get(f"{DEVICE}/commands", headers={"Authorization": f"Bearer {key}"})
        told: list[str] = []
        while "sent" not in told:
            event = (await next_event(socket, "command"))["data"]
            if event["command_id"] == made.json()["command_id"]:
                told.append(event["state"])
    assert told == ["queued", "sent"]


async def test_what_a_removed_device_was_to_do_reaches_no_other_of_its_name(centre: Centre):
    path, lamp = "/devices/lamp/commands", {"device_id": "lamp", "type": "esp32"}
    with centre.client() as admin, centre.client("operator") as operator:
        admin.post("/devices", json=lamp).raise_for_status()
        made = operator.post(path, json={"command": "unlock"}).raise_for_status().json()
        async with centre.watch("?types=command") as socket:
            admin.delete("/devices/lamp").raise_for_status()
            told = (await next_event(socket, "command"))["data"]
        assert [told[name] for name in ("command_id", "state")] == [made["command_id"], "expired"]
        assert told["detail"] == "the device was removed"
        key = admin.post("/devices", json=lamp).raise_for_status().json()["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers, verify=TLS) as device:
            given = await device.get(f"{centre.url}/api/v1{path}")
        assert given.json() == []
        (kept,) = operator.get(path).json()
    assert (kept["state"], kept["expires_at"]) == ("expired", told["expires_at"])


def test_an_agent_is_told_only_what_it_understands_and_no_lift_goes_past_the_code(centre: Centre):
    with centre.client() as admin:
        agent = {"device_id": "poll-agent", "type": "edge_ml"}
        admin.post("/devices", json=agent).raise_for_status()
    path = "/devices/poll-agent/commands"
    with centre.client("operator") as client:
        mode = {"command": "set_mode", "parameters": {"mode": "suggest"}}
        assert client.post(path, json=mode).json()["state"] in {"queued", "sent"}
        for body in (
            REBOOT,
            {"command": "set_mode", "parameters": {"mode": "panic"}},
            {"command": "release", "parameters": {"isolation_id": "a" * 32, "reason": "x"}},
        ):
            assert client.post(path, json=body).status_code == 400, body


def test_what_is_too_long_is_refused(centre: Centre, key: str):
    assert key
    with centre.client("operator") as client:
        long = {"command": "say", "parameters": {"text": "x" * 9000}}
        assert client.post(f"{DEVICE}/commands", json=long).status_code == 400
        assert client.post(f"{DEVICE}/commands", json={"command": "Bad Name"}).status_code == 400
