"""Slows down who guesses: after some failures each further attempt has to wait longer."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from aggregator.errors import TooManyAttemptsError

MAX_KEYS = 10_000  # of which the least recently failed are forgotten
FORGET_S = 900.0


class _Failures(msgspec.Struct):
    count: int = 0
    last_s: float = 0.0
    wait_until_s: float = 0.0


class Throttle:
    """Counts failures by key.

    Args:
        free: How many failures cost nothing.
        most_s: The longest wait.
        clock: Seconds that only rise.
    """

    def __init__(
        self, free: int, most_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = free
        self._most_s = most_s
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def attempt(self, key: str) -> None:
        """Let an attempt pass, and count it as failed until it is known to be none.

        Counted first, so that many attempts at once get no further than one after another.

        Raises:
            TooManyAttemptsError: It comes too early.
        """
        now_s = self._clock()
        failures = self._failures.setdefault(key, _Failures())
        left_s = failures.wait_until_s - now_s
        if left_s > 0:
            wait_s = math.ceil(left_s)
            message = f"too many failed attempts: wait {wait_s} s"
            raise TooManyAttemptsError(message, retry_after_s=wait_s)
        if now_s - failures.last_s > FORGET_S:
            failures.count = 0
        failures.count += 1
        failures.last_s = now_s
        beyond = failures.count - self._free
        if beyond >= 0:
            failures.wait_until_s = now_s + min(self._most_s, 2.0 ** min(beyond, 30))
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Take back the last attempt of a key: it was none of a guesser."""
        failures = self._failures.get(key)
        if failures is not None:
            failures.count -= 1
            failures.wait_until_s = 0.0

    def forget(self, key: str) -> None:
        """Forget all failures of a key."""
        self._failures.pop(key, None)
