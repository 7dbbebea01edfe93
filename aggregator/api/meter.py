"""How much is asked of us: requests of the last minute, and what is open now."""

import time
from collections import deque
from collections.abc import Callable

from litestar.types import ASGIApp, Receive, Scope, Send

MINUTE_S = 60


class Meter:
    """Counts what passes, by the second.

    Args:
        clock: Seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started_s = clock()
        self._seconds: deque[list[int]] = deque(maxlen=MINUTE_S + 1)  # [second, requests]
        self.open = 0  # requests under way and sockets

    @property
    def uptime_s(self) -> int:
        """How long we have been counting."""
        return int(self._clock() - self._started_s)

    def count(self) -> None:
        """Count a request."""
        second = int(self._clock())
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])

    def requests_per_minute(self) -> int:
        """Return how many requests came within the last minute."""
        since = int(self._clock()) - MINUTE_S
        return sum(requests for second, requests in self._seconds if second > since)


class Metered:
    """Lets a meter see everything that goes to an application."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request or a socket on."""
        self._meter.count()
        self._meter.open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._meter.open -= 1
