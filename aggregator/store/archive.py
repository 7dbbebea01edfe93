"""The archive: rows that only grow, as Parquet files by organization and day; and copies of the rest.

A view of the archive is written piece by piece, each row once. What is written next takes the place
of smaller pieces before it, so that a day has a handful of files however often it was written.
"""

import asyncio
import logging
import os
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from aggregator.store.database import ARCHIVE, COPIES, Database, Statement

log = logging.getLogger(__name__)

GROWING = ("verdicts", "packets", "health", "logs", "readings")
CHANGING = (
    *("alerts", "isolations", "devices", "audit", "alert_changes", "device_events"),
    *("commands", "incidents"),
)
DERIVED = ("hosts",)  # made of the others wherever these are
MAX_AGE_S = 3.0
NS_PER_S = 1_000_000_000
GROWTH = 4  # a piece is taken into the next when it has at most this many times its rows
# Rows of one file, and positions that are looked through at once: while rows are read DuckDB writes
# no checkpoint, and what is stored meanwhile fills the write-ahead log.
MOST_ROWS = 4_000_000
FILE_MODE, FOLDER_MODE = 0o600, 0o700
PARQUET_END = b"PAR1"
SHAPES, JOBS = "_shapes", "_jobs"  # no name of an organization begins like that


class Part(msgspec.Struct, frozen=True):
    """One file: rows of a view and an organization that reached us on one day."""

    view: str
    organization: str
    day: str
    after: int  # holds rows with positions beyond this one
    upto: int  # up to this one
    rows: int
    file_bytes: int

    @property
    def file(self) -> Path:
        """Where it lies in the archive, partitioned as Hive does."""
        folder = Path(self.view, f"organization={self.organization}", f"day={self.day}")
        return folder / f"{self.after}-{self.upto}.parquet"


class _Day(msgspec.Struct, frozen=True):
    day: str
    upto: int
    rows: int


class _Mark(msgspec.Struct, frozen=True):
    position: int


class _Rows(msgspec.Struct, frozen=True):
    count: int


