"""Live capture by AF_PACKET rings that are mapped once and read as columns."""

import errno
import fcntl
import mmap
import os
import secrets
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import compress
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np

from agent.capture import LATE_NS
from agent.capture.bpf import attach_filter, compile_filter
from agent.capture.columns import at_every_byte
from agent.capture.sampling import Sampler
from agent.errors import CaptureError
from agent.records import I32, I64, NO_VLAN, SNAP_BYTES, U8, U32, FrameBatch

MAX_FRAMES: Final = 16_384  # a read returns at most so many of each ring
MAX_PORTS: Final = 256
MAX_SLOTS: Final = 131_072  # of all rings together: memory is what a small box has least of

# A slot holds a header of 66 bytes for Ethernet (80 for what has no link header) and the frame.
# 256 bytes would keep 190 of a frame, two fewer than decode looks at: replay and live would differ.
_SLOT_BYTES: Final = 272
_BLOCK_BYTES: Final = 1 << 16
_SLOTS_A_BLOCK: Final = _BLOCK_BYTES // _SLOT_BYTES
_HEADER_BYTES: Final = 32
_GATHER_S: Final = 0.01
_SOON: Final = 0.25  # of a ring: then it is read before its time
_LOOK: Final = 1024  # slots at once

_SOL_PACKET: Final = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _IGNORE_OUTGOING = 1, 5, 6, 10, 23
_TPACKET_V2: Final = 1
_PROMISCUOUS: Final = 1
_ALL_PROTOCOLS: Final = 3
_STATUS_USER, _STATUS_VLAN = 1, 1 << 4
_SIOCGIFHWADDR: Final = 0x8927
_ETHERNET, _LOOPBACK = 1, 772  # ARPHRD_...


class _Waiting(NamedTuple):
    """What lies in a ring, oldest first; columns of shape (n,)."""

    slot: I64  # where it starts in the ring
    frame: I64  # and the frame
    captured_bytes: I32
    wire_bytes: I32
    time_ns: I64
    vlan_tci: I32


