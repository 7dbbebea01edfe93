"""A sender inside the kernel: a small BPF program that puts frames on a link, at an even rate.

It runs as the kernel's own test of XDP programs does, on live frames (Linux 5.18 and later): no
system call and no socket for each frame, which is all that a core had time for.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import socket
import struct
import time
from contextlib import ExitStack, suppress
from itertools import chain
from typing import Final

import numpy as np

from agent.records import I64, U8

FRAME_BYTES: Final = 200  # of the longest frame
_SYSCALL: Final = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _PROG_LOAD, _PROG_TEST_RUN, _LINK_CREATE = 0, 5, 10, 28
_ARRAY, _MMAPABLE = 2, 1 << 10
_XDP, _XDP_ATTACHED = 6, 37
_LIVE_FRAMES: Final = 2
_AT_ONCE: Final = 64  # frames, then the other end takes them in; its queue holds 256
_DROP, _PASS = 1, 2
_LOOKUP, _KTIME, _REDIRECT, _ADJUST_TAIL = 1, 5, 23, 65  # helpers
_NS: Final = 1_000_000_000
_AGAIN_S: Final = 0.01  # an alarm that comes before the kernel has begun ends nothing
_SIOCETHTOOL, _SET_GRO = 0x8946, 0x2C
_ERROR_BYTES: Final = 1 << 16

_R0, _R1, _R2, _R3, _R4, _R6, _R7, _R8, _R9, _STACK = 0, 1, 2, 3, 4, 6, 7, 8, 9, 10


class KernelError(Exception):
    """The kernel refuses; the message is one line."""


class Injector:
    """Puts frames on one end of a veth pair, from where they arrive at the other.

    Raises:
        KernelError: The kernel has no such tests, or no permission.
    """

    def __init__(self, interface: str, peer: str, frames: U8, lengths: I64) -> None:
        """Prepare.

        Args:
            interface: Where frames go out.
            peer: The other end; packets of one flow are not joined there (GRO), and frames come
                in by the driver's fast path, which it opens for an XDP program only.
            frames: Shape (n, FRAME_BYTES); what lies behind a frame's end does not matter.
            lengths: Of each frame, shape (n,).
        """
        self._interface = socket.if_nametoindex(interface)
        self._count = len(frames)
        with ExitStack() as opened:
            self._opened = opened
            passing = self._keep(_load(_insn(0xB7, _R0, value=_PASS) + _insn(0x95)))
            attach = struct.pack(
                "<IIII32x", passing, socket.if_nametoindex(peer), _XDP_ATTACHED, 0
            )
            self._keep(_bpf(_LINK_CREATE, attach))
            _join_no_packets(peer)
            self._state = self._keep(_array(8 * 2, 1))  # frames sent, and since when
            self._frames = self._keep(_array(8 + FRAME_BYTES, self._count))
            self._sent = np.frombuffer(mmap.mmap(self._state, mmap.PAGESIZE), np.int64)
            size = self._count * (8 + FRAME_BYTES)
            table = np.frombuffer(mmap.mmap(self._frames, size), np.uint8).reshape(self._count, -1)
            table[:, 8:] = frames
            table[:, :8] = (lengths - FRAME_BYTES).astype("<i8").view(np.uint8).reshape(-1, 8)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let everything go."""
        self._opened.close()

    def send(self, frames_per_s: float, seconds: float) -> dict[str, float]:
        """Send over and over; what cannot be sent in time is left out, and told.

        Args:
            frames_per_s: At most 2 billion; 0: as fast as it goes.
            seconds: For how long.
        """
        program = _load(self._program(int(frames_per_s) or 2**31 - 1))
        self._sent[:2] = 0, time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        blank = ctypes.create_string_buffer(FRAME_BYTES)
        order = struct.pack(
            "<IIIIQQIIIIQQIII", program, 0, FRAME_BYTES, 0, ctypes.addressof(blank), 0,
            2**32 - 1, 0, 0, 0, 0, 0, _LIVE_FRAMES, 0, _AT_ONCE,
        )  # fmt: skip
        signal.signal(signal.SIGALRM, lambda *_: None)  # what ends it
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
        with suppress(InterruptedError):
            _bpf(_PROG_TEST_RUN, order)
        signal.setitimer(signal.ITIMER_REAL, 0)
        taken_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(self._sent[1])
        os.close(program)
        return {"sent": int(self._sent[0]), "seconds": taken_ns / _NS}

    def _keep(self, descriptor: int) -> int:
        self._opened.callback(os.close, descriptor)
        return descriptor

    def _program(self, frames_per_s: int) -> bytes:
        """Return what runs for each frame: wait until one is due, fill it in, send it on."""
        return b"".join(
            chain(
                [_insn(0xBF, _R6, _R1), _insn(0x62, _STACK, offset=-4, value=0)],
                _looked_up(self._state),
                [
                    _insn(0xBF, _R7, _R0),
                    _insn(0x79, _R8, _R7),  # sent
                    _insn(0x85, value=_KTIME),
                    _insn(0x79, _R1, _R7, 8),
                    _insn(0x1F, _R0, _R1),
                    _insn(0x27, _R0, value=frames_per_s),
                    _insn(0xBF, _R1, _R8),
                    _insn(0x27, _R1, value=_NS),
                    _insn(0x2D, _R0, _R1, 2),  # due
                    *_left(_DROP),
                    _insn(0xBF, _R9, _R8),
                    _insn(0x97, _R9, value=self._count),
                    _insn(0x63, _STACK, _R9, -4),
                ],
                _looked_up(self._frames),
                [
                    _insn(0x61, _R1, _R6, 0),
                    _insn(0x61, _R2, _R6, 4),
                    _insn(0xBF, _R3, _R1),
                    _insn(0x07, _R3, value=FRAME_BYTES),
                    _insn(0xBD, _R3, _R2, 2),  # within the packet, as the verifier wants to see
                    *_left(_DROP),
                ],
                chain.from_iterable(
                    (_insn(0x79, _R4, _R0, 8 + at), _insn(0x7B, _R1, _R4, at))
                    for at in range(0, FRAME_BYTES, 8)
                ),
                [
                    _insn(0x79, _R2, _R0),
                    _insn(0xBF, _R1, _R6),
                    _insn(0x85, value=_ADJUST_TAIL),
                    _insn(0x07, _R8, value=1),
                    _insn(0x7B, _R7, _R8),
                    _insn(0xB7, _R1, value=self._interface),
                    _insn(0xB7, _R2, value=0),
                    _insn(0x85, value=_REDIRECT),
                    _insn(0x95),
                ],
            )
        )


