"""What happens now, to everybody who watches: ready bytes, kept once for all who watch the same."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Final, Literal, get_args

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
KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)

MAX_WAITING = 1000  # new events a slow watcher may have outstanding; older ones are dropped
KEPT_EVENTS = 5000  # events of everybody that whoever comes back can still be given
MOST_AT_ONCE: Final = 200
MOST_HELD: Final = 500  # events: fewer than may wait, so that nobody loses what was not given yet
GATHER_S: Final = 0.1  # at least, between two times that those who wait are given something
# The next one says it all: one that nobody watches is not made, and none is kept for who comes back.
PASSING: Final = frozenset[EventKind]({"device_health"})

_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """Something that happened, ready to be sent."""

    organization: str
    type: str
    cursor: int
    data: bytes  # one JSON object
    bare: bytes  # what it holds as `data`, without a word on type and cursor


class _Piece:
    """Some events in a row, made into one array for all who are given just these."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events

    @cached_property
    def array(self) -> str:
        """Return a JSON array of the events."""
        return _array(event.data for event in self.events)


class _Channel:
    """What is given to all who watch the same: its last events, kept once for all of them.

    Args:
        organization: Whose events.
        types: Which types of events; None for all.
    """

    def __init__(self, organization: str, types: frozenset[str] | None) -> None:
        self.watchers = 0
        self.end = 0  # events so far, without those that are held back
        self._organization = organization
        self._types = types
        self._events: deque[Event] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()
        self._held = 0  # events that are given when the time has come
        self._given_s = -GATHER_S
        self._timer: asyncio.TimerHandle | None = None
        self._piece = (0, 0, _Piece([]))  # the last that somebody was given

    def wants(self, organization: str, kind: str) -> bool:
        """Return whether events of a kind belong here."""
        return organization == self._organization and (self._types is None or kind in self._types)

    def put(self, event: Event) -> None:
        """Add an event; never waits. What comes at once, or soon after, is given together."""
        self._events.append(event)
        self._held += 1
        if self._held == MOST_HELD:
            self._give()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            at_s = max(loop.time(), self._given_s + GATHER_S)
            self._timer = loop.call_at(at_s, self._give)

    @property
    def whole(self) -> int:
        """How many events there were, with those that are not given yet."""
        return self.end + self._held

    def _give(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.end, self._held = self.whole, 0
        self._given_s = asyncio.get_running_loop().time()
        self._more.set()

    async def wait(self, number: int) -> None:
        """Wait until an event with this number is given."""
        while number >= self.end:
            self._more.clear()
            await self._more.wait()

    def piece(self, begin: int, end: int) -> _Piece:
        """Return the events with these numbers; those who keep pace are given the very same."""
        if self._piece[:2] != (begin, end):
            # The number of the oldest that is still there.
            first = self.whole - len(self._events)
            cut = islice(self._events, begin - first, end - first)
            self._piece = (begin, end, _Piece(list(cut)))
        return self._piece[2]


class Watcher:
    """One watcher's place in a channel; who falls too far behind loses the oldest, and is told.

    Args:
        channel: Where its events are.
        missed: What it is given first, all of it: the feed's own events, which bound how many.
        bare: Whether it is given only what events hold, without type and cursor.
    """

    def __init__(self, channel: _Channel, missed: Sequence[Event], *, bare: bool) -> None:
        self._channel = channel
        self._next = channel.whole
        self._missed = deque(missed)
        self._bare = bare

    async def take(self, limit: int = MOST_AT_ONCE) -> list[bytes]:
        """Wait for events and return some of them, oldest first, with a word on dropped ones."""
        notices, piece = await self._take(limit)
        return notices + [event.bare if self._bare else event.data for event in piece.events]

    async def take_array(self, limit: int = MOST_AT_ONCE) -> str:
        """Do the same, but return one JSON array, with type and cursor."""
        notices, piece = await self._take(limit)
        if not notices:
            return piece.array
        return _array([*notices, *(event.data for event in piece.events)])

    async def _take(self, limit: int) -> tuple[list[bytes], _Piece]:
        if self._missed:
            some = min(limit, len(self._missed))
            return [], _Piece([self._missed.popleft() for _ in range(some)])
        await self._channel.wait(self._next)
        notices = [notice("dropped", count=count)] if (count := self._drop()) else []
        end = min(self._next + limit, self._channel.end)
        piece = self._channel.piece(self._next, end)
        self._next = end
        return notices, piece

    def _drop(self) -> int:
        """Let go of the oldest new events beyond what may be outstanding; return how many."""
        count = max(0, self._channel.whole - self._next - MAX_WAITING)
        self._next += count
        return count


class LiveFeed:
    """Fans events out to watchers and keeps the last ones for those who come back.

    Cursors rise with every event and across restarts, and stay below 2**53, which is where
    JavaScript begins to lose integers.
    """

    def __init__(self) -> None:
        self._cursor = time.time_ns() // 1000
        self._first = self._cursor  # events up to here are out of reach
        self._kept: deque[Event] = deque()
        self._channels: dict[tuple[str, frozenset[str] | None], _Channel] = {}

    @property
    def watchers(self) -> int:
        """How many watch."""
        return sum(channel.watchers for channel in self._channels.values())

    def is_watched(self, organization: str, kind: EventKind) -> bool:
        """Return whether anybody watches an organization for events of a kind."""
        return any(channel.wants(organization, kind) for channel in self._channels.values())

    def publish(self, organization: str, kind: EventKind, data: object, **extra: object) -> None:
        """Give an event to every watcher of an organization who wants it."""
        self._cursor += 1
        bare = _encode(data)
        message = {"type": kind, "cursor": self._cursor, **extra, "data": msgspec.Raw(bare)}
        event = Event(organization, kind, self._cursor, _encode(message), bare)
        if kind not in PASSING:
            self._keep(event)
        for channel in self._channels.values():
            if channel.wants(organization, kind):
                channel.put(event)

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
        key = (organization, types)
        channel = self._channels.setdefault(key, _Channel(organization, types))
        missed = [] if since is None else self._missed(channel, organization, since)
        channel.watchers += 1
        try:
            yield Watcher(channel, missed, bare=bare)
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                del self._channels[key]

    def _missed(self, channel: _Channel, organization: str, since: int) -> list[Event]:
        if not self._first <= since <= self._cursor:
            reset = notice("resync", cursor=self._cursor)
            return [Event(organization, "resync", self._cursor, reset, reset)]
        kept = (event for event in self._kept if event.cursor > since)
        return [event for event in kept if channel.wants(event.organization, event.type)]

    def _keep(self, event: Event) -> None:
        self._kept.append(event)
        if len(self._kept) > KEPT_EVENTS:
            self._first = self._kept.popleft().cursor


def notice(kind: str, **fields: object) -> bytes:
    """Return a message about the feed itself."""
    return _encode({"type": kind, **fields})


def _array(parts: Iterable[bytes]) -> str:
    return f"[{b','.join(parts).decode()}]"