class RingSource:
    """Frames as they arrive on some interfaces; interfaces are put into promiscuous mode.

    Of several interfaces, frames are taken where they come in and not where they leave, so that
    a bridge shows each once, at its ingress port. Of a single one, both directions are taken.
    Frames are kept up to SNAP_BYTES. A port whose ring fills up faster than it is read is sampled
    by flow, the others are not. `dropped` may be called from another thread.

    Raises:
        CaptureError: There is no such interface, or no permission; one line with the fix.
    """

    def __init__(self, interfaces: Sequence[str], slots: int = 65_536, bpf: str = "") -> None:
        """Open the rings.

        Args:
            interfaces: Their names.
            slots: Frames that each ring holds, at most MAX_SLOTS among all; rounded up. 65,536 take
                18 MB.
            bpf: Which frames to take, in the words of tcpdump; "" for all.
        """
        self._ports = _checked(interfaces)
        program = compile_filter(bpf)
        slots = min(slots, MAX_SLOTS // len(self._ports))
        self._poll = select.poll()
        self._complete_until_ns = 0
        self._rings: list[_Ring] = []
        with ExitStack() as opened:
            for name in self._ports:
                ring = _Ring(name, slots, program, incoming_only=len(self._ports) > 1)
                opened.callback(ring.close)
                self._rings.append(ring)
                self._poll.register(ring.socket, select.POLLIN)
            self._close = opened.pop_all().close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop capturing; closing twice is fine."""
        self._close()
        self._rings.clear()

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the interfaces, in the order of FrameBatch.bridge_port."""
        return self._ports

    @property
    def finished(self) -> bool:
        """A live source never is."""
        return False

    def dropped(self) -> dict[str, int]:
        """Return how many frames were not taken since the start, by interface.

        `ring_full_` found no room in the ring; `sampled_out_` was left out on purpose.
        """
        return {
            **{f"ring_full_{ring.name}": ring.dropped() for ring in self._rings},
            **{f"sampled_out_{ring.name}": ring.sampler.left_out for ring in self._rings},
        }

    @property
    def complete_until_ns(self) -> int:
        """Until when all frames were handed over, if the last read found none."""
        return self._complete_until_ns

    @property
    def sampled_one_in(self) -> tuple[int, ...]:
        """Of each interface: of how many flows the last read took one."""
        return tuple(ring.sampler.one_in for ring in self._rings)

    def wait(self, timeout_s: float) -> None:
        """Let frames gather for `timeout_s`, or until a ring is a quarter full.

        Raises:
            CaptureError: An interface is gone.
        """
        until_s = time.monotonic() + timeout_s
        if any(self._poll.poll(timeout_s * 1000)):
            for ring in self._rings:
                ring.check()
        # One batch of many frames costs far less than many of a few: poll says too early.
        while (left_s := until_s - time.monotonic()) > 0 and not any(
            ring.filled() >= _SOON for ring in self._rings
        ):
            time.sleep(min(left_s, _GATHER_S))

    def read(self) -> FrameBatch:
        """Return what has arrived, of all interfaces, by time; never waits.

        Where one ring holds more than a batch takes, younger frames of the others stay as well.
        """
        began_ns = time.time_ns()
        for ring in self._rings:
            ring.sampler.adjust(ring.filled())
        waiting = [ring.waiting() for ring in self._rings]
        counts = [len(each.slot) for each in waiting]
        more = [count == ring.at_once for ring, count in zip(self._rings, counts, strict=True)]
        if any(more) and len(waiting) > 1:
            until_ns = min(each.time_ns.max() for each in compress(waiting, more))
            counts = [_count_until(until_ns, each.time_ns) for each in waiting]
        self._complete_until_ns = 0 if any(counts) else began_ns - LATE_NS
        taken = [
            ring.take(each, count)
            for ring, each, count in zip(self._rings, waiting, counts, strict=True)
        ]
        return _merged(taken)


class _Ring:
    """One interface's ring."""

    def __init__(self, name: str, slots: int, program: bytes, *, incoming_only: bool) -> None:
        self.name = name
        self.sampler = Sampler(secrets.randbits(64))
        self._index = _interface_index(name)
        self._drops = 0
        self._next = 0  # slot
        self._barrier = threading.Lock()
        with ExitStack() as opened:
            self.socket = opened.enter_context(_packet_socket())
            try:
                kind = _link_kind(self.socket, name)
                if kind not in {_ETHERNET, _LOOPBACK}:
                    message = f"{name}: not an Ethernet interface"
                    raise CaptureError(message)
                memory, blocks = self._map(slots)
                attach_filter(self.socket, program)
                if incoming_only or kind == _LOOPBACK:
                    self.socket.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
                membership = struct.pack("iHH8x", self._index, _PROMISCUOUS, 0)
                self.socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
                self.socket.bind((name, _ALL_PROTOCOLS))
            except OSError as error:
                message = f"{name}: cannot be captured: {error.strerror or error}"
                raise CaptureError(message) from error
            opened.pop_all()
        self._bytes: U8 = np.frombuffer(memory, np.uint8)
        self._words: U32 = self._bytes.view(np.uint32)
        self._slots = blocks * _SLOTS_A_BLOCK
        self.at_once = min(MAX_FRAMES, self._slots)
        block, slot = np.divmod(np.arange(self._slots), _SLOTS_A_BLOCK)
        places = block * _BLOCK_BYTES + slot * _SLOT_BYTES
        # Twice, so that every stretch of slots is one slice, past the ring's end as well.
        self._places: I64 = np.concatenate([places, places])

    def close(self) -> None:
        """Stop capturing. The memory goes with its last view."""
        self.socket.close()

    def check(self) -> None:
        """Take note of what poll says beside frames.

        Raises:
            CaptureError: The interface is gone.
        """
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code not in {0, errno.ENETDOWN}:
            message = f"{self.name}: cannot be captured any more: {os.strerror(code)}"
            raise CaptureError(message)
        if code and (self._index, self.name) not in socket.if_nameindex():
            message = f"{self.name}: the interface is gone; start again when it is back"
            raise CaptureError(message)

    def dropped(self) -> int:
        """Return how many frames found the ring full since the start."""
        # Reading resets the kernel's counter.
        packed = self.socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        self._drops += struct.unpack("II", packed)[1]
        return self._drops

    def filled(self) -> float:
        """Return how much of the ring waits to be read, in sixteenths, rounded down."""
        ahead = self._places[self._next + np.arange(1, 16) * self._slots // 16]
        return int(np.count_nonzero(self._words[ahead // 4] & _STATUS_USER)) / 16

    def waiting(self) -> _Waiting:
        """Look at what lies in the ring, at most MAX_FRAMES frames; nothing is taken yet."""
        slot = self._ready()
        head = at_every_byte(self._bytes, f"V{_HEADER_BYTES}")[slot]
        words = head.view(np.uint32).reshape(-1, _HEADER_BYTES // 4)
        halves = head.view(np.uint16).reshape(-1, _HEADER_BYTES // 2)
        seconds, nanoseconds = words[:, 4].astype(np.int64), words[:, 5]
        # A tag that the kernel took off was on the wire, and would be among the bytes of a file.
        tagged = words[:, 0] & _STATUS_VLAN > 0
        tag_bytes = np.where(tagged, np.int32(4), np.int32(0))
        return _Waiting(
            slot,
            slot + halves[:, 6],
            np.minimum(words[:, 2].astype(np.int32), SNAP_BYTES - tag_bytes),
            words[:, 1].astype(np.int32) + tag_bytes,
            seconds * 1_000_000_000 + nanoseconds,
            np.where(tagged, halves[:, 12].astype(np.int32), NO_VLAN),
        )

    def take(self, waiting: _Waiting, count: int) -> FrameBatch:
        """Copy the first frames out, each to SNAP_BYTES of the batch, and give their slots back."""
        rows = self.sampler.choose(
            self._bytes, waiting.frame[:count], waiting.captured_bytes[:count]
        )
        frames = at_every_byte(self._bytes, f"V{SNAP_BYTES}")[waiting.frame[rows]]
        self._fence()
        self._words[waiting.slot[:count] // 4] = 0  # the kernel's again
        self._next = (self._next + count) % self._slots
        return FrameBatch(
            data=frames.view(np.uint8),
            offset=np.arange(len(rows), dtype=np.int64) * SNAP_BYTES,
            captured_bytes=waiting.captured_bytes[rows],
            wire_bytes=waiting.wire_bytes[rows],
            time_ns=waiting.time_ns[rows],
            bridge_port=np.zeros(len(rows), np.int16),
            vlan_tci=waiting.vlan_tci[rows],
        )

    def _ready(self) -> I64:
        """Return the slots that the kernel has filled, up to the first that it has not."""
        count = 0
        while count < self.at_once:
            until = min(count + _LOOK, self.at_once)
            places = self._places[self._next + count : self._next + until]
            free = np.flatnonzero(self._words[places // 4] & _STATUS_USER == 0)
            if len(free):
                count += int(free[0])
                break
            count += len(places)
        self._fence()
        return self._places[self._next : self._next + count]

    def _fence(self) -> None:
        """Keep reads and writes of the shared memory on their side.

        The kernel fills a slot before it sets the status, and may refill it as soon as the
        status is back. x86 keeps our loads and stores in order; ARM does not, and there a
        release followed by an acquire does.
        """
        for _ in range(2):
            with self._barrier:
                pass

    def _map(self, slots: int) -> tuple[mmap.mmap, int]:
        blocks = -(-slots // _SLOTS_A_BLOCK)
        self.socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V2)
        layout = struct.pack("IIII", _BLOCK_BYTES, blocks, _SLOT_BYTES, blocks * _SLOTS_A_BLOCK)
        self.socket.setsockopt(_SOL_PACKET, _RX_RING, layout)
        return mmap.mmap(self.socket.fileno(), blocks * _BLOCK_BYTES), blocks


def _checked(interfaces: Sequence[str]) -> tuple[str, ...]:
    if not 0 < len(interfaces) <= MAX_PORTS or len(set(interfaces)) < len(interfaces):
        message = f"1 to {MAX_PORTS} different interfaces are needed, not {', '.join(interfaces)}"
        raise CaptureError(message)
    return tuple(interfaces)


def _interface_index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        known = ", ".join(name for _, name in socket.if_nameindex())
        message = f"{name}: no such interface; there are {known}"
        raise CaptureError(message) from error


def _link_kind(ring: socket.socket, name: str) -> int:
    # By ioctl and not from /sys, which may show the interfaces of another network namespace.
    answer = fcntl.ioctl(ring, _SIOCGIFHWADDR, struct.pack("40s", name.encode()))
    return int.from_bytes(answer[16:18], sys.byteorder)


def _packet_socket() -> socket.socket:
    try:
        # Protocol 0: nothing is received before ring and filter are in place.
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        message = (
            "no permission to capture: run as root, or with the capability CAP_NET_RAW"
            " (the systemd unit has it)"
        )
        raise CaptureError(message) from error


def _count_until(latest_ns: int, time_ns: I64) -> int:
    # Times of one ring go back now and then: several CPUs fill it, and clocks are set.
    return int(np.maximum.accumulate(time_ns).searchsorted(latest_ns, "right"))


def _merged(batches: list[FrameBatch]) -> FrameBatch:
    """Return the frames of all ports by time; all take SNAP_BYTES of their batch."""
    time_ns = np.concatenate([each.time_ns for each in batches])
    ordered = bool((time_ns[1:] >= time_ns[:-1]).all())
    rows = slice(None) if ordered else np.argsort(time_ns, kind="stable")
    return FrameBatch(
        data=batches[0].data if len(batches) == 1 else np.concatenate([b.data for b in batches]),
        offset=(np.arange(len(time_ns), dtype=np.int64) * SNAP_BYTES)[rows],
        captured_bytes=np.concatenate([each.captured_bytes for each in batches])[rows],
        wire_bytes=np.concatenate([each.wire_bytes for each in batches])[rows],
        time_ns=time_ns[rows],
        bridge_port=np.repeat(np.arange(len(batches), dtype=np.int16), list(map(len, batches)))[
            rows
        ],
        vlan_tci=np.concatenate([each.vlan_tci for each in batches])[rows],
    )
