"""Packets to windows: one second each, by the packets' own time, in blocks of bounded size."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from agent.records import I64, PacketBatch

WINDOW_NS: Final = 1_000_000_000
_LAST_INDEX: Final = (2**63 - 1) // WINDOW_NS - 1  # so that a window's end is still an int64
STEP_BACK_WINDOWS: Final = 60  # a clock that goes back further was set, it is not a late packet
_MOST_PARTS: Final = 64  # of a block, joined when there are more: single frames cost 9 kB each
_LONGEST_STEP_NS: Final = 7_200_000_000_000  # longer than anything is remembered
_END_OF_TIME_NS: Final = 2**62


class Block(msgspec.Struct, frozen=True, eq=False):
    """Some packets of one window; `closes` marks the window's last block."""

    window_start_ns: int
    packets: PacketBatch | None  # None where all packets of the window went before
    closes: bool


class StreamClock:
    """Time that never goes back, for all that ages: a clock that was set must not freeze memories."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._window_ns = -1

    def at(self, window_start_ns: int) -> int:
        """Return the stream's time in a window; windows must come in the stream's order."""
        if self._window_ns >= 0:
            step_ns = window_start_ns - self._window_ns
            step_ns = WINDOW_NS if step_ns < 0 else min(step_ns, _LONGEST_STEP_NS)
            self._now_ns = min(self._now_ns + step_ns, _END_OF_TIME_NS)
        self._window_ns = window_start_ns
        return self._now_ns


class Windows:
    """Cuts a stream of packets into windows.

    A packet that is older than the open window is counted in the open one (`late`). Blocks are cut at
    fixed numbers of packets from the window's start, so that they do not depend on how packets arrived.
    """

    def __init__(self, block_packets: int) -> None:
        self.late = 0
        self.clock_steps = 0
        self._size = block_packets
        self._index = -1  # of the open window; -1: none is open
        self._parts: list[PacketBatch] = []
        self._held = 0

    def cut(self, packets: PacketBatch) -> Iterator[Block]:
        """Yield the blocks that are complete with these packets."""
        indexes = np.clip(packets.time_ns // WINDOW_NS, 0, _LAST_INDEX)
        at = 0
        while at < len(packets):
            if self._index < 0:
                self._index = int(indexes[at])
            end, index = self._run(indexes, at)
            if end > at:
                self.late += int(np.count_nonzero(indexes[at:end] < self._index))
                yield from self._take(packets.take(slice(at, end)))
                at = end
            else:
                yield self._close()
                self._index = index

    def close_until(self, time_ns: int) -> Iterator[Block]:
        """Close the open window if it ended by `time_ns`; what comes late counts in the next one."""
        if self._index >= 0 and (self._index + 1) * WINDOW_NS <= time_ns:
            yield self._close()
            self._index = min(self._index + 1, _LAST_INDEX)

    def flush(self) -> Iterator[Block]:
        """Close the open window, if there is one."""
        if self._index >= 0:
            yield self._close()
            self._index = -1

    def _run(self, indexes: I64, at: int) -> tuple[int, int]:
        """Return where the open window's packets end, and the window that follows."""
        rest = indexes[at:]
        outside = rest > self._index
        back = rest < self._index - STEP_BACK_WINDOWS
        stop = outside | back
        first = int(stop.argmax())
        if not stop[first]:
            return len(indexes), 0
        self.clock_steps += int(first == 0 and back[0])
        return at + first, int(rest[first])

    def _take(self, packets: PacketBatch) -> Iterator[Block]:
        at = 0
        while at < len(packets):
            end = min(len(packets), at + self._size - self._held)
            self._parts.append(packets.take(slice(at, end)))
            self._held += end - at
            at = end
            if len(self._parts) >= _MOST_PARTS:
                self._parts = [_joined(self._parts)]
            if self._held == self._size:
                yield self._block(closes=False)

    def _close(self) -> Block:
        return self._block(closes=True)

    def _block(self, *, closes: bool) -> Block:
        packets = _joined(self._parts) if self._parts else None
        self._parts, self._held = [], 0
        return Block(self._index * WINDOW_NS, packets, closes)


def _joined(parts: list[PacketBatch]) -> PacketBatch:
    if len(parts) == 1:
        return parts[0]
    names = PacketBatch.__struct_fields__
    return PacketBatch(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )
