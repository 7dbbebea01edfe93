"""The MQTT side: hears every device, stores batch by batch, receipts what is stored."""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import chain

import aiomqtt
import msgspec

from aggregator.commands.commander import Commander
from aggregator.errors import RefusedError, StoreError
from aggregator.ingest.announcing import DECISIONS, Announcer, Gathered, alerts_in
from aggregator.ingest.clocks import Clocks
from aggregator.ingest.gathering import Gatherer
from aggregator.ingest.inbox import MOST_WAITING, Inbox
from aggregator.ingest.memory import Memory
from aggregator.ingest.ordering import Ordered, order
from aggregator.ingest.organizations import Organizations
from aggregator.ingest.reading import Arrival, Item, Numbered, Present, read, reject
from aggregator.ingest.receipts import Receipts
from aggregator.ingest.storing import (
    AnyReported,
    frames_of,
    lost_by_sender,
    marks_and_senders,
    of_kind,
    presences,
    rejects,
    statements_for,
    usage_of,
)
from aggregator.live import LiveFeed
from aggregator.presence import PresenceKeeper
from aggregator.store.alerts import AlertKey, GatheredAlert, KnownAlert, known_alerts
from aggregator.store.commands import CommandKey
from aggregator.store.database import Database
from aggregator.store.devices import wrong_clocks
from aggregator.store.evidence import EvidenceFiles
from aggregator.store.incidents import GATHER_TOLD
from aggregator.store.rejects import Reject
from aggregator.store.reported import Reported
from aggregator.store.room import Room
from aggregator.store.watermarks import Boot, Mark, trim_marks
from contract import topics
from contract.messages import CommandAck, EvidencePart
from runtime import backoff, broker
from runtime.config import BrokerConfig
from runtime.errors import BrokerError

log = logging.getLogger(__name__)

CLIENT_ID = "edgewarden-aggregator"
READ_BYTES = 64_000  # of payloads that are read in one go
FIRST_WAIT_S = 0.2
MOST_WAIT_S = 15.0
AT_LEAST_ONCE = 1
REFUSED = 128  # the first reason code that says no


class Stored(msgspec.Struct, frozen=True):
    """What a transaction brought, and what is still to be said of it."""

    marks: dict[Boot, Mark]  # to be receipted
    reported: list[AnyReported]
    known: dict[AlertKey, KnownAlert]  # alerts that were stored before
    gathered: Gathered
    presence: bool  # somebody came or went
    now_ns: int


class Counters(msgspec.Struct):
    """What became of everything that arrived since the start."""

    stored: int = 0
    duplicates: int = 0
    early: int = 0
    rejected: int = 0
    lost: int = 0
    without_room: int = 0
    unknown_organization: int = 0
    discarded: int = 0
    boots_forgotten: int = 0
    unannounced: int = 0
    batches: int = 0


