"""When a channel is left in peace: hours of the day at some place, and how much a minute."""

from collections import deque
from datetime import UTC, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from aggregator.errors import InvalidError
from aggregator.shapes import NS_PER_S

MINUTE_NS: Final = 60 * NS_PER_S

Clock = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)")]


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when until when only what is critical is told, by the clock of a place."""

    begin: Clock = msgspec.field(name="from")
    end: Clock = msgspec.field(name="until")
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"

    def check(self) -> None:
        """Refuse hours that are none.

        Raises:
            InvalidError: They have no length, or the place is not known.
        """
        if self.begin == self.end:
            message = "quiet: from and until are the same"
            raise InvalidError(message)
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = "quiet: time_zone is none of the IANA's, such as Europe/Berlin"
            raise InvalidError(message) from error

    def hold(self, now_ns: int) -> bool:
        """Return whether it is quiet."""
        there = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).astimezone(ZoneInfo(self.time_zone))
        clock = f"{there:%H:%M}"
        if self.begin < self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


class Minute:
    """So many turns in any minute.

    Args:
        turns: How many.
    """

    def __init__(self, turns: int) -> None:
        self._taken: deque[int] = deque(maxlen=turns)

    def take(self, now_ns: int) -> bool:
        """Use up a turn, and return whether there was one."""
        is_free = len(self._taken) < (self._taken.maxlen or 0)
        if is_free or now_ns - self._taken[0] >= MINUTE_NS:
            self._taken.append(now_ns)
            return True
        return False
