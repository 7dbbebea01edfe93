"""What organizations use of the installation, and what their plans allow."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec

from aggregator.store.database import Database, Statement

MONTHS = 12


class Plan(msgspec.Struct, frozen=True):
    """What an organization may have; None: as much as it likes."""

    max_devices: int | None = None
    max_users: int | None = None
    max_messages: int | None = None  # a month
    max_api_calls: int | None = None  # a month
    keep_days: int | None = None  # at most as long as everybody's rows are kept
    keep_alerts_days: int | None = None


class Told(msgspec.Struct, frozen=True):
    """What devices told in a batch."""

    messages: int
    payload_bytes: int


class UsageRow(msgspec.Struct, frozen=True):
    """What an organization has, and what it used in a month."""

    organization: str
    max_devices: int | None
    max_users: int | None
    max_messages: int | None
    max_api_calls: int | None
    keep_days: int | None
    keep_alerts_days: int | None
    devices: int
    users: int
    messages: int
    payload_bytes: int
    api_calls: int
    alerts: int
    archive_bytes: int  # of all months


class CallsRow(msgspec.Struct, frozen=True):
    """How often an organization called the API in a month, and how often it may."""

    api_calls: int
    max_api_calls: int | None


class Keeping(msgspec.Struct, frozen=True):
    """How long a plan lets an organization's rows be kept; None: as long as everybody's."""

    organization: str
    keep_days: int | None
    keep_alerts_days: int | None


class SeatsRow(msgspec.Struct, frozen=True):
    """What an organization may have, and what it has."""

    max_devices: int | None
    max_users: int | None
    devices: int
    users: int


def month_of(now_ns: int) -> date:
    """Return the month of a moment, as its first day (UTC)."""
    return datetime.fromtimestamp(now_ns // 10**9, UTC).date().replace(day=1)


def add_usage(told: Mapping[str, Told], now_ns: int) -> Statement:
    """Add what devices of organizations told to the month that it is."""
    return Statement(
        "add_usage",
        {
            "month": month_of(now_ns).isoformat(),
            "organization": list(told),
            "messages": [one.messages for one in told.values()],
            "payload_bytes": [one.payload_bytes for one in told.values()],
        },
    )


def add_calls(calls: Mapping[str, int], month: date) -> Statement:
    """Add how often organizations called the API to a month."""
    columns = {"organization": list(calls), "api_calls": list(calls.values())}
    return Statement("add_calls", {"month": month.isoformat()} | columns)


async def find_calls(database: Database, organization: str, month: date) -> CallsRow:
    """Return how often an organization called the API in a month, and how often it may."""
    sought = {"organization": organization, "month": month.isoformat()}
    rows = await database.read("calls", sought, CallsRow)
    return rows[0] if rows else CallsRow(0, None)


async def find_keeping(database: Database) -> list[Keeping]:
    """Return the organizations whose plans say how long rows are kept."""
    return await database.read("keeping", {}, Keeping)


def set_plan(organization: str, plan: Plan) -> Statement:
    """Change what an organization may have; returns Named, or nothing when there is none."""
    return Statement("set_plan", {"organization": organization} | msgspec.structs.asdict(plan))


def within_plan(organization: str, *, devices: bool = False, users: bool = False) -> Statement:
    """Find nothing where there are more than the plan allows: so what adds one too many, adds none."""
    asked = {"organization": organization, "devices": devices, "users": users}
    return Statement("within_plan", asked)


async def find_usage(database: Database, organization: str, month: date) -> UsageRow | None:
    """Return what an organization has and used in a month, if there is one of that name."""
    parameters = {
        "organization": organization,
        "month": month.isoformat(),
        "since_ns": _ns(month),
        "until_ns": _ns(next_month(month)),
    }
    rows = await database.read("usage", parameters, UsageRow)
    return rows[0] if rows else None


async def find_seats(database: Database, organization: str) -> SeatsRow | None:
    """Return what an organization has and may have, if there is one of that name."""
    rows = await database.read("seats", {"organization": organization}, SeatsRow)
    return rows[0] if rows else None


def _ns(day: date) -> int:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(start.timestamp()) * 10**9


def next_month(month: date) -> date:
    """Return the month after one."""
    years, number = divmod(month.month, MONTHS)
    return date(month.year + years, number + 1, 1)