def _insn(code: int, to: int = 0, of: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, of << 4 | to, offset, value)


def _left(verdict: int) -> list[bytes]:
    return [_insn(0xB7, _R0, value=verdict), _insn(0x95)]


def _looked_up(table: int) -> list[bytes]:
    """Point r0 to the entry of an array whose number lies on the stack."""
    return [
        _insn(0x18, _R1, 1, value=table),
        _insn(0),
        _insn(0xBF, _R2, _STACK),
        _insn(0x07, _R2, value=-4),
        _insn(0x85, value=_LOOKUP),
        _insn(0x55, _R0, offset=2),
        *_left(_DROP),
    ]


def _load(code: bytes) -> int:
    text, licence = (
        ctypes.create_string_buffer(code, len(code)),
        ctypes.create_string_buffer(b"GPL"),
    )
    log = ctypes.create_string_buffer(_ERROR_BYTES)
    places = ctypes.addressof(text), ctypes.addressof(licence)
    order = struct.pack(
        "<IIQQIIQII16sII", _XDP, len(code) // 8, *places, 1, _ERROR_BYTES, ctypes.addressof(log),
        0, 0, b"bench", 0, _XDP_ATTACHED,
    )  # fmt: skip
    return _bpf(_PROG_LOAD, order)


def _array(entry_bytes: int, entries: int) -> int:
    return _bpf(_MAP_CREATE, struct.pack("<IIIII", _ARRAY, 4, entry_bytes, entries, _MMAPABLE))


def _bpf(command: int, order: bytes) -> int:
    space = ctypes.create_string_buffer(order, max(len(order), 128))
    number = _SYSCALL.get(platform.machine())
    if number is None:
        message = f"live: not on a {platform.machine()}"
        raise KernelError(message)
    done: int = ctypes.CDLL(None, use_errno=True).syscall(number, command, space, len(order))
    if done >= 0:
        return done
    code = ctypes.get_errno()
    if code == errno.EINTR:
        raise InterruptedError
    message = f"live: the kernel sends no frames from BPF ({os.strerror(code)}): Linux 5.18 does"
    raise KernelError(message)


def _join_no_packets(interface: str) -> None:
    value = ctypes.create_string_buffer(struct.pack("II", _SET_GRO, 0))
    request = struct.pack("16sQ16x", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
