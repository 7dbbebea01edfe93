"""The bytes of a file, unpacked where they are gzip, in pieces of the caller's size."""

import os
import zlib
from pathlib import Path

from agent.errors import CaptureError

_GZIP = b"\x1f\x8b"
_PACKED_BYTES = 1 << 15  # of compressed input held at once
_UNPACKED_BYTES = 1 << 18  # that one call may make of it: a gzip bomb stays this small


class ByteStream:
    """Reads a file from its start; compression is told by content, never by name.

    Attributes:
        total_bytes: The file's size on disk; 0 for pipes.
        bytes_read: How much of it was read.
        broken: A sentence about damage that ended the stream early, or None.

    Raises:
        CaptureError: The file cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes_read = 0
        self.broken: str | None = None
        try:
            self._file = path.open("rb", buffering=0)
            self.total_bytes = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self._unreadable(error) from error
        self._unpacker = _unpacker()
        try:
            self._pending = self._read(len(_GZIP))
        except CaptureError:
            self.close()
            raise
        self._step = self._unpack if self._pending == _GZIP else self._copy

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()

    def fill(self, into: memoryview) -> int:
        """Fill a buffer.

        Args:
            into: A writable view of bytes.

        Returns:
            The number of bytes filled in: less than asked for at the end of the stream only.

        Raises:
            CaptureError: The file cannot be read.
        """
        filled = 0
        while filled < len(into) and (count := self._step(into[filled:])):
            filled += count
        return filled

    def _copy(self, into: memoryview) -> int:
        if self._pending:
            count = min(len(into), len(self._pending))
            into[:count] = self._pending[:count]
            self._pending = self._pending[count:]
            return count
        try:
            count = self._file.readinto(into) or 0
        except OSError as error:
            raise self._unreadable(error) from error
        self.bytes_read += count
        return count

    def _unpack(self, into: memoryview) -> int:
        while self.broken is None and (not self._unpacker.eof or self._next_member()):
            packed = self._pending or self._read(_PACKED_BYTES)
            try:
                piece = self._unpacker.decompress(packed, min(len(into), _UNPACKED_BYTES))
            except zlib.error as error:
                self.broken = f"the gzip data are damaged ({error})"
                break
            self._pending = self._unpacker.unconsumed_tail
            if piece:
                into[: len(piece)] = piece
                return len(piece)
            if not packed and not self._unpacker.eof:
                self.broken = "the gzip data end early"
        return 0

    def _next_member(self) -> bool:
        rest = self._unpacker.unused_data
        while len(rest) < len(_GZIP) and (more := self._read(_PACKED_BYTES)):
            rest += more
        if rest.startswith(_GZIP):
            self._unpacker, self._pending = _unpacker(), rest
            return True
        if rest.strip(b"\0"):  # tapes pad with zeros, and gzip allows it
            self.broken = "what follows the gzip data is not gzip"
        return False

    def _read(self, count: int) -> bytes:
        try:
            piece = self._file.read(count) or b""
        except OSError as error:
            raise self._unreadable(error) from error
        self.bytes_read += len(piece)
        return piece

    def _unreadable(self, error: OSError) -> CaptureError:
        return CaptureError(f"{self._path}: cannot be read: {error.strerror or error}")


def _unpacker() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
