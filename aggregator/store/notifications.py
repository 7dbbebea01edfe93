"""Notifications: what channels are told, what waits, and what was kept back."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from aggregator.store.database import Database, Statement
from contract.attacks import AttackType, Severity

NotificationEvent = Literal["alert", "reopened", "expired", "recovered", "lifted", "more"]
NotificationState = Literal["queued", "withheld", "dropped", "sent", "failed"]


class Untold(msgspec.Struct, frozen=True):
    """What a channel is to be told."""

    organization: str
    channel_id: int
    event: NotificationEvent
    alert_number: int | None
    attack_type: AttackType | None
    severity: Severity | None
    news: int


class NewNotification(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down about it."""

    notification_id: str
    organization: str
    channel_id: int
    event: NotificationEvent
    alert_number: int | None = None
    attack_type: AttackType | None = None
    severity: Severity | None = None
    state: NotificationState = "queued"


class DueNotification(msgspec.Struct, frozen=True):
    """What may be sent now."""

    organization: str
    channel_id: int
    notification_id: str
    event: NotificationEvent
    alert_number: int | None
    tries: int
    created_ns: int


class Withheld(msgspec.Struct, frozen=True):
    """How many alerts of a kind were withheld, and since when."""

    attack_type: AttackType
    severity: Severity
    count: int
    since_ns: int


class _News(msgspec.Struct, frozen=True):
    newest: int


async def newest_news(database: Database) -> int:
    """Return the number of the newest alert, or of the one that changed last."""
    return (await database.read("newest_news", {}, _News))[0].newest


async def untold_alerts(database: Database, upto: int, limit: int) -> list[Untold]:
    """Return what channels are to be told of alerts up to a number of theirs, oldest first."""
    return await database.read("untold_alerts", {"upto": upto, "limit": limit}, Untold)


async def untold_turns(database: Database, since_ns: int, now_ns: int, limit: int) -> list[Untold]:
    """Return what of older alerts is over, or active again, and channels were told otherwise.

    Args:
        database: Where they are.
        since_ns: Since when decisions expired that channels may still be told of.
        now_ns: Until when they did.
        limit: How many at most for each channel.
    """
    parameters = {"since_ns": since_ns, "now_ns": now_ns, "limit": limit}
    return await database.read("untold_turns", parameters, Untold)


async def due_notifications(database: Database, now_ns: int, limit: int) -> list[DueNotification]:
    """Return what may be sent now, oldest first, at most so much for each channel."""
    return await database.read(
        "due_notifications", {"now_ns": now_ns, "limit": limit}, DueNotification
    )


async def withheld_alerts(database: Database, due: DueNotification) -> list[Withheld]:
    """Return which alerts a notification stands for, most frequent kind first."""
    wanted = {
        "organization": due.organization,
        "channel_id": due.channel_id,
        "notification_id": due.notification_id,
    }
    return await database.read("withheld_alerts", wanted, Withheld)


def add_notifications(new: Sequence[NewNotification], now_ns: int) -> list[Statement]:
    """Write notifications down, and count what of them is kept back."""
    fields = NewNotification.__struct_fields__
    columns = {name: [getattr(item, name) for item in new] for name in fields}
    statements = [Statement("add_notifications", columns | {"now_ns": now_ns})] if new else []
    for organization, channel_id in sorted({(item.organization, item.channel_id) for item in new}):
        states = [item.state for item in new if item.channel_id == channel_id]
        kept_back = {"withheld": states.count("withheld"), "dropped": states.count("dropped")}
        which = {"organization": organization, "channel_id": channel_id}
        if any(kept_back.values()):
            statements.append(Statement("count_kept_back", which | kept_back))
    return statements


def sum_up_withheld(by: NewNotification) -> Statement:
    """Note by which notification a channel is told what was withheld from it before."""
    return Statement(
        "sum_up_withheld",
        {
            "organization": by.organization,
            "channel_id": by.channel_id,
            "notification_id": by.notification_id,
        },
    )


def move_channels(upto: int) -> Statement:
    """Note up to which number alerts were looked at."""
    return Statement("move_channels", {"upto": upto})


def settle(  # noqa: PLR0913  what is known of an attempt
    due: DueNotification,
    state: NotificationState,
    now_ns: int,
    *,
    error: str | None = None,
    failures: int = 0,
    next_try_ns: int = 0,
) -> tuple[Statement, Statement]:
    """Note what became of an attempt; in state `queued` it will be tried again."""
    common = {"organization": due.organization, "state": state, "now_ns": now_ns}
    return (
        Statement("settle_notification", common | {"notification_id": due.notification_id}),
        Statement(
            "note_delivery",
            common
            | {
                "channel_id": due.channel_id,
                "failures": failures,
                "next_try_ns": next_try_ns,
                "error": error,
            },
        ),
    )


def forget_notifications(sent_before_ns: int, others_before_ns: int) -> Statement:
    """Forget what was sent, and what was not, before two moments."""
    return Statement(
        "forget_notifications",
        {"sent_before_ns": sent_before_ns, "others_before_ns": others_before_ns},
    )
