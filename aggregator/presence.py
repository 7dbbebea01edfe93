"""Who is there: what device services tell and what the centre notices, each change told once."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from aggregator.errors import ConflictError
from aggregator.live import LiveFeed
from aggregator.pace import Pace
from aggregator.shapes import device_shape, rfc3339
from aggregator.store.database import Database, Statement
from aggregator.store.device_events import (
    Cause,
    DeviceEventRow,
    DeviceKey,
    EventType,
    add_event,
    note_presence,
    presence_changes,
    set_connected,
    stop_all_vouching,
    stop_vouching,
    trim_events,
)
from aggregator.store.devices import Page, find_devices, hear_device

DEVICE_EVENT: Final = "device_event"  # the type of its events on the live feed
PERIOD_S = 2.0
AT_ONCE = 50  # that are told before others have a turn
MAX_VOUCHED = 10_000  # devices for which one service vouches


class DeviceEventShape(msgspec.Struct, frozen=True):
    """That a device came or went."""

    id: int
    device_id: str
    event_type: EventType
    timestamp: str


class Service:
    """A device service that is connected, and for which devices it vouches."""

    def __init__(self) -> None:
        self.vouched: set[DeviceKey] = set()


class PresenceKeeper:
    """Keeps who is there, and tells who comes, who is late and who goes.

    A device is online by its own word or by that of a service which vouches for it, late when it
    was silent for 45 s, and offline when it was silent for 90 s or said goodbye.

    Args:
        database: Where presence and events are kept.
        live: Who tells them.
    """

    def __init__(self, database: Database, live: LiveFeed) -> None:
        self._database = database
        self._live = live
        self._pace = Pace(burst=200, per_s=20.0)
        self._services: defaultdict[DeviceKey, set[Service]] = defaultdict(set)

    async def run(self) -> None:
        """Look every two seconds, for ever."""
        await self._database.write(stop_all_vouching(time.time_ns()))  # no socket outlives us
        while True:
            await self.look(time.time_ns())
            await asyncio.sleep(PERIOD_S)

    async def look(self, now_ns: int) -> Sequence[DeviceKey]:
        """Notice who came, who is late and who went, and tell it; return of whom it was told."""
        changed = await presence_changes(self._database, now_ns)
        if not changed:
            return changed
        events = await note_presence(self._database, now_ns)
        for organization in {event.organization for event in events}:
            await self._database.write(trim_events(organization))
        for number, event in enumerate(events, 1):
            self._tell_event(event)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        for organization in {key.organization for key in changed}:
            ids = [key.device_id for key in changed if key.organization == organization]
            await self.tell(organization, ids, now_ns)
        return changed

    async def remove(self, key: DeviceKey, now_ns: int) -> None:
        """Tell that a device goes, since a person removes it; nobody vouches for it any more."""
        self._withdraw_all(key)
        await self._database.write(
            stop_vouching(now_ns, key.organization, [key.device_id]),
            hear_device(key.organization, key.device_id, now_ns, online=False),
        )
        await self.look(now_ns)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """Give a device service, which vouches for the length of the block.

        A device for which nobody else vouches speaks for itself afterwards.
        """
        service = Service()
        try:
            yield service
        finally:
            alone = [key for key in service.vouched if self._services[key] == {service}]
            for key in list(service.vouched):
                self._withdraw(service, key)
            now_ns = time.time_ns()
            for organization in {key.organization for key in alone}:
                ids = [key.device_id for key in alone if key.organization == organization]
                await self._database.write(stop_vouching(now_ns, organization, ids))

    async def take(
        self,
        service: Service,
        key: DeviceKey,
        event_type: EventType,
        *noted: Statement,
        teller: str,
    ) -> None:
        """Take a device service's word that a device came or went.

        Args:
            service: Who vouches for it from now on, when it came.
            key: Which device; unknown ones are kept as well.
            event_type: Whether it came or went.
            noted: What the audit says of it.
            teller: Who says so, for the pace; "" for a guest, whose word changes no presence.

        Raises:
            ConflictError: The service vouches for too many devices already.
            TooManyAttemptsError: They tell faster than devices come and go.
        """
        self._pace.take(f"{key.organization}/{teller}")
        if teller:
            self._vouch(service, key, event_type)
        now_ns = time.time_ns()
        cause: Cause = "told" if teller else "guest"
        statements = [trim_events(key.organization), *noted]
        if teller:
            statements.append(set_connected(key, now_ns, connected=event_type == "connected"))
        event = add_event(key, event_type, cause, now_ns)
        rows = await self._database.write_returning(DeviceEventRow, event, *statements)
        self._tell_event(rows[0])
        if teller:
            await self.tell(key.organization, [key.device_id], now_ns)

    def _vouch(self, service: Service, key: DeviceKey, event_type: EventType) -> None:
        if event_type == "disconnected":  # whoever said before that it is there
            self._withdraw_all(key)
            return
        if key not in service.vouched and len(service.vouched) >= MAX_VOUCHED:
            message = f"a device service vouches for at most {MAX_VOUCHED:,} devices"
            raise ConflictError(message)
        service.vouched.add(key)
        self._services[key].add(service)

    def _withdraw_all(self, key: DeviceKey) -> None:
        for service in list(self._services.get(key, ())):
            self._withdraw(service, key)

    def _withdraw(self, service: Service, key: DeviceKey) -> None:
        service.vouched.discard(key)
        self._services[key].discard(service)
        if not self._services[key]:
            del self._services[key]

    def _tell_event(self, event: DeviceEventRow) -> None:
        self._live.publish(event.organization, DEVICE_EVENT, device_event_shape(event))

    async def tell(self, organization: str, device_ids: list[str], now_ns: int) -> None:
        """Tell how devices are now."""
        everybody = Page(limit=len(device_ids))
        rows = await find_devices(
            self._database, organization, now_ns=now_ns, device_ids=device_ids, page=everybody
        )
        for number, row in enumerate(rows, 1):
            shape = device_shape(row)
            self._live.publish(
                organization, "presence", shape, device_id=row.device_id, status=row.status
            )
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)


def device_event_shape(row: DeviceEventRow) -> DeviceEventShape:
    """Return an event as it is shown."""
    return DeviceEventShape(row.id, row.device_id, row.event_type, rfc3339(row.at_ns))
