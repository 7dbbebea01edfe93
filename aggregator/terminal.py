"""What commands do with a store: by themselves while the service is stopped, by asking it while it runs."""

import asyncio
import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from aggregator.config import AggregatorConfig
from aggregator.errors import InUseError, InvalidError, ServiceError, StoreError
from aggregator.remote import Service
from aggregator.sandbox.job import MAX_ROWS, Format
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.store.archive import Archive
from aggregator.store.backups import Backups
from aggregator.store.bundle import bundle, bundle_bytes, unpack
from aggregator.store.database import ARCHIVE, FILE_NAME, Database
from aggregator.store.models import FOLDER as MODELS

CHUNK_BYTES = 256 * 1024
TELL_EVERY_S = 1.0
MB = 1_000_000

T = TypeVar("T")
Ask = Callable[[str, Format], bytes]
Tell = Callable[[str], None]


@contextmanager
def answering(config: AggregatorConfig, service: Service) -> Iterator[Ask]:
    """Give what answers statements: the store itself, or the service that has it open."""
    with _opened(config) as store:
        if store is None:
            yield lambda sql, form: _ask_service(service, sql, form)
            return
        sandbox = Sandbox(store.database, store.archive, config.query)

        def ask(sql: str, form: Format) -> bytes:
            query = Query(
                organization=config.auth.organization, sql=sql, format=form, limit=MAX_ROWS
            )
            try:
                return store.run(sandbox.run(query)).body
            except InvalidError as error:
                raise ServiceError(str(error)) from error

        yield ask


def _ask_service(service: Service, sql: str, form: Format) -> bytes:
    body = {"sql": sql, "format": form, "limit": MAX_ROWS}
    with service.post("/query", body) as answer:
        return answer.read()


def back_up(config: AggregatorConfig, service: Service, file: Path, tell: Tell) -> None:
    """Write database, archive, models and keys into a new tar file.

    Raises:
        ProcessError: The file cannot be written, or the service refuses.
    """
    _require_new(file)
    draft = file.with_name(f"{file.name}.partial")
    try:
        with draft.open("wb") as target:
            draft.chmod(0o600)
            _pour(config, service, "/system/backup", target, tell)
        draft.rename(file)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise StoreError(message) from error
    finally:
        draft.unlink(missing_ok=True)


def export(config: AggregatorConfig, service: Service, folder: Path, tell: Tell) -> None:
    """Write what the organization sees into a new folder, as Parquet files.

    Raises:
        ProcessError: The folder is not new, or the service refuses.
    """
    _make_new(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as target:
            _pour(config, service, "/system/export", target, tell)
            target.seek(0)
            unpack(target, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise


def restore(config: AggregatorConfig, file: Path, tell: Tell) -> None:
    """Put a backup where the store is; nothing that is there is overwritten.

    Raises:
        ProcessError: There is a store already, or a part of one, or the file is no whole backup.
    """
    # systemd's StateDirectory is a link, which dangles once the folder behind it was moved away.
    path = config.store.path.resolve()
    _require_clear(path)
    try:
        with file.open("rb") as source:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=path) as folder:
                found = unpack(source, Path(folder))
                _move(Path(folder), path)
    except (OSError, tarfile.TarError) as error:
        message = f"{file}: {error}"
        raise StoreError(message) from error
    if not found.listed:
        tell(
            "an earlier version made this backup, without a list of its files: look whether all is there"
        )
    parts = asyncio.run(_parts(path))
    _give_back(path)
    tell(f"restored {found.files} files with {parts} parts of the archive; the service may start")


def _require_clear(path: Path) -> None:
    # Also without the database: what its write-ahead log holds would be written into the restored
    # one, and files of the archive that this does not know would be thrown away.
    there = sorted(
        entry.name
        for entry in (path.iterdir() if path.exists() else ())
        if entry.name in {ARCHIVE, MODELS} or not entry.is_dir()
    )
    if there:
        names = ", ".join(there)
        message = f"{path}: is no empty folder: move {names} away, or set another store path"
        raise StoreError(message)


def _move(folder: Path, path: Path) -> None:
    if not (folder / FILE_NAME).is_file():
        message = f"it holds no {FILE_NAME}"
        raise tarfile.ReadError(message)
    for entry in folder.iterdir():
        entry.rename(path / entry.name)


async def _parts(path: Path) -> int:
    async with Database(path) as database:
        archive = Archive(database)
        await archive.open()
        return len(await archive.parts())


def _pour(
    config: AggregatorConfig, service: Service, path: str, target: IO[bytes], tell: Tell
) -> None:
    with _opened(config) as store:
        if store is None:
            _pour_service(service, path, target, tell)
            return
        backups = Backups(store.database, store.archive)
        pieces = store.enter(
            backups.everything()
            if path == "/system/backup"
            else backups.views(config.auth.organization)
        )
        _write(bundle(pieces), bundle_bytes(pieces), target, tell)


def _pour_service(service: Service, path: str, target: IO[bytes], tell: Tell) -> None:
    tell(f"the service is running: asking {service.url}")
    with service.post(path, {"authorization_code": service.authorization_code}) as answer:
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


class _Store:
    """An open store. Its work is awaited one by one: in between, Ctrl-C is this thread's own."""

    def __init__(self, runner: asyncio.Runner, stack: AsyncExitStack, path: Path) -> None:
        self._runner = runner
        self._stack = stack
        self.database = self.enter(Database(path))
        stack.callback(_give_back, path)
        self.archive = Archive(self.database)
        self.run(self.archive.open())

    def run(self, work: Coroutine[None, None, T]) -> T:
        return self._runner.run(work)

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        return self.run(self._stack.enter_async_context(context))


@contextmanager
def _opened(config: AggregatorConfig) -> Iterator[_Store | None]:
    """Give the open store, or None when the service has it open."""
    path = config.store.path
    if not (path / FILE_NAME).exists():
        message = (
            f"{path / FILE_NAME}: there is no database; set EDGEWARDEN_STORE__PATH or --config"
        )
        raise StoreError(message)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            try:
                store = _Store(runner, stack, path)
            except InUseError:
                store = None
            yield store
        finally:
            runner.run(stack.aclose())


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


def converse(ask: Ask, read_line: Callable[[str], str], tell: Tell) -> None:
    """Answer statements, each ended by a semicolon, until there are no more lines."""
    waiting: list[str] = []
    while True:
        try:
            line = read_line("...> " if waiting else "sql> ")
        except EOFError:
            return
        if not waiting and line.strip().rstrip(";").lower() in {"", "exit", "quit"}:
            if line.strip():
                return
            continue
        waiting.append(line)
        if line.rstrip().endswith(";"):
            _answer_one(ask, "\n".join(waiting), tell)
            waiting.clear()


def _answer_one(ask: Ask, sql: str, tell: Tell) -> None:
    try:
        sys.stdout.write(table(ask(sql, "json")))
    except ServiceError as error:
        tell(str(error))
    sys.stdout.flush()
