"""What people decided about alerts: who, when, why, and what it was before."""

import secrets
from collections.abc import Sequence

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.users import SessionUser


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written down about alerts; None leaves a thing as it is."""

    status: str | None = None
    notes: str | None = None  # "" takes them away
    reason: str | None = None
    comment: str | None = None


class ChangeRow(msgspec.Struct, frozen=True):
    """One change of one alert as it is kept."""

    id: int
    change_id: str
    at_ns: int
    user_id: int
    username: str
    status_before: str
    status_after: str
    notes_before: str | None
    notes_after: str | None
    reason: str | None
    comment: str | None


class AlertNumber(msgspec.Struct, frozen=True):
    """An alert by its number, which no two have, and by its device's name for it."""

    alert_number: int
    alert_id: str


class Undoable(AlertNumber, frozen=True):
    """What an alert was before a change."""

    status_before: str
    notes_before: str | None  # None: the change left them as they were
    decided_again: bool


class _Count(msgspec.Struct, frozen=True):
    count: int


def new_change_id() -> str:
    """Return the name of a change to be."""
    return secrets.token_hex(16)


def change_alerts(
    user: SessionUser, change_id: str, numbers: Sequence[int], change: AlertChange, now_ns: int
) -> tuple[Statement, ...]:
    """Change alerts by their numbers, and keep what they were."""
    parameters: dict[str, object] = {
        "organization": user.organization,
        "numbers": list(numbers),
        "status": change.status,
        "notes": change.notes,
        "user_id": user.id,
        "now_ns": now_ns,
    }
    kept = {
        "change_id": change_id,
        "username": user.username,
        "reason": change.reason,
        "comment": change.comment,
    }
    return (
        Statement("add_alert_changes", parameters | kept),
        Statement("change_alerts", parameters),
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


async def find_undoable(database: Database, organization: str, change_id: str) -> list[Undoable]:
    """Return what the alerts of a change were before it."""
    parameters = {"organization": organization, "change_id": change_id}
    return await database.read("undoable_changes", parameters, Undoable)
