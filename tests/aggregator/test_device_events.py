"""Device events and presence: who came, who is late, who went; each change told once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aggregator.errors import ConflictError
from aggregator.live import LiveFeed, Watcher
from aggregator.presence import PresenceKeeper, Service
from aggregator.store.database import Database
from aggregator.store.device_events import (
    KEPT_EVENTS,
    DeviceKey,
    EventFilter,
    EventType,
    add_event,
    count_events,
    set_connected,
    trim_events,
)
from aggregator.store.devices import (
    LATE_NS,
    STALE_NS,
    NewDevice,
    add_device,
    count_active_devices,
    find_devices,
)
from tests.aggregator.conftest import Centre, close_code_of
from tests.aggregator.messages import SECOND_NS, health, now_ns, presence

EXPECTED = "expected: device_id (text) and event_type (connected or disconnected)"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """An aggregator that takes device events from everybody."""
    centre = Centre(tmp_path_factory.mktemp("opened"))
    centre.more["EDGEWARDEN_DEVICE_EVENTS__OPEN"] = "true"
    centre.start()
    yield centre
    assert centre.stop() == 0
    assert "Traceback" not in centre.log.read_text(), centre.log.read_text()


@asynccontextmanager
async def opened_socket(
    centre: Centre, path: str, token: str | None = None
) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"ws://127.0.0.1:{centre.port}{path}"
    async with asyncio.timeout(20), connect(url, additional_headers=headers) as socket:
        yield socket


async def received(socket: ClientConnection, device_id: str) -> dict[str, Any]:
    """Return the next event of a device."""
    async for text in socket:
        event: dict[str, Any] = json.loads(text)
        if event.get("device_id") == device_id:
            return event
    pytest.fail("the socket was closed")


def told(device_id: str, event_type: str = "connected") -> str:
    return json.dumps({"device_id": device_id, "event_type": event_type})


def device_key(centre: Centre, device_id: str) -> str:
    with centre.client() as client:
        answer = client.post("/devices", json={"device_id": device_id})
    return str(answer.json()["api_key"])


async def test_what_a_device_service_tells_reaches_the_frontend_and_is_kept(opened: Centre):
    async with (
        opened_socket(opened, "/ws/frontend") as frontend,
        opened_socket(opened, "/ws/device") as service,
    ):
        for event_type in ("connected", "disconnected"):
            await service.send(told("PC-01", event_type))
            event = await received(frontend, "PC-01")
            assert event.keys() == {"id", "device_id", "event_type", "timestamp"}
            assert event["event_type"] == event_type
            assert event["timestamp"].endswith("Z")
    with opened.client() as client:
        answer = client.get("/device-events?device_id=PC-01")
    assert answer.headers["x-total-count"] == "2"
    assert [kept["event_type"] for kept in answer.json()] == ["disconnected", "connected"]
    assert answer.json()[0] == event


@pytest.mark.parametrize("path", ["/ws/device", "/ws/frontend"])
async def test_device_events_are_closed_to_who_shows_no_token(centre: Centre, path: str):
    async with opened_socket(centre, path) as socket:
        await socket.send(told("pc"))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4401


async def test_a_device_tells_of_itself_alone_with_its_key(centre: Centre):
    key = await asyncio.to_thread(device_key, centre, "event-1")
    async with (
        opened_socket(centre, "/ws/frontend", centre.token("viewer")) as frontend,
        opened_socket(centre, "/ws/device", key) as device,
    ):
        await device.send(told("event-2"))
        refused = json.loads(await device.recv())
        assert refused["type"] == "error"
        await device.send(told("event-1"))
        assert (await received(frontend, "event-1"))["event_type"] == "connected"


@pytest.mark.parametrize(("role", "may"), [("analyst", False), ("operator", True)])
async def test_people_tell_of_devices_as_operators(centre: Centre, role: str, *, may: bool):
    async with (
        opened_socket(centre, "/ws/frontend", centre.token("viewer")) as frontend,
        opened_socket(centre, "/ws/device", centre.token(role)) as socket,
    ):
        await socket.send(told("by-people"))
        if may:
            assert await received(frontend, "by-people")
        else:
            assert json.loads(await socket.recv())["type"] == "error"


async def test_another_organization_hears_nothing_of_our_devices(centre: Centre):
    async with (
        opened_socket(centre, "/ws/frontend", centre.token("stranger")) as frontend,
        opened_socket(centre, "/ws/device", centre.token("operator")) as service,
    ):
        await service.send(told("ours-alone"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await frontend.recv()
    with centre.client("stranger") as client:
        assert "ours-alone" not in client.get("/device-events").text


async def test_a_guest_who_shows_a_key_after_all_is_gone_when_the_key_is(opened: Centre):
    key = device_key(opened, "late-pi")
    async with opened_socket(opened, "/ws/device") as service:
        await service.send(json.dumps({"type": "auth", "token": key}))
        await service.send(told("another-pi"))
        assert "device's key" in json.loads(await service.recv())["message"]
        with opened.client() as client:
            client.post("/devices/late-pi/api-key").raise_for_status()
        assert await close_code_of(service) == 4401


@pytest.mark.parametrize(
    "said",
    [
        "x",
        "{}",
        told("a\nb"),
        told("a\n"),
        told(""),
        told("x" * 65),
        told("x", "exploded"),
        "[" * 5000,
    ],
)
async def test_what_is_no_event_is_answered_with_what_was_expected(opened: Centre, said: str):
    async with opened_socket(opened, "/ws/device") as service:
        await service.send(said)
        assert json.loads(await service.recv()) == {"type": "error", "message": EXPECTED}


async def test_the_word_of_a_guest_changes_no_presence(opened: Centre):
    await asyncio.to_thread(device_key, opened, "enrolled")
    async with (
        opened_socket(opened, "/ws/frontend") as frontend,
        opened_socket(opened, "/ws/device") as service,
    ):
        await service.send(told("enrolled"))
        await received(frontend, "enrolled")
    with opened.client() as client:
        assert client.get("/devices/enrolled/status").json()["status"] == "offline"


async def test_an_enrolled_device_is_online_while_a_service_says_so(centre: Centre):
    key = await asyncio.to_thread(device_key, centre, "event-3")
    async with opened_socket(centre, "/ws/device", key) as device, centre.watch() as watching:
        for event_type, status in (("connected", "online"), ("disconnected", "offline")):
            await device.send(told("event-3", event_type))
            event = await received(watching, "event-3")
            assert (event["type"], event["status"]) == ("presence", status)
            with centre.client() as client:
                shown = client.get("/devices/event-3/status").json()
            assert shown["status"] == status


async def test_an_agent_that_comes_over_mqtt_is_an_event_as_well(centre: Centre):
    async with (
        opened_socket(centre, "/ws/frontend", centre.token()) as frontend,
        centre.device("event-pi") as device,
    ):
        await device.publish(presence(), 1)
        await device.tell(health())
        await device.publish(presence(online=False), 2)
        assert (await received(frontend, "event-pi"))["event_type"] == "connected"
        assert (await received(frontend, "event-pi"))["event_type"] == "disconnected"


class Line:
    """A keeper with one enrolled device, and what it tells about it."""

    def __init__(self, database: Database, watcher: Watcher, keeper: PresenceKeeper) -> None:
        self.database = database
        self.keeper = keeper
        self._watcher = watcher

    async def take(
        self, event_type: EventType, service: Service | None = None, teller: str = "esp"
    ) -> None:
        """Let a service tell of the device; one that has gone again where none is given."""
        key = DeviceKey("ours", "esp")
        if service is not None:
            await self.keeper.take(service, key, event_type, teller=teller)
            return
        async with self.keeper.service() as passing:
            await self.keeper.take(passing, key, event_type, teller=teller)

    async def status(self, at_ns: int) -> str:
        (row,) = await find_devices(self.database, "ours", now_ns=at_ns)
        return row.status

    async def told(self) -> list[str]:
        """Return what was told since the last time."""
        self.keeper._live.publish("ours", "command", None)  # marks the end
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != "command":
            events += [json.loads(data) for data in await self._watcher.take()]
        return [event["data"].get("event_type") or event["status"] for event in events[:-1]]


def esp(device_id: str) -> NewDevice:
    return NewDevice(
        device_id=device_id,
        name="esp",
        type="esp32",
        ip_address=None,
        mac_address=None,
        location=None,
    )


@asynccontextmanager
async def one_device(database: Database) -> AsyncIterator[Line]:
    live = LiveFeed()
    await database.write(add_device("ours", esp("esp"), "hash", now_ns()))
    with live.watch("ours") as watcher:
        yield Line(database, watcher, PresenceKeeper(database, live))


async def test_a_silent_device_is_late_then_offline_and_told_so_once(database: Database):
    async with one_device(database) as line:
        await line.take("connected")
        begin = now_ns()
        assert await line.told() == ["connected", "online"]
        for after_ns, status, events in (
            (LATE_NS - SECOND_NS, "online", []),
            (LATE_NS + SECOND_NS, "warning", ["warning"]),
            (LATE_NS + 2 * SECOND_NS, "warning", []),
            (STALE_NS + SECOND_NS, "offline", ["disconnected", "offline"]),
            (STALE_NS + 9 * SECOND_NS, "offline", []),
        ):
            await line.keeper.look(begin + after_ns)
            assert await line.status(begin + after_ns) == status
            assert await line.told() == events
        await line.take("connected")
        assert await line.told() == ["connected", "online"]
        await line.keeper.look(now_ns())
        assert await line.told() == []


async def test_a_device_is_never_late_while_a_service_vouches_for_it(database: Database):
    async with one_device(database) as line:
        later = now_ns() + 10 * STALE_NS
        async with line.keeper.service() as service:
            await line.take("connected", service)
            await line.keeper.look(later)
            assert await line.status(later) == "online"
        await line.keeper.look(later)
        assert await line.status(later) == "offline"


async def test_a_device_that_is_removed_goes_and_nobody_vouches_for_it_any_more(
    database: Database,
):
    async with one_device(database) as line, line.keeper.service() as service:
        await line.take("connected", service)
        await line.keeper.remove(DeviceKey("ours", "esp"), now_ns())
        assert await line.told() == ["connected", "online", "disconnected", "offline"]
        assert service.vouched == set()


async def test_who_goes_ends_no_vouching_of_others(database: Database):
    later = now_ns() + 10 * STALE_NS
    async with one_device(database) as line, line.keeper.service() as stays:
        async with line.keeper.service() as goes:
            await line.take("connected", goes)
            await line.take("connected", stays)
        async with line.keeper.service() as guest:
            await line.take("connected", guest, teller="")
        assert await line.status(later) == "online"
        async with line.keeper.service() as corrects:
            await line.take("connected", corrects)
            await line.take("disconnected", corrects)
            assert await line.status(later) == "offline"
            await line.take("connected", stays)
        assert await line.status(later) == "online"
    assert not line.keeper._services


async def test_a_service_vouches_for_a_bounded_number_of_devices_and_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("aggregator.presence.MAX_VOUCHED", 1)
    later = now_ns() + 10 * STALE_NS
    async with one_device(database) as line, line.keeper.service() as service:
        await line.keeper.take(service, DeviceKey("ours", "other"), "connected", teller="a")
        with pytest.raises(ConflictError):
            await line.take("connected", service)
        assert await line.status(later) == "offline"


async def test_after_a_restart_nobody_vouches_for_anybody(database: Database):
    async with one_device(database) as line, line.keeper.service() as service:
        await line.take("connected", service)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await line.keeper.run()
        later = now_ns() + 2 * STALE_NS
        assert await line.status(later) == "offline"


async def test_a_large_fleet_is_counted_to_the_last_device(database: Database):
    keys = [DeviceKey("ours", f"esp-{number}") for number in range(1001)]
    async with one_device(database):
        await database.write(
            *[add_device("ours", esp(key.device_id), key.device_id, 1) for key in keys],
            *[set_connected(key, now_ns(), connected=True) for key in keys],
        )
        assert await count_active_devices(database, "ours", now_ns()) == 1001


async def test_a_bounded_number_of_events_is_kept(database: Database):
    key = DeviceKey("ours", "esp")
    await database.write(add_event(DeviceKey("theirs", "esp"), "connected", "told", 1))
    await database.write(*[add_event(key, "connected", "told", n) for n in range(KEPT_EVENTS + 5)])
    await database.write(trim_events("ours"))
    assert await count_events(database, "ours", EventFilter()) == KEPT_EVENTS
    assert await count_events(database, "ours", EventFilter(until_ns=5)) == 0
    assert await count_events(database, "theirs", EventFilter()) == 1


def test_device_events_need_a_sign_in_and_come_in_pages(centre: Centre):
    assert httpx.get(f"{centre.url}/api/v1/device-events").status_code == 401
    with centre.client("viewer") as client:
        everything = client.get("/device-events?limit=1000").json()
        assert client.get("/device-events?skip=1&limit=2").json() == everything[1:3]
        assert client.get("/device-events?limit=1001").status_code == 400
        assert client.get("/device-events?event_type=exploded").status_code == 400
