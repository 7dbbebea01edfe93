"""What happens now, to everybody who watches: one bounded queue of ready bytes per watcher."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

EventKind = Literal[
    "new_alert",
    "alert_updated",
    "incident",
    "detection",
    "isolation",
    "command",
    "device_health",
    "presence",
    "device_event",
    "readings",
    "packet",
    "wall_post",
]

MAX_WAITING = 1000  # events a slow watcher may have outstanding; older ones are dropped
KEPT_EVENTS = 5000  # events that a returning watcher can still be given

_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """Something that happened, ready to be sent."""

    organization: str
    type: str
    cursor: int
    data: bytes  # one JSON object
    bare: bytes  # what it holds as `data`, without a word on type and cursor


class Watcher:
    """One watcher's queue; when it is full the oldest events make room and are counted.

    Args:
        wants: Which events.
        bare: Whether it is given only what events hold, without type and cursor.
    """

    def __init__(self, wants: Callable[[Event], bool], *, bare: bool = False) -> None:
        self.wants = wants
        self._bare = bare
        self._waiting: deque[Event] = deque()
        self._dropped = 0
        self._ready = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event; never waits."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(event)
        self._ready.set()

    async def take(self, limit: int = 200) -> list[bytes]:
        """Wait for events and return some of them, oldest first, with a word on dropped ones."""
        await self._ready.wait()
        taken = [notice("dropped", count=self._dropped)] if self._dropped else []
        self._dropped = 0
        events = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        taken.extend(event.bare if self._bare else event.data for event in events)
        if not self._waiting:
            self._ready.clear()
        return taken


class LiveFeed:
    """Fans events out to watchers and keeps the last ones for those who come back.

    Cursors rise with every event and across restarts, and stay below 2**53, which is where
    JavaScript begins to lose integers.
    """

    def __init__(self) -> None:
        self._cursor = time.time_ns() // 1000
        self._first = self._cursor  # events up to here are out of reach
        self._kept: deque[Event] = deque()
        self._watchers: set[Watcher] = set()

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def publish(self, organization: str, kind: EventKind, data: object, **extra: object) -> None:
        """Give an event to every watcher of an organization who wants it."""
        self._cursor += 1
        bare = _encode(data)
        message = {"type": kind, "cursor": self._cursor, **extra, "data": msgspec.Raw(bare)}
        event = Event(organization, kind, self._cursor, _encode(message), bare)
        self._keep(event)
        for watcher in self._watchers:
            if watcher.wants(event):
                watcher.put(event)

    @contextmanager
    def watch(
        self,
        organization: str,
        types: frozenset[str] | None = None,
        since: int | None = None,
        *,
        bare: bool = False,
    ) -> Iterator[Watcher]:
        """Watch an organization for the length of the block.

        Args:
            organization: Whose events; nobody is given another's.
            types: Which types of events; None for all.
            since: The cursor of the last event that was seen; what came after it and is still
                kept is given first, or a `resync` message where something is missing.
            bare: Whether only what events hold is given, without type and cursor.
        """

        def wants(event: Event) -> bool:
            return event.organization == organization and (types is None or event.type in types)

        watcher = Watcher(wants, bare=bare)
        if since is not None:
            self._catch_up(watcher, organization, since)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _catch_up(self, watcher: Watcher, organization: str, since: int) -> None:
        if not self._first <= since <= self._cursor:
            reset = notice("resync", cursor=self._cursor)
            watcher.put(Event(organization, "resync", self._cursor, reset, reset))
            return
        for event in self._kept:
            if event.cursor > since and watcher.wants(event):
                watcher.put(event)

    def _keep(self, event: Event) -> None:
        self._kept.append(event)
        if len(self._kept) > KEPT_EVENTS:
            self._first = self._kept.popleft().cursor


def notice(kind: str, **fields: object) -> bytes:
    """Return a message about the feed itself."""
    return _encode({"type": kind, **fields})
