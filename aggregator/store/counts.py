"""Counts by minute, hour and day: what a dashboard reads instead of all rows.

They are noted in the transaction that changes what they count, and folded once a minute.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from aggregator.store.database import Database, Statement
from aggregator.store.room import Room

MAX_COUNT: Final = 2**63 - 1
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 24 * 3600
NS_PER_S: Final = 1_000_000_000
MINUTE_NS: Final = MINUTE_S * NS_PER_S
FOLD_S: Final = 60.0
AHEAD_NS: Final = DAY_S * NS_PER_S  # what is dated further ahead of us is forgotten
_SOURCES: Final = {
    DAY_S: "store.all_days",
    HOUR_S: "store.all_hours",
    MINUTE_S: "store.all_minutes",
}

Counted = Literal["opened", "arrived", "verdicts", "frames"]


class AlertCount(msgspec.Struct, frozen=True):
    """How many alerts there are of a kind."""

    attack_type: str
    severity: str
    status: str
    suppressed: bool
    count: int


def as_counted(
    query: str, parameters: dict[str, object], change: Statement
) -> tuple[Statement, ...]:
    """Return a change of alerts, with what keeps their counts right.

    Args:
        query: Counts the alerts that the change may touch; the same before and after it.
        parameters: Which alerts these are.
        change: What changes them.
    """
    return (
        Statement(query, parameters | {"sign": -1}),
        change,
        Statement(query, parameters | {"sign": 1}),
    )


class CountKey(msgspec.Struct, frozen=True, gc=False):
    """Where something that is no alert is counted."""

    start_ns: int  # of its minute
    organization: str
    device_id: str
    label: str = ""


def note(counted: Counted, counts: Mapping[CountKey, int]) -> Statement:
    """Count what is no alert: a dashboard reads these instead of all rows."""
    columns: dict[str, object] = {
        name: [getattr(key, name) for key in counts] for name in CountKey.__struct_fields__
    }
    most = [min(count, MAX_COUNT) for count in counts.values()]  # a device may claim any number
    return Statement("note_counts", columns | {"counted": counted, "count": most})


class Arrived(msgspec.Struct, frozen=True):
    """What reached us since some moment, and how many frames the devices saw since."""

    alerts: Sequence[AlertCount]
    frames: int


class _Count(AlertCount, frozen=True):
    counted: Counted


async def count_since(database: Database, organization: str, since_ns: int) -> Arrived:
    """Return what reached us since the minute of a moment."""
    parameters = {"organization": organization, "since_ns": since_ns}
    counts = await database.read("count_since", parameters, _Count)
    alerts = [each for each in counts if each.counted == "arrived"]
    return Arrived(alerts, sum(each.count for each in counts if each.counted == "frames"))


def source_of(step_s: int) -> str | None:
    """Return where counts are read from that can be added up to such steps, if any can."""
    return next((name for each, name in _SOURCES.items() if step_s % each == 0), None)


class Counts:
    """Folds counts, and forgets old ones.

    Args:
        database: Where they are.
        room: Whether there is room on the disk; without it nothing is folded.
    """

    def __init__(self, database: Database, room: Room) -> None:
        self._database = database
        self._room = room

    async def run(self) -> None:
        """Fold at once and then every minute, for ever."""
        while True:
            if self._room.is_enough():
                await self._database.write(*fold())
            await asyncio.sleep(FOLD_S)


def fold() -> Sequence[Statement]:
    """Return what brings what was noted to the counts by minute, hour and day, and to the usage by month."""
    names = (
        "fold_minutes",
        "fold_hours",
        "fold_days",
        "forget_fresh_counts",
        "fold_usage",
        "forget_fresh_usage",
    )
    return [Statement(name, {}) for name in names]


def forget_counts(
    now_ns: int, *, minutes_days: int, hours_days: int, days_days: int
) -> Sequence[Statement]:
    """Return what forgets old counts of what is not kept itself; those of alerts go with these.

    Args:
        now_ns: The centre's clock.
        minutes_days: For how many days counts by minute are kept.
        hours_days: The same by hour.
        days_days: The same by day.
    """
    day_ns = DAY_S * NS_PER_S
    kept = {"minute": minutes_days, "hour": hours_days, "day": days_days}
    return [
        Statement(
            f"forget_{name}_counts",
            {"before_ns": now_ns - days * day_ns, "after_ns": now_ns + AHEAD_NS},
        )
        for name, days in kept.items()
    ]
