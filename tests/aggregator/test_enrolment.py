"""Devices that come in by a code: once, in time, for whom it is, and as far as they are accepted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from aggregator.api.authenticator import FREE_FAILURES_OF_ADDRESS
from aggregator.broker_access import files_for, hash_for_broker
from aggregator.store.enrolments import LoginRow
from tests.aggregator.conftest import PASSWORD, Centre


def code_for(centre: Centre, username: str = "operator", **body: object) -> str:
    with centre.client(username) as client:
        return str(client.post("/enrollments", json=body).raise_for_status().json()["code"])


def show(centre: Centre, code: str, **more: object) -> httpx.Response:
    return httpx.post(f"{centre.url}/api/v1/enroll", json={"code": code} | more)


def test_a_code_enrols_one_device_and_its_key_opens_what_is_its_own(centre: Centre):
    code = code_for(centre, name="Cellar")
    given = show(centre, code.lower().replace("-", " "), device_id="by-code").json()
    assert (given["organization"], given["device_id"]) == ("default", "by-code")
    assert given["broker"]["username"] == "default.by-code"
    assert given["command_public_key"] == centre.run("command-key").stdout
    headers = {"Authorization": f"Bearer {given['api_key']}"}
    url = f"{centre.url}/api/v1/devices/by-code/heartbeat"
    assert httpx.post(url, headers=headers).is_success
    with centre.client() as client:
        device = client.get("/devices/by-code").json()
    assert (device["name"], device["type"], device["pending"]) == ("Cellar", "edge_ml", False)

    again = show(centre, code, device_id="by-code-2")
    assert again.status_code == 403
    assert "used" in again.json()["detail"]


def test_a_code_that_is_over_or_taken_back_enrols_nobody(centre: Centre):
    with centre.client("operator") as client:
        made = client.post("/enrollments", json={"device_id": "never"}).json()
        (listed,) = [e for e in client.get("/enrollments").json() if e["id"] == made["id"]]
        assert "code" not in listed
        assert client.delete(f"/enrollments/{made['id']}").status_code == 204
    assert show(centre, made["code"]).status_code == 403
    kept = b"".join(file.read_bytes() for file in centre.data.glob("edgewarden.duckdb*"))
    assert b"enrolment.create" in kept
    assert made["code"].encode() not in kept
    assert made["code"].replace("-", "").encode() not in kept


def test_a_code_for_a_name_is_for_no_other_device(centre: Centre):
    code = code_for(centre, device_id="named-one")
    assert show(centre, code, device_id="another").status_code == 409
    assert show(centre, code).json()["device_id"] == "named-one"


def test_only_an_admins_code_for_its_name_gives_a_device_other_keys(centre: Centre):
    old = show(centre, code_for(centre), device_id="twice").json()["api_key"]
    assert show(centre, code_for(centre), device_id="twice").status_code == 409
    assert show(centre, code_for(centre, device_id="twice")).status_code == 409
    assert show(centre, code_for(centre, "admin"), device_id="twice").status_code == 409
    mode = {"command": "set_mode", "parameters": {"mode": "suggest"}}
    with centre.client() as admin:
        admin.post("/devices/twice/commands", json=mode).raise_for_status()
    new = show(centre, code_for(centre, "admin", device_id="twice")).json()["api_key"]
    url = f"{centre.url}/api/v1/devices/twice/heartbeat"
    answers = [httpx.post(url, headers={"Authorization": f"Bearer {k}"}) for k in (old, new)]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert ended(centre, "twice") == ["another device has its name now"]


def ended(centre: Centre, device_id: str) -> list[str]:
    """Return why the commands of a device ended."""
    with centre.client() as client:
        rows = client.get(f"/devices/{device_id}/commands").raise_for_status().json()
    return [row["detail"] for row in rows if row["state"] == "expired"]


def test_a_code_ends_with_the_right_of_who_made_it(centre: Centre):
    with centre.client() as admin:
        body = {"username": "leaving", "password": PASSWORD, "role": "operator"}
        leaving = admin.post("/users", json=body).raise_for_status().json()
        code = code_for(centre, "leaving", device_id="left-behind")
        admin.patch(f"/users/{leaving['id']}", json={"role": "viewer"}).raise_for_status()
    assert show(centre, code).status_code == 403


@contextmanager
def running(centre: Centre) -> Iterator[None]:
    centre.start()
    try:
        yield
    finally:
        assert centre.stop() == 0


def test_guessing_codes_is_slowed_down(tmp_path: Path):
    centre = Centre(tmp_path)
    with running(centre):
        tries = [
            show(centre, f"guess-{n}", device_id="x") for n in range(FREE_FAILURES_OF_ADDRESS + 1)
        ]
        assert tries[-1].status_code == 429
        assert int(tries[-1].headers["Retry-After"]) > 0
        assert {answer.status_code for answer in tries[:-1]} == {403}


def test_a_pending_devices_keys_open_nothing_until_an_admin_accepts_it(tmp_path: Path):
    centre = Centre(tmp_path)
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    centre.more["EDGEWARDEN_ENROLMENT__PENDING"] = "true"
    centre.more["EDGEWARDEN_ENROLMENT__BROKER_FILES"] = str(folder)
    with running(centre):
        given = [show(centre, code_for(centre, "admin"), device_id=name).json() for name in "ab"]
        assert [device["pending"] for device in given] == [True, True]
        url = f"{centre.url}/api/v1/devices/a/heartbeat"
        headers = {"Authorization": f"Bearer {given[0]['api_key']}"}
        assert httpx.post(url, headers=headers).status_code == 401
        with centre.client() as admin:
            assert admin.get("/devices/a").json()["pending"]
            assert admin.get("/enrollments/broker-files").json()["passwords"] == ""
            assert not admin.post("/devices/a/accept").raise_for_status().json()["pending"]
            assert admin.post("/devices/a/accept").status_code == 404
            mode = {"command": "set_mode", "parameters": {"mode": "suggest"}}
            admin.post("/devices/b/commands", json=mode).raise_for_status()
            assert admin.post("/devices/b/refuse").status_code == 204
            assert [device["device_id"] for device in admin.get("/devices").json()] == ["a"]
            actions = {entry["action"] for entry in admin.get("/audit").json()}
            assert {"device.enrol", "device.accept", "device.refuse"} <= actions
            listed = admin.get("/enrollments/broker-files").json()
        assert httpx.post(url, headers=headers).is_success
        show(centre, code_for(centre, "admin"), device_id="b").raise_for_status()
        assert ended(centre, "b") == ["the device was removed"]
        deadline = time.monotonic() + 10
        passwords = folder / "edgewarden.passwd"
        while not passwords.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert passwords.read_text() == listed["passwords"]
        assert listed["passwords"].startswith("default.a:$7$")
        assert given[0]["broker"]["password"] not in listed["passwords"]
        assert [file.stat().st_mode & 0o777 for file in folder.iterdir()] == [0o640, 0o640]


@pytest.mark.parametrize("setting", ["BROKER_FILES", "BROKER_CA_FILE"])
def test_what_enrolment_needs_and_cannot_use_is_said_at_the_start(tmp_path: Path, setting: str):
    missing = tmp_path / "missing"
    told = Centre(tmp_path).run("serve", **{f"EDGEWARDEN_ENROLMENT__{setting}": str(missing)})
    assert told.returncode in {1, 2}
    assert str(missing) in told.stderr
    assert "Traceback" not in told.stderr


def test_rules_let_a_device_say_and_hear_nothing_but_its_own():
    rules = files_for([LoginRow("acme", "pi-1", hash_for_broker("x"))]).rules
    topics = [line.split()[-1] for line in rules.splitlines() if line.startswith("topic")]
    assert "user acme.pi-1" in rules
    assert all(topic.startswith("edgewarden/v1/acme/pi-1/") for topic in topics)
    assert not any(char in topic for topic in topics for char in "+#")
    assert "topic write edgewarden/v1/acme/pi-1/commands\n" not in rules
