"""Where frames come from: a live ring, scapy, or capture files."""

from collections.abc import Mapping
from typing import Protocol

from agent.records import FrameBatch


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
        """Return what is there, possibly nothing; never waits."""

    def dropped(self) -> Mapping[str, int]:
        """Return how many frames were lost since the start, by reason."""
