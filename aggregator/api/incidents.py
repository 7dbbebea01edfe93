"""/api/v1/incidents: alerts of one host that belong together, how far it has come, who works on it."""

import time
from typing import Annotated

import msgspec
from litestar import Response, Router, get, patch
from litestar.di import NamedDependency

from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.api.paging import Limit, RowId, Skip, Text, paged
from aggregator.errors import InvalidError, NotFoundError
from aggregator.live import LiveFeed
from aggregator.shapes import AlertShape, IncidentShape, alert_shape, incident_shape
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.incidents import (
    IncidentFilter,
    IncidentRow,
    IncidentStatus,
    change_incident,
    count_incidents,
    find_incidents,
    is_assignable,
)

SHOWN = 100

Assignee = Annotated[str, msgspec.Meta(max_length=200)]  # a username; "": nobody
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class IncidentGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided about an incident; its alerts are decided about by themselves."""

    status: IncidentStatus | None = None
    assignee: Assignee | None = None
    reason: Words | None = None


class IncidentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its newest alerts; GET /alerts?incident_id= has all of them."""

    incident: IncidentShape
    alerts: list[AlertShape]


@get("/")
async def list_incidents(  # noqa: PLR0913  one parameter for each filter
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    status: IncidentStatus | None = None,
    device_id: Text = None,
    host: Text = None,
    assignee: Text = None,
    skip: Skip = 0,
    limit: Limit = 50,
) -> Response[list[IncidentShape]]:
    """Return incidents, those first that went on last; X-Total-Count says how many there are."""
    organization = request.user.organization
    wanted = IncidentFilter(status=status, device_id=device_id, host=host, assignee=assignee)
    rows = await find_incidents(database, organization, wanted, limit=limit, skip=skip)
    total = await count_incidents(database, organization, wanted)
    return paged([incident_shape(row) for row in rows], total)


@get("/{incident_id:int}")
async def get_incident(
    request: ApiRequest, incident_id: RowId, database: NamedDependency[Database]
) -> IncidentDetail:
    """Return an incident with its newest alerts, at most 100."""
    organization = request.user.organization
    row = await _incident(database, organization, incident_id)
    wanted = AlertFilter(incident_id=incident_id)
    alerts = await find_alerts(database, organization, wanted, limit=SHOWN)
    return IncidentDetail(
        incident=incident_shape(row), alerts=[alert_shape(alert) for alert in alerts]
    )


@patch("/{incident_id:int}", opt=ANALYST)
async def update_incident(
    request: ApiRequest,
    incident_id: RowId,
    data: IncidentGiven,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> IncidentShape:
    """Say how far people are with an incident, and who works on it.

    What its host does after it was closed is another incident.
    """
    user = person(request).user
    if data.status is None and data.assignee is None:
        message = "status or assignee is missing"
        raise InvalidError(message)
    row = await _incident(database, user.organization, incident_id)
    await check_assignee(database, user.organization, data.assignee)
    entry = audit(
        user,
        "incident.change",
        str(incident_id),
        now_ns=time.time_ns(),
        before={"status": row.status, "assignee": row.assignee},
        after=data,
    )
    change = change_incident(user.organization, incident_id, data.status, data.assignee)
    await database.write(change, entry)
    shape = incident_shape(await _incident(database, user.organization, incident_id))
    live.publish(user.organization, "incident", shape)
    return shape


async def check_assignee(database: Database, organization: str, username: str | None) -> None:
    """Refuse to give work to who cannot do it; None and "" are nobody.

    Raises:
        InvalidError: There is no such active user with the role analyst or higher.
    """
    if username and not await is_assignable(database, organization, username):
        message = "assignee: no active user of that name is an analyst or more"
        raise InvalidError(message)


async def _incident(database: Database, organization: str, incident_id: int) -> IncidentRow:
    wanted = IncidentFilter(ids=[incident_id])
    rows = await find_incidents(database, organization, wanted, limit=1)
    if not rows:
        message = "no such incident"
        raise NotFoundError(message)
    return rows[0]


router = Router(
    "/incidents",
    route_handlers=[list_incidents, get_incident, update_incident],
    tags=["incidents"],
)
