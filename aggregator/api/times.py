"""Moments as clients write them."""

from datetime import UTC, datetime

from aggregator.shapes import NS_PER_S

MAX_NS = 2**63 - 1  # what a column holds: April 2262


def to_ns(moment: datetime | None) -> int | None:
    """Return nanoseconds since 1970; a moment without a zone is taken for UTC.

    Nothing is kept from before 1970 or after 2262, so moments out there stand for these.
    """
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return min(max(whole * NS_PER_S + aware.microsecond * 1000, 0), MAX_NS)
