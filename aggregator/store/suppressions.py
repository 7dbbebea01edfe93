"""Suppressions: which alerts are not shown for a while, and why."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from aggregator.store.alerts import AlertFilter, Count
from aggregator.store.counts import as_counted
from aggregator.store.database import Database, Statement
from aggregator.store.devices import Page
from aggregator.store.incidents import gather
from contract.attacks import AttackType

MAX_OF_AN_ORGANIZATION = 500  # that are in force

Text = Annotated[str, msgspec.Meta(max_length=200)]


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an alert must be like to be hidden; what is None does not matter."""

    device_id: Text | None = None
    attack_type: AttackType | None = None
    host: Text | None = None
    src_ip: Text | None = None
    dst_ip: Text | None = None


class SuppressionRow(msgspec.Struct, frozen=True):
    """One suppression as it is kept."""

    id: int
    device_id: str | None
    attack_type: AttackType | None
    host: str | None
    src_ip: str | None
    dst_ip: str | None
    reason: str
    username: str
    created_ns: int
    expires_ns: int
    active: bool
    hidden: int
    last_hidden_ns: int | None

    @property
    def match(self) -> Match:
        """What an alert must be like."""
        return Match(**{name: getattr(self, name) for name in Match.__struct_fields__})


class Outlived(msgspec.Struct, frozen=True):
    """A hidden alert that went on when its suppression had ended."""

    number: int
    opened_ns: int


class _Organization(msgspec.Struct, frozen=True):
    name: str


class SuppressionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which suppressions."""

    id: int | None = None
    active_only: bool = False


def as_filter(match: Match, received_since_ns: int) -> AlertFilter:
    """Return which alerts a suppression would have hidden since a moment."""
    return AlertFilter(**msgspec.structs.asdict(match), received_since_ns=received_since_ns)


def add_suppression(  # noqa: PLR0913  a suppression has so many parts
    organization: str, match: Match, *, reason: str, username: str, now_ns: int, expires_ns: int
) -> Statement:
    """Hide alerts that come from now on; returns Added, or nothing when there are too many."""
    return Statement(
        "add_suppression",
        msgspec.structs.asdict(match)
        | {
            "organization": organization,
            "reason": reason,
            "username": username,
            "now_ns": now_ns,
            "expires_ns": expires_ns,
            "most": MAX_OF_AN_ORGANIZATION,
        },
    )


async def find_suppressions(
    database: Database, organization: str, wanted: SuppressionFilter, now_ns: int, page: Page
) -> list[SuppressionRow]:
    """Return suppressions of an organization, newest first."""
    sought = msgspec.structs.asdict(wanted) | msgspec.structs.asdict(page)
    sought |= {"organization": organization, "now_ns": now_ns}
    return await database.read("suppressions", sought, SuppressionRow)


async def count_suppressions(
    database: Database, organization: str, *, active_only: bool, now_ns: int
) -> int:
    """Return how many suppressions an organization has, or how many are in force."""
    sought = {"organization": organization, "active_only": active_only, "now_ns": now_ns}
    return (await database.read("count_suppressions", sought, Count))[0].count


def delete_suppression(organization: str, suppression_id: int) -> tuple[Statement, ...]:
    """End a suppression and show what it has hidden and is over; what goes on has outlived it."""
    which = {"organization": organization, "id": suppression_id}
    return (
        Statement("delete_suppression", which),
        Statement("note_shown_alerts", which),
        Statement("show_suppressed", which),
        *gather(since_ns=0),
    )


async def find_outliving(database: Database, now_ns: int, most: int) -> list[str]:
    """Return which organizations have hidden alerts that have outlived their suppressions."""
    rows = await database.read("outliving", {"now_ns": now_ns, "most": most}, _Organization)
    return [row.name for row in rows]


async def find_outlived(
    database: Database, organization: str, now_ns: int, most: int
) -> list[Outlived]:
    """Return hidden alerts of an organization that have outlived their suppressions, oldest first."""
    sought = {"organization": organization, "now_ns": now_ns, "most": most}
    return await database.read("outlived_alerts", sought, Outlived)


def show_outlived(
    organization: str, outlived: Sequence[Outlived], now_ns: int
) -> tuple[Statement, ...]:
    """Have alerts that have outlived their suppressions be as if they came now."""
    numbers = [each.number for each in outlived]
    which: dict[str, object] = {"organization": organization, "numbers": numbers}
    show = Statement("show_outlived", which | {"now_ns": now_ns})
    return (
        *as_counted("note_outlived_alerts", which, show),
        *gather(since_ns=min(each.opened_ns for each in outlived)),
    )
