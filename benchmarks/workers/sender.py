"""Sends the small frames of a capture on an interface, at an even rate, over and over.

Usage: python -m benchmarks.workers.sender INTERFACE FILE FRAMES_PER_S SECONDS (a rate of 0: as fast as it goes)
"""

import ctypes
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from agent.capture.pcap import read_frames
from agent.records import U8

MOST_FRAMES: Final = 524_288  # distinct ones
MOST_BYTES: Final = 200  # of a frame
AT_ONCE: Final = 128  # frames in a system call
_PAUSE_S: Final = 0.0002
_SOL_PACKET, _QDISC_BYPASS = 263, 20
_HEADER_WORDS: Final = 8  # of struct mmsghdr


class Sender:
    """Frames in memory, as sendmmsg wants them."""

    def __init__(self, interface: str, frames: list[U8]) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _QDISC_BYPASS, 1)
        self._socket.bind((interface, 0))
        self._send = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
        self._data = np.concatenate(frames)
        lengths = np.array([len(frame) for frame in frames], np.uint64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.uint64)
        base = np.uint64(self._data.ctypes.data)
        self._vectors = np.stack([starts + base, lengths], axis=1)
        self._headers = np.zeros((len(frames), _HEADER_WORDS), np.uint64)
        vectors_at = self._vectors.ctypes.data
        self._headers[:, 2] = np.arange(len(frames), dtype=np.uint64) * np.uint64(16) + np.uint64(
            vectors_at
        )
        self._headers[:, 3] = 1
        self._next = 0

    def send(self, count: int) -> int:
        """Send at most so many frames; return how many went out."""
        count = min(count, AT_ONCE, len(self._headers) - self._next)
        place = self._headers.ctypes.data + self._next * _HEADER_WORDS * 8
        sent = int(self._send(self._socket.fileno(), place, count, 0))
        if sent < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._next = (self._next + sent) % len(self._headers)
        return sent


def small_frames(path: Path) -> list[U8]:
    """Return the first small frames of a capture."""
    found: list[U8] = []
    for frames in read_frames(path):
        for row in np.flatnonzero(frames.captured_bytes <= MOST_BYTES).tolist():
            begin = int(frames.offset[row])
            found.append(frames.data[begin : begin + int(frames.captured_bytes[row])])
        if len(found) >= MOST_FRAMES:
            break
    return found[:MOST_FRAMES]


def transmit(sender: Sender, frames_per_s: float, seconds: float) -> dict[str, float]:
    """Send evenly; what the machine cannot send in time is left out, and told."""
    sent, begin_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - begin_s) < seconds:
        due = int(frames_per_s * elapsed_s) - sent if frames_per_s else AT_ONCE
        if due > 0:
            sent += sender.send(due)
        else:
            time.sleep(_PAUSE_S)
    return {"sent": sent, "seconds": elapsed_s}


def main() -> None:
    """Send, and tell how much."""
    interface, path, frames_per_s, seconds = sys.argv[1:]
    sender = Sender(interface, small_frames(Path(path)))
    told = transmit(sender, float(frames_per_s), float(seconds))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
