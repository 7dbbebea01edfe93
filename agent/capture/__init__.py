"""Where frames come from: a live ring, scapy, or capture files."""

from collections.abc import Mapping
from typing import Final, Protocol

from agent.records import FrameBatch

LATE_NS: Final = 500_000_000  # a frame that was captured so long ago has arrived, or never will


class FrameSource(Protocol):
    """Who hands over frames, in the order of their time."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the bridge ports, in the order of FrameBatch.bridge_port."""

    @property
    def finished(self) -> bool:
        """Whether no more frames will come; never of a live source."""

    def wait(self, timeout_s: float) -> None:
        """Sleep until there are frames to read, at most `timeout_s`."""

    def read(self) -> FrameBatch:
        """Return what is there, possibly nothing; never waits.

        The batch is the reader's: the source never writes to its buffer again.
        """

    @property
    def complete_until_ns(self) -> int:
        """Until when all frames were handed over, while none come; 0 where nobody can know."""

    @property
    def sampled_one_in(self) -> tuple[int, ...]:
        """Of each bridge port: of how many flows the last read took one; () if of every one it did."""

    def dropped(self) -> Mapping[str, int]:
        """Return how many frames were lost since the start, by reason."""
