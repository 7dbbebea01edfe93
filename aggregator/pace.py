"""How often somebody may do something: a bucket of turns for each, which fills up again."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from aggregator.errors import TooManyAttemptsError

MAX_KEYS = 10_000  # of which those that did nothing for longest are forgotten


class _Bucket(msgspec.Struct):
    turns: float
    filled_s: float


class Pace:
    """Lets everybody do something so many times at once, and so often a second after that.

    Args:
        burst: How many turns a full bucket holds.
        per_s: How many turns come back each second.
        clock: Seconds that only rise.
    """

    def __init__(
        self, burst: int, per_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, turns: int = 1) -> None:
        """Use up a turn, or as many as something costs, which are at most those of a full bucket.

        Raises:
            TooManyAttemptsError: There are not as many left; it says when there will be.
        """
        now_s = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now_s))
        gained = (now_s - bucket.filled_s) * self._per_s
        bucket.turns = min(self._burst, bucket.turns + gained)
        bucket.filled_s = now_s
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        if bucket.turns < turns:
            message = "too many at once: wait a little"
            wait_s = math.ceil((turns - bucket.turns) / self._per_s)
            raise TooManyAttemptsError(message, retry_after_s=wait_s)
        bucket.turns -= turns
