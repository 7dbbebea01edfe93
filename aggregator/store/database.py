"""The one door to DuckDB: one thread writes, a few threads read, no event loop waits."""

import asyncio
import functools
import importlib.util
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import duckdb
import msgspec

from aggregator.errors import InUseError, RefusedError, StoreError
from aggregator.store.migrating import copy_to, migrate
from aggregator.store.reading import INTERRUPT_S, Reading
from aggregator.store.texts import changed, sql

log = logging.getLogger(__name__)

FILE_NAME = "edgewarden.duckdb"
UNREADABLE = "wal.unreadable"  # behind it: a write-ahead log that was set aside
LONG_LOG_BYTES = 16_000_000  # it takes more than half a second to read in, and to write out
ARCHIVE, COPIES = "archive", "copies"  # the only folders whose files a statement may touch
READERS = 4

# A smaller threshold makes commits wait for checkpoints; a larger one makes starting slow.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "checkpoint_threshold": "64MB",
    "memory_limit": "192MB",  # of DuckDB alone; beyond it things go to a file beside the database
    # A statement runs on the thread that asks. Nearly all are short: to share them out among more
    # costs a third of their CPU, and makes none of them faster while several are asked at once.
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


NO_FILES: Mapping[str, Sequence[str]] = {}

Value = object
Rows = Sequence[tuple[Value, ...]]
R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class Statement(msgspec.Struct, frozen=True):
    """A query by its file name, and its parameters: single values, or columns as lists.

    Many rows come as an Arrow table, which the query knows as `given`.
    """

    query: str
    parameters: Mapping[str, Value]
    rows: object | None = None


def seek_no_pandas() -> None:
    """Say once and for all, for this process, that there is no pandas where it is not installed.

    DuckDB imports it for every value that it is given, and each time the import system looks through
    all its folders: 0.1 ms, with the GIL held. Not for a process in which others ask for pandas.
    """
    if importlib.util.find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]


