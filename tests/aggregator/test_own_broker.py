"""The broker of our own: whichever program is there, alive until we end."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path

import pytest

from aggregator.broker.own import EMBEDDED, MOSQUITTO, find_mosquitto, own_broker
from aggregator.errors import OwnBrokerError
from runtime.broker import connect
from runtime.config import BrokerConfig
from tests.brokers import free_port
from tests.tools import require


def program(kind: str) -> str | None:
    return str(require("mosquitto", package="mosquitto")) if kind == MOSQUITTO else None


async def carries_messages(port: int) -> bool:
    config = BrokerConfig(host="127.0.0.1", port=port)
    async with asyncio.timeout(10), connect(config, client_id="test") as client:
        await client.subscribe("a/+", qos=1)
        await client.publish("a/1", b"hello", qos=1)
        return (await anext(client.messages)).payload == b"hello"


@pytest.mark.parametrize("kind", [MOSQUITTO, EMBEDDED])
async def test_it_carries_messages_and_is_gone_afterwards(tmp_path: Path, kind: str):
    port = free_port()
    async with own_broker(port, tmp_path, program(kind)) as broker:
        assert broker.kind == kind
        assert await carries_messages(port)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_it_is_started_again_when_it_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    port = free_port()
    async with (
        own_broker(port, tmp_path, program(MOSQUITTO)) as broker,
        asyncio.TaskGroup() as tasks,
    ):
        supervising = tasks.create_task(broker.supervise())
        assert broker._process is not None
        first = broker._process.pid
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while broker._process.pid == first or not await _answers(port):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await carries_messages(port)
        supervising.cancel()
    assert ("aggregator.broker.own", logging.ERROR, "own_broker_ended") in caplog.record_tuples


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_port_that_is_taken_is_told_with_a_way_out(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OwnBrokerError, match=rf"port {port}.*EDGEWARDEN_BROKER__PORT"):
            async with own_broker(port, tmp_path, None):
                pass


async def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path):
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho first >&2\necho cannot do that >&2\nexit 3\n")
    failing.chmod(0o700)
    with pytest.raises(OwnBrokerError, match="cannot do that"):
        async with own_broker(free_port(), tmp_path, str(failing)):
            pass


def test_mosquitto_is_found_where_only_administrators_look(monkeypatch: pytest.MonkeyPatch):
    require("mosquitto", package="mosquitto")
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_mosquitto() is not None
