"""/api/v1/alerts, what people decide: one alert or many at once, with a reason, and back again."""

import time
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from aggregator.addresses import as_ip
from aggregator.api.alerts import find_alert
from aggregator.api.identity import ANALYST, ApiRequest, Person, person
from aggregator.api.incidents import Assignee, check_assignee
from aggregator.api.paging import Limit, Skip, paged
from aggregator.api.times import end_ns, to_ns
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.live import LiveFeed
from aggregator.shapes import AlertShape, AlertStatus, alert_shape, maybe_rfc3339, rfc3339
from aggregator.store.alert_changes import (
    AlertChange,
    AlertNumber,
    ChangeRow,
    Undone,
    change_alerts,
    count_changes,
    find_changed,
    find_changes,
    find_decided_again,
    new_change_id,
    take_back,
)
from aggregator.store.alerts import AlertFilter, AlertRow, count_alerts, find_alerts
from aggregator.store.audit import audit
from aggregator.store.database import Database
from contract.attacks import Severity

MAX_AT_ONCE = 1000
LONGEST_DAYS = 365  # that a decision may hold, where it is not for good

Action = Literal[
    "acknowledge",
    "resolve",
    "false_positive",
    "reopen",
    "acknowledged",
    "resolved",
    "active",
]
STATUS_AFTER: dict[Action, AlertStatus] = {
    "acknowledge": "acknowledged",
    "acknowledged": "acknowledged",
    "resolve": "resolved",
    "resolved": "resolved",
    "false_positive": "false_positive",
    "reopen": "active",
    "active": "active",
}

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided about an alert."""

    status: AlertStatus | None = None
    expires_at: datetime | None = None  # the status holds until then; else for good
    notes: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    assignee: Assignee | None = None
    reason: Words | None = None


class WhichAlerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts, as in the list of alerts."""

    status: AlertStatus | None = None
    severity: Severity | None = None
    attack_type: Name | None = None
    src_ip: Name | None = None
    device_id: Name | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: Name | None = None


class BulkDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided about many alerts: those with these ids, or those that a filter finds."""

    action: Action
    ids: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=MAX_AT_ONCE)] | None = None
    filter: WhichAlerts | None = None
    reason: Words | None = None
    note: Words | None = None  # becomes a comment of each
    expires_at: datetime | None = None  # until when it holds; else for good


class BulkDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a decision about many alerts."""

    change_id: str  # takes it back: POST /alerts/undo
    matched: int
    changed: int
    unchanged: int  # were like this already
    remaining: int  # the filter finds more than are changed at once: send it again
    unknown: list[str]  # ids of no alert


class UndoRequest(msgspec.Struct, frozen=True):
    """The change that is to be taken back."""

    change_id: Name
    reason: Words | None = None


class BulkUndone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of taking a change back."""

    change_id: str  # of the change that took it back
    changed: int
    decided_again: list[str]  # alerts that were changed since, which stay as they are


class CommentGiven(msgspec.Struct, frozen=True):
    """A remark on an alert."""

    comment: Words


class ChangeShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what about an alert, when and why."""

    id: int
    change_id: str
    at: str
    user_id: int | None  # null: nobody, but time or a device
    username: str | None
    status_before: str
    status_after: str
    notes_before: str | None
    notes_after: str | None
    assignee_before: str | None
    assignee_after: str | None
    expires_before: str | None
    expires_after: str | None
    reason: str | None
    comment: str | None


