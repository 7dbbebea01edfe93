"""Sends the small frames of a capture over a veth pair, at an even rate, over and over.

Usage: python -m benchmarks.workers.sender INTERFACE PEER FILE FRAMES_PER_S SECONDS (a rate of 0: as fast as it goes)
"""

import json
import sys
from pathlib import Path
from typing import Final

import numpy as np

from agent.capture.pcap import read_frames
from agent.records import I64, U8
from benchmarks.xdp import FRAME_BYTES, Injector, KernelError

MOST_FRAMES: Final = 524_288  # distinct ones


def small_frames(path: Path) -> tuple[U8, I64]:
    """Return the first small frames of a capture, shape (n, FRAME_BYTES), and their lengths."""
    found: list[U8] = []
    lengths: list[I64] = []
    column = np.arange(FRAME_BYTES)
    for frames in read_frames(path):
        rows = np.flatnonzero(frames.captured_bytes <= FRAME_BYTES)
        places = frames.offset[rows, None] + column
        found.append(frames.data.take(places, mode="clip"))
        lengths.append(frames.captured_bytes[rows].astype(np.int64))
        if sum(map(len, lengths)) >= MOST_FRAMES:
            break
    return np.concatenate(found)[:MOST_FRAMES], np.concatenate(lengths)[:MOST_FRAMES]


def main() -> None:
    """Send, and tell how much."""
    interface, peer, path, frames_per_s, seconds = sys.argv[1:]
    frames, lengths = small_frames(Path(path))
    try:
        injector = Injector(interface, peer, frames, lengths)
        told = injector.send(float(frames_per_s), float(seconds))
    except KernelError as error:
        sys.exit(str(error))
    injector.close()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
