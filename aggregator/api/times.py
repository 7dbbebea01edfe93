"""Moments as clients write them."""

from datetime import UTC, datetime

from aggregator.shapes import NS_PER_S


def to_ns(moment: datetime | None) -> int | None:
    """Return nanoseconds since 1970; a moment without a zone is taken for UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + aware.microsecond * 1000
