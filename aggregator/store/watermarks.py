"""Watermarks: how far the messages of one boot of one device are stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from aggregator.store.database import Database, Statement

MOST_BOOTS: Final = (
    1000  # of one device; it tells of one at a time, and of those before while it was cut off
)


class Boot(msgspec.Struct, frozen=True):
    """One life of one device's agent, from its start to its end."""

    organization: str
    device_id: str
    boot: str


class Mark(msgspec.Struct, frozen=True):
    """How far one boot is stored."""

    last_seq: int
    lost: int  # messages below it that the device gave up before they arrived
    frames: int = 0  # that it told of: they count from its start


class _Row(msgspec.Struct, frozen=True):
    organization: str
    device_id: str
    boot: str
    last_seq: int
    lost: int
    frames: int


async def find_marks(database: Database, boots: Sequence[Boot]) -> dict[Boot, Mark]:
    """Return the marks of those boots of which anything is stored."""
    parameters = {
        "organization": [boot.organization for boot in boots],
        "device_id": [boot.device_id for boot in boots],
        "boot": [boot.boot for boot in boots],
    }
    rows = await database.read("watermarks", parameters, _Row)
    return {
        Boot(row.organization, row.device_id, row.boot): Mark(row.last_seq, row.lost, row.frames)
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
        "frames": [mark.frames for mark in marks.values()],
    }
    return Statement("save_watermarks", {"columns": moved, "now_ns": now_ns})


def trim_marks(boots: Iterable[Boot]) -> Statement:
    """Forget of the devices of some boots those heard longest ago, beyond MOST_BOOTS; returns Boot for each.

    What such a boot tells again is stored again. It was receipted a thousand boots ago; only who
    speaks for its device can bring that about, and they could as well tell it anew under another.
    """
    senders = sorted({(boot.organization, boot.device_id) for boot in boots})
    given = {
        "organization": [organization for organization, _ in senders],
        "device_id": [device_id for _, device_id in senders],
    }
    return Statement("trim_watermarks", given | {"most": MOST_BOOTS})


def forget_marks(before_ns: int) -> Statement:
    """Forget boots of which nothing was stored since some moment.

    It is safe where all is gone that was stored before it: what is told again is then not there
    twice. An agent that was cut off for so long, and has not been restarted, may go on as that
    boot: what it told in that other time counts as lost once more, and nothing else is wrong.
    """
    return Statement("forget_watermarks", {"before_ns": before_ns})
