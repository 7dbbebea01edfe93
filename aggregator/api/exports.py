"""/api/v1/alerts/export and /api/v1/exports: alerts as other systems read them, and how outputs do."""

import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final, Literal

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from aggregator.api.identity import ADMIN, ApiRequest
from aggregator.api.times import DAY_S, to_ns
from aggregator.export.entries import Entry
from aggregator.export.exporter import FORMATS, Exporter, OutputState
from aggregator.shapes import NS_PER_S
from aggregator.store.alerts import AlertFilter, count_alerts, next_alerts
from aggregator.store.database import Database

MEDIA_TYPE: Final = "text/plain; charset=utf-8"
MAX_LINES: Final = 100_000
LINES_AT_ONCE: Final = 1000

Moment = datetime | None


@get("/export", media_type=MEDIA_TYPE)
async def export_alerts(
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    line_format: Annotated[Literal["eve", "cef"], QueryParameter(name="format")] = "eve",
    since: Annotated[Moment, QueryParameter(name="from")] = None,
    until: Annotated[Moment, QueryParameter(name="to")] = None,
) -> Stream:
    """Return alerts that were opened between two moments as lines, in the order in which they came.

    Each alert is one line, as it stands now: of the last day without `from`, at most 100,000.
    X-Rows says how many there are, X-Truncated whether there are more. Suppressed ones are left out.
    """
    now_ns = time.time_ns()
    since_ns, until_ns = to_ns(since), to_ns(until)
    wanted = AlertFilter(
        since_ns=now_ns - DAY_S * NS_PER_S if since_ns is None else since_ns,
        until_ns=now_ns if until_ns is None else until_ns,
        suppressed=False,
    )
    organization = request.user.organization
    total = await count_alerts(database, organization, wanted)
    lines = min(total, MAX_LINES)
    return Stream(
        _lines(database, organization, wanted, line_format, lines),
        media_type=MEDIA_TYPE,
        headers={
            "X-Rows": str(lines),
            "X-Truncated": str(total > lines).lower(),
            "Content-Disposition": f'attachment; filename="alerts.{SUFFIXES[line_format]}"',
        },
    )


SUFFIXES: Final = {"eve": "json", "cef": "cef"}


async def _lines(
    database: Database, organization: str, wanted: AlertFilter, line_format: str, count: int
) -> AsyncIterator[bytes]:
    line, after = FORMATS[line_format], 0
    while count > 0:
        limit = min(LINES_AT_ONCE, count)
        rows = await next_alerts(database, organization, wanted, after=after, limit=limit)
        if not rows:
            return
        entries = (Entry(organization, "opened", row.opened_ns, row) for row in rows)
        yield b"".join(line(entry) + b"\n" for entry in entries)
        after, count = rows[-1].id, count - len(rows)


@get("/", opt=ADMIN, sync_to_thread=False)
def list_exports(request: ApiRequest, exporter: NamedDependency[Exporter]) -> list[OutputState]:
    """Return how the outputs of the organization do, which are in the settings."""
    return exporter.states(request.user.organization)


router = Router("/alerts", route_handlers=[export_alerts], tags=["alerts"])
outputs = Router("/exports", route_handlers=[list_exports], tags=["alerts"])
