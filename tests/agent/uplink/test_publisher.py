import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from agent.uplink.publisher import WINDOW, Address, Publisher
from agent.uplink.spool import Spool, new_boot
from contract.codec import decode_envelope
from contract.messages import Presence
from contract.topics import commands_topic, receipts_topic
from runtime.broker import connect
from runtime.config import BrokerConfig
from tests.agent.messages import NOW_NS, alert, health
from tests.agent.uplink.centre import Centre, Idle
from tests.brokers import amqtt, free_port, mosquitto

pytestmark = pytest.mark.broker

ADDRESS = Address("default", "pi-1")
ROOMY = 64 * 1024 * 1024


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite", ROOMY, new_boot())
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _told(caplog):
    caplog.set_level(logging.INFO, "agent.uplink")


def publisher_of(spool: Spool, take_order=None, **options) -> Publisher:
    presence = Presence(
        online=True, since_ns=NOW_NS, boot=spool.boot, version="0.1.0", model_id="test-1"
    )
    return Publisher(spool, ADDRESS, presence, take_order=take_order or Idle(), **options)


def local(port: int) -> BrokerConfig:
    return BrokerConfig(host="127.0.0.1", port=port)


@asynccontextmanager
async def running(*coroutines) -> AsyncIterator[None]:
    """Run some coroutines for the length of the block."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(coroutine) for coroutine in coroutines]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_is_stored_at_the_centre_is_forgotten_here(tmp_path, spool):
    centre, publisher = Centre(), publisher_of(spool)
    spool.append([health(n) for n in range(300)])
    async with mosquitto(tmp_path) as port, running(centre.run(port)):
        await centre.ready.wait()
        async with running(publisher.run(local(port))):
            await centre.until(300)
            await publisher.put([alert()])
            await centre.until(301)
            await until(lambda: publisher.counters["receipted"] == 301)
            assert spool.depth()["spool"] == 0
    assert centre.stored == [*(health(n) for n in range(300)), alert()]
    assert set(centre.heard.values()) == {1}
    assert publisher.counters["sent"] == 301


@pytest.mark.slow
async def test_it_works_over_mqtt_3_1_1_as_well(tmp_path, spool):
    centre, publisher = Centre(), publisher_of(spool)
    spool.append([health(n) for n in range(100)])
    async with amqtt(tmp_path) as port, running(centre.run(port), publisher.run(local(port))):
        await centre.until(100)
    assert centre.stored == [health(n) for n in range(100)]


@pytest.mark.slow
async def test_nothing_is_lost_when_the_broker_is_killed_and_started_again(
    tmp_path, spool, caplog
):
    port, centre = free_port(), Centre()
    publisher = publisher_of(spool, resend_after_s=0.3)
    async with running(publisher.run(local(port))):
        for begun in (0, 500, 1000):
            spool.append([health(begun + n) for n in range(500)])
            async with mosquitto(tmp_path, port), running(centre.run(port)):
                await centre.until(begun + 350 if begun < 1000 else 1500)
            await until(lambda: not publisher.connected)
    assert centre.stored == [health(n) for n in range(1500)]
    events = [record.getMessage() for record in caplog.records]
    lost_or_not = [event == "broker_lost" for event in events if event.startswith("broker_")]
    assert all(before != after for before, after in pairwise(lost_or_not))


async def test_a_silent_centre_has_at_most_a_window_of_messages_under_way(tmp_path, spool, caplog):
    centre, publisher = Centre(answers=False), publisher_of(spool, resend_after_s=0.2)
    spool.append([health(n) for n in range(200)])
    async with mosquitto(tmp_path) as port, running(centre.run(port), publisher.run(local(port))):
        await until(lambda: centre.heard and min(centre.heard.values()) >= 3)
        assert set(centre.heard) == {(spool.boot, seq) for seq in range(1, WINDOW + 1)}
        centre.answers = True
        await centre.until(200)
    events = [record.getMessage() for record in caplog.records]
    assert events == ["broker_connected", "receipts_missing", "receipts_back"]
    assert "does it run" in vars(caplog.records[1])["hint"]
    assert publisher.counters["sent_again"] >= 2 * WINDOW


async def test_after_a_restart_the_same_message_keeps_its_number(tmp_path, spool):
    centre = Centre(answers=False)
    spool.append([health(7)])
    async with mosquitto(tmp_path) as port, running(centre.run(port)):
        await centre.ready.wait()
        async with running(publisher_of(spool).run(local(port))):
            await until(lambda: centre.heard)
        spool.close()
        later = Spool(tmp_path / "spool.sqlite", ROOMY, new_boot())
        centre.answers = True
        async with running(publisher_of(later).run(local(port))):
            await centre.until(1)
        later.close()
    assert list(centre.heard) == [(spool.boot, 1)]


RUNNER = """
import asyncio, sys
from pathlib import Path
from agent.uplink.spool import Spool, new_boot
from tests.agent.uplink.test_publisher import local, publisher_of
spool = Spool(Path(sys.argv[1]), 1 << 20, new_boot())
async def main():
    await publisher_of(spool).run(local(int(sys.argv[2])))
asyncio.run(main())
"""


async def test_presence_tells_of_coming_vanishing_and_leaving(tmp_path, spool):
    centre, publisher = Centre(), publisher_of(spool)
    async with mosquitto(tmp_path) as port, running(centre.run(port)):
        await centre.ready.wait()
        command = (sys.executable, "-c", RUNNER, str(tmp_path / "other.sqlite"), str(port))
        process = subprocess.Popen(command)  # noqa: ASYNC220
        await until(lambda: centre.presences == [True])
        process.kill()
        process.wait()
        await until(lambda: centre.presences == [True, False])
        async with running(publisher.run(local(port))):
            await until(lambda: publisher.connected)
        await until(lambda: centre.presences == [True, False, True, False])
        async with connect(local(port), client_id="late") as client, asyncio.timeout(5):
            await client.subscribe("edgewarden/v1/+/+/presence", qos=1)
            retained = await anext(aiter(client.messages))
    message = decode_envelope(retained.payload).message
    assert retained.retain
    assert isinstance(message, Presence)
    assert not message.online


async def test_orders_are_handed_over_and_rubbish_is_survived(tmp_path, spool):
    centre, idle = Centre(), Idle([])
    publisher = publisher_of(spool, take_order=idle)
    async with mosquitto(tmp_path) as port, running(centre.run(port), publisher.run(local(port))):
        await until(lambda: publisher.connected)
        async with connect(local(port), client_id="someone") as client:
            for payload in (b"", b"\xff" * 1000, b"\x82"):
                await client.publish(receipts_topic("default", "pi-1"), payload, qos=1)
            await client.publish(commands_topic("default", "pi-1"), b"order", qos=1)
        await until(lambda: idle.orders)
        await publisher.put([health()])
        await centre.until(1)
    assert idle.orders == [(b"order", False)]
    assert publisher.counters["receipts_unreadable"] == 3


async def test_a_broker_that_never_was_there_is_told_once(spool, caplog):
    publisher = publisher_of(spool)
    async with running(publisher.run(local(free_port()))):
        await until(lambda: publisher.counters["connections_lost"] >= 2)
    assert [record.getMessage() for record in caplog.records] == ["broker_lost"]
