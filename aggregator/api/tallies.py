"""Counts of alerts, added up as the API shows them."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from aggregator.store.counts import AlertCount


class TypeCount(msgspec.Struct, frozen=True):
    """How many alerts of one class."""

    type: str
    count: int


def by_type(counts: Iterable[AlertCount]) -> list[TypeCount]:
    """Return how many there are of each class, most frequent first."""
    found: Counter[str] = Counter()
    for each in counts:
        found[each.attack_type] += each.count
    return [
        TypeCount(*item) for item in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]


def by_severity(counts: Iterable[AlertCount]) -> Counter[str]:
    """Return how many there are of each severity."""
    found: Counter[str] = Counter()
    for each in counts:
        found[each.severity] += each.count
    return found
