"""The frames behind alerts, in files: put together from parts, bounded, forgotten with their alerts."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aggregator.config import StoreConfig
from aggregator.store.commands import CommandFilter, CommandRow, find_commands
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from aggregator.store.usage import Keeping, find_keeping
from contract.commands import CollectEvidence
from contract.messages import EVIDENCE_PART_BYTES, MAX_EVIDENCE_BYTES, EvidencePart

log = logging.getLogger(__name__)

KIND: Final = "collect_evidence"
MAX_FILES: Final = 10_000  # of one organization
LOOK_S: Final = 3600.0
DAY_NS: Final = 24 * 3600 * 1_000_000_000

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_commands = msgspec.json.Decoder(CollectEvidence)


class Counters(msgspec.Struct):
    """What became of parts since the start, but for those that were stored."""

    evidence_unasked: int = 0
    evidence_broken: int = 0  # a part was lost on the way, or is not what the device said
    evidence_unwritable: int = 0


class EvidenceFiles:
    """One file for each alert whose frames a person asked for; of many the oldest give way."""

    def __init__(self, database: Database, config: StoreConfig) -> None:
        self.counters = Counters()
        self._database = database
        self._config = config
        self._folder = config.path / "evidence"

    async def take(self, reported: Sequence[Reported[EvidencePart]]) -> None:
        """Write parts where they belong. The same part again changes nothing.

        What nobody asked for is dropped: a device must not push others' evidence out.
        """
        for item in reported:
            part = item.message
            if not await collecting(
                self._database, item.organization, item.device_id, part.alert_id
            ):
                self._drop("evidence_unasked", item)
                continue
            try:
                fits = await asyncio.to_thread(self._write, item)
            except OSError as error:
                self._drop("evidence_unwritable", item, str(error))
                continue
            if not fits:
                self._drop("evidence_broken", item)

    async def read(self, organization: str, device_id: str, alert_id: str) -> bytes | None:
        """Return the pcap of an alert, None if it is not here."""
        path = self._path(organization, device_id, alert_id)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return None

    async def run(self) -> None:
        """Forget, for ever, what is as old as the alerts that are forgotten."""
        while True:
            plans = await find_keeping(self._database)
            await asyncio.to_thread(self.forget, time.time_ns(), plans)
            await asyncio.sleep(LOOK_S)

    def forget(self, now_ns: int, plans: Sequence[Keeping] = ()) -> None:
        """Remove files that are older than alerts may be."""
        most = self._config.keep_alerts_days
        days = {plan.organization: min(plan.keep_alerts_days or most, most) for plan in plans}
        for path in self._folder.glob("*/*"):
            before_ns = now_ns - days.get(path.parent.name, most) * DAY_NS
            if path.stat().st_mtime_ns < before_ns:
                path.unlink(missing_ok=True)

    def _write(self, item: Reported[EvidencePart]) -> bool:
        """Write a part; return whether the whole, if this ends it, is what the device said."""
        part = item.message
        whole = self._path(item.organization, item.device_id, part.alert_id)
        unfinished = whole.with_suffix(".part")
        whole.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        if part.part == 0:
            self._make_room(whole.parent)
        start = part.part * EVIDENCE_PART_BYTES
        with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE), "r+b") as file:
            file.truncate(start)  # what an earlier, unfinished time left behind
            file.seek(start)
            file.write(part.data)
            if part.part < part.parts - 1:
                return True
            file.seek(0)
            is_whole = hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
            os.fsync(file.fileno())
        if is_whole:
            unfinished.replace(whole)
        else:
            unfinished.unlink()
        return is_whole

    def _make_room(self, folder: Path) -> None:
        sizes = sorted(_sizes(folder))
        beyond = sum(size for _, size, _ in sizes) + MAX_EVIDENCE_BYTES
        beyond -= self._config.max_evidence_bytes
        for number, (_, size, path) in enumerate(sizes):
            if beyond <= 0 and len(sizes) - number < MAX_FILES:
                return
            path.unlink(missing_ok=True)
            log.info("evidence_made_room", extra={"file": path.name})
            beyond -= size

    def _path(self, organization: str, device_id: str, alert_id: str) -> Path:
        return self._folder / organization / f"{device_id}.{alert_id}.pcap"

    def _drop(self, why: str, item: Reported[EvidencePart], error: str = "") -> None:
        count = getattr(self.counters, why) + 1
        setattr(self.counters, why, count)
        if count == 1:  # a device could otherwise fill the log
            extra = {"device": item.device_id, "why": error, "hint": "further ones are counted"}
            log.warning(why, extra=extra)


async def collecting(
    database: Database, organization: str, device_id: str, alert_id: str
) -> CommandRow | None:
    """Return the last command that asks a device for the frames of an alert."""
    wanted = CommandFilter(device_id=device_id, kind=KIND)
    for row in await find_commands(database, organization, wanted):
        if _commands.decode(row.body).alert_id == alert_id:
            return row
    return None


def _sizes(folder: Path) -> Iterator[tuple[int, int, Path]]:
    for path in folder.iterdir():
        told = path.stat()
        yield told.st_mtime_ns, told.st_size, path
