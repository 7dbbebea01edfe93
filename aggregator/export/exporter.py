"""Carries what happens to alerts to files and syslog: bounded, counted, and never in ingest's way."""

import asyncio
import itertools
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from aggregator.config import ExportConfig
from aggregator.export.cef import cef_line
from aggregator.export.entries import Entry, Told
from aggregator.export.eve import eve_line
from aggregator.export.files import FileSink
from aggregator.export.syslog import SyslogSink, syslog_message
from aggregator.live import LiveFeed
from aggregator.store.alerts import AlertFilter, find_alerts
from aggregator.store.database import Database
from runtime import backoff

log = logging.getLogger(__name__)

EVENTS: Final = frozenset({"new_alert", "alert_updated"})
MOST_AT_ONCE: Final = 1000  # events that are looked up together
GATHER_S: Final = 0.2  # so that many alerts are not looked up one by one
AT_ONCE: Final = 100  # lines of one write
FIRST_WAIT_S: Final = 0.5
MOST_WAIT_S: Final = 60.0
GOODBYE_S: Final = 2.0  # for what is queued when we end
FORMATS: Final = {"eve": eve_line, "cef": cef_line}


class Sink(Protocol):
    """Where lines go."""

    async def open(self) -> None:
        """Open it where it is not open; OSError where it cannot be."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Give it messages; OSError where it does not take them."""

    async def close(self) -> None:
        """Close it."""


class OutputState(msgspec.Struct):
    """How an output does."""

    number: int  # in the settings, from 0
    organization: str
    format: str
    target: str
    sent: int = 0
    dropped: int = 0
    queued: int = 0
    last_error: str | None = None


