"""What commands do with a store: by themselves while the service is stopped, by asking it while it runs."""

import asyncio
import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO

import msgspec

from aggregator.config import AggregatorConfig
from aggregator.errors import InUseError, InvalidError, ServiceError, StoreError
from aggregator.remote import Service
from aggregator.sandbox.job import MAX_ROWS, Format
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.bundle import Piece, bundle, bundle_bytes, unpack
from aggregator.store.database import FILE_NAME, Database

CHUNK_BYTES = 256 * 1024
TELL_EVERY_S = 1.0
MB = 1_000_000

Ask = Callable[[str, Format], Awaitable[bytes]]
Tell = Callable[[str], None]


@asynccontextmanager
async def answering(config: AggregatorConfig, service: Service) -> AsyncIterator[Ask]:
    """Give what answers statements: the store itself, or the service that has it open."""
    async with _opened(config) as database:
        if database is None:
            yield lambda sql, form: asyncio.to_thread(_ask_service, service, sql, form)
            return
        archive = Archive(database)
        await archive.open()
        sandbox = Sandbox(database, archive, config.query)

        async def ask(sql: str, form: Format) -> bytes:
            query = Query(
                organization=config.auth.organization, sql=sql, format=form, limit=MAX_ROWS
            )
            try:
                return (await sandbox.run(query)).body
            except InvalidError as error:
                raise ServiceError(str(error)) from error

        yield ask


def _ask_service(service: Service, sql: str, form: Format) -> bytes:
    body = {"sql": sql, "format": form, "limit": MAX_ROWS}
    with service.post("/query", body) as answer:
        return answer.read()


async def back_up(config: AggregatorConfig, service: Service, file: Path, tell: Tell) -> None:
    """Write everything into a new tar file.

    Raises:
        ProcessError: The file cannot be written, or the service refuses.
    """
    _require_new(file)
    draft = file.with_name(f"{file.name}.partial")
    try:
        with draft.open("wb") as target:
            draft.chmod(0o600)
            await _pour(config, service, "/system/backup", target, tell)
        draft.rename(file)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise StoreError(message) from error
    finally:
        draft.unlink(missing_ok=True)


async def export(config: AggregatorConfig, service: Service, folder: Path, tell: Tell) -> None:
    """Write what the organization sees into a new folder, as Parquet files.

    Raises:
        ProcessError: The folder is not new, or the service refuses.
    """
    _make_new(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as target:
            await _pour(config, service, "/system/export", target, tell)
            target.seek(0)
            unpack(target, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise


async def restore(config: AggregatorConfig, file: Path, tell: Tell) -> None:
    """Put a backup where the store is; nothing that is there is overwritten.

    Raises:
        ProcessError: There is a store already, or the file is no backup.
    """
    # systemd's StateDirectory is a link, which dangles once the folder behind it was moved away.
    path = config.store.path.resolve()
    if (path / FILE_NAME).exists():
        message = f"{path / FILE_NAME}: is there already; move it away, or set another store path"
        raise StoreError(message)
    try:
        with file.open("rb") as source:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            count = unpack(source, path)
    except (OSError, tarfile.TarError) as error:
        (path / FILE_NAME).unlink(missing_ok=True)
        message = f"{file}: {error}"
        raise StoreError(message) from error
    async with Database(path) as database:
        archive = Archive(database)
        await archive.open()
        parts = await archive.parts()
    tell(f"restored {count} files with {len(parts)} parts of the archive; the service may start")


async def _pour(
    config: AggregatorConfig, service: Service, path: str, target: IO[bytes], tell: Tell
) -> None:
    async with _opened(config) as database:
        if database is None:
            await asyncio.to_thread(_pour_service, service, path, target, tell)
            return
        archive = Archive(database)
        await archive.open()
        backups = Backups(database, archive)
        made: AbstractAsyncContextManager[list[Piece]] = (
            backups.everything()
            if path == "/system/backup"
            else backups.views(config.auth.organization)
        )
        async with made as pieces:
            await asyncio.to_thread(_write, bundle(pieces), bundle_bytes(pieces), target, tell)


def _pour_service(service: Service, path: str, target: IO[bytes], tell: Tell) -> None:
    tell(f"the service is running: asking {service.url}")
    with service.post(path) as answer:
        most = int(getattr(answer, "length", 0) or 0)
        _write(iter(lambda: answer.read(CHUNK_BYTES), b""), most, target, tell)


def _write(chunks: Iterator[bytes], most: int, target: IO[bytes], tell: Tell) -> None:
    written, told_at_s = 0, time.monotonic()
    for chunk in chunks:
        written += target.write(chunk)
        if time.monotonic() - told_at_s > TELL_EVERY_S:
            told_at_s = time.monotonic()
            tell(f"{written / MB:.1f} of {most / MB:.1f} MB")
    if written != most:
        message = f"only {written} of {most} bytes came"
        raise ServiceError(message)
    tell(f"{written / MB:.1f} MB written")


@asynccontextmanager
async def _opened(config: AggregatorConfig) -> AsyncIterator[Database | None]:
    """Give the open database, or None when the service has it open."""
    path = config.store.path
    if not (path / FILE_NAME).exists():
        message = (
            f"{path / FILE_NAME}: there is no database; set EDGEWARDEN_STORE__PATH or --config"
        )
        raise StoreError(message)
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(Database(path))
        except InUseError:
            database = None
        else:
            stack.callback(_give_back, path)
        yield database


def _give_back(folder: Path) -> None:
    """Leave to the owner of a store what root has made in it, so that the service may go on."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for path in folder.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _require_new(file: Path) -> None:
    if file.exists():
        message = f"{file}: is there already; choose another name"
        raise StoreError(message)


def _make_new(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        message = f"{folder}: {error.strerror}; name a folder that is not there yet"
        raise StoreError(message) from error


class _Column(msgspec.Struct):
    name: str
    type: str


class _Rows(msgspec.Struct):
    as_of: str
    truncated: bool
    columns: list[_Column]
    rows: list[list[object]]


MAX_WIDTH = 60


def table(answer: bytes) -> str:
    """Return an answer in JSON as lines of text with aligned columns."""
    found = msgspec.json.decode(answer, type=_Rows)
    cells = [[_cell(value) for value in row] for row in found.rows]
    head = [column.name[:MAX_WIDTH] for column in found.columns]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = [head, ["-" * width for width in widths], *cells]
    out = io.StringIO()
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        out.write(text.rstrip() + "\n")
    more = ", and there are more" if found.truncated else ""
    out.write(f"({len(cells)} rows as of {found.as_of}{more})\n")
    return out.getvalue()


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    # What came from a network must not move the cursor of who reads it.
    clean = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return clean if len(clean) <= MAX_WIDTH else clean[: MAX_WIDTH - 1] + "…"


async def converse(ask: Ask, read_line: Callable[[str], str], tell: Tell) -> None:
    """Answer statements, each ended by a semicolon, until there are no more lines."""
    waiting: list[str] = []
    while True:
        try:
            line = await asyncio.to_thread(read_line, "...> " if waiting else "sql> ")
        except EOFError:
            return
        if not waiting and line.strip().rstrip(";").lower() in {"", "exit", "quit"}:
            if line.strip():
                return
            continue
        waiting.append(line)
        if line.rstrip().endswith(";"):
            await _answer_one(ask, "\n".join(waiting), tell)
            waiting.clear()


async def _answer_one(ask: Ask, sql: str, tell: Tell) -> None:
    try:
        sys.stdout.write(table(await ask(sql, "json")))
    except ServiceError as error:
        tell(str(error))
    sys.stdout.flush()