class Archive:
    """The files that others may read while the database is ours alone.

    Args:
        database: Where the rows are; open.
        max_age_s: For how long what was brought up to date is given as it is.
    """

    def __init__(self, database: Database, *, max_age_s: float = MAX_AGE_S) -> None:
        self.path = database.path.parent / ARCHIVE
        self._database = database
        self.copies = database.path.parent / COPIES
        self._max_age_s = max_age_s
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rest = asyncio.Lock()
        self._taken: dict[
            str, tuple[float, int]
        ] = {}  # when it was done, and as of when it is true

    async def open(self) -> None:
        """Make the folders, throw away what a crash has left half done, mend what is missing."""
        parts = await self.parts()
        await asyncio.to_thread(self._tidy, {part.file for part in parts})
        for organization in {part.organization for part in parts}:
            await self._mended(organization)
        for view in GROWING:
            await self._copy(view, "", self._copy_of(SHAPES, view))

    async def parts(self, organization: str | None = None) -> list[Part]:
        """Return the files of the archive, oldest day first; None: of every organization."""
        return await self._database.read("archive_parts", {"organization": organization}, Part)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """Give an empty folder beside the files, for as long as it is used."""
        folder = self.copies / JOBS / secrets.token_hex(8)
        await asyncio.to_thread(folder.mkdir, parents=True, mode=FOLDER_MODE)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def give(self, organization: str, folder: Path) -> int:
        """Link the files of an organization into a folder, one sub-folder for each view.

        Returns:
            When they were up to date, in nanoseconds since 1970.
        """
        async with self._alone(organization):
            taken_ns = await self._refresh(organization)
            parts = await self.parts(organization)
            await asyncio.to_thread(self._link, organization, parts, folder)
        return taken_ns

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[list[Part]]:
        """Hold the archive as it is, of every organization, and give its files."""
        async with self._rest, AsyncExitStack() as stack:
            for lock in list(self._locks.values()):
                await stack.enter_async_context(lock)
            yield await self.parts()

    @asynccontextmanager
    async def _alone(self, organization: str) -> AsyncIterator[None]:
        """Let one at a time change what the archive has of an organization, and nobody at rest."""
        async with self._rest:
            lock = self._locks[organization]  # whoever rests from now on waits for it
        async with lock:
            yield

    async def write(self, organization: str) -> None:
        """Bring the archive of an organization up to date."""
        async with self._alone(organization):
            await self._write(organization)

    async def drop(self, parts: Sequence[Part]) -> None:
        """Throw files away."""
        for organization in {part.organization for part in parts}:
            async with self._alone(organization):
                gone = [part for part in parts if part.organization == organization]
                await self._database.write(*map(_dropped, gone))
                await asyncio.to_thread(_remove, [self.path / part.file for part in gone])

    async def _mended(self, organization: str) -> list[Part]:
        """Return the files of an organization; one that is gone or cut off is made of what is still stored."""
        parts = await self.parts(organization)
        missing = await asyncio.to_thread(
            lambda: [part for part in parts if not _is_whole(self.path / part.file)]
        )
        for part in missing:
            await self._write_again(part)
        return await self.parts(organization) if missing else parts

    async def _write_again(self, part: Part) -> None:
        again = await self._write_part(part)
        extra = {"file": str(part.file), "rows": part.rows, "lost": part.rows - again.rows}
        log.error("archive_file_missing", extra=extra)
        if again.rows:
            await self._database.write(_dropped(part), _added(again))
        else:
            await self._database.write(_dropped(part))
            await asyncio.to_thread(_remove, [self.path / part.file])

    async def _refresh(self, organization: str) -> int:
        clock = asyncio.get_running_loop().time
        at_s, taken_ns = self._taken.get(organization, (-self._max_age_s, 0))
        if clock() - at_s < self._max_age_s:
            return taken_ns
        taken_ns = time.time_ns()
        await self._write(organization)
        for view in CHANGING:
            await self._copy(view, organization, self._copy_of(organization, view))
        self._taken[organization] = clock(), taken_ns
        return taken_ns

    async def _write(self, organization: str) -> None:
        parts = await self._mended(organization)
        for view in GROWING:
            await self._write_view(
                view, organization, [part for part in parts if part.view == view]
            )

    async def _write_view(self, view: str, organization: str, parts: Sequence[Part]) -> None:
        key = {"view": view, "organization": organization}
        source = {"source": f"store.numbered_{view}", "organization": organization}
        mark = (await self._database.read("archive_mark", key, _Mark))[0].position
        newest = (await self._database.read("newest_position", source, _Mark))[0].position
        for after in range(mark, newest, MOST_ROWS):
            beyond: dict[str, object] = {"after": after, "upto": after + MOST_ROWS}
            days = await self._database.read("unarchived", source | beyond, _Day)
            if not days:
                continue
            written = [
                await self._write_day(
                    Part(view, organization, day.day, after, day.upto, day.rows, 0),
                    [part for part in parts if part.day == day.day],
                )
                for day in days
            ]
            await self._record(written, key | {"position": max(day.upto for day in days)})
            gone = {part.file for part in parts if _is_in(part, written)}
            await asyncio.to_thread(_remove, [self.path / file for file in gone])
            parts = [*(part for part in parts if part.file not in gone), *written]

    async def _write_day(self, new: Part, before: Sequence[Part]) -> Part:
        taken_in = _taken_in(new.rows, before)
        if taken_in:
            rows = new.rows + sum(part.rows for part in taken_in)
            merged = msgspec.structs.replace(new, after=taken_in[0].after, rows=rows)
            written = await self._write_part(merged)
            # Their rows may have left the database already: then they stay as they are.
            if written.rows == rows:
                return written
            await asyncio.to_thread(_remove, [self.path / written.file])
        return await self._write_part(new)

    async def _write_part(self, part: Part) -> Part:
        file = self.path / part.file
        draft = file.with_suffix(".draft")
        await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True, mode=FOLDER_MODE)
        copied = await self._database.read(
            "archive_rows",
            {
                "source": f"store.numbered_{part.view}",
                "organization": part.organization,
                "after": part.after,
                "upto": part.upto,
                "day": part.day,
                "file": str(draft.resolve()),
            },
            _Rows,
        )
        file_bytes = await asyncio.to_thread(_settle, draft, file)
        return msgspec.structs.replace(part, rows=copied[0].count, file_bytes=file_bytes)

    async def _record(self, written: Sequence[Part], mark: dict[str, object]) -> None:
        statements = [Statement("forget_archive_mark", _only(mark, "view", "organization"))]
        for part in written:
            where = _only(msgspec.structs.asdict(part), "view", "organization", "day", "after")
            statements += [Statement("drop_archive_parts", where), _added(part)]
        await self._database.write(*statements, Statement("add_archive_mark", mark))

    async def _copy(self, view: str, organization: str, file: Path) -> None:
        draft = file.with_suffix(".draft")
        await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True, mode=FOLDER_MODE)
        parameters = {
            "view": f"main.{view}",
            "organization": organization,
            "file": str(draft.resolve()),
        }
        await self._database.read("copy_view", parameters, _Rows)
        await asyncio.to_thread(_settle, draft, file)

    def _copy_of(self, organization: str, view: str) -> Path:
        return self.copies / organization / f"{view}.parquet"

    def _link(self, organization: str, parts: Sequence[Part], folder: Path) -> None:
        for view in GROWING + CHANGING:
            (folder / view).mkdir(mode=FOLDER_MODE)
            # A growing view begins with a file that has columns but no rows: it may have no other.
            owner = SHAPES if view in GROWING else organization
            os.link(self._copy_of(owner, view), folder / view / "0.parquet")
        for part in parts:
            os.link(self.path / part.file, folder / part.view / f"{part.day}.{part.after}.parquet")

    def _tidy(self, known: set[Path]) -> None:
        """Remove what is not known; all of it, though, is of another database, and set aside."""
        shutil.rmtree(self.copies, ignore_errors=True)
        if not known and any(self.path.rglob("*.parquet")):
            aside = self.path.with_name(f"{self.path.name}.set-aside-{time.time_ns()}")
            self.path.rename(aside)
            log.error("archive_set_aside", extra={"folder": str(aside), "why": "no day is known"})
        for folder in (self.path, self.copies):
            folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        there = {file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file()}
        _remove([self.path / file for file in there - known])


