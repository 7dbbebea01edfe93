"""Capture files: pcap and pcapng, of either byte order, plain or gzip."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from agent.capture import classic, link, pcapng
from agent.capture.bytestream import ByteStream
from agent.capture.columns import at_every_byte, parts_of
from agent.capture.cut import MAX_FRAME_BYTES, SLACK_BYTES, Cut, Records
from agent.errors import CaptureError
from agent.records import I32, NO_VLAN, U8, FrameBatch

_CHUNK_END = 5 << 20  # about as many frames of ordinary length as a batch takes
_WRITTEN_AT_ONCE = 16_384  # frames
_RECORD_BYTES = 16
_ADDRESS_BYTES = 12  # of an Ethernet header; a VLAN tag comes behind them
_VLAN_ETHERTYPE = 0x8100


class PcapReader:
    """Reads one capture file; iterate over it once.

    Damage ends the capture where it is, and `truncated` tells of it. Frames of other link types
    get an Ethernet header. A batch stays valid for as long as it is kept.

    Attributes:
        ports: Names of the bridge ports seen so far; pcapng files may add some on the way.
        truncated: After the last batch: a sentence about the cut, or None.

    Raises:
        CaptureError: The file is no capture, cannot be read, or has frames of a link type that
            cannot be read; one line that starts with the file's name.
    """

    def __init__(self, path: Path, batch_frames: int = 16_384) -> None:
        self._path = path
        self._batch_frames = batch_frames
        self.truncated: str | None = None
        self._stream = ByteStream(path)
        try:
            self._head, self._head_position, self._records = self._recognise()
        except CaptureError:
            self._stream.close()
            raise

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the bridge ports seen so far."""
        return self._records.ports

    @property
    def bytes_read(self) -> int:
        """How much of the file was read, compressed as it may be."""
        return self._stream.bytes_read

    @property
    def total_bytes(self) -> int:
        """The file's size."""
        return self._stream.total_bytes

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[FrameBatch]:
        """Yield batches of at most `batch_frames` frames, in the file's order."""
        rest: U8 = np.frombuffer(self._head, np.uint8)
        position = self._head_position
        ended = False
        while not ended or len(rest):
            data, end = self._chunk(rest)
            ended = end < _CHUNK_END
            frames, after, self.truncated = self._cut(data, end, position)
            yield from parts_of(frames, self._batch_frames)
            position += after - SLACK_BYTES
            rest = data[after:end]
            skipped = self._skip(after - end)
            if self.truncated is not None:
                return
            if not skipped or (ended and SLACK_BYTES == after < end):
                self.truncated = f"the file ends inside what starts at byte {position}"
                break
        if self._stream.broken is not None:
            self.truncated = f"{self._stream.broken}, at byte {position} of what they hold"

    def _chunk(self, rest: U8) -> tuple[U8, int]:
        """Return a new buffer with the rest of the last one and as much more of the file."""
        data = np.empty(_CHUNK_END + SLACK_BYTES, np.uint8)
        begin = SLACK_BYTES + len(rest)
        data[SLACK_BYTES:begin] = rest
        end = begin + self._stream.fill(data.data[begin:_CHUNK_END])
        data[end : end + SLACK_BYTES] = 0
        return data, end

    def _cut(self, data: U8, end: int, position: int) -> Cut:
        try:
            return self._records.cut(data, SLACK_BYTES, end, position)
        except CaptureError as error:
            message = f"{self._path}: {error}"
            raise CaptureError(message) from error

    def _skip(self, count: int) -> bool:
        """Skip bytes of the file; tell whether there were as many."""
        waste = memoryview(bytearray(min(max(count, 0), _CHUNK_END)))
        while count > 0:
            skipped = self._stream.fill(waste[:count])
            if skipped == 0:
                return False
            count -= skipped
        return True

    def _recognise(self) -> tuple[bytes, int, Records]:
        """Return bytes that belong to the first record, their position, and what reads them."""
        space = bytearray(classic.HEADER_BYTES)
        head = bytes(space[: self._stream.fill(memoryview(space))])
        try:
            if classic.is_classic(head):
                return b"", len(head), classic.ClassicRecords(head)
            if pcapng.is_pcapng(head):
                return head, 0, pcapng.PcapngBlocks()
        except CaptureError as error:
            message = f"{self._path}: {error}"
            raise CaptureError(message) from error
        why = "the file is empty" if self._stream.total_bytes == 0 else "not a pcap or pcapng file"
        message = f"{self._path}: {self._stream.broken or why}"
        raise CaptureError(message)


def read_frames(path: Path, batch_frames: int = 16_384) -> Iterator[FrameBatch]:
    """Yield the frames of a capture file; PcapReader tells also what became of the file.

    Raises:
        CaptureError: As by PcapReader.
    """
    with PcapReader(path, batch_frames) as reader:
        yield from reader


def write_frames(path: Path, batches: Iterable[FrameBatch]) -> None:
    """Write frames to a pcap file with nanoseconds; tags that the kernel took off are put back."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, MAX_FRAME_BYTES, link.ETHERNET))
        for batch in batches:
            for part in parts_of(batch, _WRITTEN_AT_ONCE):
                file.write(_packed(part).data)


def _packed(frames: FrameBatch) -> U8:
    """Return the records of frames as they stand in a file, copied by groups of equal length."""
    tagged = (frames.vlan_tci != NO_VLAN) & (frames.captured_bytes >= _ADDRESS_BYTES)
    grown = tagged * np.int64(4)
    body_bytes = frames.captured_bytes + grown
    heads = np.empty((len(frames), 4), "<u4")
    heads[:, 0], heads[:, 1] = np.divmod(frames.time_ns, 1_000_000_000)
    heads[:, 2], heads[:, 3] = body_bytes, frames.wire_bytes
    ends = np.cumsum(body_bytes + _RECORD_BYTES)
    starts = ends - body_bytes - _RECORD_BYTES
    packed = np.empty(int(ends[-1]), np.uint8)
    packed_heads = at_every_byte(packed, f"V{_RECORD_BYTES}")
    packed_heads[starts] = heads.view(packed_heads.dtype).ravel()
    key = frames.captured_bytes.astype(np.int64) * 2 + tagged
    for group in np.unique(key[key > 0]).tolist():
        rows = np.flatnonzero(key == group)
        bodies = at_every_byte(frames.data, f"V{group // 2}")[frames.offset[rows]]
        if group % 2:
            bodies = _tagged(bodies, frames.vlan_tci[rows])
        at_every_byte(packed, bodies.dtype.str)[starts[rows] + _RECORD_BYTES] = bodies
    return packed


def _tagged(bodies: NDArray[np.void], tci: I32) -> NDArray[np.void]:
    untagged = bodies.view(np.uint8).reshape(len(bodies), -1)
    tags = np.empty((len(bodies), 2), ">u2")
    tags[:, 0], tags[:, 1] = _VLAN_ETHERTYPE, tci
    parts = untagged[:, :_ADDRESS_BYTES], tags.view(np.uint8), untagged[:, _ADDRESS_BYTES:]
    return np.concatenate(parts, axis=1).view(f"V{bodies.itemsize + 4}").ravel()
