"""Isolations: hosts and bridge ports cut off until a moment in time."""

from collections.abc import Sequence
from typing import Final

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement
from aggregator.store.reported import Reported, columns, json_text, latest
from contract.cuts import Part
from contract.messages import Isolation, IsolationState, Loss

DRY_RUN: Final = "dry_run"  # what an enforcer that cuts nobody off calls itself
HELD: Final = frozenset({"applied", "verified"})  # states; `active` is also by the time
_FIELDS = (
    "isolation_id",
    "alert_id",
    "host",
    "isolated_mac",
    "isolated_ip",
    "isolated_port",
    "reason",
    "enforcement",
    "state",
    "isolated_ns",
    "expires_ns",
    "lifted_ns",
    "detail",
    "further_losses",
    "host_group",
)


class IsolationRow(msgspec.Struct, frozen=True):
    """One isolation as it is kept."""

    id: int
    device_id: str
    isolation_id: str
    alert_id: str | None
    host: str
    isolated_mac: str | None
    isolated_ip: str | None
    isolated_port: str | None
    reason: str
    enforcement: str
    state: IsolationState
    isolated_ns: int
    expires_ns: int
    lifted_ns: int | None
    detail: str
    losses: str  # JSON
    further_losses: int
    host_group: str | None
    part: str | None  # JSON
    alert_status: str | None  # what people decided about its alert
    active: bool
    lifted_by: int | None  # the user whose command the device carried out


def save_isolations(reported: Sequence[Reported[Isolation]]) -> Statement:
    """Add isolations, or bring known ones up to date; one that was verified stays known as such.

    What runs dry is verified by its device in the same words, and no kernel was read.
    """
    verified = {
        (item.organization, item.device_id, item.message.isolation_id)
        for item in reported
        if item.message.state == "verified" and item.message.enforcement != DRY_RUN
    }
    newest = latest(reported, "isolation_id")
    flags = [
        (item.organization, item.device_id, item.message.isolation_id) in verified
        for item in newest
    ]
    losses = [json_text(item.message.losses) for item in newest]
    parts = [_part_text(item.message.part) for item in newest]
    made = {"verified": flags, "losses": losses, "part": parts}
    return Statement("save_isolations", columns(newest, *_FIELDS) | made)


def losses(row: IsolationRow) -> list[Loss]:
    """Return what an isolation takes away."""
    return msgspec.json.decode(row.losses, type=list[Loss])


def part(row: IsolationRow) -> Part | None:
    """Return what of its host an isolation cuts off; None: all of it."""
    return None if row.part is None else msgspec.json.decode(row.part, type=Part)


def _part_text(told: Part | None) -> str | None:
    return None if told is None else msgspec.json.encode(told).decode()


class IsolationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which isolations; what is None does not matter."""

    active_only: bool = False
    isolation_ids: list[str] | None = None
    id: int | None = None
    alert_id: str | None = None
    limit: int = 1000
    skip: int = 0


async def find_isolations(
    database: Database, organization: str, wanted: IsolationFilter, *, now_ns: int
) -> list[IsolationRow]:
    """Return isolations of an organization, newest first.

    One is active from the device's word that the kernel took it until it ends by that word or
    its lease runs out. What was only simulated or suggested cuts nobody off and is not active.
    """
    sought = {"organization": organization, "now_ns": now_ns} | msgspec.structs.asdict(wanted)
    return await database.read("isolations", sought, IsolationRow)


async def count_isolations(
    database: Database, organization: str, *, active_only: bool, now_ns: int
) -> int:
    """Return how many isolations an organization has, or how many are active."""
    sought = {"organization": organization, "active_only": active_only, "now_ns": now_ns}
    (found,) = await database.read("count_isolations", sought, Count)
    return found.count