class Ingest:
    """Takes in what devices tell.

    Args:
        database: Where it goes.
        live: Who is told.
        presence: Who knows which devices are there.
        commander: Who waits for the word of devices about their commands.
        room: Whether there is room for it; without it there always is.
        evidence: Where the frames behind alerts go; without it nowhere.
        community_id_seed: What other tools of the network name flows with.
    """

    def __init__(  # noqa: PLR0913 each is somebody to be told, or a place to keep
        self,
        database: Database,
        live: LiveFeed,
        presence: PresenceKeeper,
        commander: Commander,
        *,
        room: Room | None = None,
        evidence: EvidenceFiles | None = None,
        community_id_seed: int = 0,
    ) -> None:
        self._community_id_seed = community_id_seed
        self.counters = Counters()
        self.connected = False
        self._database = database
        self._memory = Memory(database)
        self._clocks: Clocks | None = None  # until the first batch
        self._organizations = Organizations(database)
        self._room = room
        self._evidence = evidence
        self._announcer = Announcer(database, live)
        self._presence = presence
        self._commander = commander

    async def run(self, config: BrokerConfig) -> None:
        """Take in messages for ever; a broker that is away is waited for.

        Raises:
            ConfigError: The broker's settings cannot be used.
            StoreError: The database does not answer any more.
        """
        waits = backoff.delays(FIRST_WAIT_S, MOST_WAIT_S)
        known_lost = False
        while True:
            try:
                async with broker.connect(
                    config,
                    client_id=CLIENT_ID,
                    max_queued_incoming=MOST_WAITING,
                    queue_type=Inbox,
                ) as client:
                    await _subscribe(client)
                    self.connected = True
                    log.info("broker_back" if known_lost else "broker_connected")
                    waits, known_lost = backoff.delays(FIRST_WAIT_S, MOST_WAIT_S), False
                    await self._serve(client)
            except BrokerError as error:
                if not known_lost:
                    log.warning("broker_lost", extra={"why": str(error)})
                known_lost = True
            finally:
                self.connected = False
            await asyncio.sleep(next(waits))

    async def tell_incidents(self) -> None:
        """Tell for ever which incidents began or grew."""
        await self._announcer.tell_incidents()

    async def _serve(self, client: aiomqtt.Client) -> None:
        async def tell_order(topic: str, payload: bytes, valid_s: int) -> None:
            # The broker drops what waits for a device for longer: its clock may be wrong.
            until = broker.expiring(valid_s)
            await client.publish(topic, payload, qos=AT_LEAST_ONCE, properties=until)

        # A lost receipt is made up for by the next, or by the device, which tells again and is
        # answered again: the broker's word on each would be a packet more for every message.
        receipts = Receipts(functools.partial(broker.publish_at_most_once, client))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(receipts.run(), name="ingest.receipts")
            tasks.create_task(self._take_all(client, receipts), name="ingest.take")
            tasks.create_task(self._commander.send(tell_order), name="ingest.commands")

    async def _take_all(self, client: aiomqtt.Client, receipts: Receipts) -> None:
        gatherer = Gatherer(client)
        async with asyncio.TaskGroup() as tasks:
            announcing = tasks.create_task(asyncio.sleep(0), name="ingest.announce")
            while True:
                parts = await gatherer.take()
                self.counters.discarded += gatherer.discarded()
                now_ns = time.time_ns()
                for part in parts:
                    arrivals = [_arrival(message, now_ns) for message in part]
                    for stored in await self.store(arrivals):
                        await receipts.add(stored.marks)
                        await announcing  # in order: what is stored next is not announced before
                        announcing = tasks.create_task(
                            self.announce(stored), name="ingest.announce"
                        )

    async def store(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """Store a batch, in one transaction if it can be, and return what is to be told of it.

        On a full disk only who is there is noted, and of an organization that there is not nothing
        is: without a receipt, a device keeps what it told and tells it again.
        """
        came = [item async for item in _read(arrivals)]
        items = await self._organizations.known(came)
        self.counters.unknown_organization += len(came) - len(items)
        if self._room is not None and not self._room.is_enough():
            self.counters.without_room += sum(not isinstance(item, Present) for item in items)
            items = [item for item in items if isinstance(item, Present)]
        return await self.store_read(items)

    async def store_read(self, items: Sequence[Item]) -> list[Stored]:
        """Do as `store` does, with payloads that were read.

        What the database refuses is looked for message by message and rejected, so that no
        device can stop the others with it.
        """
        try:
            return [await self._transact(items)]
        except RefusedError as error:
            if len(items) == 1:
                return [await self._transact([_refused(items[0], str(error))])]
        return [stored for item in items for stored in await self.store_read([item])]

    async def _transact(self, items: Sequence[Item]) -> Stored:
        now_ns = time.time_ns()
        numbered, present, refused = _sorted_out(items)
        stored = await self._memory.marks(item.boot for item in numbered)
        ordered = order(numbered, stored)
        refused += [_refusal(item) for item in ordered.taken if item.message is None]
        if self._clocks is None:
            self._clocks = Clocks(await wrong_clocks(self._database))
        self._clocks.meet(present)
        reported = self._clocks.corrected(_reported(ordered.taken))
        known = await self._known(reported)
        if self._evidence is not None:
            # Before it is noted that they came: a crash between brings them again.
            await self._evidence.take(of_kind(reported, EvidencePart))
        decisions = self._database.changes(DECISIONS)
        heard = self._memory.to_note(lost_by_sender(ordered.moved, stored), now_ns)
        try:
            placed = await self._database.write_made(
                chain(
                    marks_and_senders(ordered.moved, heard, now_ns),
                    presences(present),
                    statements_for(reported, known, self._community_id_seed),
                    frames_of(ordered.moved, stored, now_ns),
                    usage_of(ordered.taken, now_ns),
                    rejects(refused),
                ),
                GatheredAlert,
                GATHER_TOLD,
            )
        except BaseException:  # cancelled, too: then it may have been committed
            self._memory.forget(ordered.moved)
            raise
        self._memory.stored(ordered.moved, heard, now_ns)
        self._count(ordered, stored, len(refused))
        if new := ordered.moved.keys() - stored.keys():
            await self._trim(new)
        gathered = Gathered({place.key: place for place in placed}, decisions)
        return Stored(ordered.marks, reported, known, gathered, bool(present), now_ns)

    async def announce(self, stored: Stored) -> None:
        """Tell what was stored to those who watch, and to those who wait for it.

        What cannot be told is kept and receipted all the same: no device can stop the others with it.
        """
        try:
            await self._tell(stored)
        except RefusedError:
            self.counters.unannounced += 1
            log.exception("batch_not_announced")

    async def _tell(self, stored: Stored) -> None:
        await self._announcer.announce(
            stored.reported, stored.known, stored.gathered, stored.now_ns
        )
        if stored.presence:
            await self._presence.look(stored.now_ns)
        acks = of_kind(stored.reported, CommandAck)
        await self._commander.tell(
            [CommandKey(item.organization, item.message.command_id) for item in acks]
        )

    async def _known(self, reported: Sequence[AnyReported]) -> dict[AlertKey, KnownAlert]:
        told = alerts_in(reported)
        ids = [key.alert_id for key in told.keys]
        return await known_alerts(self._database, ids, told.since_ns) if ids else {}

    async def _trim(self, new: Iterable[Boot]) -> None:
        # By itself, since it is seldom: to look in each transaction for what is too much costs more.
        gone = await self._database.write_returning(Boot, trim_marks(new))
        if gone and not self.counters.boots_forgotten:
            extra = {"device": gone[0].device_id, "see": "/metrics, ingest_boots_forgotten_total"}
            log.warning("first_boot_forgotten", extra=extra)
        self.counters.boots_forgotten += len(gone)

    def _count(self, ordered: Ordered, stored: dict[Boot, Mark], rejected: int) -> None:
        self.counters.batches += 1
        self.counters.stored += len(ordered.taken)
        self.counters.duplicates += ordered.duplicates
        self.counters.early += ordered.early
        if rejected and not self.counters.rejected:
            log.warning("first_reject", extra={"see": "GET /api/v1/rejects"})
        self.counters.rejected += rejected
        for boot, mark in ordered.moved.items():
            lost = mark.lost - (stored[boot].lost if boot in stored else 0)
            self.counters.lost += lost
            if lost:
                extra = {"device": boot.device_id, "boot": boot.boot, "messages": lost}
                log.warning("messages_lost", extra=extra)


def _arrival(message: aiomqtt.Message, now_ns: int) -> Arrival:
    return Arrival(str(message.topic), message.payload, message.retain, now_ns)


async def _read(arrivals: Sequence[Arrival]) -> AsyncIterator[Item]:
    since = 0
    for arrival in arrivals:
        yield read(arrival)
        since += len(arrival.payload)
        if since >= READ_BYTES:  # a large batch takes longer than a person's request should wait
            since = 0
            await asyncio.sleep(0)


def _sorted_out(
    items: Sequence[Item],
) -> tuple[list[Numbered], list[Present], list[Reject]]:
    return (
        [item for item in items if isinstance(item, Numbered)],
        [item for item in items if isinstance(item, Present)],
        [item for item in items if isinstance(item, Reject)],
    )


def _refused(item: Item, reason: str) -> Item:
    if not isinstance(item, Numbered):
        message = f"the database refuses {type(item).__name__}: {reason}"
        raise StoreError(message)
    return msgspec.structs.replace(item, message=None, reason=reason)


def _reported(taken: Sequence[Numbered]) -> list[AnyReported]:
    return [
        Reported(
            item.boot.organization,
            item.boot.device_id,
            item.boot.boot,
            item.arrival.received_ns,
            item.message,
        )
        for item in taken
        if item.message is not None
    ]


def _refusal(item: Numbered) -> Reject:
    return reject(item.arrival, topics.parse(item.arrival.topic), item.reason)


async def _subscribe(client: aiomqtt.Client) -> None:
    wanted = [(topic, AT_LEAST_ONCE) for topic in topics.device_filters()]
    granted = await client.subscribe(wanted)
    codes = [code if isinstance(code, int) else code.value for code in granted]
    if any(code >= REFUSED for code in codes):
        message = "the broker refuses our subscriptions"
        raise BrokerError(message)
