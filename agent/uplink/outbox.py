"""One SQLite database in which messages wait and get their numbers."""

import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import SpoolError
from contract.codec import CodecError, decode_envelope, encode

log = logging.getLogger(__name__)

IN_MEMORY = Path(":memory:")
FIRST_LANE, LAST_LANE = 0, 2
FORMAT = 1  # of the file; another one is set aside
PAGE_BYTES = 4096
ROW_BYTES = 64  # counted for a row beside its message
WAL_BYTES = 4 * 1024 * 1024
MOST_SET_ASIDE = 3
LOCK_TIMEOUT_S = 2.0
MAX_NONCES = 10_000
MAX_ORDERED = 1024  # isolations of which is remembered when they were ordered last
NO_DATABASE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    boot TEXT,
    seq INTEGER,
    leaf TEXT NOT NULL,
    envelope BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS outbox_numbered ON outbox (boot, seq) WHERE boot IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (lane, id) WHERE boot IS NULL;
CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, expires_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unfinished (nonce TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS ordered (isolation_id TEXT PRIMARY KEY, issued_ns INTEGER NOT NULL);
"""
TOTAL = "SELECT count(*), coalesce(sum(length(envelope)), 0) FROM outbox"
ADD = "INSERT INTO outbox (lane, leaf, envelope) VALUES (?, ?, ?)"
OF_LANE = (
    "SELECT id, leaf, length(envelope) FROM outbox WHERE boot IS NULL AND lane = ? ORDER BY id"
)
OF_BOOTS = """
SELECT id, leaf, length(envelope) FROM outbox
WHERE boot IS NOT NULL ORDER BY boot = ?, boot, seq
"""
REMOVE = "DELETE FROM outbox WHERE id = ?"
NUMBERED = """
SELECT id, boot, seq FROM outbox WHERE boot IS NOT NULL ORDER BY boot = ?, boot, seq LIMIT ?
"""
WAITING = "SELECT id FROM outbox WHERE boot IS NULL ORDER BY lane, id LIMIT ?"
NUMBER = "UPDATE outbox SET boot = ?, seq = ? WHERE id = ?"
READ = "SELECT leaf, envelope FROM outbox WHERE id = ?"
FLOOR = "SELECT min(seq) FROM outbox WHERE boot = ? AND seq > ?"
FORGOTTEN = TOTAL + " WHERE boot = ? AND seq <= ?"
FORGET = "DELETE FROM outbox WHERE boot = ? AND seq <= ?"
NONCE_PRUNE = "DELETE FROM nonces WHERE expires_ns < ?"
UNFINISHED_PRUNE = "DELETE FROM unfinished WHERE nonce NOT IN (SELECT nonce FROM nonces)"
UNFINISHED_ADD = "INSERT INTO unfinished (nonce) VALUES (?)"
UNFINISHED_END = "DELETE FROM unfinished WHERE nonce = ?"
NONCE_COUNT = "SELECT count(*) FROM nonces"
NONCE_ADD = "INSERT OR IGNORE INTO nonces (nonce, expires_ns) VALUES (?, ?)"
LATEST = "SELECT coalesce(max(issued_ns), 0) FROM ordered WHERE isolation_id = ?"
# What is replaced gets a new rowid: the lowest is what was ordered of longest ago.
LATEST_NOTE = "INSERT OR REPLACE INTO ordered (isolation_id, issued_ns) VALUES (?, ?)"
LATEST_PRUNE = """
DELETE FROM ordered WHERE rowid NOT IN (SELECT rowid FROM ordered ORDER BY rowid DESC LIMIT ?)
"""


class Row(msgspec.Struct, frozen=True):
    """An encoded message without a number; the numbers in its envelope mean nothing yet."""

    lane: int  # low lanes are sent first, high lanes dropped first
    leaf: str
    envelope: bytes


class Remembered(msgspec.Struct, frozen=True):
    """What is kept of an order."""

    nonce: str
    issued_ns: int
    expires_ns: int
    isolation_id: str | None  # that it is about


class Numbered(msgspec.Struct, frozen=True):
    """A message as it travels."""

    boot: str
    seq: int
    leaf: str
    payload: bytes


class Outbox:
    """Messages in one database. Every method is one transaction and may raise sqlite3.Error."""

    def __init__(self, path: Path, max_bytes: int, boot: str) -> None:
        self.boot = boot
        self.dropped: Counter[str] = Counter()
        self._max_bytes = max_bytes
        self._database = open_database(path, max_bytes)
        self.rows, message_bytes = self._one(TOTAL)
        self.bytes = message_bytes + self.rows * ROW_BYTES
        self._last_seq = 0
        self._stored: dict[str, int] = {}  # by the centre, and not to be deleted now

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows, then shed what is too much."""
        added = sum(len(row.envelope) + ROW_BYTES for row in rows)
        with self._database:
            self._database.executemany(ADD, [(r.lane, r.leaf, r.envelope) for r in rows])
            shed = self._shed(self.bytes + added - self._max_bytes)
        self.rows += len(rows) - len(shed)
        self.bytes += added - sum(size for _, size in shed)
        self.dropped.update(f"spool_full_{leaf}" for leaf, _ in shed)

    def _shed(self, too_many_bytes: int) -> list[tuple[str, int]]:
        shed: list[tuple[str, int]] = []
        if too_many_bytes <= 0:
            return shed
        ids = []
        for row_id, leaf, message_bytes in self._least_valuable_first():
            ids.append((row_id,))
            shed.append((leaf, message_bytes + ROW_BYTES))
            too_many_bytes -= message_bytes + ROW_BYTES
            if too_many_bytes <= 0:
                break
        self._database.executemany(REMOVE, ids)
        return shed

    def _least_valuable_first(self) -> Iterator[tuple[int, str, int]]:
        for lane in range(LAST_LANE, FIRST_LANE, -1):
            yield from self._database.execute(OF_LANE, (lane,))
        # Lowest numbers first, so that the floor rises and no hole appears.
        yield from self._database.execute(OF_BOOTS, (self.boot,))
        yield from self._database.execute(OF_LANE, (FIRST_LANE,))

    def pending(self, limit: int, skip: Container[tuple[str, int]]) -> list[Numbered]:
        """Return the first `limit` messages in sending order, without those in `skip`.

        Those that had no number get one, which is kept. Where nothing can be written, only those
        are returned that have one.
        """
        keys = self._numbered(limit)
        if len(keys) < limit:
            try:
                keys += self._number(limit - len(keys))
            except sqlite3.OperationalError as error:
                log.debug("numbering_failed", extra={"why": str(error)})
        wanted = ((row_id, boot, seq) for row_id, boot, seq in keys if (boot, seq) not in skip)
        return list(self._read(wanted))

    def _numbered(self, limit: int) -> list[tuple[int, str, int]]:
        rows = self._database.execute(NUMBERED, (self.boot, limit)).fetchall()
        return [key for key in rows if key[2] > self._stored.get(key[1], 0)]

    def _number(self, limit: int) -> list[tuple[int, str, int]]:
        waiting = self._database.execute(WAITING, (limit,)).fetchall()
        first = self._last_seq + 1
        keys = [(row_id, self.boot, seq) for seq, (row_id,) in enumerate(waiting, first)]
        if keys:
            with self._database:
                self._database.executemany(NUMBER, [(boot, seq, i) for i, boot, seq in keys])
            self._last_seq += len(keys)
        return keys

    def _read(self, keys: Iterator[tuple[int, str, int]]) -> Iterator[Numbered]:
        floors: dict[str, int] = {}
        for row_id, boot, seq in keys:
            if boot not in floors:
                (floors[boot],) = self._one(FLOOR, boot, self._stored.get(boot, 0))
            leaf, data = self._one(READ, row_id)
            try:
                envelope = decode_envelope(data)
            except CodecError as error:  # written by a version that meant something else by it
                self._drop_unreadable(row_id, leaf, len(data), str(error))
                continue
            travelling = msgspec.structs.replace(envelope, boot=boot, seq=seq, floor=floors[boot])
            yield Numbered(boot, seq, leaf, encode(travelling))

    def _drop_unreadable(self, row_id: int, leaf: str, message_bytes: int, why: str) -> None:
        log.warning("spooled_message_unreadable", extra={"leaf": leaf, "why": why})
        with self._database:
            self._database.execute(REMOVE, (row_id,))
        self.rows -= 1
        self.bytes -= message_bytes + ROW_BYTES
        self.dropped[f"spool_unreadable_{leaf}"] += 1

    def forget(self, boot: str, upto: int) -> None:
        """Delete what the centre has stored."""
        rows, message_bytes = self._one(FORGOTTEN, boot, upto)
        if not rows:
            return
        self._stored[boot] = upto  # stands if the deletion fails
        with self._database:
            self._database.execute(FORGET, (boot, upto))
        del self._stored[boot]
        self.rows -= rows
        self.bytes -= message_bytes + rows * ROW_BYTES

    def remember_order(self, order: Remembered, now_ns: int) -> int | None:
        """Remember an order; return when the latest one before it of its isolation was issued.

        Expired nonces are forgotten only when there is no room: a clock that was set back would
        make their orders valid again. One that was never finished, since we ended in the middle, is
        taken once more and not again: it may be what we ended of.

        Returns:
            0 where none was, or the order is of no isolation; None: it was seen before, or there
            is no room for it.
        """
        with self._database:
            (known,) = self._one(NONCE_COUNT)
            if known >= MAX_NONCES:
                known -= self._database.execute(NONCE_PRUNE, (now_ns,)).rowcount
                self._database.execute(UNFINISHED_PRUNE)
            if known >= MAX_NONCES:
                return None
            added = self._database.execute(NONCE_ADD, (order.nonce, order.expires_ns))
            if added.rowcount == 1:
                self._database.execute(UNFINISHED_ADD, (order.nonce,))
            elif self._database.execute(UNFINISHED_END, (order.nonce,)).rowcount != 1:
                return None
            if order.isolation_id is None:
                return 0
            latest_ns: int = self._one(LATEST, order.isolation_id)[0]
            latest = (order.isolation_id, max(latest_ns, order.issued_ns))
            self._database.execute(LATEST_NOTE, latest)
            self._database.execute(LATEST_PRUNE, (MAX_ORDERED,))
            return latest_ns

    def finish_order(self, nonce: str) -> None:
        """Remember that an order was answered for good."""
        with self._database:
            self._database.execute(UNFINISHED_END, (nonce,))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _one(self, statement: str, *values: str | int) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._database.execute(statement, values).fetchone()
        return row


def open_database(path: Path, max_bytes: int) -> sqlite3.Connection:
    """Open a database, or start a new one; a file that is none is set aside.

    Raises:
        SpoolError: The file cannot be opened or written, or another process holds it.
    """
    try:
        return _connect(path, max_bytes)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in NO_DATABASE:
            message = f"spool {path}: {error}"
            raise SpoolError(message) from error
        kept = _set_aside(path)
        told = {"path": str(path), "kept": str(kept), "why": str(error)}
        log.error("spool_corrupt", extra=told)  # noqa: TRY400
        return _connect(path, max_bytes)


def _connect(path: Path, max_bytes: int) -> sqlite3.Connection:
    # Two agents on one outbox would give out the same numbers: hence the exclusive lock.
    database = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        _check(database)
        database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        # The last defence of the disk; messages are shed long before.
        database.execute(f"PRAGMA max_page_count = {(2 * max_bytes + WAL_BYTES) // PAGE_BYTES}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found in (0, FORMAT) and verdict == "ok":
        return
    error = sqlite3.DatabaseError(f"format {found}, {verdict}")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def _set_aside(path: Path) -> Path:
    """Rename the file, over the newest of a few earlier ones if need be."""
    kept = [path.with_name(f"{path.name}.corrupt-{n}") for n in range(1, MOST_SET_ASIDE + 1)]
    target = next((k for k in kept if not k.exists()), kept[-1])
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    return target
