"""What leaves for the broker: computed for every capture, and counted once on a real line."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import line
from benchmarks.captures import Capture, capture
from benchmarks.measure import CommandError, run
from benchmarks.ourselves import AGENT

CAPTURES: Final = ("quiet", "syn_flood", "syn_flood_macs", "port_scan", "hosts_10000")
_WORKER: Final = [sys.executable, "-m", "benchmarks.workers.uplink"]
_READ_BYTES: Final = 1 << 16


class Uplink(msgspec.Struct, frozen=True):
    """What was sent while a capture was judged, by kind of message."""

    capture: Capture
    messages: dict[str, int]
    sent_bytes: dict[str, int]

    @property
    def bytes_per_s(self) -> float:
        """By the data's time."""
        return sum(self.sent_bytes.values()) / self.capture.seconds

    @property
    def observed_per_sent(self) -> float:
        """Bytes on the watched network for each that left."""
        return self.capture.wire_bytes / sum(self.sent_bytes.values())


class Counted(msgspec.Struct):
    """Bytes that passed a real connection from the agent to the broker and back."""

    seconds: float = 0.0
    up_bytes: int = 0
    down_bytes: int = 0


class _Sent(msgspec.Struct, frozen=True):
    messages: dict[str, int]
    sent_bytes: dict[str, int]


def computed() -> list[Uplink]:
    """Return what each capture makes the agent say."""
    return [of(capture(name)) for name in CAPTURES]


def of(given: Capture) -> Uplink:
    """Return what one capture makes the agent say."""
    usage = run([*_WORKER, str(given.path)], keeps_output=True)
    sent = msgspec.json.decode(usage.output, type=_Sent)
    return Uplink(given, sent.messages, sent.sent_bytes)


def counted(name: str) -> Counted:
    """Play a capture at its own speed to a real broker and aggregator; count what passes.

    Raises:
        CommandError: A program ended before its time.
    """
    return asyncio.run(_counted(capture(name)))


async def _counted(given: Capture) -> Counted:
    counted = Counted(given.seconds)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker_port = await line.broker(stack, folder)
        await line.aggregator(stack, folder, broker_port)
        proxy_port = await stack.enter_async_context(_proxy(broker_port, counted))
        edge = {"EDGEWARDEN_SPOOL__PATH": str(folder / "spool.sqlite"), **line.at(proxy_port)}
        play = [str(AGENT), "run", "--replay", str(given.path), "--speed", "1"]
        agent = await stack.enter_async_context(line.running(play, edge))
        async with asyncio.timeout(given.seconds + line.READY_S):
            code = await agent.wait()
    if code:
        message = f"uplink: edgewarden-agent ended with {code}"
        raise CommandError(message)
    return counted


@asynccontextmanager
async def _proxy(broker_port: int, counted: Counted) -> AsyncIterator[int]:
    """Pass bytes on to the broker and count them; yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(line.LOOPBACK, broker_port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(up(reader, broker_writer), name="up")
            tasks.create_task(down(broker_reader, writer), name="down")

    async def up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _passed(reader, writer):
            counted.up_bytes += len(data)

    async def down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for data in _passed(reader, writer):
            counted.down_bytes += len(data)

    server = await asyncio.start_server(serve, line.LOOPBACK, 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _passed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[bytes]:
    while data := await reader.read(_READ_BYTES):
        writer.write(data)
        await writer.drain()
        yield data
    writer.close()
