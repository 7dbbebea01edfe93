"""/api/v1/logs and the log of each device: lines that devices tell, and finding them again."""

import time
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide

from aggregator.api.devices import find_device, note_person
from aggregator.api.identity import OPERATOR_OR_DEVICE, STORES, ApiRequest
from aggregator.api.paging import Limit, Skip, Text, paged
from aggregator.api.telemetry import Taken, corrected
from aggregator.api.times import by_our_clock, to_ns
from aggregator.shapes import rfc3339
from aggregator.store.database import Database
from aggregator.store.devices import hear_device
from aggregator.store.history import History, back_to
from aggregator.store.reported import Reported
from aggregator.store.telemetry import LogFilter, LogRow, count_logs, find_logs, save_logs
from contract.identifiers import LongText, ShortText
from contract.messages import MAX_ROWS, LogLine, LogLines, Name

Level = Literal["debug", "info", "warning", "error"]
# What other programs call the four levels.
SmallLevel = Literal["debug", "info", "warning", "error", "warn", "critical", "fatal"]
LargeLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "WARN", "CRITICAL", "FATAL"]
GivenLevel = SmallLevel | LargeLevel
LEVELS: dict[str, Level] = {
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}


class LogGiven(msgspec.Struct, frozen=True):
    """One line; without a moment it is of now."""

    message: LongText
    level: GivenLevel = "info"
    component: Name = ""
    timestamp: datetime | None = None
    fields: Annotated[dict[Name, ShortText], msgspec.Meta(max_length=32)] = {}


class LogsGiven(msgspec.Struct, frozen=True):
    """Lines of a device's log."""

    logs: Annotated[list[LogGiven], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class LogShape(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a device's log."""

    device_id: str
    timestamp: str
    level: str
    component: str
    message: str
    fields: dict[str, Any]
    received_at: str


@post("/devices/{device_id:str}/logs", opt=OPERATOR_OR_DEVICE | STORES)
async def post_logs(
    request: ApiRequest, device_id: str, data: LogsGiven, database: NamedDependency[Database]
) -> Taken:
    """Take lines of a device's log."""
    organization = request.user.organization
    await find_device(database, organization, device_id)
    now_ns = time.time_ns()
    told = Reported(organization, device_id, "", now_ns, _lines(data, now_ns))
    await database.write(
        save_logs(told),
        hear_device(organization, device_id, now_ns),
        *note_person(request, "device.logs", device_id, now_ns, {"count": len(data.logs)}),
    )
    return Taken(
        message="Logs stored",
        device_id=device_id,
        accepted=len(data.logs),
        clock_corrected=corrected((given.timestamp for given in data.logs), now_ns),
    )


def which_lines(
    *,
    level: GivenLevel | None = None,
    component: Text = None,
    q: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> LogFilter:
    """Return which lines a request asks for, of whatever device."""
    return LogFilter(
        level=None if level is None else LEVELS[level.lower()],
        component=component,
        text=q,
        since_ns=to_ns(since),
        until_ns=to_ns(until),
    )


@get("/devices/{device_id:str}/logs")
async def list_device_logs(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    device_id: str,
    database: NamedDependency[Database],
    history: NamedDependency[History],
    wanted: NamedDependency[LogFilter],
    *,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[LogShape]]:
    """Return lines of a device's log, newest first.

    Without `since` or `until` of the last days, from X-Since on.
    """
    organization = request.user.organization
    await find_device(database, organization, device_id)
    wanted = msgspec.structs.replace(wanted, device_id=device_id)
    return await _page(history, organization, wanted, limit, skip)


@get("/logs")
async def list_logs(  # noqa: PLR0913  what a request needs
    request: ApiRequest,
    history: NamedDependency[History],
    wanted: NamedDependency[LogFilter],
    *,
    device_id: Text = None,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[LogShape]]:
    """Return lines of all devices' logs, newest first.

    Without `since` or `until` of the last days, from X-Since on.
    """
    wanted = msgspec.structs.replace(wanted, device_id=device_id)
    return await _page(history, request.user.organization, wanted, limit, skip)


async def _page(
    history: History, organization: str, wanted: LogFilter, limit: int, skip: int
) -> Response[list[LogShape]]:
    rows = await find_logs(history, organization, wanted, limit=limit, skip=skip)
    total = await count_logs(history, organization, wanted)
    looked_back_ns = back_to(wanted.since_ns, wanted.until_ns)
    begins = await history.begins("logs", organization, looked_back_ns)
    return paged([_shape(row) for row in rows], total, begins)


def _shape(row: LogRow) -> LogShape:
    return LogShape(
        device_id=row.device_id,
        timestamp=rfc3339(row.logged_ns),
        level=row.level,
        component=row.component,
        message=row.event,
        fields=msgspec.json.decode(row.fields),
        received_at=rfc3339(row.received_ns),
    )


def _lines(data: LogsGiven, now_ns: int) -> LogLines:
    return LogLines(
        lines=[
            LogLine(
                logged_ns=by_our_clock(given.timestamp, now_ns)[0],
                level=LEVELS[given.level.lower()],
                component=given.component,
                event=given.message,
                fields=given.fields,
            )
            for given in data.logs
        ]
    )


router = Router(
    "/",
    route_handlers=[post_logs, list_device_logs, list_logs],
    dependencies={"wanted": Provide(which_lines, sync_to_thread=False)},
    tags=["devices"],
)
