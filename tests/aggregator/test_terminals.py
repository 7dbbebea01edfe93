"""Terminals on devices over SSH, on a real SSH server."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aggregator.api.terminals import MOST_EARLY
from aggregator.shell.shells import FREE_REFUSALS
from runtime import totp
from tests.aggregator.conftest import PASSWORD, Centre
from tests.aggregator.ssh import SECRET, USER, SshServer, add

LOOPBACK = "127.0.0.1"
OPERATOR = (
    "terminal-operator"  # of this file alone: without an authenticator, whatever others enrol
)


@pytest.fixture(scope="module", autouse=True)
def operator(centre: Centre) -> None:
    body = {"username": OPERATOR, "password": PASSWORD, "role": "operator"}
    with centre.client() as admin:
        admin.post("/users", json=body).raise_for_status()


@asynccontextmanager
async def socket_to(centre: Centre, who: str = OPERATOR) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {centre.token(who)}"}
    url = f"ws://{LOOPBACK}:{centre.port}/ws/terminal"
    async with connect(url, additional_headers=headers) as socket:
        yield socket


async def say(socket: ClientConnection, kind: str, **what: object) -> None:
    await socket.send(json.dumps({"type": kind} | what))


async def hear(socket: ClientConnection, kind: str, **what: object) -> dict[str, Any]:
    """Return the next message of a kind that says so much."""
    async with asyncio.timeout(15):
        async for text in socket:
            message = json.loads(text)
            if message["type"] == kind and what.items() <= message.items():
                return dict(message)
    raise AssertionError(kind)


async def until_shown(socket: ClientConnection, words: str) -> str:
    shown = ""
    while words not in shown:
        shown += (await hear(socket, "data"))["data"]
    return shown


def way_in(server: SshServer, **more: object) -> dict[str, object]:
    known = {"host": LOOPBACK, "port": server.port, "username": USER, "password": SECRET}
    return known | more


def terminals_of(centre: Centre, device_id: str) -> list[dict[str, Any]]:
    with centre.client(OPERATOR) as client:
        return [one for one in client.get("/terminals").json() if one["device_id"] == device_id]


async def closed(centre: Centre, device_id: str) -> dict[str, Any]:
    for _ in range(200):
        found = terminals_of(centre, device_id)
        if found and found[0]["closed_at"] is not None:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def test_an_operator_works_in_a_terminal_and_what_it_showed_is_replayed(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    device_id = add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "connect", **way_in(server))
        await hear(socket, "status", status="connected")
        await say(socket, "input", data="echo $((6*7))-answer; stty size\n")
        assert "42-answer" in await until_shown(socket, "24 80")
        await say(socket, "resize", rows=40, cols=120)
        await say(socket, "input", data="exit\n")
        ended = await hear(socket, "status", status="disconnected")
    assert ended["reason"] == "the shell ended"
    row = await closed(centre, device_id)
    assert (row["username"], row["ssh_username"], row["reason"]) == (
        OPERATOR,
        USER,
        "the shell ended",
    )
    with centre.client(OPERATOR) as client:
        lines = client.get(f"/terminals/{row['id']}/recording").text.splitlines()
    head, *events = map(json.loads, lines)
    assert (head["version"], head["width"], head["height"]) == (2, 80, 24)
    assert "42-answer" in "".join(data for _, kind, data in events if kind == "o")
    assert [data for _, kind, data in events if kind == "r"] == ["120x40"]
    assert {kind for _, kind, _ in events} == {"o", "r"}
    file = centre.data / "terminals" / f"{row['id']}.cast"
    assert file.stat().st_mode & 0o777 == 0o600
    with centre.client() as client:
        entries = client.get("/audit?action=terminal").json()
    actions = [entry["action"] for entry in entries if entry["target"] == device_id]
    assert actions == ["terminal.close", "terminal.open"]


async def test_what_is_said_while_the_device_opens_holds_once_it_has(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "resize", rows=30, cols=90)
        for size in ({}, {"rows": 24, "cols": 80}):
            await say(socket, "connect", **way_in(server), **size)
            await say(socket, "input", data="echo $((6*7))-early; ")
            if size:
                await say(socket, "resize", rows=40, cols=120)
            await say(socket, "input", data="stty size; exit\n")
            shown = await until_shown(socket, "40 120" if size else "30 90")
            assert "42-early" in shown
            await hear(socket, "status", status="disconnected")
        await say(socket, "input", data="x")
        heard = await hear(socket, "error")
    assert heard["error"] == "no terminal is open: connect first"


async def test_what_is_typed_while_a_device_opens_is_bounded_and_gone_when_it_does_not(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "connect", **way_in(server, password="wrong"))
        await say(socket, "input", data="echo se''cret\n")
        await say(socket, "input", data="x" * MOST_EARLY)
        assert "before the device opens" in (await hear(socket, "error"))["error"]
        assert "are refused" in (await hear(socket, "error"))["error"]
        await say(socket, "connect", **way_in(server))
        await hear(socket, "status", status="connected")
        await say(socket, "input", data="echo do''ne\n")
        assert "secret" not in await until_shown(socket, "done")


async def test_a_client_may_say_again_who_it_is_and_a_port_as_text(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "auth", token=centre.token(OPERATOR))
        await say(socket, "connect", **way_in(server, port=str(server.port)))
        assert (await hear(socket, "status"))["status"] == "connecting"
        await hear(socket, "status", status="connected")


@pytest.mark.parametrize("who", ["viewer", "analyst"])
async def test_a_terminal_is_for_operators(centre: Centre, who: str):
    async with socket_to(centre, who) as socket:
        told = json.loads(await socket.recv())
        assert told["type"] == "error"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4403


async def test_nobody_gets_a_terminal_without_a_token(centre: Centre):
    async with connect(f"ws://{LOOPBACK}:{centre.port}/ws/terminal") as socket:
        await say(socket, "connect", host="x", username="x", password="x")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4401


async def test_a_terminal_leads_to_enrolled_devices_of_the_own_organization_alone(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        for other in ({"port": centre.broker_port}, {"host": "localhost"}, {"host": "10.1.2.3"}):
            await say(socket, "connect", **way_in(server, **other))
            assert "no device is enrolled" in (await hear(socket, "error"))["error"]
    async with socket_to(centre, "stranger") as socket:
        await say(socket, "connect", **way_in(server))
        assert "no device is enrolled" in (await hear(socket, "error"))["error"]
    assert server.commands == ""


async def test_a_wrong_password_is_told_and_another_try_may_be_right(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "connect", **way_in(server, password="wrong"))
        assert "refused" in (await hear(socket, "error"))["error"]
        await say(socket, "connect", **way_in(server))
        await hear(socket, "status", status="connected")
        await say(socket, "connect", **way_in(server))
        assert "a terminal is open" in (await hear(socket, "error"))["error"]


async def test_who_tries_many_passwords_has_to_wait_before_the_device_is_asked_again(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    told: list[str] = []
    async with socket_to(centre) as socket:
        while len(told) < 2 * FREE_REFUSALS and "too many" not in "".join(told):
            await say(socket, "connect", **way_in(server, password=f"guess-{len(told)}"))
            told.append((await hear(socket, "error"))["error"])
    assert all("are refused" in answer for answer in told[:-1])
    assert len(told) > FREE_REFUSALS
    assert "too many failed attempts: wait" in told[-1]


@pytest.mark.parametrize(
    "said", ["", "{}", "[" * 5000, '{"type":"input"}', '{"type":"resize","rows":0,"cols":1}']
)
async def test_what_is_no_message_is_answered_with_what_is_expected(centre: Centre, said: str):
    async with socket_to(centre) as socket:
        await socket.send(said)
        assert "expected: connect" in (await hear(socket, "error"))["error"]
        await say(socket, "input", data="x")
        assert "no terminal is open" in (await hear(socket, "error"))["error"]


async def test_a_password_is_neither_in_a_recording_nor_in_the_log(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    device_id = add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "connect", **way_in(server))
        await hear(socket, "status", status="connected")
        await say(socket, "input", data="stty -echo; echo rea''dy\n")
        await until_shown(socket, "ready")
        await say(socket, "input", data="read secret\nhunter2-typed\necho do''ne\n")
        await until_shown(socket, "done")
    row = await closed(centre, device_id)
    assert row["reason"] == "the client left"
    recorded = (centre.data / "terminals" / f"{row['id']}.cast").read_text()
    assert "done" in recorded
    for secret in ("hunter2-typed", SECRET):
        assert secret not in recorded
        assert secret not in centre.log.read_text()


async def test_a_flood_of_output_is_passed_on_whole_while_others_are_served(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    async with socket_to(centre) as socket:
        await say(socket, "connect", **way_in(server))
        await hear(socket, "status", status="connected")
        await say(socket, "input", data="seq 1 60000; echo en''d\n")
        began_s = time.monotonic()
        assert (await asyncio.to_thread(httpx.get, f"{centre.url}/health")).status_code == 200
        assert time.monotonic() - began_s < 5
        shown = await until_shown(socket, "end")
    assert shown.replace("\r", "").count("\n") >= 60_000


async def test_a_persons_authenticator_is_asked_for(
    centre: Centre, manager: httpx.Client, server: SshServer
):
    add(manager, server)
    name = f"careful-{server.port}"
    body = {"username": name, "password": PASSWORD, "role": "operator"}
    with centre.client() as admin:
        admin.post("/users", json=body).raise_for_status()
    with centre.client(name) as client:
        enrolled = client.post("/auth/totp", json={"password": PASSWORD}).raise_for_status().json()
        secret = base64.b32decode(enrolled["secret"])
        code = totp.code_at(secret, time.time_ns() // 10**9 // 30)
        answer = client.post("/auth/totp/confirm", json={"authorization_code": code})
        recovery = answer.raise_for_status().json()["recovery_codes"]
    async with socket_to(centre, name) as socket:
        await say(socket, "connect", **way_in(server))
        assert "authorization_code is missing" in (await hear(socket, "error"))["error"]
        await say(socket, "connect", **way_in(server, authorization_code=recovery[0]))
        await hear(socket, "status", status="connected")
    async with socket_to(centre, name) as socket:
        await say(socket, "connect", **way_in(server, authorization_code=recovery[0]))
        assert "wrong or was used" in (await hear(socket, "error"))["error"]


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Centre]:
    """An aggregator that waits for nothing long and allows little."""
    centre = Centre(tmp_path / "hasty")
    for name, value in {
        "IDLE_S": "1",
        "COMMAND_S": "1",
        "MOST_LINES_EACH": "1",
        "FIRST_KEY": "ask",
    }.items():
        centre.more[f"EDGEWARDEN_SHELL__{name}"] = value
    centre.data.mkdir(parents=True)
    centre.start()
    yield centre
    assert centre.stop() == 0, centre.log.read_text()


def test_a_first_key_may_have_to_be_accepted(hasty: Centre, server: SshServer):
    headers = {"Authorization": f"Bearer {hasty.token()}"}
    with httpx.Client(base_url=f"{hasty.url}/api", headers=headers, timeout=30) as manager:
        device_id = add(manager, server)
        refused = manager.get(f"/devices/{device_id}/metrics")
        assert refused.status_code == 409
        assert server.fingerprint in refused.json()["detail"]
        manager.put(
            f"/v1/devices/{device_id}/host-key", json={"host_key": server.fingerprint}
        ).raise_for_status()
        manager.get(f"/devices/{device_id}/metrics").raise_for_status()


async def test_silence_ends_a_terminal_and_nothing_waits_for_long(
    hasty: Centre, server: SshServer
):
    headers = {"Authorization": f"Bearer {hasty.token()}"}
    with httpx.Client(base_url=f"{hasty.url}/api", headers=headers, timeout=30) as manager:
        device_id = add(manager, server)
        known = {"host_key": server.fingerprint}
        where = f"/v1/devices/{device_id}/host-key"
        (await asyncio.to_thread(manager.put, where, json=known)).raise_for_status()
        async with socket_to(hasty, "admin") as socket:
            await say(socket, "connect", **way_in(server))
            await hear(socket, "status", status="connected")
            busy = await asyncio.to_thread(manager.get, f"/devices/{device_id}/metrics")
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")
            ended = await hear(socket, "status", status="disconnected")
            assert "nothing was typed" in ended["reason"]
        server.hang()
        slow = await asyncio.to_thread(manager.get, f"/devices/{device_id}/metrics")
        assert slow.status_code == 502
        assert "takes too long" in slow.json()["detail"]
