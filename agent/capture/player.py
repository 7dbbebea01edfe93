"""A capture file played as if it were live: at its recorded speed, or faster."""

import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from agent.capture.pcap import PcapReader
from agent.records import NO_VLAN, FrameBatch

_SLICE_NS: Final = 100_000_000  # frames of so much recorded time are handed over together


class Player:
    """Hands over the frames of a file when their time has come.

    Attributes:
        reader: The file, for its progress and what was cut off.
    """

    def __init__(self, path: Path, speed: float | None, *, now: bool = False) -> None:
        """Open a file.

        Args:
            path: A capture file.
            speed: How many times faster than recorded; None for as fast as it can be read.
            now: Shift all times, so that the first frame is captured now.

        Raises:
            CaptureError: The file is no capture.
        """
        self.reader = PcapReader(path)
        self._speed = speed
        self._now = now
        self._batches = iter(self.reader)
        self._batch: FrameBatch | None = None
        self._at = 0
        self._zero_ns = 0  # the first frame's recorded time
        self._started_s = 0.0
        self._shift_ns = 0
        self._load()
        self._begin()

    @property
    def finished(self) -> bool:
        """Whether all frames were handed over."""
        return self._batch is None

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the recorded interfaces."""
        return self.reader.ports

    @property
    def complete_until_ns(self) -> int:
        """Recorded time stands still between frames."""
        return 0

    @property
    def sampled_one_in(self) -> tuple[int, ...]:
        """Frames of all flows are taken."""
        return ()

    def dropped(self) -> dict[str, int]:
        """Return what was lost: a file loses nothing."""
        return {}

    def wait(self, timeout_s: float) -> None:
        """Sleep until the next frames are due, at most `timeout_s`."""
        due_s = self._due_s()
        if due_s > 0:
            time.sleep(min(due_s, timeout_s))

    def read(self) -> FrameBatch:
        """Return the frames that are due, possibly none; never waits."""
        batch = self._batch
        if batch is None or self._due_s() > 0:
            return _NO_FRAMES
        end = len(batch)
        if self._speed is not None:
            until_ns = int(batch.time_ns[self._at]) + _SLICE_NS
            later = np.flatnonzero(batch.time_ns[self._at :] >= until_ns)
            end = self._at + int(later[0]) if len(later) else end
        frames = _rows(batch, slice(self._at, end), self._shift_ns)
        self._at = end
        if end == len(batch):
            self._load()
        return frames

    def _begin(self) -> None:
        self._started_s = time.monotonic()
        if self._batch is not None:
            self._zero_ns = int(self._batch.time_ns[0])
            self._shift_ns = time.time_ns() - self._zero_ns if self._now else 0

    def _due_s(self) -> float:
        """Return how long until the next frame's time; not positive when it has come."""
        if self._speed is None or self._batch is None:
            return 0.0
        recorded_s = (int(self._batch.time_ns[self._at]) - self._zero_ns) / 1e9
        return self._started_s + recorded_s / self._speed - time.monotonic()

    def _load(self) -> None:
        self._at = 0
        self._batch = next(self._batches, None)
        while self._batch is not None and not len(self._batch):
            self._batch = next(self._batches, None)

    def __enter__(self) -> Self:
        """Return the player itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.reader.close()


def _rows(frames: FrameBatch, rows: slice, shift_ns: int) -> FrameBatch:
    columns = {name: getattr(frames, name)[rows] for name in FrameBatch.__struct_fields__[1:]}
    columns["time_ns"] = np.maximum(columns["time_ns"] + shift_ns, 0)
    return FrameBatch(data=frames.data, **columns)


_NO_FRAMES: Final = FrameBatch(
    data=np.zeros(0, np.uint8),
    offset=np.zeros(0, np.int64),
    captured_bytes=np.zeros(0, np.int32),
    wire_bytes=np.zeros(0, np.int32),
    time_ns=np.zeros(0, np.int64),
    bridge_port=np.zeros(0, np.int16),
    vlan_tci=np.full(0, NO_VLAN, np.int32),
)
