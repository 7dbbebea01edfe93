"""Rejects: what arrived and could not be taken, kept so that somebody can look at it."""

from collections.abc import Sequence

import msgspec

from aggregator.store.database import Statement

KEPT_BYTES = 1024
KEPT_REJECTS = 10_000


class Reject(msgspec.Struct, frozen=True):
    """One payload that could not be taken."""

    organization: str | None
    device_id: str | None
    topic: str
    reason: str
    payload: bytes
    received_ns: int


def save_rejects(rejects: Sequence[Reject]) -> tuple[Statement, Statement]:
    """Add rejects and forget the oldest beyond what is kept."""
    columns = {
        name: [getattr(reject, name) for reject in rejects]
        for name in ("organization", "device_id", "topic", "reason", "received_ns")
    }
    payloads = {
        "payload": [reject.payload[:KEPT_BYTES] for reject in rejects],
        "payload_bytes": [len(reject.payload) for reject in rejects],
    }
    return (
        Statement("save_rejects", columns | payloads),
        Statement("trim_rejects", {"kept": KEPT_REJECTS}),
    )
