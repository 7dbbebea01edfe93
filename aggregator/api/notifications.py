"""/api/v1/notifications: whom the organization has told of its alerts."""

import secrets
import time
from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.api.identity import ADMIN, ApiRequest, person
from aggregator.api.paging import Limit, RowId, Skip, paged
from aggregator.errors import ConflictError, DeliveryError, InvalidError, NotFoundError
from aggregator.notify.address import Address
from aggregator.notify.delivery import Delivery
from aggregator.notify.quiet import QuietHours
from aggregator.notify.targets import MAX_URL_CHARACTERS
from aggregator.notify.wording import Notice
from aggregator.shapes import maybe_rfc3339, rfc3339
from aggregator.store.audit import audit
from aggregator.store.channels import (
    ChannelKind,
    ChannelRow,
    NewChannel,
    add_channel,
    count_channels,
    delete_channel,
    find_channels,
)
from aggregator.store.database import Database
from aggregator.store.devices import Added, Page
from contract.attacks import SEVERITIES, AttackType, Severity

SECRET_BYTES = 32

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_URL_CHARACTERS)]


class ChannelGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A channel to be."""

    name: Name
    kind: ChannelKind  # a webhook of one's own, or a service that apprise knows
    url: Url
    min_severity: Severity = "low"
    attack_types: Annotated[list[AttackType], msgspec.Meta(max_length=20)] = []  # none: all
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    quiet: QuietHours | None = None
    recovery: bool = True  # whether what is over is told as well


class ChannelShape(msgspec.Struct, frozen=True, kw_only=True):
    """A channel; its address is not shown again."""

    id: int
    name: str
    kind: ChannelKind
    target: str
    min_severity: Severity
    attack_types: list[AttackType]
    per_minute: int
    quiet: QuietHours | None
    recovery: bool
    created_by: str
    created_at: str
    sent: int
    failed: int  # given up
    dropped: int  # too many waited
    withheld: int  # told as "and 12 more"
    queued: int
    last_sent_at: str | None
    last_error: str | None


class NewChannelShape(ChannelShape, frozen=True, kw_only=True):
    """A channel that was just made."""

    secret: str | None  # by which a webhook tells that it is us; shown here and never again


class Tested(msgspec.Struct, frozen=True):
    """What became of a test."""

    delivered: bool
    detail: str


@post("/", opt=ADMIN)
async def create_channel(
    request: ApiRequest,
    data: ChannelGiven,
    database: NamedDependency[Database],
    delivery: NamedDependency[Delivery],
) -> NewChannelShape:
    """Have somebody told of alerts from now on."""
    user = person(request).user
    target = await _target(delivery, data)
    secret = secrets.token_hex(SECRET_BYTES) if data.kind == "webhook" else None
    new = NewChannel(
        organization=user.organization,
        name=data.name,
        kind=data.kind,
        target=target,
        sealed=delivery.sealed(user.organization, Address(data.url, secret or "")),
        severities=list(SEVERITIES[SEVERITIES.index(data.min_severity) :]),
        attack_types=data.attack_types,
        per_minute=data.per_minute,
        quiet=msgspec.json.encode(data.quiet).decode() if data.quiet else None,
        recovery=data.recovery,
        created_by=user.username,
    )
    now_ns = time.time_ns()
    after = {"kind": data.kind, "target": target, "min_severity": data.min_severity}
    added = await database.change(
        Added,
        add_channel(new, now_ns),
        audit(user, "notification.create", data.name, now_ns=now_ns, after=after),
    )
    if not added:
        message = "there are too many channels: delete some"
        raise ConflictError(message)
    shape = _shape(await _channel(database, user.organization, added[0].id))
    return NewChannelShape(**msgspec.structs.asdict(shape), secret=secret)


@get("/", opt=ADMIN)
async def list_channels(
    request: ApiRequest, database: NamedDependency[Database], skip: Skip = 0, limit: Limit = 100
) -> Response[list[ChannelShape]]:
    """Return who is told, newest first, and how that went."""
    organization = request.user.organization
    rows = await find_channels(database, organization, Page(limit, skip))
    total = await count_channels(database, organization)
    return paged([_shape(row) for row in rows], total)


@delete("/{channel_id:int}", opt=ADMIN)
async def remove_channel(
    request: ApiRequest, channel_id: RowId, database: NamedDependency[Database]
) -> None:
    """Have somebody told no more; what waits for them is forgotten."""
    user = person(request).user
    row = await _channel(database, user.organization, channel_id)
    before = {"kind": row.kind, "target": row.target}
    await database.write(
        *delete_channel(user.organization, channel_id),
        audit(user, "notification.delete", row.name, now_ns=time.time_ns(), before=before),
    )


@post(
    "/{channel_id:int}/test",
    opt=ADMIN | {"errors": (HTTPStatus.TOO_MANY_REQUESTS,)},
    status_code=HTTP_200_OK,
)
async def check_channel(
    request: ApiRequest,
    channel_id: RowId,
    database: NamedDependency[Database],
    delivery: NamedDependency[Delivery],
) -> Tested:
    """Tell a channel that this is a test, at once, and say whether it was taken."""
    user = person(request).user
    row = await _channel(database, user.organization, channel_id)
    delivery.testing.take(user.organization)
    now_ns = time.time_ns()
    await database.write(audit(user, "notification.test", row.name, now_ns=now_ns))
    notice = Notice(
        id=secrets.token_hex(16),
        event="test",
        organization=user.organization,
        sent_at=rfc3339(now_ns),
        title="A test of Edgewarden",
        text=f"{user.username} looks whether notifications arrive here. They do.",
    )
    try:
        await delivery.deliver(row, notice)
    except (DeliveryError, InvalidError) as error:
        return Tested(delivered=False, detail=str(error))
    return Tested(delivered=True, detail=f"{row.target} has taken it")


async def _target(delivery: Delivery, data: ChannelGiven) -> str:
    if data.quiet is not None:
        data.quiet.check()
    try:
        return await delivery.check(data.kind, data.url)
    except DeliveryError as error:
        message = f"url: {error}"
        raise InvalidError(message) from error


async def _channel(database: Database, organization: str, channel_id: int) -> ChannelRow:
    rows = await find_channels(database, organization, Page(limit=1), channel_id)
    if not rows:
        message = "no such channel"
        raise NotFoundError(message)
    return rows[0]


def _shape(row: ChannelRow) -> ChannelShape:
    return ChannelShape(
        id=row.id,
        name=row.name,
        kind=row.kind,
        target=row.target,
        min_severity=row.severities[0],
        attack_types=row.attack_types,
        per_minute=row.per_minute,
        quiet=msgspec.json.decode(row.quiet, type=QuietHours) if row.quiet else None,
        recovery=row.recovery,
        created_by=row.created_by,
        created_at=rfc3339(row.created_ns),
        sent=row.sent,
        failed=row.failed,
        dropped=row.dropped,
        withheld=row.withheld,
        queued=row.queued,
        last_sent_at=maybe_rfc3339(row.last_sent_ns),
        last_error=row.last_error,
    )


router = Router(
    "/notifications",
    route_handlers=[create_channel, list_channels, remove_channel, check_channel],
    tags=["notifications"],
)
