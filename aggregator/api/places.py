"""How many sockets may be open: of one user, from one address, and in all."""

import asyncio
from collections import Counter
from typing import Any, Final

from aggregator.addresses import guesser_of
from aggregator.api.identity import Guest, Identity, Machine, Person
from aggregator.errors import TooManyAttemptsError

MOST: Final = 1500  # of 2,000 connections: the others are left for what is asked over HTTP
MOST_OF_ADDRESS: Final = 1000
MOST_OF_HOLDER: Final = 600
RETRY_AFTER_S: Final = 60


class Places:
    """Counts who has how many sockets open."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, ...]] = Counter()

    def come_in(self, address: str) -> None:
        """Take a place for whoever comes from an address, until the task of their socket ends.

        Raises:
            TooManyAttemptsError: There is none.
        """
        self._take(("all",), MOST)
        self._take(("address", guesser_of(address)), MOST_OF_ADDRESS)

    def sit_down(self, who: Identity | Guest) -> None:
        """Take one for who it turned out to be, all tokens of a user together.

        Raises:
            TooManyAttemptsError: There is none.
        """
        self._take(_holder(who), MOST_OF_HOLDER)

    def _take(self, of: tuple[str, ...], most: int) -> None:
        if self._taken[of] >= most:
            message = "too many WebSockets are open"
            raise TooManyAttemptsError(message, RETRY_AFTER_S)
        self._taken[of] += 1
        task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # within one
        task.add_done_callback(lambda _: self._leave(of))

    def _leave(self, of: tuple[str, ...]) -> None:
        self._taken[of] -= 1
        if not self._taken[of]:
            del self._taken[of]


def _holder(who: Identity | Guest) -> tuple[str, ...]:
    match who:
        case Person():
            return ("user", str(who.user.id))
        case Machine():
            return ("device", who.organization, who.owner.device_id)
        case Guest():
            return ("guests", who.organization)
