"""Health: how devices are, over time."""

from collections.abc import Sequence

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported, columns, json_text
from contract.messages import Health

_FIELDS = (
    "sent_ns",
    "uptime_s",
    "cpu_usage_percent",
    "memory_usage_percent",
    "temperature_celsius",
    "throttled",
    "process_rss_bytes",
    "frames",
    "windows",
    "hosts",
    "alerts",
    "clock_synchronized",
    "model_id",
    "mode",
    "version",
)


class HealthRow(msgspec.Struct, frozen=True):
    """What a device said of itself at one moment."""

    sent_ns: int
    received_ns: int
    uptime_s: int
    cpu_usage_percent: float
    memory_usage_percent: float
    temperature_celsius: float | None
    throttled: bool
    process_rss_bytes: int
    frames: int
    windows: int
    hosts: int
    alerts: int
    dropped: str
    queued: str
    clock_synchronized: bool
    model_id: str
    mode: str
    version: str


def save_health(reported: Sequence[Reported[Health]]) -> Statement:
    """Add reports."""
    more: dict[str, list[object]] = {
        "boot": [item.boot for item in reported],
        "dropped": [json_text(item.message.dropped) for item in reported],
        "queued": [json_text(item.message.queued) for item in reported],
    }
    return Statement("save_health", {"columns": columns(reported, *_FIELDS) | more})


async def last_health(database: Database, organization: str, device_id: str) -> HealthRow | None:
    """Return the newest report of a device, if there is any."""
    parameters = {"organization": organization, "device_id": device_id}
    rows = await database.read("last_health", parameters, HealthRow)
    return rows[0] if rows else None
