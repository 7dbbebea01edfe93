"""Moments as clients write them."""

from datetime import UTC, datetime

from aggregator.shapes import NS_PER_S

MAX_NS = 2**63 - 1


def to_ns(moment: datetime | None) -> int | None:
    """Return nanoseconds since 1970; a moment without a zone is taken for UTC.

    What lies before 1970 or after 2262, which an int64 does not hold, becomes the nearest moment.
    """
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return min(max(0, whole * NS_PER_S + aware.microsecond * 1000), MAX_NS)
