"""Watermarks: how far the messages of one boot of one device are stored."""

from collections.abc import Mapping, Sequence

import msgspec

from aggregator.store.database import Database, Statement


class Boot(msgspec.Struct, frozen=True):
    """One life of one device's agent, from its start to its end."""

    organization: str
    device_id: str
    boot: str


class Mark(msgspec.Struct, frozen=True):
    """How far one boot is stored."""

    last_seq: int
    lost: int  # messages below it that the device gave up before they arrived


class _Row(msgspec.Struct, frozen=True):
    organization: str
    device_id: str
    boot: str
    last_seq: int
    lost: int


async def find_marks(database: Database, boots: Sequence[Boot]) -> dict[Boot, Mark]:
    """Return the marks of those boots of which anything is stored."""
    parameters = {
        "organization": [boot.organization for boot in boots],
        "device_id": [boot.device_id for boot in boots],
        "boot": [boot.boot for boot in boots],
    }
    rows = await database.read("watermarks", parameters, _Row)
    return {
        Boot(row.organization, row.device_id, row.boot): Mark(row.last_seq, row.lost)
        for row in rows
    }


def save_marks(marks: Mapping[Boot, Mark], now_ns: int) -> Statement:
    """Move marks on."""
    moved = {
        "organization": [boot.organization for boot in marks],
        "device_id": [boot.device_id for boot in marks],
        "boot": [boot.boot for boot in marks],
        "last_seq": [mark.last_seq for mark in marks.values()],
        "lost": [mark.lost for mark in marks.values()],
    }
    return Statement("save_watermarks", {"columns": moved, "now_ns": now_ns})
