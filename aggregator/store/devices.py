"""Devices: enrolled machines that report to us, and agents that reported by themselves."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported, columns, latest
from contract.messages import Health, ModelsHave, Presence

LATE_NS = 45 * 1_000_000_000  # a device that was silent for so long is shown with a warning
STALE_NS = 90 * 1_000_000_000  # a device that was silent for so long counts as offline
DRIFT_NS = 300 * 1_000_000_000  # after so long it is said that a device is not what it is to be

DeviceType = Literal["feature_extraction", "edge_ml", "esp32", "generic"]
Condition = Literal["online", "warning", "error"]

MOST_REMOVED = 1000  # names of an organization that are remembered; the oldest give way
BUSY_PERCENT = 90.0
HOT_CELSIUS = 80.0


class DeviceRow(msgspec.Struct, frozen=True):
    """One device as it is kept."""

    id: int
    device_id: str
    name: str
    type: DeviceType
    ip_address: str | None
    mac_address: str | None
    location: str | None
    status: str
    cpu_usage_percent: float | None
    memory_usage_percent: float | None
    temperature_celsius: float | None
    uptime_s: int | None
    version: str | None
    model_id: str | None
    mode: str | None
    models: list[str] | None
    lost_messages: int
    last_seen_ns: int | None
    created_ns: int
    pending: bool
    drifting_ns: int | None
    clock_offset_ns: (
        int  # is added to the times that it tells; 0: its clock is right, or not known
    )
    has_agent: bool  # which has told of itself


class KeyOwner(msgspec.Struct, frozen=True):
    """The device that holds an API key."""

    organization: str
    device_id: str


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a device when enrolling it."""

    device_id: str
    name: str
    type: DeviceType
    ip_address: str | None
    mac_address: str | None
    location: str | None


def condition_of(
    cpu_usage_percent: float, memory_usage_percent: float, temperature_celsius: float | None
) -> Condition:
    """Judge a device by what it said of itself."""
    if cpu_usage_percent > BUSY_PERCENT or memory_usage_percent > BUSY_PERCENT:
        return "warning"
    if temperature_celsius is not None and temperature_celsius > HOT_CELSIUS:
        return "error"
    return "online"


class Page(msgspec.Struct, frozen=True):
    """Which part of a list."""

    limit: int = 1000
    skip: int = 0


FIRST_PAGE = Page()


async def find_devices(
    database: Database,
    organization: str,
    *,
    now_ns: int,
    device_ids: list[str] | None = None,
    page: Page = FIRST_PAGE,
) -> list[DeviceRow]:
    """Return devices of an organization, in the order they became known."""
    parameters = {
        "organization": organization,
        "device_ids": device_ids,
        "late_ns": now_ns - LATE_NS,
        "stale_ns": now_ns - STALE_NS,
        "drift_ns": now_ns - DRIFT_NS,
        "limit": page.limit,
        "skip": page.skip,
    }
    return await database.read("devices", parameters, DeviceRow)


class _Count(msgspec.Struct, frozen=True):
    count: int


class WrongClock(msgspec.Struct, frozen=True):
    """A device whose clock is wrong, by its last report."""

    organization: str
    device_id: str
    boot: str
    clock_offset_ns: int  # is added to the times that it tells


async def wrong_clocks(
    database: Database, organization: str | None = None, device_id: str | None = None
) -> list[WrongClock]:
    """Return whose clocks are known to be wrong, of all devices or of one."""
    sought = {"organization": organization, "device_id": device_id}
    return await database.read("wrong_clocks", sought, WrongClock)


async def count_active_devices(database: Database, organization: str, now_ns: int) -> int:
    """Return how many devices of an organization are there."""
    thresholds = {"late_ns": now_ns - LATE_NS, "stale_ns": now_ns - STALE_NS}
    sought = {"organization": organization} | thresholds
    return (await database.read("count_active_devices", sought, _Count))[0].count


async def count_devices(database: Database, organization: str) -> int:
    """Return how many devices an organization has."""
    rows = await database.read("count_devices", {"organization": organization}, _Count)
    return rows[0].count


async def owner_of_key(database: Database, api_key_hash: str) -> KeyOwner | None:
    """Return the device that holds an API key, if there is one."""
    rows = await database.read("device_by_key", {"api_key_hash": api_key_hash}, KeyOwner)
    return rows[0] if rows else None


class Added(msgspec.Struct, frozen=True):
    """The number of a row that was added."""

    id: int


def add_device(organization: str, new: NewDevice, api_key_hash: str, now_ns: int) -> Statement:
    """Enrol a device; returns Added, or nothing when the organization has one of that name."""
    return Statement(
        "add_device",
        {"organization": organization, "api_key_hash": api_key_hash, "now_ns": now_ns}
        | msgspec.structs.asdict(new),
    )


