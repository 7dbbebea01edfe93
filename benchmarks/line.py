"""A real broker and a real aggregator, for as long as they are measured."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.ourselves import AGENT

LOOPBACK: Final = "127.0.0.1"
READY_S: Final = 60.0
PASSWORD: Final = "only-for-this-benchmark"  # noqa: S105  nobody else reaches it
_AGGREGATOR: Final = AGENT.with_name("edgewarden-aggregator")
_END_S, _LOOK_S = 10.0, 0.02


class Served(NamedTuple):
    """An aggregator that serves."""

    process: asyncio.subprocess.Process
    port: int


def missing() -> str | None:
    """Return why the real line cannot run, and what to do; None where it can."""
    fix = "mosquitto missing: scripts/install-packages.sh mosquitto"
    return None if _mosquitto() else fix


def _mosquitto() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


async def broker(stack: AsyncExitStack, folder: Path) -> int:
    """Start mosquitto; return its port."""
    port = free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} {LOOPBACK}\nallow_anonymous true\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n"
    )
    command = [_mosquitto() or "mosquitto", "-c", str(settings)]
    await stack.enter_async_context(running(command, {}))
    await answers(port)
    return port


async def aggregator(stack: AsyncExitStack, folder: Path, broker_port: int) -> Served:
    """Start the aggregator and wait until it serves."""
    port = free_port()
    centre = {
        "EDGEWARDEN_STORE__PATH": str(folder / "data"),
        "EDGEWARDEN_HTTP__PORT": str(port),
        "EDGEWARDEN_ADMIN_PASSWORD": PASSWORD,
        **at(broker_port),
    }
    process = await stack.enter_async_context(running([str(_AGGREGATOR), "serve"], centre))
    await answers(port)
    return Served(process, port)


def at(port: int) -> dict[str, str]:
    """Return the settings that say where the broker is."""
    return {"EDGEWARDEN_BROKER__HOST": LOOPBACK, "EDGEWARDEN_BROKER__PORT": str(port)}


@asynccontextmanager
async def running(
    command: list[str], settings: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program for the length of the block."""
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdout=nowhere, stderr=nowhere, env={**os.environ, **settings}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answers(port: int) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(READY_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return
            await asyncio.sleep(_LOOK_S)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