class Database:
    """An open database. Use as an asynchronous context manager.

    Args:
        directory: Where the file lies; created when it is missing.

    Raises:
        StoreError: On entering: the file cannot be opened. Later: a statement failed; as a
            RefusedError when it was for its values, and the database goes on.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._reading = asyncio.Semaphore(READERS)
        self._cursors = threading.local()
        self._cursors_of_readers: list[duckdb.DuckDBPyConnection] = []
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._changes = Counter[str]()  # of each table; the writer's thread counts

    async def __aenter__(self) -> Self:
        self._connection = await self._on(self._writer, self._open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever asked is gone, and writing a day into the archive takes longer than we may take to end.
        shut = functools.partial(self._readers.shutdown, cancel_futures=True)
        ended = asyncio.get_running_loop().run_in_executor(None, shut)
        while not ended.done():
            for cursor in list(self._cursors_of_readers):
                cursor.interrupt()  # means nothing between two statements: hence again and again
            await asyncio.wait([ended], timeout=INTERRUPT_S)
        await self._on(self._writer, self._open_connection().close)
        self._writer.shutdown(wait=False)

    async def read(
        self,
        query: str,
        parameters: Mapping[str, Value],
        row: type[R],
        *,
        files: Mapping[str, Sequence[str]] = NO_FILES,
    ) -> list[R]:
        """Return the rows of a query, each as a Struct whose fields are its columns in order.

        Args:
            query: Its file name.
            parameters: Single values, or columns as lists.
            row: The Struct.
            files: Of the archive, to be read beside tables that only grow.
        """
        text = sql(query, tuple(files))
        values = _values({**parameters, **{f"{view}_files": files[view] for view in files}})
        async with self._reading:
            rows = await self._read(lambda cursor: cursor.execute(text, values).fetchall())
        return [row(*values) for values in rows]

    async def write(self, *statements: Statement) -> None:
        """Run statements in one transaction: all of them, or none."""
        await self._on(self._writer, lambda: self._transact(statements))

    async def write_made(
        self, statements: Iterable[Statement], row: type[R], query: str
    ) -> list[R]:
        """Do as `write` does with statements that take long to make: the writer's thread makes them.

        Returns:
            The rows of the statement of that name; none without it.
        """

        def write() -> Rows:
            made = list(statements)
            results = self._transact(made)
            named = zip((statement.query for statement in made), results, strict=True)
            return next((rows for name, rows in named if name == query), [])

        rows = await self._on(self._writer, write)
        return [row(*values) for values in rows]

    async def empty_log(self) -> None:
        """Write out what a crash has left in the write-ahead log, if it is much; nobody can write meanwhile.

        Otherwise that waits until the log is full, in the middle of a busy hour, and the next crash
        has it read in once more.
        """
        log_path = _log_of(self.path)
        if log_path.exists() and log_path.stat().st_size >= LONG_LOG_BYTES:
            await self._on(
                self._writer, lambda: self._open_connection().execute("CHECKPOINT").fetchall()
            )

    async def settle(self) -> None:
        """Wait until all that is being written is written, or not: also what nobody waits for any more."""
        await self._on(self._writer, lambda: None)

    async def write_returning(
        self, row: type[R], statement: Statement, *others: Statement
    ) -> list[R]:
        """Run statements in one transaction and return the rows of the first."""
        results = await self._on(self._writer, lambda: self._transact([statement, *others]))
        return [row(*values) for values in results[0]]

    async def change(self, row: type[R], statement: Statement, *others: Statement) -> list[R]:
        """Run statements in one transaction and return the rows of the first.

        Where one that returns rows finds none, nothing is changed and nothing returned: so what
        a change needs, the change and its audit stand or fall together.
        """
        statements = [statement, *others]
        results = await self._on(self._writer, lambda: self._transact(statements, every=True))
        return [row(*values) for values in results[0]]

    def changes(self, *tables: str) -> int:
        """Return a number that has risen once a transaction that may have changed some tables is over.

        What was read after it was asked for is what there is, for as long as it stays the same.
        """
        return sum(self._changes[table] for table in tables)

    def logs_set_aside(self) -> int:
        """Return how many write-ahead logs could not be read, as far as their files still lie there."""
        return len(list(self.path.parent.glob(f"{FILE_NAME}.{UNREADABLE}-*")))

    async def copy_to(self, file: Path) -> None:
        """Write the database as it is at this moment into a new file below COPIES."""
        await self._read(lambda cursor: copy_to(cursor, self.path.stem, file))

    async def _read(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        reading = Reading()

        def read() -> T:
            cursor = self._cursor()
            with reading.by(cursor):
                return work(cursor)

        return await self._on(self._readers, read, reading)

    async def _on(
        self, pool: ThreadPoolExecutor, work: Callable[[], T], reading: Reading | None = None
    ) -> T:
        job = asyncio.get_running_loop().run_in_executor(pool, work)
        try:
            return await (job if reading is None else reading.result(job))
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException) as error:
            raise RefusedError(_first_line(error)) from error
        except duckdb.Error as error:
            message = f"{self.path}: {_first_line(error)}"
            raise StoreError(message) from error

    def _open_connection(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            message = f"{self.path}: the database is not open"
            raise StoreError(message)
        return self._connection

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            message = f"{self.path.parent}: {error.strerror}"
            raise StoreError(message) from error
        connection = _connect(self.path)
        try:
            migrate(connection, self.path)
            _confine(connection, [self.path.parent / ARCHIVE, self.path.parent / COPIES])
        except BaseException:
            connection.close()
            raise
        return connection

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "cursor", None)
        if cursor is None:
            cursor = self._cursors.cursor = self._open_connection().cursor()
            self._cursors_of_readers.append(cursor)
        return cursor

    def _transact(self, statements: Sequence[Statement], *, every: bool = False) -> Sequence[Rows]:
        connection = self._open_connection()
        connection.begin()
        try:
            results = [_run(connection, statement) for statement in statements]
            if every and not all(results):
                connection.rollback()
                return [[] for _ in results]
            connection.commit()
        except duckdb.Error:
            _roll_back(connection)
            raise
        finally:
            for statement in statements:
                self._changes.update(changed(statement.query))
        return results


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file; what was being written when it was closed badly is read in, or set aside."""
    try:
        return duckdb.connect(str(path), config=SETTINGS)
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            message = f"{path}: another process holds its lock, such as the running service"
            raise InUseError(message) from error
        if "replaying WAL" not in str(error):
            raise
        why = _first_line(error)
    aside = path.with_name(f"{path.name}.{UNREADABLE}-{time.time_ns()}")
    _log_of(path).rename(aside)
    extra = {"file": str(aside), "bytes": aside.stat().st_size, "why": why}
    log.error("write_ahead_log_set_aside", extra=extra)
    return duckdb.connect(str(path), config=SETTINGS)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _confine(connection: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> None:
    texts = [str(folder.resolve()).replace("'", "''") for folder in folders]
    allowed = ", ".join(f"'{text}'" for text in texts)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _run(connection: duckdb.DuckDBPyConnection, statement: Statement) -> Rows:
    text, values = sql(statement.query), _values(statement.parameters)
    if statement.rows is None:
        return connection.execute(text, values).fetchall()
    connection.register("given", statement.rows)
    try:
        return connection.execute(text, values).fetchall()
    finally:
        connection.unregister("given")


def _values(parameters: Mapping[str, Value]) -> dict[str, Value]:
    # Lists go in as JSON text, which the queries cast: DuckDB takes 5 us for each value of a Python
    # list (where pandas has to be looked for 0.1 ms), and 0.3 us of such a text. A cast of its own
    # costs 0.3 ms a column, however few rows there are: many columns go in as one object, which
    # the queries give a name before they take it apart, or it is read anew for each column.
    return {
        name: msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
        for name, value in parameters.items()
    }


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        return  # a failed commit has ended the transaction already; the first error is raised


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
