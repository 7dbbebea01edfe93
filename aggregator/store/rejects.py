"""Rejects: what arrived and could not be taken, kept so that somebody can look at it."""

from collections.abc import Sequence

import msgspec

from aggregator.store.alerts import Count
from aggregator.store.database import Database, Statement

KEPT_BYTES = 1024
KEPT_TOPIC = 1000  # characters: a broker lets topics have 65,535 bytes
KEPT_REJECTS = 10_000  # of an organization, and of those whose topics name none


class Reject(msgspec.Struct, frozen=True):
    """One payload that could not be taken."""

    organization: str | None
    device_id: str | None
    topic: str
    reason: str
    payload: bytes
    received_ns: int


class RejectRow(msgspec.Struct, frozen=True):
    """One reject as it is kept."""

    device_id: str | None
    topic: str
    reason: str
    payload: bytes  # its head
    payload_bytes: int
    received_ns: int


class RejectFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rejects."""

    device_id: str | None = None
    of_nobody: bool = False  # beside those of the organization: whose topic names none


def save_rejects(rejects: Sequence[Reject]) -> tuple[Statement, Statement]:
    """Add rejects and forget the oldest beyond what is kept of an organization."""
    columns = {
        name: [getattr(reject, name) for reject in rejects]
        for name in ("organization", "device_id", "reason", "received_ns")
    }
    payloads = {
        "topic": [reject.topic[:KEPT_TOPIC] for reject in rejects],
        "payload": [reject.payload[:KEPT_BYTES] for reject in rejects],
        "payload_bytes": [len(reject.payload) for reject in rejects],
    }
    organizations = sorted({reject.organization or "" for reject in rejects})
    return (
        Statement("save_rejects", columns | payloads),
        Statement("trim_rejects", {"organizations": organizations, "kept": KEPT_REJECTS}),
    )


async def find_rejects(
    database: Database, organization: str, wanted: RejectFilter, *, limit: int, skip: int
) -> list[RejectRow]:
    """Return rejects of an organization, newest first."""
    parameters = _parameters(organization, wanted) | {"limit": limit, "skip": skip}
    return await database.read("rejects", parameters, RejectRow)


async def count_rejects(database: Database, organization: str, wanted: RejectFilter) -> int:
    """Return how many rejects of an organization are kept."""
    return (await database.read("count_rejects", _parameters(organization, wanted), Count))[
        0
    ].count


def _parameters(organization: str, wanted: RejectFilter) -> dict[str, object]:
    return {"organization": organization} | msgspec.structs.asdict(wanted)
