"""What a terminal showed, as asciicast v2: a file that players replay. Keys are not recorded."""

import codecs
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from aggregator.shapes import NS_PER_S
from aggregator.store.audit import audit
from aggregator.store.database import Database
from aggregator.store.terminals import (
    Forgotten,
    NewTerminal,
    add_terminal,
    close_terminal,
    close_terminals,
    forget_terminals,
)
from aggregator.store.users import SessionUser

FOLDER: Final = "terminals"
SUFFIX: Final = ".cast"
MOST_BYTES: Final = 16 * 2**20  # of one recording
KEPT: Final = 200  # of each organization; with the next one, the oldest goes


class Recording:
    """Writes a recording while it happens. What people type shows only where the device echoes it.

    Args:
        path: Of a file that is not there yet.
        rows: Of the window.
        columns: Of the window.
    """

    def __init__(self, path: Path, rows: int, columns: int) -> None:
        self._began_s = time.monotonic()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._bytes = 0
        self.reason = "the client left"  # why it ended, until somebody knows better
        now_s = time.time_ns() // NS_PER_S
        self._line({"version": 2, "width": columns, "height": rows, "timestamp": now_s})

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    @property
    def is_full(self) -> bool:
        """Whether no more fits in."""
        return self._bytes >= MOST_BYTES

    def show(self, data: bytes) -> str:
        """Record what the device sent; return it as text, without a character that is cut off."""
        text = self._decoder.decode(data)
        self._event("o", text)
        return text

    def resize(self, rows: int, columns: int) -> None:
        """Record that the window changed."""
        self._event("r", f"{columns}x{rows}")

    def _event(self, kind: str, data: str) -> None:
        if data and not self.is_full:
            self._line([round(time.monotonic() - self._began_s, 6), kind, data])

    def _line(self, what: object) -> None:
        line = msgspec.json.encode(what) + b"\n"
        self._bytes += len(line)
        self._file.write(line)
        self._file.flush()


class Recordings:
    """Keeps recordings as files, and in the store who made them.

    Args:
        database: The store.
        folder: Of the files.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    async def settle(self) -> None:
        """Close what was open when we ended."""
        await self._database.write(close_terminals(time.time_ns()))

    @contextlib.asynccontextmanager
    async def record(
        self, who: SessionUser, device_id: str, ssh_username: str, size: tuple[int, int]
    ) -> AsyncIterator[Recording]:
        """Record a terminal of so many rows and columns from now on; who and why go into the audit."""
        new = NewTerminal(
            terminal_id=secrets.token_hex(16),
            organization=who.organization,
            device_id=device_id,
            user_id=who.id,
            username=who.username,
            ssh_username=ssh_username,
            opened_ns=time.time_ns(),
        )
        told = {"terminal_id": new.terminal_id, "ssh_username": ssh_username}
        await self._database.write(
            add_terminal(new),
            audit(who, "terminal.open", device_id, now_ns=new.opened_ns, after=told),
        )
        recording = Recording(self.path(new.terminal_id), *size)
        try:
            with contextlib.closing(recording):
                yield recording
        finally:
            await self._finish(who, new, recording.reason)

    def path(self, terminal_id: str) -> Path:
        """Return where a recording lies."""
        return self._folder / f"{terminal_id}{SUFFIX}"

    async def _finish(self, who: SessionUser, new: NewTerminal, reason: str) -> None:
        now_ns = time.time_ns()
        await self._database.write(
            close_terminal(new, reason, now_ns),
            audit(who, "terminal.close", new.device_id, now_ns=now_ns, detail=reason),
        )
        forget = forget_terminals(new.organization, KEPT)
        for old in await self._database.change(Forgotten, forget):
            self.path(old.terminal_id).unlink(missing_ok=True)
