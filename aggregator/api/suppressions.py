"""/api/v1/suppressions: alerts that are not to be shown for a while, with a look at history first."""

import time
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.addresses import as_ip
from aggregator.api.alerts import find_alert
from aggregator.api.identity import ANALYST, ApiRequest, person
from aggregator.api.paging import Limit, RowId, Skip, paged
from aggregator.api.times import DAY_S, end_ns
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.live import LiveFeed
from aggregator.shapes import NS_PER_S, AlertShape, alert_shape, maybe_rfc3339, rfc3339
from aggregator.store.alerts import AlertFilter, count_alerts, find_alerts
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.devices import Added, Page
from aggregator.store.suppressions import (
    Match,
    SuppressionFilter,
    SuppressionRow,
    add_suppression,
    as_filter,
    count_suppressions,
    delete_suppression,
    find_suppressions,
)
from aggregator.uncovering import Uncovering

LONGEST_DAYS = 90
SHOWN = 10
MANY = ANALYST | {"errors": (HTTPStatus.NOT_FOUND,)}

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Days = Annotated[int, msgspec.Meta(ge=1, le=400)]


class WhichGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts: those like one of them, or those that a match describes."""

    alert_id: Text | None = None
    match: Match | None = None
    days: Days = 30  # of history


class SuppressionGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suppression to be."""

    reason: Reason
    expires_at: datetime
    alert_id: Text | None = None
    match: Match | None = None


class SuppressionShape(msgspec.Struct, frozen=True, kw_only=True):
    """A suppression, and what it has hidden."""

    id: int
    match: Match
    reason: str
    created_by: str
    created_at: str
    expires_at: str
    is_active: bool
    hidden: int  # GET /alerts?suppressed=true shows them
    last_hidden_at: str | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a suppression would have hidden."""

    match: Match
    days: int
    hidden: int
    of: int  # alerts in these days
    critical: int  # of the hidden ones
    newest: list[AlertShape]


@post("/", opt=MANY)
async def create_suppression(
    request: ApiRequest, data: SuppressionGiven, database: NamedDependency[Database]
) -> SuppressionShape:
    """Hide alerts that come from now on until a moment, at most 90 days ahead.

    Hidden alerts are kept and counted, but neither announced nor notified. What a device does about
    them stays as it is. Those that go on after that moment are shown and told then.
    """
    user = person(request).user
    match = await _match(database, user.organization, data.alert_id, data.match)
    now_ns = time.time_ns()
    expires_ns = end_ns(data.expires_at, now_ns, LONGEST_DAYS)
    add = add_suppression(
        user.organization,
        match,
        reason=data.reason,
        username=user.username,
        now_ns=now_ns,
        expires_ns=expires_ns,
    )
    after = {"match": match, "reason": data.reason, "expires_at": rfc3339(expires_ns)}
    entry = audit(user, "suppression.create", data.alert_id or "match", now_ns=now_ns, after=after)
    added = await database.change(Added, add, entry)
    if not added:
        message = "there are too many suppressions: delete some"
        raise ConflictError(message)
    return _shape(await _suppression(database, user.organization, added[0].id))


@post("/preview", opt=MANY, status_code=HTTP_200_OK)
async def preview_suppression(
    request: ApiRequest, data: WhichGiven, database: NamedDependency[Database]
) -> Preview:
    """Say which alerts of the last days a suppression would have hidden; nothing is changed."""
    organization = person(request).organization
    match = await _match(database, organization, data.alert_id, data.match)
    since_ns = time.time_ns() - data.days * DAY_S * NS_PER_S
    wanted = as_filter(match, since_ns)
    critical = msgspec.structs.replace(wanted, severity="critical")
    everything = AlertFilter(received_since_ns=since_ns)
    newest = await find_alerts(database, organization, wanted, limit=SHOWN)
    return Preview(
        match=match,
        days=data.days,
        hidden=await count_alerts(database, organization, wanted),
        of=await count_alerts(database, organization, everything),
        critical=await count_alerts(database, organization, critical),
        newest=[alert_shape(row) for row in newest],
    )


@get("/")
async def list_suppressions(
    request: ApiRequest,
    database: NamedDependency[Database],
    *,
    active_only: bool = True,
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[SuppressionShape]]:
    """Return suppressions, newest first; X-Total-Count says how many there are in all."""
    organization, now_ns = request.user.organization, time.time_ns()
    wanted = SuppressionFilter(active_only=active_only)
    page = Page(limit, skip)
    rows = await find_suppressions(database, organization, wanted, now_ns, page)
    total = await count_suppressions(
        database, organization, active_only=active_only, now_ns=now_ns
    )
    return paged([_shape(row) for row in rows], total)


@delete("/{suppression_id:int}", opt=ANALYST)
async def remove_suppression(
    request: ApiRequest,
    suppression_id: RowId,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> None:
    """End a suppression, and show what it has hidden; alerts that are not over are told as new ones."""
    user = person(request).user
    row = await _suppression(database, user.organization, suppression_id)
    before = {"match": row.match, "reason": row.reason, "hidden": row.hidden}
    now_ns = time.time_ns()
    await database.write(
        *delete_suppression(user.organization, suppression_id),
        audit(
            user,
            "suppression.delete",
            str(suppression_id),
            now_ns=now_ns,
            before=before,
        ),
    )
    await Uncovering(database, live).show(user.organization, now_ns)


async def _match(
    database: Database, organization: str, alert_id: str | None, match: Match | None
) -> Match:
    if (alert_id is None) == (match is None):
        message = "either alert_id or match is expected"
        raise InvalidError(message)
    if alert_id is not None:
        row = await find_alert(database, organization, alert_id)
        return Match(device_id=row.device_id, attack_type=row.attack_type, host=row.host)
    if match is None or not (match.attack_type or match.host or match.src_ip or match.dst_ip):
        message = "match: name at least an attack_type, a host, a src_ip or a dst_ip"
        raise InvalidError(message)
    return msgspec.structs.replace(
        match,
        src_ip=as_ip("match.src_ip", match.src_ip),
        dst_ip=as_ip("match.dst_ip", match.dst_ip),
    )


async def _suppression(
    database: Database, organization: str, suppression_id: int
) -> SuppressionRow:
    wanted = SuppressionFilter(id=suppression_id)
    rows = await find_suppressions(database, organization, wanted, time.time_ns(), Page(limit=1))
    if not rows:
        message = "no such suppression"
        raise NotFoundError(message)
    return rows[0]


def _shape(row: SuppressionRow) -> SuppressionShape:
    return SuppressionShape(
        id=row.id,
        match=row.match,
        reason=row.reason,
        created_by=row.username,
        created_at=rfc3339(row.created_ns),
        expires_at=rfc3339(row.expires_ns),
        is_active=row.active,
        hidden=row.hidden,
        last_hidden_at=maybe_rfc3339(row.last_hidden_ns),
    )


router = Router(
    "/suppressions",
    route_handlers=[
        create_suppression,
        preview_suppression,
        list_suppressions,
        remove_suppression,
    ],
    tags=["suppressions"],
)
