"""Real MQTT brokers on free loopback ports."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.tools import require

START_TIMEOUT_S = 10.0
AMQTT = """
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def mosquitto(
    folder: Path, port: int | None = None, lines: Sequence[str] = ("allow_anonymous true",)
) -> AsyncIterator[int]:
    """Run mosquitto for the length of the block; yields its port.

    Leaving the block kills it (SIGKILL), as a power cut would.
    """
    port = port or free_port()
    settings = folder / f"mosquitto-{port}.conf"
    text = [f"listener {port} 127.0.0.1", "persistence false", *lines]
    settings.write_text("\n".join(text) + "\n")
    program = require("mosquitto", package="mosquitto")
    async with _running((str(program), "-c", str(settings)), folder / "mosquitto.log", port):
        yield port


@asynccontextmanager
async def amqtt(folder: Path, port: int | None = None) -> AsyncIterator[int]:
    """Run the pure-Python broker, which speaks MQTT 3.1.1 only; yields its port.

    It has a process of its own, since inside ours it leaves transports open when it stops.
    """
    port = port or free_port()
    settings = folder / "amqtt.yaml"
    settings.write_text(AMQTT.format(port=port))
    command = (str(Path(sys.executable).parent / "amqtt"), "-c", str(settings))
    async with _running(command, folder / "amqtt.log", port):
        yield port


@asynccontextmanager
async def _running(command: Sequence[str], log_path: Path, port: int) -> AsyncIterator[None]:
    with log_path.open("ab") as log:
        # Popen, since asyncio's own leaves a transport to the garbage collector.
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220
        log_path.with_suffix(".pid").write_text(str(process.pid))
    try:
        await _listening(port)
        yield
    finally:
        process.kill()
        process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
