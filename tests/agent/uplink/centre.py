"""A small centre: stores in order, as the real one does, and receipts what it stored."""

import asyncio
from collections import Counter

import aiomqtt
import msgspec

from contract.codec import decode_envelope, encode
from contract.messages import AnyMessage, Presence, Receipt
from contract.topics import device_filters, parse, receipts_topic
from runtime.broker import connect
from runtime.config import BrokerConfig


class Centre:
    """What a centre has stored and heard of one device."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.ready = asyncio.Event()
        self.stored: list[AnyMessage] = []
        self.presences: list[bool] = []
        self.heard: Counter[tuple[str, int]] = Counter()  # how often each number arrived
        self._last: Counter[str] = Counter()

    async def run(self, port: int) -> None:
        """Listen for ever."""
        config = BrokerConfig(host="127.0.0.1", port=port)
        async with connect(config, client_id="centre") as client:
            await client.subscribe([(topic, 1) for topic in device_filters()])
            self.ready.set()
            async for message in client.messages:
                await self._take(client, message)

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        sender = parse(message.topic.value)
        envelope = decode_envelope(message.payload)
        if isinstance(envelope.message, Presence):
            self.presences.append(envelope.message.online)
            return
        boot, seq = envelope.boot, envelope.seq
        self.heard[boot, seq] += 1
        if not self.answers:
            return
        if seq == max(self._last[boot] + 1, envelope.floor):
            self._last[boot] = seq
            self.stored.append(envelope.message)
        receipt = Receipt(boot=boot, upto=self._last[boot])
        topic = receipts_topic(sender.organization, sender.device_id)
        await client.publish(topic, encode(receipt), qos=1)

    async def until(self, stored: int) -> None:
        """Wait until so many messages are stored."""
        async with asyncio.timeout(20):
            while len(self.stored) < stored:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


class Idle(msgspec.Struct):
    """Takes orders and only remembers them."""

    orders: list[tuple[bytes, bool]] = []

    async def __call__(self, payload: bytes, *, retained: bool) -> None:
        self.orders.append((payload, retained))
