"""Device events: who came and went, and what is known of each device's presence."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.devices import LATE_NS, STALE_NS

KEPT_EVENTS = 10_000  # in each organization

EventType = Literal["connected", "disconnected"]
Cause = Literal["told", "guest", "noticed"]


class DeviceEventRow(msgspec.Struct, frozen=True):
    """One event as it is kept."""

    id: int
    organization: str
    device_id: str
    event_type: EventType
    cause: Cause
    at_ns: int


class DeviceKey(msgspec.Struct, frozen=True):
    """What makes a device one."""

    organization: str
    device_id: str


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; what is None does not matter."""

    device_id: str | None = None
    event_type: EventType | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class _Count(msgspec.Struct, frozen=True):
    count: int


def add_event(key: DeviceKey, event_type: EventType, cause: Cause, at_ns: int) -> Statement:
    """Add an event; returns its DeviceEventRow."""
    return Statement(
        "add_device_event",
        msgspec.structs.asdict(key) | {"event_type": event_type, "cause": cause, "at_ns": at_ns},
    )


def trim_events(organization: str) -> Statement:
    """Let the oldest events of an organization give way."""
    return Statement("trim_device_events", {"organization": organization, "kept": KEPT_EVENTS})


def set_connected(key: DeviceKey, at_ns: int, *, connected: bool) -> Statement:
    """Note that a device, if it is known, came or went; while it is there somebody vouches."""
    return Statement(
        "set_connected",
        msgspec.structs.asdict(key) | {"connected": connected, "at_ns": at_ns},
    )


def stop_vouching(
    now_ns: int, organization: str | None = None, device_ids: Sequence[str] | None = None
) -> Statement:
    """Note that nobody vouches for devices any more: all, or some of an organization."""
    devices = None if device_ids is None else list(device_ids)
    return Statement(
        "stop_vouching",
        {"organization": organization, "device_ids": devices, "now_ns": now_ns},
    )


async def presence_changes(database: Database, now_ns: int) -> list[DeviceKey]:
    """Return the devices whose presence is not what was last made known."""
    return await database.read("presence_changes", _thresholds(now_ns), DeviceKey)


async def note_presence(database: Database, now_ns: int) -> list[DeviceEventRow]:
    """Note everybody's presence; return who came and who went, each told once."""
    return await database.write_returning(
        DeviceEventRow,
        Statement("add_presence_events", _thresholds(now_ns) | {"now_ns": now_ns}),
        Statement("update_presence", _thresholds(now_ns)),
    )


async def find_events(
    database: Database, organization: str, wanted: EventFilter, *, limit: int, skip: int = 0
) -> list[DeviceEventRow]:
    """Return events of an organization, newest first."""
    parameters = _sought(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("device_events", parameters, DeviceEventRow)


async def count_events(database: Database, organization: str, wanted: EventFilter) -> int:
    """Return how many events of an organization there are."""
    rows = await database.read("count_device_events", _sought(organization, wanted), _Count)
    return rows[0].count


def _sought(organization: str, wanted: EventFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)


def _thresholds(now_ns: int) -> dict[str, object]:
    return {"late_ns": now_ns - LATE_NS, "stale_ns": now_ns - STALE_NS}
