"""Receipts that are on their way: the newest counts, nothing waits for them, few are kept."""

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager

from aggregator.ingest import receipts
from aggregator.ingest.receipts import AT_ONCE, Receipts
from aggregator.store.watermarks import Boot, Mark
from contract import codec
from tests.aggregator.messages import BOOT


class SlowBroker:
    """Takes what is published and gives its word on it when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answers = asyncio.Event()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self.asked += [
            (topic.split("/")[-2], codec.decode_receipt(payload).upto)
            for topic, payload in messages
        ]
        await self.answers.wait()


def marks(*numbers: int, upto: int = 1) -> dict[Boot, Mark]:
    return {Boot("default", f"edge-{number}", BOOT): Mark(upto, 0) for number in numbers}


@asynccontextmanager
async def running(told: Receipts):
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(told.run())
        yield
        task.cancel()


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_the_newest_receipt_of_a_boot_stands_for_those_that_still_wait():
    broker = SlowBroker()
    told = Receipts(broker.publish)
    async with running(told):
        await told.add(marks(*range(AT_ONCE)))  # as many as the broker is asked at once
        await until(lambda: len(broker.asked) == AT_ONCE)
        for upto in (2, 3, 4):
            await told.add(marks(1, upto=upto))
        broker.answers.set()
        await until(lambda: len(broker.asked) == AT_ONCE + 1)
    assert broker.asked[-1] == ("edge-1", 4)


async def test_when_very_many_wait_the_next_batch_waits_too(monkeypatch):
    monkeypatch.setattr(receipts, "MOST_WAITING", 10)
    broker = SlowBroker()
    told = Receipts(broker.publish)
    async with running(told):
        await told.add(marks(*range(AT_ONCE)))
        await until(lambda: len(broker.asked) == AT_ONCE)
        await told.add(marks(*range(10)))
        async with asyncio.TaskGroup() as tasks:
            adding = tasks.create_task(told.add(marks(99)))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not adding.done()
            broker.answers.set()
        await until(lambda: ("edge-99", 1) in broker.asked)
