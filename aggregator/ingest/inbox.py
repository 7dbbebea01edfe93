"""What the broker handed over and is not stored yet: a line for each device, urgent ones first."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence

import aiomqtt

from contract import topics
from contract.messages import Alert, CommandAck, Isolation, Presence

DEVICE_LEVELS = topics.ROOT.count("/") + 3  # of a topic, that say which device it is
URGENT = tuple(f"/{topics.LEAVES[kind]}" for kind in (Alert, Isolation, CommandAck, Presence))
PLAIN_EVERY = 4  # so often it is the turn of any device, however many are urgent
MOST_WAITING = 10_000  # messages: what a large fleet tells in some seconds
MOST_BYTES = 24_000_000  # of their payloads
MOST_BESIDE = 32_000  # bytes that are stored with what is urgent: as much as a transaction costs


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """A queue in which an alert waits for what its own device told before it, and hardly for others.

    A device's messages keep their order, since each is stored after the one before it. Devices take
    turns, so that one that tells a lot holds up itself.
    """

    def _init(self, maxsize: int) -> None:  # noqa: ARG002  asyncio's own
        self._count = self._bytes = self._turn = 0
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
        """Return whether no further message is taken."""
        return super().full() or self._bytes >= MOST_BYTES

    def _put(self, item: aiomqtt.Message) -> None:
        device = _device(item)
        self._bytes += len(item.payload)
        self._lines.setdefault(device, deque()).append(item)
        self._count += 1
        if is_urgent(item):
            self._urgent[device] = self._urgent.get(device, 0) + 1

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


def is_urgent(message: aiomqtt.Message) -> bool:
    """Return whether somebody waits for it."""
    return message.topic.value.endswith(URGENT)
