"""What devices tell besides detection: log lines, readings, how far commands have come."""

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.history import History, back_to
from aggregator.store.reported import Reported, json_text
from contract.messages import LogLines, Readings

MAX_SENSORS = 1000  # of one device, whose newest values are told and kept


def save_logs(reported: Reported[LogLines]) -> Statement:
    """Add lines of a device's log."""
    lines = reported.message.lines
    return Statement(
        "save_logs",
        {
            "organization": reported.organization,
            "device_id": reported.device_id,
            "received_ns": reported.received_ns,
            "logged_ns": [line.logged_ns for line in lines],
            "level": [line.level for line in lines],
            "component": [line.component for line in lines],
            "event": [line.event for line in lines],
            "fields": [json_text(line.fields) for line in lines],
        },
    )


def save_readings(reported: Reported[Readings]) -> Statement:
    """Add values of sensors."""
    readings = reported.message.readings
    return Statement(
        "save_readings",
        {
            "organization": reported.organization,
            "device_id": reported.device_id,
            "received_ns": reported.received_ns,
            "sensor_type": [reading.sensor_type for reading in readings],
            "value": [reading.value for reading in readings],
            "unit": [reading.unit for reading in readings],
            "read_ns": [reading.read_ns for reading in readings],
        },
    )


class ReadingRow(msgspec.Struct, frozen=True):
    """One value of one sensor as it is kept."""

    device_id: str
    sensor_type: str
    value: float
    unit: str
    read_ns: int
    received_ns: int


class ReadingStats(msgspec.Struct, frozen=True):
    """What the values of one sensor were over a time."""

    sensor_type: str
    unit: str
    count: int
    least: float
    most: float
    average: float
    last: float
    first_ns: int
    last_ns: int


class ReadingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which readings of a device; what is None does not matter."""

    device_id: str
    sensor_type: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class LogRow(msgspec.Struct, frozen=True):
    """One line of a device's log as it is kept."""

    device_id: str
    logged_ns: int
    level: str
    component: str
    event: str
    fields: str
    received_ns: int


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines; what is None does not matter."""

    device_id: str | None = None
    level: str | None = None
    component: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    text: str | None = None


class _Count(msgspec.Struct, frozen=True):
    count: int


async def find_readings(
    history: History, organization: str, wanted: ReadingFilter, *, limit: int, skip: int
) -> list[ReadingRow]:
    """Return readings of a device, newest first."""
    parameters = _sought(organization, wanted) | {"limit": limit, "skip": skip}
    return await history.read(
        "readings", parameters, ReadingRow, since_ns=back_to(wanted.since_ns, wanted.until_ns)
    )


async def count_readings(history: History, organization: str, wanted: ReadingFilter) -> int:
    """Return how many readings of a device there are."""
    rows = await history.read(
        "count_readings",
        _sought(organization, wanted),
        _Count,
        since_ns=back_to(wanted.since_ns, wanted.until_ns),
    )
    return rows[0].count


async def latest_readings(
    database: Database, organization: str, device_id: str, limit: int
) -> list[ReadingRow]:
    """Return the newest reading of each sensor of a device."""
    parameters = {"organization": organization, "device_id": device_id, "limit": limit}
    return await database.read("latest_readings", parameters, ReadingRow)


async def reading_stats(
    history: History, organization: str, wanted: ReadingFilter, limit: int
) -> list[ReadingStats]:
    """Return what the values of each sensor of a device were."""
    parameters = _sought(organization, wanted) | {"limit": limit}
    return await history.read(
        "reading_stats",
        parameters,
        ReadingStats,
        since_ns=back_to(wanted.since_ns, wanted.until_ns),
    )


async def find_logs(
    history: History, organization: str, wanted: LogFilter, *, limit: int, skip: int
) -> list[LogRow]:
    """Return lines of an organization's devices, newest first."""
    parameters = _sought(organization, wanted) | {"limit": limit, "skip": skip}
    return await history.read(
        "logs", parameters, LogRow, since_ns=back_to(wanted.since_ns, wanted.until_ns)
    )


async def count_logs(history: History, organization: str, wanted: LogFilter) -> int:
    """Return how many lines of an organization's devices there are."""
    rows = await history.read(
        "count_logs",
        _sought(organization, wanted),
        _Count,
        since_ns=back_to(wanted.since_ns, wanted.until_ns),
    )
    return rows[0].count


def _sought(organization: str, wanted: ReadingFilter | LogFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
