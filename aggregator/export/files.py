"""A file of lines that others may move away, and that is never larger than it may be."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MODE: Final = 0o640


class FileSink:
    """Appends lines; where the file was moved or removed, a new one is begun.

    Args:
        path: Of the file; its folder must exist.
        max_bytes: Beyond it the file becomes `path`.1, and the one before that is gone.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._descriptor = -1

    async def open(self) -> None:
        """Open the file that is at the path now.

        Raises:
            OSError: It cannot be opened.
        """
        await asyncio.to_thread(self._open)

    async def send(self, lines: Sequence[bytes]) -> None:
        """Append lines.

        Raises:
            OSError: They cannot be written.
        """
        await asyncio.to_thread(self._append, b"".join(line + b"\n" for line in lines))

    async def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _open(self) -> None:
        if self._descriptor >= 0 and self._is_there():
            return
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(self._path, flags | os.O_EXCL)
        except FileExistsError:
            self._descriptor = os.open(self._path, flags)
        else:
            os.fchmod(self._descriptor, _MODE)  # a collector reads it by its group

    def _is_there(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _append(self, data: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and size + len(data) > self._max_bytes:
            self._path.replace(f"{self._path}.1")
            self._open()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            # Half a line would spoil the next one, and all of it is written again.
            size = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, max(size - written, 0))
            raise
