"""When waiting messages are taken to be stored, from a real broker: alerts soon, others when they are worth it."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import aiomqtt
import pytest

from aggregator.ingest import gathering, inbox
from aggregator.ingest.gathering import LATE_S, MAX_BYTES, Gatherer
from aggregator.ingest.inbox import Inbox
from contract import topics
from contract.messages import Alert, Health, Message, Presence, VerdictBatch
from runtime.broker import connect
from runtime.config import BrokerConfig
from runtime.errors import BrokerError
from tests.brokers import mosquitto


@asynccontextmanager
async def connected(folder):
    async with mosquitto(folder) as port:
        config = BrokerConfig(host="127.0.0.1", port=port)
        async with connect(config, client_id="centre", queue_type=Inbox) as client:
            await client.subscribe(f"{topics.ROOT}/#", qos=1)
            async with asyncio.timeout(20):
                yield client


async def tell(client: aiomqtt.Client, device: str, kind: type[Message], payload: bytes) -> None:
    topic = f"{topics.ROOT}/default/{device}/{topics.LEAVES[kind]}"
    await client.publish(topic, payload, qos=1)


async def emptied(client: aiomqtt.Client) -> Gatherer:
    """Return one that has just taken all there was: what comes next is due LATE_S from now."""
    gatherer = Gatherer(client)
    await tell(client, "first", Health, b"0")
    await gatherer.take()
    return gatherer


async def told(client: aiomqtt.Client, count: int) -> None:
    while len(client.messages) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def payloads(parts: list[list[aiomqtt.Message]]) -> list[list[bytes]]:
    return [[bytes(message.payload) for message in part] for part in parts]


async def test_in_a_quiet_hour_the_first_message_is_taken_at_once(tmp_path):
    async with connected(tmp_path) as client:
        gatherer = Gatherer(client)
        await tell(client, "pi", Health, b"well")
        begin_s = time.monotonic()
        assert payloads(await gatherer.take()) == [[b"well"]]
        assert time.monotonic() - begin_s < LATE_S / 2


async def test_an_alert_is_taken_soon_and_what_is_not_urgent_only_when_it_is_due(tmp_path):
    async with connected(tmp_path) as client:
        gatherer = await emptied(client)
        due_s = time.monotonic() + LATE_S
        for number in range(6):
            await tell(client, f"pi-{number}", Health, b"%d" % number)
        await tell(client, "attacked", Alert, b"alert")
        await told(client, 7)
        (soon,) = payloads(await gatherer.take())
        assert b"alert" in soon
        assert len(soon) < 4
        assert time.monotonic() < due_s - LATE_S / 4
        (rest,) = payloads(await gatherer.take())
        assert sorted([*soon, *rest]) == [b"0", b"1", b"2", b"3", b"4", b"5", b"alert"]
        assert time.monotonic() >= due_s - 0.05


async def test_alerts_without_end_do_not_keep_others_from_being_taken(tmp_path):
    async with connected(tmp_path) as client:
        gatherer = await emptied(client)
        begin_s = time.monotonic()
        for number in range(40):
            await tell(client, f"pi-{number}", Health, b"health")
        taken = 0
        while taken < 40:
            await tell(client, "attacked", Alert, b"alert")
            taken += sum(part.count(b"health") for part in payloads(await gatherer.take()))
        assert time.monotonic() - begin_s < 3 * LATE_S


async def test_much_is_taken_before_a_little_would_be(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "LATE_S", 15.0)
    async with connected(tmp_path) as client:
        gatherer = await emptied(client)
        begin_s = time.monotonic()
        for number in range(4):
            await tell(client, f"pi-{number}", VerdictBatch, bytes(100_000))
        await told(client, 4)
        (taken,) = await gatherer.take()
        assert len(taken) == 4
        assert time.monotonic() - begin_s < 2.0


async def test_batches_have_bounds_and_keep_a_devices_order(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_BATCH", 3)
    async with connected(tmp_path) as client:
        gatherer = Gatherer(client)
        for number in range(5):
            await tell(client, "pi", Health, b"%d" % number)
        for _ in range(4):
            await tell(client, "pi", VerdictBatch, bytes(MAX_BYTES // 2))
        await told(client, 9)
        found = [await gatherer.take() for _ in range(4)]
    sizes = [[len(payload) for payload in part] for parts in found for part in payloads(parts)]
    large = MAX_BYTES // 2
    assert sizes == [[1, 1, 1], [1, 1, large], [large, large], [large]]


async def test_who_says_once_that_it_is_there_is_heard_however_much_others_flood(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(inbox, "MOST_BYTES", 1_000_000)
    async with connected(tmp_path) as client:
        gatherer = await emptied(client)
        for number in range(12):
            await tell(client, f"flood-{number % 3}", VerdictBatch, bytes(100_000))
        for number in range(20):
            await tell(client, f"pi-{number}", Presence, b"here")
        await tell(client, "last", Alert, b"alert")
        found: list[bytes] = []
        while b"alert" not in found or len(client.messages):
            found += [payload for part in payloads(await gatherer.take()) for payload in part]
    assert found.count(b"here") == 20
    large = sum(len(payload) == 100_000 for payload in found)
    assert 8 <= large < 12
    assert gatherer.discarded() == 12 - large


async def test_a_broker_that_is_lost_meanwhile_is_an_error(tmp_path):
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(mosquitto(tmp_path))
        config = BrokerConfig(host="127.0.0.1", port=port)

        async def lose() -> None:
            async with connect(config, client_id="centre", queue_type=Inbox) as client:
                await stack.aclose()
                await Gatherer(client).take()

        with pytest.raises(BrokerError):
            await asyncio.wait_for(lose(), 20)
