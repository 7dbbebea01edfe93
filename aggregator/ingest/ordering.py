"""Which messages are next: each is stored once and in order, and what is lost is counted."""

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from aggregator.ingest.reading import Numbered
from aggregator.store.watermarks import Boot, Mark
from contract.messages import Health

NOTHING_YET = Mark(last_seq=0, lost=0)


class Place(Enum):
    """Where a message stands against what is stored."""

    NEXT = "next"
    DUPLICATE = "duplicate"  # stored before, and receipted again
    EARLY = "early"  # something before it is missing and will be sent again


class Ordered(msgspec.Struct, frozen=True):
    """What of a batch is to be stored, and how far its boots then are."""

    taken: list[Numbered]
    marks: dict[Boot, Mark]  # of every boot in the batch
    moved: dict[Boot, Mark]  # of those boots that came further
    duplicates: int
    early: int


def place(mark: Mark, seq: int, floor: int) -> Place:
    """Judge a number; floor <= seq. Below `floor` the device holds nothing any more."""
    if seq <= mark.last_seq:
        return Place.DUPLICATE
    return Place.NEXT if seq == max(mark.last_seq + 1, floor) else Place.EARLY


def order(numbered: Sequence[Numbered], stored: Mapping[Boot, Mark]) -> Ordered:
    """Choose what of a batch is next, in the order of arrival."""
    marks = {item.boot: stored.get(item.boot, NOTHING_YET) for item in numbered}
    taken: list[Numbered] = []
    moved: dict[Boot, Mark] = {}
    counts = dict.fromkeys(Place, 0)
    for item in numbered:
        mark = marks[item.boot]
        where = place(mark, item.seq, item.floor)
        counts[where] += 1
        if where is Place.NEXT:
            lost = mark.lost + item.seq - mark.last_seq - 1
            frames = max(mark.frames, _frames_of(item))
            marks[item.boot] = moved[item.boot] = Mark(item.seq, lost, frames)
            taken.append(item)
    return Ordered(taken, marks, moved, counts[Place.DUPLICATE], counts[Place.EARLY])


def _frames_of(item: Numbered) -> int:
    return item.message.frames if isinstance(item.message, Health) else 0
