"""The frames behind an alert: a ring of recent frames in memory, cut into a pcap when one opens."""

import hashlib
import logging
from collections import deque
from pathlib import Path
from typing import Final

import numpy as np

from agent.capture.columns import no_frames
from agent.capture.pcap import write_frames
from agent.records import I64, U8, Bool, FrameBatch
from contract.messages import EVIDENCE_PART_BYTES, MAX_EVIDENCE_BYTES, EvidencePart

log = logging.getLogger(__name__)

MAX_RING_BYTES: Final = 12 * 1024 * 1024
MAX_SNIPPET_FRAMES: Final = 2000
# With what a pcap adds to a file, a frame and a VLAN tag that the kernel took off.
MAX_SNIPPET_BYTES: Final = MAX_EVIDENCE_BYTES - 24
_FRAME_BYTES: Final = 16 + 4
MAX_FILES: Final = 200
MOST_LOOKED_AT: Final = 4096
_ETHERNET_BYTES: Final = 14


class Evidence:
    """Keeps what was captured last; bounded in bytes, frames and files."""

    def __init__(self, folder: Path, max_ring_bytes: int = MAX_RING_BYTES) -> None:
        """Keep frames in memory, snippets in a folder that is made when it is first needed."""
        self._folder = folder
        self._max_bytes = max_ring_bytes
        self._ring: deque[FrameBatch] = deque()
        self._held = 0

    def append(self, frames: FrameBatch) -> None:
        """Take in frames; the oldest give way."""
        self._ring.append(_compact(frames))
        self._held += len(self._ring[-1].data)
        while self._held > self._max_bytes and len(self._ring) > 1:
            self._held -= len(self._ring.popleft().data)

    def keep(self, name: str, mac: int, since_ns: int) -> str | None:
        """Write the frames from and to a MAC to `name`.pcap, where there are any.

        May be called from another thread than `append`.

        Args:
            name: Of the file, without its ending.
            mac: Of the suspect.
            since_ns: Older frames are left out.

        Returns:
            The file's SHA-256 in hexadecimal; None without frames, or when the disk refuses.
        """
        # What is there now: frames go on arriving on another thread meanwhile.
        chosen = [_of(frames, mac, since_ns) for frames in tuple(self._ring)]
        snippet = _last([frames for frames in chosen if len(frames)])
        if not snippet:
            return None
        path = self._folder / f"{name}.pcap"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room()
            write_frames(path, snippet)
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            log.warning("evidence_lost", extra={"path": str(path), "why": str(error)})
            return None

    def latest(self, mac: int, since_ns: int, until_ns: int, most: int) -> FrameBatch:
        """Return the newest frames from a MAC between two moments, oldest first, possibly none.

        Of a batch the newest MOST_LOOKED_AT in that time are looked at, whatever else there is.
        """
        for frames in reversed(self._ring):
            if len(frames) and frames.time_ns[-1] < since_ns:
                break
            begin, end = np.searchsorted(frames.time_ns, (since_ns, until_ns))
            rows = np.arange(max(begin, end - MOST_LOOKED_AT), end)
            found = _from(frames, rows, mac)[-most:]
            if len(found):
                return _rows(frames, found, frames.data, 0)
        return no_frames(np.zeros(0, np.uint8))

    def parts(self, name: str) -> list[EvidencePart]:
        """Return what `keep` wrote, in pieces that fit the wire; none if it is not kept any more."""
        try:
            data = (self._folder / f"{name}.pcap").read_bytes()
        except OSError:
            return []
        digest = hashlib.sha256(data).hexdigest()
        starts = range(0, len(data), EVIDENCE_PART_BYTES)
        return [
            EvidencePart(
                alert_id=name,
                part=number,
                parts=len(starts),
                sha256=digest,
                data=data[start : start + EVIDENCE_PART_BYTES],
            )
            for number, start in enumerate(starts)
        ]

    def _make_room(self) -> None:
        files = sorted(self._folder.glob("*.pcap"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: max(0, len(files) - MAX_FILES + 1)]:
            path.unlink(missing_ok=True)


def _compact(frames: FrameBatch) -> FrameBatch:
    """Return the frames in no more memory than they need: a file's buffer holds far more."""
    if not len(frames):
        return frames
    begin = int(frames.offset.min())
    end = int((frames.offset + frames.captured_bytes).max())
    if end - begin > len(frames.data) // 2:
        return frames
    return _rows(frames, np.arange(len(frames)), frames.data[begin:end].copy(), begin)


def _of(frames: FrameBatch, mac: int, since_ns: int) -> FrameBatch:
    """Return the frames from or to a MAC."""
    readable = (frames.captured_bytes >= _ETHERNET_BYTES) & (frames.time_ns >= since_ns)
    rows = np.flatnonzero(readable)
    heads = frames.data[frames.offset[rows, None] + np.arange(12)]
    wanted = np.frombuffer(mac.to_bytes(6, "big"), np.uint8)
    mine = (heads[:, :6] == wanted).all(axis=1) | (heads[:, 6:] == wanted).all(axis=1)
    return _rows(frames, rows[mine], frames.data, 0)


def _from(frames: FrameBatch, rows: I64, mac: int) -> I64:
    """Return those of some rows that are frames from a MAC."""
    rows = rows[frames.captured_bytes[rows] >= _ETHERNET_BYTES]
    senders = frames.data[frames.offset[rows, None] + np.arange(6, 12)]
    mine: Bool = (senders == np.frombuffer(mac.to_bytes(6, "big"), np.uint8)).all(axis=1)
    return rows[mine]


def _rows(frames: FrameBatch, rows: I64, data: U8, begin: int) -> FrameBatch:
    columns = {name: getattr(frames, name)[rows] for name in FrameBatch.__struct_fields__[1:]}
    columns["offset"] = columns["offset"] - begin
    return FrameBatch(data=data, **columns)


def _last(batches: list[FrameBatch]) -> list[FrameBatch]:
    """Return the newest frames, oldest first, within MAX_SNIPPET_FRAMES and MAX_SNIPPET_BYTES."""
    kept: list[FrameBatch] = []
    room, room_bytes = MAX_SNIPPET_FRAMES, MAX_SNIPPET_BYTES
    for frames in reversed(batches):
        newest_first = np.cumsum(frames.captured_bytes[::-1].astype(np.int64) + _FRAME_BYTES)
        count = min(room, int(np.searchsorted(newest_first, room_bytes, side="right")))
        kept.append(_rows(frames, np.arange(len(frames) - count, len(frames)), frames.data, 0))
        if count < len(frames) or count == room:
            break
        room -= count
        room_bytes -= int(newest_first[-1])
    return [frames for frames in kept[::-1] if len(frames)]
