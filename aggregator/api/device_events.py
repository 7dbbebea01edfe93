"""Device events: /ws/device tells them, /ws/frontend shows them, /api/v1/device-events keeps them."""

import time
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, get, websocket
from litestar.di import NamedDependency

from aggregator.api.identity import (
    DEVICE_EVENT_READERS,
    DEVICE_EVENT_TELLERS,
    PUBLIC,
    ApiRequest,
    Guest,
    Identity,
    Machine,
    Person,
    require,
)
from aggregator.api.intake import Intake
from aggregator.api.live import Door, Socket
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.talk import Talk
from aggregator.api.times import to_ns
from aggregator.live import LiveFeed
from aggregator.presence import (
    DEVICE_EVENT,
    DeviceEventShape,
    PresenceKeeper,
    device_event_shape,
)
from aggregator.store.audit import audit
from aggregator.store.database import Database, Statement
from aggregator.store.device_events import (
    DeviceKey,
    EventFilter,
    EventType,
    count_events,
    find_events,
)
from contract.identifiers import whole

EXPECTED = "expected: device_id (text) and event_type (connected or disconnected)"


class DeviceEventGiven(msgspec.Struct, frozen=True):
    """That a device came or went, by the word of a device service."""

    # Whatever such services call a device, as one line.
    device_id: Annotated[str, msgspec.Meta(pattern=whole(r"[^\x00-\x1f\x7f-\x9f]{1,64}"))]
    event_type: EventType


@get("/device-events")
async def list_device_events(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    device_id: Text = None,
    event_type: EventType | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[DeviceEventShape]]:
    """Return who came and went, newest first; X-Total-Count says how many there are in all."""
    wanted = EventFilter(
        device_id=device_id, event_type=event_type, since_ns=to_ns(since), until_ns=to_ns(until)
    )
    organization = request.user.organization
    rows = await find_events(database, organization, wanted, limit=limit, skip=skip)
    total = await count_events(database, organization, wanted)
    shapes = [device_event_shape(row) for row in rows]
    return paged(shapes, total)


@websocket("/device", opt=PUBLIC | DEVICE_EVENT_TELLERS)
async def hear_device_service(
    socket: Socket,
    door: NamedDependency[Door],
    presence: NamedDependency[PresenceKeeper],
    intake: NamedDependency[Intake],
) -> None:
    """Take who comes and goes from a device service, which vouches while it stays."""
    visitor = await door.enter(socket)
    if visitor is None:
        return

    async def tell(said: DeviceEventGiven, who: Identity | Guest) -> None:
        if not isinstance(who, Guest):
            require(who, DEVICE_EVENT_TELLERS, {"device_id": said.device_id})
        intake.check_room()
        key = DeviceKey(who.organization, said.device_id)
        await presence.take(service, key, said.event_type, *_noted(who, said), teller=_teller(who))

    talk = Talk(socket, door, visitor, kind=DeviceEventGiven, act=tell, expected=EXPECTED)
    async with presence.service() as service:
        await door.serve(socket, visitor, take=talk.take)


@websocket("/frontend", opt=PUBLIC | DEVICE_EVENT_READERS)
async def show_device_events(
    socket: Socket, door: NamedDependency[Door], live: NamedDependency[LiveFeed]
) -> None:
    """Send who comes and goes."""
    visitor = await door.enter(socket)
    if visitor is None:
        return
    kinds = frozenset({DEVICE_EVENT})
    with live.watch(visitor.organization, kinds, bare=True) as watcher:
        await door.serve(socket, visitor, watcher)


def _noted(who: Identity | Guest, said: DeviceEventGiven) -> list[Statement]:
    if not isinstance(who, Person):
        return []
    after = {"event_type": said.event_type}
    return [audit(who.user, "device.event", said.device_id, now_ns=time.time_ns(), after=after)]


def _teller(who: Identity | Guest) -> str:
    if isinstance(who, Guest):
        return ""
    return who.owner.device_id if isinstance(who, Machine) else f"user {who.user.id}"


native = Router("/", route_handlers=[list_device_events], tags=["devices"])
sockets = Router("/ws", route_handlers=[hear_device_service, show_device_events])
