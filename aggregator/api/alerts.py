"""/api/v1/alerts: what a person should look at, why, and what they decided."""

import time
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, get, patch
from litestar.di import NamedDependency
from litestar.params import Parameter

from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.api.times import to_ns
from aggregator.errors import InvalidError, NotFoundError
from aggregator.live import LiveFeed
from aggregator.shapes import (
    AlertDetail,
    AlertShape,
    AlertStatus,
    alert_detail,
    alert_shape,
)
from aggregator.store.alerts import (
    AlertFilter,
    AlertKey,
    AlertRow,
    change_alert,
    count_alerts,
    find_alerts,
)
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.isolations import IsolationFilter, find_isolations
from contract.attacks import Severity

Skip = Annotated[int, Parameter(ge=0, le=10_000_000)]
Limit = Annotated[int, Parameter(ge=1, le=1000)]
Text = Annotated[str | None, Parameter(max_length=200)]


class AlertChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided about an alert."""

    status: AlertStatus | None = None
    notes: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


@get("/")
async def list_alerts(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    status: AlertStatus | None = None,
    severity: Severity | None = None,
    attack_type: Text = None,
    src_ip: Text = None,
    device_id: Text = None,
    since: datetime | None = None,
    until: datetime | None = None,
    q: Text = None,
    skip: Skip = 0,
    limit: Limit = 50,
) -> Response[list[AlertShape]]:
    """Return alerts, newest first; X-Total-Count says how many there are in all."""
    wanted = AlertFilter(
        status=status,
        severity=severity,
        attack_type=attack_type,
        src_ip=src_ip,
        device_id=device_id,
        since_ns=to_ns(since),
        until_ns=to_ns(until),
        text=q,
    )
    organization = request.user.organization
    rows = await find_alerts(database, organization, wanted, limit=limit, skip=skip)
    total = await count_alerts(database, organization, wanted)
    return Response([alert_shape(row) for row in rows], headers={"X-Total-Count": str(total)})


@get("/{alert_id:str}")
async def get_alert(
    request: ApiRequest, alert_id: str, database: NamedDependency[Database]
) -> AlertDetail:
    """Return an alert with the features that decided and what was done about it."""
    organization = request.user.organization
    row = await _find(database, organization, alert_id)
    isolations = await find_isolations(
        database, organization, IsolationFilter(alert_id=alert_id), now_ns=time.time_ns()
    )
    own = [isolation for isolation in isolations if isolation.device_id == row.device_id]
    return alert_detail(row, own)


@patch("/{alert_id:str}", opt=ANALYST)
async def update_alert(
    request: ApiRequest,
    alert_id: str,
    data: AlertChange,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> AlertShape:
    """Write down what was decided about an alert."""
    if data.status is None and data.notes is None:
        message = "status or notes is missing"
        raise InvalidError(message)
    who = person(request)
    row = await _find(database, who.organization, alert_id)
    key = AlertKey(who.organization, row.device_id, row.alert_id)
    now_ns = time.time_ns()
    fields = msgspec.structs.asdict(data)
    after = {name: value for name, value in fields.items() if value is not None}
    before = {name: getattr(row, name) for name in after}
    await database.write(
        change_alert(
            key, status=data.status, notes=data.notes, user_id=who.user.id, now_ns=now_ns
        ),
        audit(who.user, "alert.change", alert_id, now_ns=now_ns, before=before, after=after),
    )
    changed = alert_shape(await _find(database, who.organization, alert_id))
    live.publish(who.organization, "alert_updated", changed)
    return changed


async def _find(database: Database, organization: str, alert_id: str) -> AlertRow:
    wanted = AlertFilter(alert_ids=[alert_id])
    rows = await find_alerts(database, organization, wanted, limit=1)
    if not rows:
        message = "no such alert"
        raise NotFoundError(message)
    return rows[0]


router = Router("/alerts", route_handlers=[list_alerts, get_alert, update_alert], tags=["alerts"])
