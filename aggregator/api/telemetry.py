"""/api/v1/devices/…: what devices tell of themselves over HTTP, and reading it back."""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.api.device_health import StatusShape, settle
from aggregator.api.devices import find_device, note_person
from aggregator.api.identity import OPERATOR_OR_DEVICE, STORES, ApiRequest
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.times import by_our_clock, to_ns
from aggregator.live import LiveFeed
from aggregator.presence import PresenceKeeper
from aggregator.samples import ReadingShape, reading_shape, readings_told
from aggregator.shapes import rfc3339
from aggregator.store.database import Database
from aggregator.store.devices import hear_device
from aggregator.store.history import History, back_to
from aggregator.store.reported import Reported
from aggregator.store.telemetry import (
    MAX_SENSORS,
    ReadingFilter,
    count_readings,
    find_readings,
    latest_readings,
    reading_stats,
    save_readings,
)
from contract.messages import MAX_ROWS, Name, Number, Reading, Readings

Status = Literal["online", "warning", "error", "offline"]


class ReadingGiven(msgspec.Struct, frozen=True):
    """One value of one sensor; without a moment it is of now."""

    sensor_type: Name
    value: Number
    unit: Name = ""
    timestamp: datetime | None = None


class ReadingsGiven(msgspec.Struct, frozen=True):
    """Values of sensors."""

    readings: Annotated[list[ReadingGiven], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """How much was taken."""

    message: str
    device_id: str
    accepted: int
    clock_corrected: int  # of these, told by a clock that cannot be right: they are of now


class StatsShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the values of one sensor were over a time."""

    sensor_type: str
    unit: str
    count: int
    min: float
    max: float
    avg: float
    last: float
    first_at: str
    last_at: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """That a device was heard."""

    message: str
    device_id: str
    status: str
    server_time: str


class StatusGiven(msgspec.Struct, frozen=True):
    """How a device says it is; offline: it is about to leave."""

    status: Status


@post("/{device_id:str}/readings", opt=OPERATOR_OR_DEVICE | STORES)
async def post_readings(
    request: ApiRequest,
    device_id: str,
    data: ReadingsGiven,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> Taken:
    """Take values of a device's sensors."""
    organization = request.user.organization
    await find_device(database, organization, device_id)
    now_ns = time.time_ns()
    told = Reported(organization, device_id, "", now_ns, _readings(data, now_ns))
    await database.write(
        save_readings(told),
        hear_device(organization, device_id, now_ns),
        *note_person(request, "device.readings", device_id, now_ns, {"count": len(data.readings)}),
    )
    live.publish(organization, "readings", readings_told(told), device_id=device_id)
    return Taken(
        message="Readings stored",
        device_id=device_id,
        accepted=len(data.readings),
        clock_corrected=corrected((given.timestamp for given in data.readings), now_ns),
    )


@get("/{device_id:str}/readings")
async def list_readings(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    history: NamedDependency[History],
    *,
    sensor_type: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[ReadingShape]]:
    """Return values of a device's sensors, newest first.

    Without `since` or `until` of the last days, from X-Since on.
    """
    organization = request.user.organization
    await find_device(database, organization, device_id)
    wanted = ReadingFilter(
        device_id=device_id, sensor_type=sensor_type, since_ns=to_ns(since), until_ns=to_ns(until)
    )
    rows = await find_readings(history, organization, wanted, limit=limit, skip=skip)
    total = await count_readings(history, organization, wanted)
    shapes = [reading_shape(row) for row in rows]
    looked_back_ns = back_to(wanted.since_ns, wanted.until_ns)
    begins = await history.begins("readings", organization, looked_back_ns)
    return paged(shapes, total, begins)


@get("/{device_id:str}/readings/latest")
async def list_latest_readings(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> list[ReadingShape]:
    """Return the newest value of each of a device's sensors."""
    organization = request.user.organization
    await find_device(database, organization, device_id)
    rows = await latest_readings(database, organization, device_id, MAX_SENSORS)
    return [reading_shape(row) for row in rows]


@get("/{device_id:str}/readings/stats")
async def list_reading_stats(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    history: NamedDependency[History],
    *,
    sensor_type: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Response[list[StatsShape]]:
    """Return what the values of each of a device's sensors were.

    Without `since` or `until` of the last days, from X-Since on, as the list of the values.
    """
    organization = request.user.organization
    await find_device(database, organization, device_id)
    wanted = ReadingFilter(
        device_id=device_id,
        sensor_type=sensor_type,
        since_ns=to_ns(since),
        until_ns=to_ns(until),
    )
    rows = await reading_stats(history, organization, wanted, MAX_SENSORS)
    shapes = [
        StatsShape(
            sensor_type=row.sensor_type,
            unit=row.unit,
            count=row.count,
            min=row.least,
            max=row.most,
            avg=row.average,
            last=row.last,
            first_at=rfc3339(row.first_ns),
            last_at=rfc3339(row.last_ns),
        )
        for row in rows
    ]
    looked_back_ns = back_to(wanted.since_ns, wanted.until_ns)
    begins = await history.begins("readings", organization, looked_back_ns)
    return paged(shapes, len(shapes), begins)


@post("/{device_id:str}/heartbeat", opt=OPERATOR_OR_DEVICE, status_code=HTTP_200_OK)
async def post_heartbeat(
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    presence: NamedDependency[PresenceKeeper],
) -> Heartbeat:
    """Take a device's word that it lives."""
    shape = await _note(request, device_id, None, database, presence)
    return Heartbeat(
        message="Heartbeat received",
        device_id=device_id,
        status=shape.status,
        server_time=rfc3339(time.time_ns()),
    )


@post("/{device_id:str}/status", opt=OPERATOR_OR_DEVICE, status_code=HTTP_200_OK)
async def post_status(
    request: ApiRequest,
    device_id: str,
    data: StatusGiven,
    database: NamedDependency[Database],
    presence: NamedDependency[PresenceKeeper],
) -> StatusShape:
    """Take a device's word on how it is."""
    return await _note(request, device_id, data.status, database, presence)


async def _note(
    request: ApiRequest,
    device_id: str,
    status: Status | None,
    database: Database,
    presence: PresenceKeeper,
) -> StatusShape:
    organization = request.user.organization
    before = await find_device(database, organization, device_id)
    now_ns = time.time_ns()
    online, condition = status != "offline", None if status == "offline" else status
    await database.write(
        hear_device(organization, device_id, now_ns, online=online, condition=condition),
        *note_person(
            request, "device.status", device_id, now_ns, {"status": status or "heartbeat"}
        ),
    )
    shape = await settle(database, presence, organization, before, now_ns)
    return StatusShape(device_id, shape.status, shape.last_seen)


def corrected(moments: Iterable[datetime | None], now_ns: int) -> int:
    """Return how many moments are told by a clock that cannot be right."""
    return sum(not by_our_clock(moment, now_ns)[1] for moment in moments)


def _readings(data: ReadingsGiven, now_ns: int) -> Readings:
    return Readings(
        readings=[
            Reading(
                sensor_type=given.sensor_type,
                value=given.value,
                unit=given.unit,
                read_ns=by_our_clock(given.timestamp, now_ns)[0],
            )
            for given in data.readings
        ]
    )


router = Router(
    "/devices",
    route_handlers=[
        post_readings,
        list_readings,
        list_latest_readings,
        list_reading_stats,
        post_heartbeat,
        post_status,
    ],
    tags=["devices"],
)
