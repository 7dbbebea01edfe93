"""The aggregator with a real mosquitto: rows, readers, watchers, devices, a crash, an end."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import httpx
import msgspec
import psutil

from benchmarks import line
from benchmarks.delays import Delays, delays
from benchmarks.measure import CommandError
from benchmarks.workers.centre_load import ROWS, Told
from benchmarks.workers.centre_watch import Watched

READS: Final = {
    "overview": "/dashboard/overview",
    "timeline": "/dashboard/timeline",
    "alerts": "/alerts?limit=100",
    "devices": "/devices?limit=100",
    "isolations": "/ports/isolations",
    "verdicts": "/verdicts?limit=100",
}
ROWS_PER_S: Final = 52_500  # a rate counts until the last receipt: it never is what was offered
ALERTS_PER_S: Final = 200
WATCHERS, STUCK = 500, 10
FLEET, FLEET_PER_S, FLEET_ALERTS_PER_S = 10_000, 1000.0, 100.0
LOG_BYTES: Final = 50_000_000  # that a crash leaves, at least; a checkpoint comes at 64 MB
LONG_LOG_BYTES: Final = 100_000_000  # that is read in at a start, at least
_READ_EVERY_S, _LOOK_S = 0.1, 0.2
_PATIENCE_S: Final = 120.0

T = TypeVar("T", bound=msgspec.Struct)


class Length(NamedTuple):
    """How long and how much."""

    seconds: float
    watchers: int
    fleet: int


WHOLE: Final = Length(10.0, WATCHERS, FLEET)
QUICK: Final = Length(5.0, 50, 500)


class Cost(msgspec.Struct, frozen=True):
    """What the aggregator's process took, and what else the machine did."""

    cpu_s: float
    peak_rss_bytes: int
    load: float  # of the machine, everything included


class Run(msgspec.Struct):
    """One load on the aggregator."""

    told: Told
    cost: Cost
    reads: dict[str, Delays] = {}
    watched: Watched | None = None

    @property
    def cores(self) -> float:
        """How many cores it kept busy, while it was told."""
        return self.cost.cpu_s / self.told.seconds


class Centre(msgspec.Struct):
    """Everything that was measured of it."""

    rows: Run
    watchers: Run
    stuck: Run
    fleet: Run
    start_s: float
    log_bytes: int  # that were read in at that start
    end_s: float
    bytes_a_row: float
    parquet_bytes_a_row: float


class _Rig:
    """A broker and an aggregator, and what is asked of them."""

    def __init__(self, stack: AsyncExitStack, folder: Path, broker_port: int) -> None:
        self._stack = stack
        self.folder = folder
        self.broker_port = broker_port
        self.served: line.Served

    async def start(self) -> float:
        """Start the aggregator; return after how many seconds it serves."""
        begin_s = time.monotonic()
        self.served = await line.aggregator(self._stack, self.folder, self.broker_port)
        url = f"http://{line.LOOPBACK}:{self.served.port}"
        async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE_S) as web:
            async with asyncio.timeout(_PATIENCE_S):
                while (await web.get("/readyz")).status_code != httpx.codes.OK:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S / 10)
        return time.monotonic() - begin_s

    async def end(self, number: int) -> float:
        """Send a signal; return after how many seconds the process is gone."""
        begin_s = time.monotonic()
        self.served.process.send_signal(number)
        await self.served.process.wait()
        return time.monotonic() - begin_s

    async def token(self) -> str:
        body = {"username": "admin", "password": line.PASSWORD}
        async with httpx.AsyncClient(base_url=self.api, timeout=_PATIENCE_S) as web:
            answer = await web.post("/auth/login", json=body)
            return str(answer.raise_for_status().json()["access_token"])

    @property
    def api(self) -> str:
        return f"http://{line.LOOPBACK}:{self.served.port}/api/v1"

    async def load(self, kind: str, devices: int, per_s: float, seconds: float) -> Told:
        """Let devices tell so much."""
        given = [self.broker_port, kind, devices, per_s, seconds]
        async with _started("centre_load", *given) as telling:
            return await _result(telling, Told)

    async def cost(self, work: Awaitable[T]) -> tuple[T, Cost]:
        """Return what work gives, and what it cost the aggregator."""
        process = psutil.Process(self.served.process.pid)
        before, peak = process.cpu_times(), 0
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(_awaited(work), name="work")
            while not task.done():
                peak = max(peak, process.memory_info().rss)
                await asyncio.sleep(_LOOK_S)
        after = process.cpu_times()
        cpu_s = after.user + after.system - before.user - before.system
        return task.result(), Cost(cpu_s, peak, os.getloadavg()[0])

    async def read(self, seconds: float) -> dict[str, Delays]:
        """Look at the dashboard as one person with a page open does, and take the time."""
        found: dict[str, list[float]] = {name: [] for name in READS}
        headers = {"Authorization": f"Bearer {await self.token()}"}
        until_s = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=30, headers=headers) as web:
            while time.monotonic() < until_s:
                for name, path in READS.items():
                    begin_s = time.monotonic()
                    (await web.get(f"{self.api}{path}")).raise_for_status()
                    found[name].append(time.monotonic() - begin_s)
                    await asyncio.sleep(_READ_EVERY_S)
        return {name: delays(each) for name, each in found.items()}

    async def stored_rows(self) -> int:
        headers = {"Authorization": f"Bearer {await self.token()}"}
        async with httpx.AsyncClient(base_url=self.api, timeout=30, headers=headers) as web:
            answer = await web.get("/verdicts?limit=1")
        return int(answer.raise_for_status().headers["X-Total-Count"])

    def log_bytes(self) -> int:
        files = list(self.database.parent.glob("*.wal"))
        return sum(file.stat().st_size for file in files)

    def stored_bytes(self) -> int:
        return self.database.stat().st_size

    @property
    def database(self) -> Path:
        return self.folder / "data" / "edgewarden.duckdb"


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def measured(length: Length) -> Centre:
    """Measure the aggregator.

    Raises:
        CommandError: A program ended before its time.
    """
    return asyncio.run(_measured(length))


