"""/api/v1/analytics: the last hours in numbers, and how they went."""

import time
from collections import Counter
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.api.identity import ApiRequest
from aggregator.api.paging import Text
from aggregator.api.tallies import TypeCount, by_severity, by_type
from aggregator.api.times import DAY_S, HOUR_S, steps
from aggregator.errors import InvalidError
from aggregator.shapes import NS_PER_S, rfc3339
from aggregator.store.analytics import (
    CostRow,
    Metric,
    find_cost,
    find_trend,
    summarize,
)
from aggregator.store.counts import count_since
from aggregator.store.database import Database
from aggregator.store.devices import Page, find_devices
from aggregator.store.history import History
from contract.attacks import SEVERITIES

MAX_DEVICES = 100_000

Hours = Annotated[int, Parameter(ge=1, le=24 * 90)]
Step = Annotated[int, Parameter(ge=10, le=DAY_S)]


class DeviceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many devices there are, and how they are now."""

    total: int
    online: int
    warning: int
    error: int
    offline: int


class AlertCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts reached us."""

    total: int
    active: int  # nobody has decided about
    suppressed: int  # beside these
    by_severity: dict[str, int]
    by_type: list[TypeCount]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The last hours in numbers."""

    since: str
    until: str
    devices: DeviceCounts
    alerts: AlertCounts
    active_isolations: int
    readings: int
    sensors: int
    error_lines: int


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One step of time."""

    timestamp: str
    count: int
    average: float | None  # of readings


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """How something went, oldest first, with a point for every step."""

    metric: Metric
    step_s: int
    trends: list[Point]


class WouldHave(msgspec.Struct, frozen=True, kw_only=True):
    """What enforcing would have cost: every isolation that observing and suggesting left undone."""

    since: str
    until: str
    total: CostRow
    by_class_and_group: list[CostRow]


@get("/would-have")
async def would_have(
    request: ApiRequest, database: NamedDependency[Database], hours: Hours = 24 * 14
) -> WouldHave:
    """Return what enforcing would have cut off, and how people judged the alerts since."""
    now_ns = time.time_ns()
    since_ns = now_ns - hours * HOUR_S * NS_PER_S
    total, *rest = await find_cost(database, request.user.organization, since_ns)
    return WouldHave(
        since=rfc3339(since_ns), until=rfc3339(now_ns), total=total, by_class_and_group=rest
    )


@get("/summary")
async def summary(
    request: ApiRequest,
    database: NamedDependency[Database],
    history: NamedDependency[History],
    hours: Hours = 24,
) -> Summary:
    """Return the last hours in numbers, by when things reached us; of alerts, to the minute."""
    organization = request.user.organization
    now_ns = time.time_ns()
    since_ns = now_ns - hours * HOUR_S * NS_PER_S
    row = await summarize(history, organization, since_ns=since_ns, now_ns=now_ns)
    counts = (await count_since(database, organization, since_ns)).alerts
    shown = [each for each in counts if not each.suppressed]
    severities = by_severity(shown)
    return Summary(
        since=rfc3339(since_ns),
        until=rfc3339(now_ns),
        devices=await _devices(database, organization, now_ns),
        alerts=AlertCounts(
            total=severities.total(),
            active=sum(each.count for each in shown if each.status == "active"),
            suppressed=sum(each.count for each in counts if each.suppressed),
            by_severity={severity: severities[severity] for severity in SEVERITIES},
            by_type=by_type(shown),
        ),
        active_isolations=row.active_isolations,
        readings=row.readings,
        sensors=row.sensors,
        error_lines=row.error_lines,
    )


@get("/trends")
async def trends(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    history: NamedDependency[History],
    *,
    metric: Metric = "alerts",
    hours: Hours = 24,
    step_s: Step = HOUR_S,
    device_id: Text = None,
    sensor_type: Text = None,
) -> Trends:
    """Return how alerts, malicious verdicts or readings went.

    Verdicts of earlier days than the database has are counted by the hour.
    """
    organization = request.user.organization
    starts = steps(time.time_ns(), hours, step_s)
    if metric == "detections" and step_s % HOUR_S:
        begins = await history.begins("verdicts", organization)
        if begins is not None and starts[0] < begins.timestamp() * NS_PER_S:
            message = (
                f"detections before {begins:%Y-%m-%d} are counted by the hour: "
                "ask for fewer hours, or for steps of whole hours (step_s=3600)"
            )
            raise InvalidError(message)
    rows = await find_trend(
        history,
        organization,
        metric,
        since_ns=starts[0],
        step_ns=step_s * NS_PER_S,
        device_id=device_id,
        sensor_type=sensor_type,
    )
    found = {row.start_ns: row for row in rows}
    points = []
    for start_ns in starts:
        row = found.get(start_ns)
        points.append(
            Point(
                timestamp=rfc3339(start_ns),
                count=row.count if row else 0,
                average=row.average if row else None,
            )
        )
    return Trends(metric=metric, step_s=step_s, trends=points)


async def _devices(database: Database, organization: str, now_ns: int) -> DeviceCounts:
    everybody = Page(limit=MAX_DEVICES)
    rows = await find_devices(database, organization, now_ns=now_ns, page=everybody)
    counts = Counter(row.status for row in rows)
    return DeviceCounts(
        total=len(rows),
        online=counts["online"],
        warning=counts["warning"],
        error=counts["error"],
        offline=counts["offline"],
    )


router = Router("/analytics", route_handlers=[summary, trends, would_have], tags=["analytics"])
