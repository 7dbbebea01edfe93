"""What people decided about alerts: who, when, why, and what it was before."""

import secrets
from collections.abc import Sequence

import msgspec

from aggregator.store.counts import as_counted
from aggregator.store.database import Database, Statement
from aggregator.store.users import SessionUser


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written down about alerts; None leaves a thing as it is."""

    status: str | None = None
    expires_ns: int | None = None  # until when a status that is given holds; None: for good
    notes: str | None = None  # "" takes them away
    assignee: str | None = None  # "": nobody
    reason: str | None = None
    comment: str | None = None


class ChangeRow(msgspec.Struct, frozen=True):
    """One change of one alert as it is kept."""

    id: int
    change_id: str
    at_ns: int
    user_id: int | None  # None: nobody, but time or a device
    username: str | None
    status_before: str
    status_after: str
    notes_before: str | None
    notes_after: str | None
    assignee_before: str | None
    assignee_after: str | None
    expires_before_ns: int | None
    expires_after_ns: int | None
    reason: str | None
    comment: str | None


class AlertNumber(msgspec.Struct, frozen=True):
    """An alert by its number, which no two have, and by its device's name for it."""

    alert_number: int
    alert_id: str


class Undone(msgspec.Struct, frozen=True):
    """An alert that is as it was before a change."""

    alert_number: int


class DecidedAgain(msgspec.Struct, frozen=True):
    """An alert that somebody decided about after a change: who and when it was last."""

    alert_id: str
    username: str | None  # None: nobody, but time or a device
    at_ns: int


class _Organization(msgspec.Struct, frozen=True):
    name: str


class _Count(msgspec.Struct, frozen=True):
    count: int


def new_change_id() -> str:
    """Return the name of a change to be."""
    return secrets.token_hex(16)


def change_alerts(
    user: SessionUser, change_id: str, numbers: Sequence[int], change: AlertChange, now_ns: int
) -> tuple[Statement, ...]:
    """Change alerts by their numbers, and keep what they were."""
    decided = {"numbers": list(numbers)} | msgspec.structs.asdict(change)
    return (
        Statement("add_alert_changes", _who(user, change_id, now_ns) | decided),
        *_decide(user.organization, change_id),
    )


def take_back(
    user: SessionUser, change_id: str, undone: str, reason: str, now_ns: int
) -> tuple[Statement, ...]:
    """Take a change back; returns Undone for each alert that nobody decided about since."""
    taken_back = {"undone": undone, "reason": reason}
    return (
        Statement("undo_alert_changes", _who(user, change_id, now_ns) | taken_back),
        *_decide(user.organization, change_id),
    )


async def find_expired(database: Database, now_ns: int, most: int) -> list[str]:
    """Return in which organizations decisions have expired that still stand."""
    parameters = {"now_ns": now_ns, "most": most}
    rows = await database.read("expired_decisions", parameters, _Organization)
    return [row.name for row in rows]


def expire_decisions(
    organization: str, change_id: str, now_ns: int, most: int
) -> tuple[Statement, ...]:
    """Make alerts active again whose decisions have expired, as one change by nobody."""
    which = _which(organization, change_id)
    return (
        Statement("expire_decisions", which | {"now_ns": now_ns, "most": most}),
        *_decide(organization, change_id),
    )


async def find_changes(
    database: Database, organization: str, number: int, *, limit: int, skip: int
) -> list[ChangeRow]:
    """Return the changes of an alert, newest first."""
    parameters = {"organization": organization, "number": number, "limit": limit, "skip": skip}
    return await database.read("alert_changes", parameters, ChangeRow)


async def count_changes(database: Database, organization: str, number: int) -> int:
    """Return how often an alert was changed."""
    parameters = {"organization": organization, "number": number}
    return (await database.read("count_alert_changes", parameters, _Count))[0].count


async def find_changed(database: Database, organization: str, change_id: str) -> list[AlertNumber]:
    """Return the alerts of a change."""
    return await database.read("changed_alerts", _which(organization, change_id), AlertNumber)


async def find_decided_again(
    database: Database, organization: str, undone: str, undo: str
) -> list[DecidedAgain]:
    """Return the alerts of a change that were decided about since, other than by taking it back."""
    parameters = {"organization": organization, "undone": undone, "undo": undo}
    return await database.read("decided_again", parameters, DecidedAgain)


def _decide(organization: str, change_id: str) -> tuple[Statement, ...]:
    which = _which(organization, change_id)
    return as_counted("note_changed_alerts", which, Statement("change_alerts", which))


def _which(organization: str, change_id: str) -> dict[str, object]:
    return {"organization": organization, "change_id": change_id}


def _who(user: SessionUser, change_id: str, now_ns: int) -> dict[str, object]:
    by = {"user_id": user.id, "username": user.username, "now_ns": now_ns}
    return _which(user.organization, change_id) | by