@patch("/{alert_id:str}", opt=ANALYST)
async def update_alert(
    request: ApiRequest,
    alert_id: str,
    data: Decision,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> AlertShape:
    """Write down what was decided about an alert; until a moment within a year, or for good."""
    if data.status is None and data.notes is None and data.assignee is None:
        message = "status, notes or assignee is missing"
        raise InvalidError(message)
    who = person(request)
    row = await find_alert(database, who.organization, alert_id)
    await check_assignee(database, who.organization, data.assignee)
    change = AlertChange(
        status=data.status,
        expires_ns=_expires_ns(data.status, data.expires_at),
        notes=data.notes,
        assignee=data.assignee,
        reason=data.reason,
        comment=_assigned(data.assignee),
    )
    fields = msgspec.structs.asdict(data)
    after = {name: value for name, value in fields.items() if value is not None}
    before = {name: getattr(alert_shape(row), name) for name in after if name != "reason"}
    desk = _Desk(database, live, who)
    await desk.change([_key(row)], change, "alert.change", before=before, after=after)
    return alert_shape(await find_alert(database, who.organization, alert_id))


@post("/bulk", opt=ANALYST, status_code=HTTP_200_OK)
async def update_alerts(
    request: ApiRequest,
    data: BulkDecision,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> BulkDone:
    """Decide about many alerts at once, at most 1,000."""
    who = person(request)
    wanted = _wanted(data)
    rows = await find_alerts(database, who.organization, wanted, limit=MAX_AT_ONCE)
    total = await count_alerts(database, who.organization, wanted)
    status = STATUS_AFTER[data.action]
    expires_ns = _expires_ns(status, data.expires_at)
    differ = [row for row in rows if (row.status, row.expires_ns) != (status, expires_ns)]
    change = AlertChange(
        status=status, expires_ns=expires_ns, reason=data.reason, comment=data.note
    )
    desk = _Desk(database, live, who)
    await desk.change([_key(row) for row in differ], change, "alert.bulk", after=data)
    known = {row.alert_id for row in rows}
    return BulkDone(
        change_id=desk.change_id,
        matched=len(rows),
        changed=len(differ),
        unchanged=len(rows) - len(differ),
        remaining=total - len(rows),
        unknown=[alert_id for alert_id in data.ids or [] if alert_id not in known],
    )


@post("/undo", opt=ANALYST | {"errors": (HTTPStatus.NOT_FOUND,)}, status_code=HTTP_200_OK)
async def undo_change(
    request: ApiRequest,
    data: UndoRequest,
    database: NamedDependency[Database],
    live: NamedDependency[LiveFeed],
) -> BulkUndone:
    """Take a change back: status, notes and assignee are as they were before it.

    Alerts that were decided about since stay as they are. 409 if all were, or for a mere remark.
    """
    desk = _Desk(database, live, person(request))
    changed = await desk.undo(data)
    others = await find_decided_again(
        database, request.user.organization, data.change_id, desk.change_id
    )
    if not changed and not others:
        if await find_changed(database, request.user.organization, data.change_id):
            message = "the change decided nothing: there is nothing to take back"
            raise ConflictError(message)
        message = "no such change"
        raise NotFoundError(message)
    if not changed:
        last = max(others, key=lambda other: other.at_ns)
        who = (
            f"{last.username} decided again about"
            if last.username
            else "time or its device reopened"
        )
        message = f"{who} {last.alert_id} at {rfc3339(last.at_ns)}: nothing is taken back"
        raise ConflictError(message)
    return BulkUndone(
        change_id=desk.change_id,
        changed=changed,
        decided_again=[other.alert_id for other in others],
    )


@post("/{alert_id:str}/comments", opt=ANALYST)
async def add_comment(
    request: ApiRequest, alert_id: str, data: CommentGiven, database: NamedDependency[Database]
) -> ChangeShape:
    """Add a remark to an alert."""
    who = person(request)
    row = await find_alert(database, who.organization, alert_id)
    change_id, now_ns = new_change_id(), time.time_ns()
    comment = AlertChange(comment=data.comment)
    await database.write(
        *change_alerts(who.user, change_id, [row.id], comment, now_ns),
        audit(who.user, "alert.comment", alert_id, now_ns=now_ns, detail=data.comment),
    )
    changes = await find_changes(database, who.organization, row.id, limit=1000, skip=0)
    return next(_change_shape(change) for change in changes if change.change_id == change_id)


@get("/{alert_id:str}/changes")
async def list_changes(
    request: ApiRequest,
    alert_id: str,
    database: NamedDependency[Database],
    skip: Skip = 0,
    limit: Limit = 100,
) -> Response[list[ChangeShape]]:
    """Return who changed what about an alert, when and why, and remarks, newest first."""
    organization = request.user.organization
    row = await find_alert(database, organization, alert_id)
    changes = await find_changes(database, organization, row.id, limit=limit, skip=skip)
    total = await count_changes(database, organization, row.id)
    shapes = [_change_shape(change) for change in changes]
    return paged(shapes, total)


class _Desk:
    """Where one person decides; everything they decide in one request is one change."""

    def __init__(self, database: Database, live: LiveFeed, who: Person) -> None:
        self._database = database
        self._live = live
        self._who = who
        self.change_id = new_change_id()

    async def change(
        self,
        keys: Sequence[AlertNumber],
        change: AlertChange,
        action: str,
        *,
        before: object = None,
        after: object,
    ) -> None:
        """Write a change down, with what the audit is to say of it, and tell it."""
        if not keys:
            return
        now_ns = time.time_ns()
        numbers = [key.alert_number for key in keys]
        target = keys[0].alert_id if len(keys) == 1 else self.change_id
        await self._database.write(
            *change_alerts(self._who.user, self.change_id, numbers, change, now_ns),
            audit(self._who.user, action, target, now_ns=now_ns, before=before, after=after),
        )
        await self._tell(keys)

    async def undo(self, data: UndoRequest) -> int:
        """Take a change back as far as nobody decided since, and return of how many alerts."""
        user, now_ns = self._who.user, time.time_ns()
        reason = data.reason or f"takes back {data.change_id}"
        changed = await self._database.change(
            Undone,
            *take_back(user, self.change_id, data.change_id, reason, now_ns),
            audit(user, "alert.undo", data.change_id, now_ns=now_ns, after=data),
        )
        if changed:
            await self._tell(await find_changed(self._database, user.organization, self.change_id))
        return len(changed)

    async def _tell(self, keys: Sequence[AlertNumber]) -> None:
        organization = self._who.organization
        wanted = AlertFilter(alert_ids=[key.alert_id for key in keys], suppressed=False)
        for row in await find_alerts(self._database, organization, wanted, limit=MAX_AT_ONCE):
            self._live.publish(organization, "alert_updated", alert_shape(row))


def _wanted(data: BulkDecision) -> AlertFilter:
    if (data.ids is None) == (data.filter is None):
        message = "either ids or filter is expected"
        raise InvalidError(message)
    if data.filter is None:
        return AlertFilter(alert_ids=data.ids)
    chosen = msgspec.structs.asdict(data.filter)
    if not any(chosen.values()):
        message = "an empty filter would mean every alert: name at least one criterion"
        raise InvalidError(message)
    chosen["src_ip"] = as_ip("filter.src_ip", data.filter.src_ip)
    since, until, text = chosen.pop("since"), chosen.pop("until"), chosen.pop("q")
    return AlertFilter(
        **chosen, since_ns=to_ns(since), until_ns=to_ns(until), text=text, suppressed=False
    )


def _expires_ns(status: AlertStatus | None, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if status in {None, "active"}:
        message = "expires_at: a status that ends is expected: any but active"
        raise InvalidError(message)
    return end_ns(moment, time.time_ns(), LONGEST_DAYS)


def _assigned(assignee: str | None) -> str | None:
    return None if assignee is None else f"assigned to {assignee or 'nobody'}"


def _key(row: AlertRow) -> AlertNumber:
    return AlertNumber(row.id, row.alert_id)


def _change_shape(row: ChangeRow) -> ChangeShape:
    fields = msgspec.structs.asdict(row)
    return ChangeShape(
        at=rfc3339(fields.pop("at_ns")),
        expires_before=maybe_rfc3339(fields.pop("expires_before_ns")),
        expires_after=maybe_rfc3339(fields.pop("expires_after_ns")),
        **fields,
    )


router = Router(
    "/alerts",
    route_handlers=[update_alert, update_alerts, undo_change, add_comment, list_changes],
    tags=["alerts"],
)