class Output:
    """One output with its queue; when it is full the oldest lines make room and are counted.

    Raises:
        ConfigError: Its TLS files cannot be used.
    """

    def __init__(self, number: int, config: ExportConfig) -> None:
        self._config = config
        self._sink, self._pack, target = _sink(config)
        self._queue: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._stopping = False
        self.state = OutputState(number, config.organization, config.format, target)

    def put(self, entry: Entry) -> None:
        """Add what happened, if it is wanted; never waits."""
        if entry.event not in self._config.events:
            return
        if len(self._queue) >= self._config.max_queued:
            self._queue.popleft()
            self.drop(1)
        self._queue.append(self._pack(entry))
        self.state.queued = len(self._queue)
        self._ready.set()

    def drop(self, count: int) -> None:
        """Count what was lost."""
        if count and not self.state.dropped:
            log.warning("export_drops", extra=self._name())
        self.state.dropped += count

    def stop(self) -> None:
        """Have it end as soon as its queue is empty, or its receiver does not answer."""
        self._stopping = True
        self._ready.set()

    async def run(self) -> None:
        """Send until it is told to stop; a receiver that is away is waited for."""
        try:
            while not (self._stopping and (not self._queue or self.state.last_error)):
                await self._ready.wait()
                await self._send_some()
        finally:
            if self._queue:
                log.warning("export_unsent", extra=self._name() | {"lines": len(self._queue)})
            await self._sink.close()

    async def _send_some(self) -> None:
        """Send what is first in the queue: again and again until it is taken, then forget it."""
        waits = backoff.delays(FIRST_WAIT_S, MOST_WAIT_S)
        while lines := list(itertools.islice(self._queue, AT_ONCE)):
            try:
                await self._sink.open()
                await self._sink.send(lines)
            except OSError as error:  # TimeoutError and ssl.SSLError are some
                self._failed(error)
                await self._sink.close()
                if self._stopping:
                    return
                await asyncio.sleep(next(waits))
            else:
                self._sent(lines)
                return

    def _sent(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            # While they were sent the queue may have been full, and given some of them up.
            if self._queue and self._queue[0] is line:
                self._queue.popleft()
        if not self._queue:
            self._ready.clear()
        if self.state.last_error is not None:
            log.info("export_works_again", extra=self._name())
        self.state.last_error = None
        self.state.sent += len(lines)
        self.state.queued = len(self._queue)

    def _failed(self, error: OSError) -> None:
        why = error.strerror or str(error) or type(error).__name__
        if self.state.last_error is None:
            log.warning("export_fails", extra=self._name() | {"why": why})
        self.state.last_error = why

    def _name(self) -> dict[str, object]:
        return {"export": self.state.number, "target": self.state.target}


class Exporter:
    """Watches alerts and gives them to the outputs of their organization.

    Args:
        database: Where alerts are.
        live: Says that something happened to one.
        configs: The outputs.

    Raises:
        ConfigError: The TLS files of an output cannot be used.
    """

    def __init__(
        self, database: Database, live: LiveFeed, configs: Sequence[ExportConfig]
    ) -> None:
        self._database = database
        self._live = live
        self._outputs = [Output(number, config) for number, config in enumerate(configs)]

    def states(self, organization: str | None = None) -> list[OutputState]:
        """Return how outputs do: those of an organization, or all."""
        states = [output.state for output in self._outputs]
        return [each for each in states if organization in {None, each.organization}]

    async def run(self) -> None:
        """Export until it is cancelled; what is queued then has two seconds to go out."""
        if not self._outputs:
            return
        by_organization: dict[str, list[Output]] = defaultdict(list)
        for output in self._outputs:
            by_organization[output.state.organization].append(output)
        async with asyncio.TaskGroup() as tasks:
            sending = [
                tasks.create_task(output.run(), name=f"export-{output.state.number}")
                for output in self._outputs
            ]
            for organization, outputs in by_organization.items():
                watching = self._watch(organization, outputs)
                tasks.create_task(watching, name=f"export.watch-{organization}")
            try:
                await asyncio.Event().wait()
            finally:
                # Not cut off in the middle: nobody would know what was taken, and it came twice.
                for output in self._outputs:
                    output.stop()
                await asyncio.wait(sending, timeout=GOODBYE_S)

    async def _watch(self, organization: str, outputs: Sequence[Output]) -> None:
        told = Told()
        with self._live.watch(organization, EVENTS) as watcher:
            while True:
                heard = [_decode(data) for data in await watcher.take(MOST_AT_ONCE)]
                lost = sum(each.count for each in heard)
                for output in outputs:
                    output.drop(lost)
                await self._export(organization, heard, told, outputs)
                await asyncio.sleep(GATHER_S)

    async def _export(
        self, organization: str, heard: Sequence["_Heard"], told: Told, outputs: Sequence[Output]
    ) -> None:
        """Export alerts as they stand now: of several changes at once, only what came of them."""
        changed = [each.data.id for each in heard if each.data]
        new = {each.data.id for each in heard if each.data and each.type == "new_alert"}
        if not changed:
            return
        wanted = AlertFilter(numbers=sorted({*changed}), suppressed=False)
        rows = await find_alerts(self._database, organization, wanted, limit=len(changed))
        for row in reversed(rows):
            for entry in told.entries(organization, row, time.time_ns(), new=row.id in new):
                for output in outputs:
                    output.put(entry)


class _Named(msgspec.Struct, frozen=True):
    id: int


class _Heard(msgspec.Struct, frozen=True):
    """A message of the live feed; `count` is of events that it dropped."""

    type: str
    data: _Named | None = None
    count: int = 0


_decode = msgspec.json.Decoder(_Heard).decode


def _sink(config: ExportConfig) -> tuple[Sink, Callable[[Entry], bytes], str]:
    line = FORMATS[config.format]
    if config.file is not None:
        return FileSink(config.file, config.max_bytes), line, str(config.file)

    def packed(entry: Entry) -> bytes:
        return syslog_message(entry, line(entry), config.facility)

    return SyslogSink(config.target(), config), packed, config.syslog
