"""Cutting off and letting go from the API, with an agent on the real broker."""

import asyncio
import base64
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from aggregator.commands.signing import load_signer
from contract.commands import Isolate, Release
from contract.cuts import Part
from runtime.totp import code_at
from tests.aggregator.agents import Agent, Codes, agent, until
from tests.aggregator.conftest import PASSWORD, Centre, next_event
from tests.aggregator.messages import SECOND_NS, isolation, now_ns
from tests.brokers import mosquitto

pytestmark = pytest.mark.broker

DEVICE = "lift-pi"


def enrolled(client: httpx.Client) -> Codes:
    begun = client.post("/auth/totp", json={"password": PASSWORD}).raise_for_status().json()
    secret = base64.b32decode(begun["secret"])
    code = code_at(secret, int(time.time()) // 30)  # noqa: TID251
    done = client.post("/auth/totp/confirm", json={"authorization_code": code})
    return Codes(begun["secret"], done.raise_for_status().json()["recovery_codes"])


@pytest.fixture(scope="module")
def codes(centre: Centre) -> Codes:
    with centre.client("operator") as client:
        return enrolled(client)


@pytest_asyncio.fixture
async def api(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.async_client("operator") as client:
        yield client


@pytest_asyncio.fixture
async def device(centre: Centre, tmp_path: Path) -> AsyncIterator[Agent]:
    async with agent(centre, tmp_path, DEVICE) as running:
        yield running


async def known(api: httpx.AsyncClient, number: int) -> dict[str, Any]:
    """Wait until the centre knows of an isolation, and return it."""
    async with asyncio.timeout(10):
        while True:
            rows = (await api.get("/ports/isolations?active_only=false")).json()
            found = [row for row in rows if row["isolation_id"] == f"{number:032x}"]
            if found:
                return dict(found[0])
            await asyncio.sleep(0.05)


async def test_a_host_is_cut_off_prolonged_and_let_go_and_each_is_told_when_it_is_so(
    api: httpx.AsyncClient, device: Agent, codes: Codes
):
    body = {"device_id": DEVICE, "mac": "02:00:00:00:0B:01", "duration_s": 60, "reason": "why not"}
    answer = await api.post("/ports/isolate", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "Simulated: lift-pi runs dry, nobody was cut off"
    cut = answer.json()["isolation"]
    assert cut["notes"] == "dry run: nobody is cut off"
    assert (cut["state"], cut["is_active"]) == ("verified", True)
    assert (cut["isolated_mac"], cut["reason"]) == ("02:00:00:00:0b:01", "why not")

    answer = await api.post(f"/ports/extend-isolation/{cut['id']}", json={"duration_s": 3600})
    assert answer.status_code == 200, answer.text
    assert answer.json()["isolation"]["expires_at"] > cut["expires_at"]
    assert answer.json()["isolation"]["id"] == cut["id"]

    path = f"/ports/lift-isolation/{cut['id']}"
    answer = await api.post(path, json={"authorization_code": codes.take()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Port isolation lifted successfully"
    lifted = answer.json()["isolation"]
    assert (lifted["state"], lifted["is_active"]) == ("lifted", False)
    assert lifted["lifted_at"] > lifted["isolated_at"]
    assert lifted["lifted_by_user_id"] == (await api.get("/auth/me")).json()["id"]
    assert [type(command) for command in device.told] == [Isolate, Isolate, Release]

    answer = await api.post(path, json={"authorization_code": codes.take()})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the isolation is already lifted"


async def test_a_part_of_a_host_is_told_as_such_and_prolonged_as_such(
    api: httpx.AsyncClient, device: Agent
):
    pair = Part(kind="pair", peer_ip="192.168.1.10")
    told = msgspec.structs.replace(isolation(811), isolated_port=None, part=pair)
    await device.tell(told)
    cut = await known(api, 811)
    assert (cut["cut"], cut["part"]["peer_ip"]) == ("pair", "192.168.1.10")
    answer = await api.post(f"/ports/extend-isolation/{cut['id']}", json={"duration_s": 3600})
    assert answer.status_code == 200, answer.text
    assert isinstance(device.told[-1], Isolate)
    assert device.told[-1].part == pair
    assert answer.json()["isolation"]["cut"] == "pair"


async def test_an_isolation_ends_sooner_only_with_a_code(
    centre: Centre, api: httpx.AsyncClient, device: Agent
):
    with centre.client("admin") as admin:
        codes = enrolled(admin)
        api.headers["Authorization"] = admin.headers["Authorization"]
    long = msgspec.structs.replace(isolation(827), expires_ns=now_ns() + 3600 * SECOND_NS)
    await device.tell(long)
    path = f"/ports/extend-isolation/{(await known(api, 827))['id']}"
    for code in (None, "000000"):
        answer = await api.post(path, json={"duration_s": 60, "authorization_code": code})
        assert answer.status_code == 401, answer.text
        assert "authorization" in answer.json()["detail"]
    assert device.told == []
    body = {"duration_s": 60, "authorization_code": codes.take()}
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert (await api.post(path, json=body | {"duration_s": 50})).status_code == 401  # used
    assert (await api.post(path, json={"duration_s": 7200})).status_code == 200
    body = {"authorization_code": codes.take()}
    (await api.post("/auth/totp/remove", json=body)).raise_for_status()


async def test_a_code_may_stand_in_the_address_and_the_name_of_the_device_does_too(
    api: httpx.AsyncClient, device: Agent, codes: Codes
):
    await device.tell(isolation(810, state="applied"))
    await known(api, 810)
    path = f"/ports/lift-isolation/{810:032x}?authorization_code={codes.take()}"
    assert (await api.post(path)).status_code == 200


async def test_without_a_right_code_nobody_is_let_go(
    api: httpx.AsyncClient, device: Agent, codes: Codes
):
    await device.tell(isolation(811, state="applied"))
    path = f"/ports/lift-isolation/{(await known(api, 811))['id']}"
    used = codes.take()
    await device.tell(isolation(812, state="applied"))
    other = f"/ports/lift-isolation/{(await known(api, 812))['id']}"
    assert (await api.post(other, json={"authorization_code": used})).status_code == 200
    for body in ({"authorization_code": used}, {"authorization_code": "000000"}, {}):
        answer = await api.post(path, json=body)
        assert answer.status_code == 401
        assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
        assert "authorization" in answer.json()["detail"]
    assert (await known(api, 811))["is_active"]
    assert [type(command) for command in device.told] == [Release]


async def test_what_a_device_holds_by_its_own_word_can_be_lifted_whatever_time_it_is(
    centre: Centre, api: httpx.AsyncClient
):
    late = msgspec.structs.replace(isolation(822), expires_ns=now_ns() - SECOND_NS)
    async with centre.device("lift-late") as silent:
        await silent.tell(late)
    cut = await known(api, 822)
    assert (cut["state"], cut["is_active"]) == ("verified", False)
    extended = await api.post(f"/ports/extend-isolation/{cut['id']}", json={"duration_s": 60})
    assert extended.status_code == 400
    asked = await api.post(f"/ports/lift-isolation/{cut['id']}")
    assert asked.status_code == 401, asked.text  # for a code


async def test_who_lets_go_is_told_what_else_still_cuts_the_host_off(
    centre: Centre, api: httpx.AsyncClient, device: Agent, codes: Codes
):
    mac = "02:00:00:00:0b:23"
    host = {"host": mac, "isolated_mac": mac, "isolated_port": None}
    for number in (823, 824):  # the agent here runs dry: the other one cuts nobody off
        await device.tell(msgspec.structs.replace(isolation(number), **host))
    async with centre.device("lift-beside") as beside:
        await beside.tell(msgspec.structs.replace(isolation(825), **host))
        await beside.tell(msgspec.structs.replace(isolation(826), isolated_port="eth9"))
    cut, other = await known(api, 823), await known(api, 825)
    path = f"/ports/lift-isolation/{cut['id']}"
    answer = await api.post(path, json={"authorization_code": codes.take()})
    assert answer.status_code == 200, answer.text
    still = f"it is still cut off by isolation {other['id']} until {other['expires_at']}"
    assert answer.json()["message"] == f"Port isolation lifted successfully; {still}"


async def test_who_has_no_authenticator_is_told_how_to_enrol(
    centre: Centre, api: httpx.AsyncClient, device: Agent
):
    await device.tell(isolation(813, state="applied"))
    path = f"/ports/lift-isolation/{(await known(api, 813))['id']}"
    headers = {"Authorization": f"Bearer {await asyncio.to_thread(centre.token, 'admin')}"}
    answer = await api.post(path, json={"authorization_code": "123456"}, headers=headers)
    assert answer.status_code == 401
    assert "POST /api/v1/auth/totp " in answer.json()["detail"]


async def test_what_the_device_could_not_do_is_not_called_done(
    api: httpx.AsyncClient, device: Agent, codes: Codes
):
    await device.tell(isolation(814, state="applied"))
    path = f"/ports/lift-isolation/{(await known(api, 814))['id']}"
    device.refuses = True
    answer = await api.post(path, json={"authorization_code": codes.take()})
    assert answer.status_code == 409
    assert "the kernel says no" in answer.json()["detail"]
    assert (await known(api, 814))["is_active"]
    await device.let_go(f"{814:032x}")
    async with asyncio.timeout(10):
        while (row := await known(api, 814))["state"] != "lifted":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert row["lifted_by_user_id"] is None  # it was not by that command


async def test_a_device_that_believes_another_centre_says_so_at_once(
    centre: Centre, api: httpx.AsyncClient, tmp_path: Path
):
    other = load_signer(tmp_path).public_pem()
    async with agent(centre, tmp_path, "other-centres-pi", other) as device:
        body = {"device_id": "other-centres-pi", "mac": "02:00:00:00:0b:03", "duration_s": 60}
        answer = await api.post("/ports/isolate", json=body)
        assert answer.status_code == 409
        assert "the device believes the key" in answer.json()["detail"]
        assert device.told == []


async def test_a_slow_device_is_202_and_the_feed_tells_when_it_is_done(
    centre: Centre, api: httpx.AsyncClient, device: Agent, codes: Codes
):
    await device.tell(isolation(815, state="applied"))
    path = f"/ports/lift-isolation/{(await known(api, 815))['id']}"
    device.late_s = 2.5
    async with centre.watch("?types=command,isolation") as socket:
        answer = await api.post(path, json={"authorization_code": codes.take()})
        assert answer.status_code == 202
        assert answer.json()["state"] == "received"
        assert answer.json()["isolation"]["is_active"]
        again = await api.post(path, json={"authorization_code": codes.take()})
        assert again.json()["command_id"] == answer.json()["command_id"]
        while (await next_event(socket, "command"))["data"]["state"] != "verified":
            pass
    row = await known(api, 815)
    assert (row["state"], row["lifted_by_user_id"] is None) == ("lifted", False)


async def test_isolations_come_in_pages_and_are_counted(api: httpx.AsyncClient, device: Agent):
    for number in (830, 831):
        await device.tell(isolation(number, state="applied"))
        await known(api, number)
    pages = [await api.get(f"/ports/isolations?limit=1&skip={skip}") for skip in (0, 1)]
    (newer,), (older,) = (page.json() for page in pages)
    assert newer["id"] != older["id"]
    assert newer["isolated_at"] >= older["isolated_at"]
    assert int(pages[0].headers["X-Total-Count"]) >= 2
    everybody = await api.get("/ports/isolations?active_only=false&limit=1")
    assert int(everybody.headers["X-Total-Count"]) >= int(pages[0].headers["X-Total-Count"])


async def test_a_lift_waits_for_a_device_that_is_away_and_is_done_when_it_comes(
    centre: Centre, api: httpx.AsyncClient, tmp_path: Path, codes: Codes
):
    async with agent(centre, tmp_path, "away-pi") as running:
        await running.tell(isolation(816, state="applied"))
        row = await known(api, 816)
    path = f"/ports/lift-isolation/{row['id']}"
    answer = await api.post(path, json={"authorization_code": codes.take()})
    assert answer.status_code == 202
    assert answer.json()["state"] == "sent"
    async with agent(centre, tmp_path, "away-pi") as running:
        await until(lambda: running.told)
        async with asyncio.timeout(10):
            while True:
                (command,) = (await api.get("/devices/away-pi/commands")).json()
                if command["state"] == "verified":
                    break
                await asyncio.sleep(0.05)
    assert (await known(api, 816))["state"] == "lifted"


async def test_a_lift_outlives_an_outage_of_the_broker_and_a_kill_of_the_centre(tmp_path: Path):
    centre = Centre(tmp_path)
    centre.more["EDGEWARDEN_BROKER__HOST"] = "127.0.0.1"
    async with mosquitto(tmp_path, centre.broker_port):
        await asyncio.to_thread(centre.start)
        with centre.client() as client:
            codes = enrolled(client)
        async with agent(centre, tmp_path, "outage-pi") as running:
            await running.tell(isolation(818, state="applied"))
            async with centre.async_client("admin") as api:
                path = f"/ports/lift-isolation/{(await known(api, 818))['id']}"
                await _kill_broker(tmp_path)
                answer = await api.post(path, json={"authorization_code": codes.take()})
                assert (answer.status_code, answer.json()["state"]) == (202, "queued")
                centre.stop(signal.SIGKILL)
                async with mosquitto(tmp_path, centre.broker_port):
                    await asyncio.to_thread(centre.start)
                    async with asyncio.timeout(30):
                        while (await known(api, 818))["state"] != "lifted":  # noqa: ASYNC110
                            await asyncio.sleep(0.1)
                    assert [type(command) for command in running.told] == [Release]
                    await asyncio.to_thread(centre.stop)


async def _kill_broker(folder: Path) -> None:
    pid = int((folder / "mosquitto.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.2)


async def test_what_makes_no_sense_is_refused_before_anybody_is_told(
    api: httpx.AsyncClient, device: Agent
):
    body = {"device_id": DEVICE, "duration_s": 60}
    both = {"mac": "02:00:00:00:0b:01", "bridge_port": "lan1"}
    group = {"mac": "01:00:5e:00:00:01"}
    everybody = {"mac": "ff:ff:ff:ff:ff:ff"}
    for more in ({}, both, group, everybody, {"bridge_port": "lan1", "duration_s": 0}):
        assert (await api.post("/ports/isolate", json=body | more)).status_code == 400
    assert device.told == []
    for name in ("0", "nobody", "-1", "9" * 30, "f" * 32):
        answer = await api.post(f"/ports/lift-isolation/{name}", json={})
        assert answer.status_code == 404


async def test_nobody_waits_for_a_device_without_an_agent_to_cut(
    centre: Centre, api: httpx.AsyncClient
):
    with centre.client() as admin:
        admin.post("/devices", json={"device_id": "lift-lamp"}).raise_for_status()
    body = {"device_id": "lift-lamp", "mac": "02:00:00:00:0b:01", "duration_s": 60}
    answer = await api.post("/ports/isolate", json=body)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("lift-lamp has no agent that could: name the device")
    assert not (await api.get("/devices/lift-lamp/commands")).json()


async def test_every_command_is_in_the_audit_and_no_code_is(
    centre: Centre, api: httpx.AsyncClient, device: Agent, codes: Codes
):
    await device.tell(isolation(817, state="applied"))
    code = codes.take()
    path = f"/ports/lift-isolation/{(await known(api, 817))['id']}"
    command_id = (await api.post(path, json={"authorization_code": code})).json()["command_id"]
    with centre.client() as admin:
        entries = admin.get("/audit?action=isolation.lift").json()
        assert entries[0]["target"] == f"{817:032x}"
        assert entries[0]["detail"] == command_id
        assert entries[0]["username"] == "operator"
        everything = admin.get("/audit?limit=1000").text
    for secret in (code, code.replace("-", ""), codes.secret):
        assert secret not in everything
        assert secret not in centre.log.read_text()


async def test_an_order_given_twice_altered_or_for_another_is_refused_and_counted(
    centre: Centre, api: httpx.AsyncClient, device: Agent
):
    heard: list[bytes] = []
    async with centre.device("eavesdropper") as spy:
        await spy.client.subscribe(f"edgewarden/v1/default/{DEVICE}/commands", qos=1)
        body = {"device_id": DEVICE, "mac": "02:00:00:00:0b:02", "duration_s": 60}
        assert (await api.post("/ports/isolate", json=body)).status_code == 201
        async with asyncio.timeout(5):
            async for message in spy.client.messages:
                if str(message.topic).endswith("/commands"):
                    heard.append(message.payload)
                    break
        altered = bytearray(heard[0])
        altered[heard[0].index(b"02:00:00:00:0b:02")] ^= 1
        topic = f"edgewarden/v1/default/{DEVICE}/commands"
        for payload in (heard[0], bytes(altered)):
            await spy.client.publish(topic, payload, qos=1)
        counted = device.commands.counters
        await until(lambda: counted["command_seen_before"] and counted["command_badly_signed"])
    assert len(device.told) == 1


async def test_the_key_for_agents_is_public_and_the_other_half_is_nobody_elses(centre: Centre):
    printed = await asyncio.to_thread(centre.run, "command-key")
    assert printed.stdout.startswith("-----BEGIN PUBLIC KEY-----\n")
    for name in ("commands.key", "codes.key", "jwt.key"):
        assert (centre.data / name).stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in printed.stdout
