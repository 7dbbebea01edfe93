"""Moments as clients write them."""

from datetime import UTC, datetime

from aggregator.errors import InvalidError
from aggregator.shapes import NS_PER_S

HOUR_S = 3600
DAY_S = 24 * HOUR_S
MAX_STEPS = 2000

AHEAD_NS = 300 * NS_PER_S  # that a device's clock may be
NOTHING_BEFORE_NS = 1_577_836_800 * NS_PER_S  # 2020: the clock was never set
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


def by_our_clock(moment: datetime | None, now_ns: int) -> tuple[int, bool]:
    """Return when something was that a device tells over HTTP, and whether its clock was believed.

    Nothing says how wrong a clock is that never was set, or is ahead of ours: what it tells counts
    as of now. Otherwise a value from the year 2200 would be the newest for ever.
    """
    told_ns = to_ns(moment)
    if told_ns is None:
        return now_ns, True
    believed = NOTHING_BEFORE_NS <= told_ns <= now_ns + AHEAD_NS
    return told_ns if believed else now_ns, believed


def end_ns(moment: datetime, now_ns: int, longest_days: int) -> int:
    """Return when something ends that may last so many days at most.

    Raises:
        InvalidError: It lies in the past, or too far ahead.
    """
    expires_ns = to_ns(moment) or 0
    if not now_ns < expires_ns <= now_ns + longest_days * DAY_S * NS_PER_S:
        message = f"expires_at: a moment within the next {longest_days} days is expected"
        raise InvalidError(message)
    return expires_ns


def steps(now_ns: int, hours: int, step_s: int) -> list[int]:
    """Return when each step of the last hours begins, in nanoseconds, oldest first.

    Raises:
        InvalidError: There are more than 2,000.
    """
    step_ns = step_s * NS_PER_S
    last = now_ns // step_ns
    first = last - hours * HOUR_S // step_s
    if last - first > MAX_STEPS:
        message = f"more than {MAX_STEPS} steps: choose fewer hours or a longer step_s"
        raise InvalidError(message)
    return [step * step_ns for step in range(first, last + 1)]
