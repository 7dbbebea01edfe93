"""Which source of frames the settings, or the command line, choose."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.capture import FrameSource
from agent.capture.player import Player
from agent.config import CaptureConfig
from agent.errors import CaptureError


@contextmanager
def chosen_source(
    capture: CaptureConfig, replay: Path | None, speed: float | None
) -> Iterator[FrameSource]:
    """Open where frames come from.

    Args:
        capture: The settings.
        replay: A capture to play instead; None: the network.
        speed: How many times faster than recorded it is played; None: as fast as possible.

    Raises:
        CaptureError: It cannot be opened, or no interface is named.
    """
    if replay is not None:
        with Player(replay, speed, now=True) as player:
            yield player
        return
    if not capture.interfaces:
        message = "no interface to capture on: set interfaces in [capture], or give --replay FILE"
        raise CaptureError(message)
    # Imported late: scapy takes a second and playing a file needs neither.
    if capture.source == "ring":
        from agent.capture.ring import RingSource  # noqa: PLC0415

        with RingSource(capture.interfaces, capture.ring_slots, capture.bpf) as ring:
            yield ring
    else:
        from agent.capture.scapy_source import ScapySource  # noqa: PLC0415

        with ScapySource(capture.interfaces, capture.bpf) as scapy:
            yield scapy
