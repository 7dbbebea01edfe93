"""/api/v1/dashboard: the last day at a glance."""

import asyncio
import time
from typing import Annotated, Literal

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.api.identity import ApiRequest
from aggregator.api.tallies import TypeCount, by_severity, by_type
from aggregator.api.times import DAY_S, HOUR_S, steps
from aggregator.shapes import NS_PER_S, AlertShape, alert_shape, rfc3339
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.analytics import count_alerts_by_time
from aggregator.store.counts import count_since
from aggregator.store.database import Database
from aggregator.store.devices import count_active_devices

RECENT = 10


class Stats(msgspec.Struct, frozen=True):
    """The last 24 hours in four numbers: what reached us, and who is there now."""

    total_alerts: int
    critical_alerts: int
    active_devices: int
    total_packets: int


class Overview(msgspec.Struct, frozen=True):
    """The last 24 hours."""

    stats: Stats
    attack_distribution: list[TypeCount]
    recent_alerts: list[AlertShape]


class Bar(msgspec.Struct, frozen=True):
    """How many alerts from one moment to the next."""

    timestamp: str
    count: int


class Timeline(msgspec.Struct, frozen=True):
    """Alerts over time, oldest first, with a bar for every step."""

    timeline: list[Bar]


@get("/overview")
async def overview(request: ApiRequest, database: NamedDependency[Database]) -> Overview:
    """Return the last 24 hours, to the minute, by the time at which alerts reached us."""
    organization = request.user.organization
    now_ns = time.time_ns()
    since_ns = now_ns - DAY_S * NS_PER_S
    recent = AlertFilter(received_since_ns=since_ns, suppressed=False)
    async with asyncio.TaskGroup() as tasks:  # each has a reader of its own
        devices = tasks.create_task(
            count_active_devices(database, organization, now_ns), name="devices"
        )
        arrived = tasks.create_task(count_since(database, organization, since_ns), name="arrived")
        rows = tasks.create_task(
            find_alerts(database, organization, recent, limit=RECENT), name="recent"
        )
    shown = [each for each in arrived.result().alerts if not each.suppressed]
    severities = by_severity(shown)
    return Overview(
        stats=Stats(
            total_alerts=severities.total(),
            critical_alerts=severities["critical"],
            active_devices=devices.result(),
            total_packets=arrived.result().frames,
        ),
        attack_distribution=by_type(shown),
        recent_alerts=[alert_shape(row) for row in rows.result()],
    )


@get("/timeline")
async def timeline(
    request: ApiRequest,
    database: NamedDependency[Database],
    hours: Annotated[int, Parameter(ge=1, le=24 * 90)] = 24,
    step_s: Annotated[int, Parameter(ge=10, le=DAY_S)] = HOUR_S,
    by: Literal["detection", "arrival"] = "detection",
) -> Timeline:
    """Return alerts over time: by when they were detected, or by when they reached us."""
    starts = steps(time.time_ns(), hours, step_s)
    counts = await count_alerts_by_time(
        database,
        request.user.organization,
        since_ns=starts[0],
        step_ns=step_s * NS_PER_S,
        by_arrival=by == "arrival",
    )
    found = {count.start_ns: count.count for count in counts}
    return Timeline([Bar(rfc3339(start_ns), found.get(start_ns, 0)) for start_ns in starts])


router = Router("/dashboard", route_handlers=[overview, timeline], tags=["dashboard"])
