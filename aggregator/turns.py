"""What only few may do at once: one after another, and nobody takes every place."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aggregator.errors import TooManyAttemptsError

RETRY_AFTER_S = 5


class Turns:
    """Lets a few go on at once, in the order in which they came, and one of each person.

    Args:
        what: What they do, as a refusal calls it.
        at_once: How many go on at the same time.
        most: How many may go on or wait.
        most_of_one: How many of these may be one person's.
    """

    def __init__(self, what: str, *, at_once: int, most: int, most_of_one: int) -> None:
        self._what = what
        self._most = most
        self._most_of_one = most_of_one
        self._places = asyncio.Semaphore(at_once)
        self._own: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._there: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the length of the block.

        Raises:
            TooManyAttemptsError: They or others wait already.
        """
        self._come(who)
        try:
            async with self._own[who], self._places:
                yield
        finally:
            self._go(who)

    def _come(self, who: str) -> None:
        if self._there[who] >= self._most_of_one:
            message = (
                f"{self._there[who]} {self._what} of yours are under way: wait for one to end"
            )
            raise TooManyAttemptsError(message, RETRY_AFTER_S)
        if self._there.total() >= self._most:
            message = f"too many {self._what} are waiting; try again in a few seconds"
            raise TooManyAttemptsError(message, RETRY_AFTER_S)
        self._there[who] += 1

    def _go(self, who: str) -> None:
        self._there[who] -= 1
        if not self._there[who]:
            del self._there[who], self._own[who]
