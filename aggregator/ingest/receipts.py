"""Receipts on their way: the newest of each boot, told while the next messages are being stored."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aggregator.store.watermarks import Boot, Mark
from contract import codec, topics
from contract.messages import Receipt

AT_ONCE = 64  # that are handed to the connection together
MOST_WAITING = 20_000


class Receipts:
    """Publishes receipts over one connection; what one that is lost held is asked for again.

    Args:
        publish: Gives payloads to topics; waits until the last is on its way.
    """

    def __init__(self, publish: Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]) -> None:
        self._publish = publish
        self._waiting: OrderedDict[Boot, Mark] = OrderedDict()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def add(self, marks: Mapping[Boot, Mark]) -> None:
        """Have it told how far boots are stored; waits only while very many are waiting."""
        await self._room.wait()
        self._waiting.update(marks)  # a receipt stands for those before it
        self._note()

    async def run(self) -> None:
        """Publish for ever, several at a time.

        Raises:
            Exception: What `publish` raises, such as that the connection was lost.
        """
        while True:
            await self._some.wait()
            some = min(AT_ONCE, len(self._waiting))
            told = [_receipt(*self._waiting.popitem(last=False)) for _ in range(some)]
            self._note()
            await self._publish(told)

    def _note(self) -> None:
        for event, is_so in (
            (self._some, bool(self._waiting)),
            (self._room, len(self._waiting) < MOST_WAITING),
        ):
            if is_so:
                event.set()
            else:
                event.clear()


def _receipt(boot: Boot, mark: Mark) -> tuple[str, bytes]:
    topic = topics.receipts_topic(boot.organization, boot.device_id)
    return topic, codec.encode(Receipt(boot=boot.boot, upto=mark.last_seq))
