"""What the broker handed over and is not stored yet: a line for each device, urgent ones first."""

import asyncio
import heapq
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Sequence

import aiomqtt

from contract import topics
from contract.messages import Alert, CommandAck, Isolation, Presence

log = logging.getLogger(__name__)

DEVICE_LEVELS = topics.ROOT.count("/") + 3  # of a topic, that say which device it is
URGENT = tuple(f"/{topics.LEAVES[kind]}" for kind in (Alert, Isolation, CommandAck, Presence))
PRESENCE = f"/{topics.LEAVES[Presence]}"
PLAIN_EVERY = 4  # so often it is the turn of any device, however many are urgent
MOST_WAITING = 10_000  # messages: what a large fleet tells in some seconds
MOST_BYTES = 24_000_000  # of their payloads
MESSAGE_BYTES = (
    MOST_BYTES // MOST_WAITING
)  # that each counts for besides, where lines are compared
ROOM = 50  # so many parts: one is made free where there is none, since to compare all lines takes time
LOG_EVERY_S = 60.0
MOST_BESIDE = 32_000  # bytes that are stored with what is urgent: as much as a transaction costs


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """A queue in which an alert waits for what its own device told before it, and hardly for others.

    A device's messages keep their order, since each is stored after the one before it. Devices take
    turns, so that one that tells a lot holds up itself. Where there is no room the longest line loses
    what came last: its device tells that again, or has told it in vain.
    """

    def _init(self, maxsize: int) -> None:
        self._most = maxsize if maxsize > 0 else MOST_WAITING
        self._count = self._bytes = self._turn = self._discarded = 0
        self._logged_s = -math.inf
        # Both in the order of turns: the lines of devices, and how many of a line are urgent.
        self._lines: OrderedDict[str, deque[aiomqtt.Message]] = OrderedDict()
        self._urgent: OrderedDict[str, int] = OrderedDict()

    def qsize(self) -> int:
        """Return how many wait."""
        return self._count

    @property
    def bytes(self) -> int:
        """How many bytes of payloads wait."""
        return self._bytes

    @property
    def has_urgent(self) -> bool:
        """Whether somebody waits for one of them."""
        return bool(self._urgent)

    def empty(self) -> bool:
        """Return whether none waits."""
        return self._count == 0

    def full(self) -> bool:
        """Return False: there is always room for who comes, at the cost of the longest line."""
        return False

    def discarded(self) -> int:
        """Return how many messages were discarded since this was last asked."""
        count, self._discarded = self._discarded, 0
        return count

    def _put(self, item: aiomqtt.Message) -> None:
        device = _device(item)
        self._bytes += len(item.payload)
        self._lines.setdefault(device, deque()).append(item)
        self._count += 1
        if is_urgent(item):
            self._urgent[device] = self._urgent.get(device, 0) + 1
        if self._count > self._most or self._bytes > MOST_BYTES:
            self._make_room()

    def _get(self) -> aiomqtt.Message:
        self._turn += 1
        first = self._urgent if self._urgent and self._turn % PLAIN_EVERY else self._lines
        device = next(iter(first))
        line = self._lines.pop(device)
        urgent = self._urgent.pop(device, 0)
        item = line.popleft()
        self._count -= 1
        self._bytes -= len(item.payload)
        urgent -= is_urgent(item)
        if line:
            self._lines[device] = line
        if urgent:
            self._urgent[device] = urgent
        return item

    def _make_room(self) -> None:
        most_count, most_bytes = self._most - self._most // ROOM, MOST_BYTES - MOST_BYTES // ROOM
        longest = [(-sum(map(_weight, line)), device) for device, line in self._lines.items()]
        heapq.heapify(longest)
        self._tell(longest[0][1])
        while self._count > most_count or self._bytes > most_bytes:
            weight, device = longest[0]
            heapq.heapreplace(longest, (weight + _weight(self._discard(device)), device))

    def _discard(self, device: str) -> aiomqtt.Message:
        line = self._lines[device]
        # Whether it is there a device says once: its last word on that is the last to go.
        place = -2 if len(line) > 1 and _is_presence(line[-1]) else -1
        item = line[place]
        del line[place]
        if not line:
            del self._lines[device]
        if is_urgent(item):
            self._urgent[device] -= 1
            if not self._urgent[device]:
                del self._urgent[device]
        self._count -= 1
        self._bytes -= len(item.payload)
        self._discarded += 1
        return item

    def _tell(self, device: str) -> None:
        # Now and then: whoever floods us does not flood our log as well.
        if time.monotonic() - self._logged_s >= LOG_EVERY_S:
            self._logged_s = time.monotonic()
            log.warning("messages_discarded", extra={"longest": device, "see": "/metrics"})


def urgent_first(messages: Sequence[aiomqtt.Message]) -> list[list[aiomqtt.Message]]:
    """Return messages in the parts in which they are stored: alerts need not wait for many others.

    The first part is of each device what reaches to the last that is urgent, so that a device's
    messages keep their order.
    """
    ends = {_device(item): place for place, item in enumerate(messages) if is_urgent(item)}
    parts: tuple[list[aiomqtt.Message], list[aiomqtt.Message]] = ([], [])
    for place, item in enumerate(messages):
        parts[place > ends.get(_device(item), -1)].append(item)
    if not parts[0] or sum(len(item.payload) for item in parts[1]) < MOST_BESIDE:
        return [list(messages)]
    return list(parts)


def _device(message: aiomqtt.Message) -> str:
    return "/".join(message.topic.value.split("/", DEVICE_LEVELS)[:DEVICE_LEVELS])


def _weight(message: aiomqtt.Message) -> int:
    return MESSAGE_BYTES + len(message.payload)


def _is_presence(message: aiomqtt.Message) -> bool:
    return message.topic.value.endswith(PRESENCE)


def is_urgent(message: aiomqtt.Message) -> bool:
    """Return whether somebody waits for it."""
    return message.topic.value.endswith(URGENT)