async def _measured(length: Length) -> Centre:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rig = _Rig(stack, folder, await line.broker(stack, folder))
        await rig.start()
        await rig.end(signal.SIGTERM)
        empty_bytes = rig.stored_bytes()
        await rig.start()
        rows = await _rows(rig, length)
        parquet_bytes_a_row = await _archived(rig, rows.told.rows)
        end_s = await rig.end(signal.SIGTERM)
        bytes_a_row = (rig.stored_bytes() - empty_bytes) / rows.told.rows
        await rig.start()
        log_bytes = await _crashed(rig)
        start_s = await rig.start()
        watchers = await _watched(rig, length, 0)
        stuck = await _watched(rig, length, STUCK)
        fleet = await _fleet(rig, length)
    return Centre(
        rows, watchers, stuck, fleet, start_s, log_bytes, end_s, bytes_a_row, parquet_bytes_a_row
    )


async def _rows(rig: _Rig, length: Length) -> Run:
    """Let 20 agents tell verdicts while somebody looks at the dashboard."""
    await rig.load("alerts", 20, ALERTS_PER_S, 5)  # something to look at
    seconds = 2 * length.seconds  # what the last receipts take is then less of it
    telling = rig.load("verdicts", 20, ROWS_PER_S / ROWS, seconds)
    reads: dict[str, Delays] = {}

    async def both() -> Told:
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(telling, name="tell")
            read = tasks.create_task(rig.read(seconds), name="read")
        reads.update(read.result())
        return told.result()

    told, cost = await rig.cost(both())
    if (stored := await rig.stored_rows()) != told.rows:
        message = f"{told.rows:,} rows were receipted and {stored:,} are stored"
        raise CommandError(message)
    return Run(told, cost, reads)


async def _archived(rig: _Rig, rows: int) -> float:
    """Have everything written into Parquet; return the bytes of a verdict."""
    headers = {"Authorization": f"Bearer {await rig.token()}"}
    async with httpx.AsyncClient(base_url=rig.api, timeout=120, headers=headers) as web:
        question = {"sql": "SELECT count(*) FROM verdicts"}
        (await web.post("/query", json=question)).raise_for_status()
    files = (rig.folder / "data" / "archive" / "verdicts").rglob("*.parquet")
    return sum(file.stat().st_size for file in files) / rows


async def _crashed(rig: _Rig) -> int:
    """Fill the write-ahead log, kill, and fill it on; return how many bytes are left to be read in."""
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(rig.load("verdicts", 5, 60.0, _PATIENCE_S), name="tell")
        async with asyncio.timeout(_PATIENCE_S):
            while rig.log_bytes() < LOG_BYTES:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S / 10)
        await rig.end(signal.SIGKILL)
        telling.cancel()
    async with _started("centre_log", rig.database, LONG_LOG_BYTES) as filling:
        await _ended(filling)
    return rig.log_bytes()


async def _watched(rig: _Rig, length: Length, stuck: int) -> Run:
    """Let watchers watch alerts."""
    given = [rig.served.port, await rig.token(), length.watchers, stuck, length.seconds]
    async with _started("centre_watch", *given) as watching:
        telling = rig.load("alerts", 20, ALERTS_PER_S, length.seconds + 5)
        told, cost = await rig.cost(telling)
        watched = await _result(watching, Watched)
    return Run(told, cost, watched=watched)


async def _fleet(rig: _Rig, length: Length) -> Run:
    """Let a large fleet report health, and some of it alerts, which one watcher waits for."""
    per_s = FLEET_PER_S * length.fleet / FLEET
    await rig.load("health", length.fleet, per_s, length.fleet / per_s)  # until all were heard
    given = [rig.served.port, await rig.token(), 1, 0, length.seconds]
    seen: list[Watched] = []

    async def all_three() -> Told:
        async with _started("centre_watch", *given) as watching, asyncio.TaskGroup() as tasks:
            healthy = tasks.create_task(
                rig.load("health", length.fleet, per_s, length.seconds + 5), name="health"
            )
            await rig.load("alerts", 20, FLEET_ALERTS_PER_S, length.seconds + 5)
            seen.append(await _result(watching, Watched))
        return healthy.result()

    told, cost = await rig.cost(all_three())
    return Run(told, cost, watched=seen[0])


@asynccontextmanager
async def _started(name: str, *given: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker that says when it is ready, for the length of the block."""
    command = [sys.executable, "-m", f"benchmarks.workers.{name}", *map(str, given)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        if process.stdout is not None:
            async with asyncio.timeout(_PATIENCE_S):
                await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _result(process: asyncio.subprocess.Process, kind: type[T]) -> T:
    return msgspec.json.decode(await _ended(process), type=kind)


async def _ended(process: asyncio.subprocess.Process) -> bytes:
    """Return what a worker printed until its end."""
    told, _ = await process.communicate()
    if process.returncode:
        message = f"a worker ended with {process.returncode}"
        raise CommandError(message)
    return told
