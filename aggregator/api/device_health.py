"""/api/v1/devices/…: how a device is, by its own word and as it is shown."""

import time
from typing import Annotated, Final

import msgspec
from litestar import Router, get, put
from litestar.di import NamedDependency

from aggregator.api.devices import find_device, find_row, note_person
from aggregator.api.identity import OPERATOR_OR_DEVICE, STORES, ApiRequest
from aggregator.errors import NotFoundError
from aggregator.live import LiveFeed
from aggregator.presence import PresenceKeeper
from aggregator.shapes import NS_PER_S, DeviceShape, maybe_rfc3339, rfc3339
from aggregator.store.database import Database
from aggregator.store.device_events import DeviceKey
from aggregator.store.devices import Added, HealthReport, report_health
from aggregator.store.health import last_health

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Celsius = Annotated[float, msgspec.Meta(ge=-100, le=200)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_OF_AGENTS: Final = (
    "frames",
    "windows",
    "hosts",
    "alerts",
    "process_rss_bytes",
    "throttled",
    "clock_synchronized",
)


class HealthGiven(msgspec.Struct, frozen=True):
    """How a device says it is."""

    cpu_usage: Percent
    memory_usage: Percent
    uptime: Seconds
    temperature: Celsius | None = None


class HealthTaken(msgspec.Struct, frozen=True):
    """The device after its report."""

    message: str
    device: DeviceShape


class StatusShape(msgspec.Struct, frozen=True):
    """Whether a device is there."""

    device_id: str
    status: str
    last_seen: str | None


class HealthShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a device is; what only our agents tell is null for others."""

    device_id: str
    status: str
    cpu_usage: float | None
    memory_usage: float | None
    temperature: float | None
    uptime: int | None
    last_seen: str | None
    frames: int | None = None
    windows: int | None = None
    hosts: int | None = None
    alerts: int | None = None
    dropped: dict[str, int] | None = None
    queued: dict[str, int] | None = None
    process_rss_bytes: int | None = None
    throttled: bool | None = None
    clock_synchronized: bool | None = None
    clock_offset_s: float | None = None  # is added to the times that it tells
    reported_at: str | None = None


@put("/{device_id:str}/health", opt=OPERATOR_OR_DEVICE | STORES)
async def put_health(  # noqa: PLR0913  one parameter for each part that it takes
    request: ApiRequest,
    device_id: str,
    data: HealthGiven,
    *,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
    presence: NamedDependency[PresenceKeeper],
) -> HealthTaken:
    """Take a device's word on how it is."""
    organization = request.user.organization
    report = HealthReport(
        cpu_usage_percent=data.cpu_usage,
        memory_usage_percent=data.memory_usage,
        temperature_celsius=data.temperature,
        uptime_s=data.uptime,
    )
    before = await find_device(database, organization, device_id)
    now_ns = time.time_ns()
    noted = note_person(request, "device.health", device_id, now_ns, data)
    statement = report_health(organization, device_id, report, now_ns)
    if not await database.change(Added, statement, *noted):
        message = "no such device"
        raise NotFoundError(message)
    shape = await settle(database, presence, organization, before, now_ns)
    live.publish(organization, "device_health", shape, device_id=device_id)
    return HealthTaken("Health updated", shape)


async def settle(
    database: Database,
    presence: PresenceKeeper,
    organization: str,
    before: DeviceShape,
    now_ns: int,
) -> DeviceShape:
    """Tell what a device's own word has changed of its status; return how it is shown now."""
    told = await presence.look(now_ns)
    shape = await find_device(database, organization, before.device_id)
    # Who comes or goes is told by whoever looks first, and somebody may have looked before us.
    stays = "offline" not in {before.status, shape.status}
    changed = shape.status != before.status
    if stays and changed and DeviceKey(organization, shape.device_id) not in told:
        await presence.tell(organization, [shape.device_id], now_ns)
    return shape


@get("/{device_id:str}/health")
async def get_health(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> HealthShape:
    """Return how a device is, and for our agents everything they dropped, by reason."""
    organization = request.user.organization
    row = await find_row(database, organization, device_id)
    common = HealthShape(
        device_id=row.device_id,
        status=row.status,
        cpu_usage=row.cpu_usage_percent,
        memory_usage=row.memory_usage_percent,
        temperature=row.temperature_celsius,
        uptime=row.uptime_s,
        last_seen=maybe_rfc3339(row.last_seen_ns),
    )
    told = await last_health(database, organization, device_id)
    if told is None:
        return common
    return msgspec.structs.replace(
        common,
        **{name: getattr(told, name) for name in _OF_AGENTS},
        dropped=msgspec.json.decode(told.dropped, type=dict[str, int]),
        queued=msgspec.json.decode(told.queued, type=dict[str, int]),
        clock_offset_s=row.clock_offset_ns / NS_PER_S,
        reported_at=rfc3339(told.sent_ns + row.clock_offset_ns),
    )


@get("/{device_id:str}/status")
async def get_status(
    request: ApiRequest, device_id: str, database: NamedDependency[Database]
) -> StatusShape:
    """Return whether a device is there."""
    shape = await find_device(database, request.user.organization, device_id)
    return StatusShape(shape.device_id, shape.status, shape.last_seen)


router = Router("/devices", route_handlers=[put_health, get_health, get_status], tags=["devices"])
