"""Receipts on their way: the newest of each boot, told while the next messages are being stored."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from aggregator.store.watermarks import Boot, Mark
from contract import codec, topics
from contract.messages import Receipt

AT_ONCE = 64  # that are handed to the connection together
MOST_WAITING = 20_000


class Receipts:
    """Publishes receipts over one connection; what one that is lost held is asked for again.

    Args:
        publish: Gives a payload to a topic; waits until it is on its way.
    """

    def __init__(self, publish: Callable[[str, bytes], Awaitable[None]]) -> None:
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
        """Publish for ever, several at a time: each waits for the connection.

        Raises:
            Exception: What `publish` raises, such as that the connection was lost.
        """
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._publish_some(), name="ingest.receipt")

    async def _publish_some(self) -> None:
        while True:
            await self._some.wait()
            if not self._waiting:
                continue
            boot, mark = self._waiting.popitem(last=False)
            self._note()
            topic = topics.receipts_topic(boot.organization, boot.device_id)
            await self._publish(topic, codec.encode(Receipt(boot=boot.boot, upto=mark.last_seq)))

    def _note(self) -> None:
        for event, is_so in (
            (self._some, bool(self._waiting)),
            (self._room, len(self._waiting) < MOST_WAITING),
        ):
            if is_so:
                event.set()
            else:
                event.clear()
