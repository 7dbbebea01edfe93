"""What only few may do at once: one after another, and nobody takes every place."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aggregator.errors import TooManyAttemptsError

RETRY_AFTER_S = 5


class Places:
    """Lets so many be there, and so many of one person.

    Args:
        what: What they do, as a refusal calls it.
        most: How many may be there.
        most_of_one: How many of these may be one person's.
    """

    def __init__(self, what: str, *, most: int, most_of_one: int) -> None:
        self._what = what
        self._most = most
        self._most_of_one = most_of_one
        self._there: Counter[str] = Counter()

    def __contains__(self, who: str) -> bool:
        """Return whether somebody has a place."""
        return who in self._there

    @contextmanager
    def place(self, who: str) -> Iterator[None]:
        """Have a place for the length of the block.

        Raises:
            TooManyAttemptsError: They or others have them all.
        """
        self._come(who)
        try:
            yield
        finally:
            self._there[who] -= 1
            if not self._there[who]:
                del self._there[who]

    def _come(self, who: str) -> None:
        if self._there[who] >= self._most_of_one:
            message = (
                f"{self._there[who]} {self._what} of yours are under way: wait for one to end"
            )
            raise TooManyAttemptsError(message, RETRY_AFTER_S)
        if self._there.total() >= self._most:
            message = f"too many {self._what} are under way; try again in a few seconds"
            raise TooManyAttemptsError(message, RETRY_AFTER_S)
        self._there[who] += 1


class Turns:
    """Lets a few go on at once, in the order in which they came, and one of each person.

    Args:
        what: What they do, as a refusal calls it.
        at_once: How many go on at the same time.
        most: How many may go on or wait.
        most_of_one: How many of these may be one person's.
    """

    def __init__(self, what: str, *, at_once: int, most: int, most_of_one: int) -> None:
        self._places = Places(what, most=most, most_of_one=most_of_one)
        self._going_on = asyncio.Semaphore(at_once)
        self._own: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the length of the block.

        Raises:
            TooManyAttemptsError: They or others wait already.
        """
        try:
            with self._places.place(who):
                async with self._own[who], self._going_on:
                    yield
        finally:
            if who not in self._places:
                self._own.pop(who, None)