def change_device(
    organization: str, device_id: str, changes: Mapping[str, str | None]
) -> Statement:
    """Change what people say of a device; None leaves a thing as it is."""
    fields = dict.fromkeys(("name", "type", "ip_address", "mac_address", "location"))
    return Statement(
        "change_device",
        {"organization": organization, "device_id": device_id} | fields | dict(changes),
    )


def set_device_key(organization: str, device_id: str, api_key_hash: str) -> Statement:
    """Give a device another key; returns Added, or nothing when there is no such device."""
    return Statement(
        "set_device_key",
        {"organization": organization, "device_id": device_id, "api_key_hash": api_key_hash},
    )


def delete_device(organization: str, device_id: str) -> Statement:
    """Forget a device and its key; what it reported stays."""
    return Statement("delete_device", {"organization": organization, "device_id": device_id})


def note_removed(organization: str, device_id: str, now_ns: int) -> tuple[Statement, ...]:
    """Remember that a person removed a device: what still talks under its name is shown as pending.

    It appears by itself all the same, and nothing of what it tells is lost; `which/pending.sql` says
    so of it, since to look for it in each transaction of ingest costs more than to do so when asked.
    """
    return (
        Statement(
            "note_removed",
            {"organization": organization, "device_id": device_id, "now_ns": now_ns},
        ),
        Statement("trim_removed", {"organization": organization, "kept": MOST_REMOVED}),
    )


def forget_removed(organization: str, device_id: str) -> Statement:
    """Forget that a device was removed: a person wants one of its name again."""
    return Statement("forget_removed", {"organization": organization, "device_id": device_id})


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """How an enrolled device without an agent is."""

    cpu_usage_percent: float
    memory_usage_percent: float
    temperature_celsius: float | None
    uptime_s: int


def report_health(
    organization: str, device_id: str, report: HealthReport, now_ns: int
) -> Statement:
    """Write down how a device is; returns Added, or nothing when there is no such device."""
    condition = condition_of(
        report.cpu_usage_percent, report.memory_usage_percent, report.temperature_celsius
    )
    sender = {"organization": organization, "device_id": device_id, "now_ns": now_ns}
    return Statement(
        "report_health", sender | {"condition": condition} | msgspec.structs.asdict(report)
    )


def hear_device(
    organization: str,
    device_id: str,
    now_ns: int,
    *,
    online: bool = True,
    condition: Condition | None = None,
) -> Statement:
    """Note that a device spoke for itself; None leaves its condition as it is."""
    return Statement(
        "hear_device",
        {
            "organization": organization,
            "device_id": device_id,
            "now_ns": now_ns,
            "online": online,
            "condition": condition,
        },
    )


class Heard(msgspec.Struct, frozen=True):
    """That an agent was heard, and how many of its messages are lost for good."""

    organization: str
    device_id: str
    lost: int


def save_heard(heard: Sequence[Heard], now_ns: int) -> Statement:
    """Note that agents were heard; unknown ones appear by themselves."""
    return Statement(
        "save_heard",
        {
            "organization": [item.organization for item in heard],
            "device_id": [item.device_id for item in heard],
            "lost": [item.lost for item in heard],
            "now_ns": now_ns,
        },
    )


def save_device_health(reported: Sequence[Reported[Health]]) -> Statement:
    """Bring known agents up to date with what they last said of themselves."""
    newest = latest(reported)
    fields = columns(
        newest,
        "cpu_usage_percent",
        "memory_usage_percent",
        "temperature_celsius",
        "uptime_s",
        "version",
        "model_id",
        "mode",
    )
    conditions = [
        condition_of(
            item.message.cpu_usage_percent,
            item.message.memory_usage_percent,
            item.message.temperature_celsius,
        )
        for item in newest
    ]
    more: dict[str, list[object]] = {
        "condition": list(conditions),
        "boot": [item.boot for item in newest],
        "clock_offset_ns": [item.clock_offset_ns for item in newest],
    }
    return Statement("save_device_health", {"columns": fields | more})


def save_models(reported: Sequence[Reported[ModelsHave]]) -> Statement:
    """Bring known agents up to date with the model bundles they hold."""
    newest = latest(reported)
    return Statement("save_models", columns(newest, "active", "installed"))


def save_presence(reported: Sequence[Reported[Presence]], *, just_now: list[bool]) -> Statement:
    """Note who is there and who left; unknown agents appear by themselves.

    Args:
        reported: One for each agent.
        just_now: For each, whether it was said now; a retained one says nothing about now.
    """
    fields = columns(reported, "online", "boot", "version", "model_id", "device_type")
    return Statement("save_presence", fields | {"just_now": just_now})
