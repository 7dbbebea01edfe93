"""The line to the centre: sends what waits until it is stored there, hears receipts and orders."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import aiomqtt
import msgspec

from agent.uplink.outbox import Numbered
from agent.uplink.spool import Spool
from contract.codec import CodecError, decode_receipt, encode
from contract.identifiers import DeviceId, OrganizationId
from contract.messages import AnyMessage, Envelope, Presence
from contract.topics import ROOT, commands_topic, receipts_topic, topic_for
from runtime.backoff import delays
from runtime.broker import connect
from runtime.config import BrokerConfig
from runtime.errors import BrokerError

log = logging.getLogger(__name__)

WINDOW = 64  # messages without a receipt
AT_LEAST_ONCE = 1
REFUSED = 128  # the first reason code that says no
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
RESEND_AFTER_S = 10.0
MOST_PATIENCE = 6  # times that, while the centre stays silent
STEADY_S = 30.0  # a connection that lasted this long ends the growth of the waiting time
POLL_S = 1.0
FAREWELL_S = 2.0
MAX_WAITING_ORDERS = 16
NO_RECEIPTS = (
    "the broker takes messages and no aggregator answers: does it run, is it at this broker, "
    "and does the broker let this device_id publish under this organization?"
)


class Address(msgspec.Struct, frozen=True):
    """Who we are on the wire."""

    organization: OrganizationId
    device_id: DeviceId


class TakeOrder(Protocol):
    """Who takes the bytes of an order, as agent.uplink.commands does."""

    async def __call__(self, payload: bytes, *, retained: bool) -> None:
        """Check it and carry it out."""


class Publisher:
    """Sends the spool's messages, and forgets one only when the centre has stored it.

    `counters` tells what was sent, sent again, receipted and thrown away since the start.
    """

    def __init__(
        self,
        spool: Spool,
        address: Address,
        presence: Presence,
        *,
        take_order: TakeOrder,
        resend_after_s: float = RESEND_AFTER_S,
    ) -> None:
        """Prepare to send.

        Args:
            spool: What is to be told.
            address: Who we are.
            presence: What is retained at the broker while we are online.
            take_order: Who takes orders.
            resend_after_s: How long the centre may be silent before all is sent again.
        """
        self.counters: Counter[str] = Counter()
        self.connected = False
        self._spool = spool
        self._address = address
        self.presence = presence
        self._started_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._presence_topic = topic_for(presence, address.organization, address.device_id)
        self._take_order = take_order
        self._resend_after_s = resend_after_s
        self._wake = asyncio.Event()

    async def put(self, messages: Sequence[AnyMessage]) -> None:
        """Keep messages in the spool and send them soon; they are safe when this returns."""
        await asyncio.to_thread(self._spool.append, messages)
        self._wake.set()

    async def run(self, config: BrokerConfig) -> None:
        """Send for ever; a broker that is away is waited for.

        Raises:
            ConfigError: The broker's settings cannot be used.
            SpoolError: The spool became unreadable.
        """
        clock = asyncio.get_running_loop().time
        waits = delays(FIRST_WAIT_S, MOST_WAIT_S)
        lost = False
        while True:
            began_at = clock()
            will = aiomqtt.Will(
                self._presence_topic, self._present(online=False), AT_LEAST_ONCE, retain=True
            )
            try:
                async with connect(config, client_id=self._address.device_id, will=will) as client:
                    await self._greet(client)
                    log.info("broker_back" if lost else "broker_connected")
                    lost = False
                    await self._serve(client)
            except BrokerError as error:
                if not lost:
                    log.warning("broker_lost", extra={"why": str(error)})
                lost = True
            finally:
                self.connected = False
            if clock() - began_at > STEADY_S:
                waits = delays(FIRST_WAIT_S, MOST_WAIT_S)
            self.counters["connections_lost"] += 1
            await asyncio.sleep(next(waits))

    async def _greet(self, client: aiomqtt.Client) -> None:
        receipts = receipts_topic(self._address.organization, self._address.device_id)
        commands = commands_topic(self._address.organization, self._address.device_id)
        granted = await client.subscribe([(receipts, AT_LEAST_ONCE), (commands, AT_LEAST_ONCE)])
        codes = [code if isinstance(code, int) else code.value for code in granted]
        if any(code >= REFUSED for code in codes):
            message = "the broker refuses our subscriptions"
            raise BrokerError(message)
        await self._say(client, self._present(online=True))
        self.connected = True

    async def _serve(self, client: aiomqtt.Client) -> None:
        line = _Line(client, self._spool, self._address, self._wake, self.counters)
        line.resend_after_s = self._resend_after_s
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(line.send(), name="uplink.send")
                tasks.create_task(line.listen(), name="uplink.listen")
                tasks.create_task(line.obey(self._take_order), name="uplink.obey")
        except asyncio.CancelledError:
            # Leaving politely keeps the broker from publishing our will, so we say it ourselves.
            with suppress(TimeoutError, aiomqtt.MqttError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._say(client, self._present(online=False))
            raise

    async def _say(self, client: aiomqtt.Client, payload: bytes) -> None:
        await client.publish(self._presence_topic, payload, qos=AT_LEAST_ONCE, retain=True)

    def _present(self, *, online: bool) -> bytes:
        # Presence stands beside the numbered messages: the last word counts, none is missed.
        # How long we run tells the centre when things were, even where our clock is wrong.
        message = msgspec.structs.replace(
            self.presence,
            online=online,
            since_ns=time.time_ns(),
            uptime_s=int(time.clock_gettime(time.CLOCK_BOOTTIME) - self._started_s),
        )
        return encode(Envelope(boot=message.boot, seq=1, floor=1, message=message))


class _Line:
    """One connection: what is under way on it, and when the centre was last heard."""

    def __init__(
        self,
        client: aiomqtt.Client,
        spool: Spool,
        address: Address,
        wake: asyncio.Event,
        counters: Counter[str],
    ) -> None:
        self.resend_after_s = RESEND_AFTER_S
        self._client = client
        self._spool = spool
        self._address = address
        self._wake = wake
        self._counters = counters
        self._clock = asyncio.get_running_loop().time
        self._receipts: dict[str, int] = {}
        self._under_way: set[tuple[str, int]] = set()
        self._heard_at = self._clock()
        self._waits_s = 0.0
        self._orders: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(MAX_WAITING_ORDERS)

    async def send(self) -> None:
        """Send what waits, and all again when the centre stays silent."""
        while True:
            self._wake.clear()
            await self._forget()
            rows = await asyncio.to_thread(self._spool.pending, WINDOW, frozenset(self._under_way))
            await self._publish(rows)
            await self._wait()
            self._send_again_if_silent()

    async def _forget(self) -> None:
        # Gathered, because every deletion waits for the disk.
        receipts, self._receipts = self._receipts, {}
        for boot, upto in receipts.items():
            await asyncio.to_thread(self._spool.forget, boot, upto)
            self._settle(boot, upto)

    def _settle(self, boot: str, upto: int) -> None:
        stored = {key for key in self._under_way if key[0] == boot and key[1] <= upto}
        if not stored:
            return
        self._under_way -= stored
        self._counters["receipted"] += len(stored)
        self._heard_at = self._clock()
        if self._waits_s:
            log.info("receipts_back")
        self._waits_s = 0.0

    async def _publish(self, rows: list[Numbered]) -> None:
        if rows and not self._under_way:
            self._heard_at = self._clock()
        self._under_way.update((row.boot, row.seq) for row in rows)
        # Tasks start in order and each hands its message over before it first waits.
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(
                    self._client.publish(self._topic(row), row.payload, qos=AT_LEAST_ONCE),
                    name=f"uplink.publish.{row.seq}",
                )
        self._counters["sent"] += len(rows)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(min(POLL_S, self.resend_after_s)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _send_again_if_silent(self) -> None:
        patience_s = max(self._waits_s, self.resend_after_s)
        if not self._under_way or self._clock() - self._heard_at < patience_s:
            return
        if not self._waits_s:
            told = {"unanswered": len(self._under_way), "hint": NO_RECEIPTS}
            log.warning("receipts_missing", extra=told)
        self._counters["sent_again"] += len(self._under_way)
        self._under_way.clear()
        self._heard_at = self._clock()
        self._waits_s = min(2 * patience_s, MOST_PATIENCE * self.resend_after_s)

    async def listen(self) -> None:
        """Take receipts and orders as they come."""
        orders = commands_topic(self._address.organization, self._address.device_id)
        async for message in self._client.messages:
            if message.topic.value != orders:
                self._take_receipt(message)
            elif self._orders.full():
                self._counters["orders_dropped"] += 1
            else:
                self._orders.put_nowait(message)

    def _take_receipt(self, message: aiomqtt.Message) -> None:
        try:
            receipt = decode_receipt(message.payload)
        except CodecError:
            self._counters["receipts_unreadable"] += 1
            return
        self._receipts[receipt.boot] = max(receipt.upto, self._receipts.get(receipt.boot, 0))
        self._wake.set()

    async def obey(self, take_order: TakeOrder) -> None:
        """Hand orders over, one after the other."""
        while True:
            message = await self._orders.get()
            await take_order(message.payload, retained=message.retain)

    def _topic(self, row: Numbered) -> str:
        return f"{ROOT}/{self._address.organization}/{self._address.device_id}/{row.leaf}"
