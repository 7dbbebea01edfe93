"""How often organizations call the API: counted in memory, written down now and then, bounded by plans."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from aggregator.errors import TooManyAttemptsError
from aggregator.shapes import NS_PER_S
from aggregator.store.database import Database
from aggregator.store.usage import add_calls, find_calls, month_of, next_month

INTERVAL_S: Final = 60.0  # a crash loses at most what was counted in so long


class _Account(msgspec.Struct):
    month: date
    written: int  # or being written
    most: int | None


class Calls:
    """Counts calls of people, programs and devices by organization and month (UTC).

    Args:
        database: Where they are kept.
        clock: Nanoseconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._pending: Counter[tuple[date, str]] = Counter()

    async def count(self, organization: str, *, bounded: bool) -> None:
        """Count a call.

        Args:
            organization: Whose.
            bounded: Whether it is refused where the plan allows no more.

        Raises:
            TooManyAttemptsError: It is.
        """
        month = month_of(self._clock())
        account = self._accounts.get(organization)
        if account is None or account.month != month:
            row = await find_calls(self._database, organization, month)
            account = _Account(month, row.api_calls, row.max_api_calls)
            self._accounts[organization] = account
        used = account.written + self._pending[month, organization]
        if bounded and account.most is not None and used >= account.most:
            begin = next_month(month)
            message = (
                f"the plan allows {account.most} API calls a month: they are used up until"
                f" {begin.isoformat()}"
            )
            raise TooManyAttemptsError(message, _seconds_until(begin, self._clock()))
        self._pending[month, organization] += 1

    def unwritten(self, organization: str, month: date) -> int:
        """Return how many calls of an organization in a month are not in the database yet."""
        return self._pending[month, organization]

    def forget(self, organization: str) -> None:
        """Look anew at what an organization may: its plan is another."""
        self._accounts.pop(organization, None)

    async def write(self) -> None:
        """Write down what was counted."""
        pending, self._pending = self._pending, Counter()
        months: defaultdict[date, dict[str, int]] = defaultdict(dict)
        for (month, organization), calls in pending.items():
            if calls:
                months[month][organization] = calls
        for (month, organization), calls in pending.items():
            account = self._accounts.get(organization)
            if account is not None and account.month == month:
                account.written += calls
        await self._database.write(*[add_calls(calls, month) for month, calls in months.items()])

    async def run(self) -> None:
        """Write now and then, for ever, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(INTERVAL_S)
                await self.write()
        finally:
            await self.write()


def _seconds_until(begin: date, now_ns: int) -> int:
    moment = datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
    return max(1, int(moment.timestamp()) - now_ns // NS_PER_S)