def day_before(moment_ns: int, days: int) -> str:
    """Return the day (UTC), as parts name it, so many days before that of a moment."""
    day = datetime.fromtimestamp(moment_ns // NS_PER_S, UTC).date()
    return (day - timedelta(days=days)).isoformat()


def _added(part: Part) -> Statement:
    fields = msgspec.structs.asdict(part)
    return Statement("add_archive_part", fields | {"now_ns": time.time_ns()})


def _dropped(part: Part) -> Statement:
    names = ("view", "organization", "day", "after", "upto")
    return Statement("drop_archive_part", _only(msgspec.structs.asdict(part), *names))


def _taken_in(rows: int, before: Sequence[Part]) -> list[Part]:
    """Return those parts before some rows that are small enough to be written again with them."""
    first = len(before)
    while first and before[first - 1].rows <= min(GROWTH * rows, MOST_ROWS - rows):
        first -= 1
        rows += before[first].rows
    return list(before[first:])


def _is_in(part: Part, written: Sequence[Part]) -> bool:
    return any(part.day == new.day and part.after >= new.after for new in written)


def _only(fields: dict[str, object], *names: str) -> dict[str, object]:
    return {name: fields[name] for name in names}


def _settle(draft: Path, file: Path) -> int:
    """Give a finished file its name, and return its size; it stays through a loss of power."""
    draft.chmod(FILE_MODE)
    for path in (draft, draft.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path == draft:
            draft.replace(file)
    return file.stat().st_size


def _is_whole(file: Path) -> bool:
    """Return whether a file is there and ends as Parquet does."""
    if not file.is_file():
        return False
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - len(PARQUET_END)))
            return opened.read() == PARQUET_END
    except OSError:  # of a bad disk, or not ours to read: whoever reads its rows is told
        return True


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
