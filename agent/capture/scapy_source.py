"""Live capture through scapy's sockets: slow, but on every platform that scapy knows."""

import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import scapy.layers.l2  # the link layers that sockets look themselves up in
from scapy.config import conf
from scapy.error import Scapy_Exception

from agent.capture import LATE_NS
from agent.capture.columns import no_frames
from agent.errors import CaptureError
from agent.records import NO_VLAN, SNAP_BYTES, FrameBatch

_BUFFER_FRAMES: Final = 65_536
_SOCKET_BYTES: Final = 1 << 23  # asked for; the kernel gives what net.core.rmem_max allows
_FULL_ENOUGH: Final = _BUFFER_FRAMES // 4
_GATHER_S: Final = 0.01
_PATIENCE_S: Final = 0.1  # of the reader, until it looks whether it is to end
_SOL_PACKET, _STATISTICS, _IGNORE_OUTGOING = 263, 6, 23


class _Sight(NamedTuple):
    time_ns: int
    port: int
    wire_bytes: int
    frame: bytes  # up to SNAP_BYTES


class ScapySource:
    """Frames as they arrive on some interfaces; interfaces are put into promiscuous mode.

    A thread moves raw bytes into a bounded buffer; scapy dissects nothing. A tag that the kernel
    took off is put back into the frame. `dropped` may be called from another thread.

    Raises:
        CaptureError: There is no such interface, no permission, or the filter cannot be used.
    """

    def __init__(
        self, interfaces: Sequence[str], bpf: str = "", buffer_frames: int = _BUFFER_FRAMES
    ) -> None:
        self._ports = tuple(interfaces)
        self._limit = buffer_frames
        self._buffer: list[_Sight] = []
        self._guard = threading.Lock()
        self._overflow = [0] * len(self._ports)
        self._kernel_drops = [0] * len(self._ports)
        self._failure: str | None = None
        self._complete_until_ns = 0
        self._ending = threading.Event()
        self._sockets: list[Any] = []
        with ExitStack() as opened:
            for name in self._ports:
                one = _open(name, bpf, incoming_only=len(self._ports) > 1)
                opened.callback(one.close)
                self._sockets.append(one)
            self._reader = threading.Thread(target=self._move, name="scapy capture", daemon=True)
            self._reader.start()
            opened.callback(self._reader.join)
            opened.callback(self._ending.set)
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

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the interfaces, in the order of FrameBatch.bridge_port."""
        return self._ports

    @property
    def finished(self) -> bool:
        """A live source never is."""
        return False

    @property
    def complete_until_ns(self) -> int:
        """Until when all frames were handed over, if the last read found none."""
        return self._complete_until_ns

    @property
    def sampled_one_in(self) -> tuple[int, ...]:
        """Frames of all flows are taken, as long as the buffer has room."""
        return ()

    def dropped(self) -> dict[str, int]:
        """Return how many frames found a buffer full, by buffer and interface, since the start."""
        found = {}
        for port, (name, one) in enumerate(zip(self._ports, self._sockets, strict=True)):
            if sys.platform == "linux":  # where reading resets the kernel's counter
                counters = one.ins.getsockopt(_SOL_PACKET, _STATISTICS, 8)
                self._kernel_drops[port] += struct.unpack("II", counters)[1]
            found[f"socket_full_{name}"] = self._kernel_drops[port]
            found[f"buffer_full_{name}"] = self._overflow[port]
        return found

    def wait(self, timeout_s: float) -> None:
        """Let frames gather for `timeout_s`, or until a quarter of the buffer is full.

        Raises:
            CaptureError: An interface is gone.
        """
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0 and len(self._buffer) < _FULL_ENOUGH:
            time.sleep(min(left_s, _GATHER_S))
        if self._failure is not None:
            raise CaptureError(self._failure)

    def read(self) -> FrameBatch:
        """Return what has arrived, of all interfaces, by time; never waits."""
        began_ns = time.time_ns()
        with self._guard:
            sights, self._buffer = self._buffer, []
        self._complete_until_ns = 0 if sights else began_ns - LATE_NS
        return _batch(sorted(sights, key=lambda sight: sight.time_ns))

    def _move(self) -> None:
        select = conf.L2listen.select
        port_of = {one: port for port, one in enumerate(self._sockets)}
        while not self._ending.is_set():
            for one in select(self._sockets, _PATIENCE_S):
                port = port_of[one]
                try:
                    _, frame, seconds = one.recv_raw()
                except OSError as error:
                    if self._lost(port, error):
                        return
                    continue
                if frame:
                    self._keep(_sight(port, frame, seconds))

    def _keep(self, sight: _Sight) -> None:
        with self._guard:
            if len(self._buffer) < self._limit:
                self._buffer.append(sight)
            else:
                self._overflow[sight.port] += 1

    def _lost(self, port: int, error: OSError) -> bool:
        name = self._ports[port]
        if any(name == known for _, known in socket.if_nameindex()):
            return False  # down for a while, as a link may be
        self._failure = f"{name}: cannot be captured any more: {error.strerror or error}"
        return True


def _open(name: str, bpf: str, *, incoming_only: bool) -> Any:  # noqa: ANN401 scapy has no types
    try:
        socket.if_nametoindex(name)
    except OSError as error:
        known = ", ".join(name for _, name in socket.if_nameindex())
        message = f"{name}: no such interface; there are {known}"
        raise CaptureError(message) from error
    try:
        one = conf.L2listen(iface=name, filter=bpf or None, promisc=True)
        if sys.platform == "linux":
            one.ins.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
            one.ins.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, int(incoming_only))
    except PermissionError as error:
        message = "no permission to capture: run as root, or with the capability CAP_NET_RAW"
        raise CaptureError(message) from error
    except (OSError, Scapy_Exception) as error:
        message = f"{name}: cannot be captured: {error}"
        raise CaptureError(message) from error
    if one.LL is not scapy.layers.l2.Ether:
        one.close()
        message = f"{name}: not an Ethernet interface"
        raise CaptureError(message)
    return one


def _sight(port: int, frame: bytes, seconds: float) -> _Sight:
    return _Sight(int(seconds * 1_000_000_000), port, len(frame), frame[:SNAP_BYTES])


def _batch(sights: list[_Sight]) -> FrameBatch:
    data = np.frombuffer(b"".join(sight.frame for sight in sights), np.uint8)
    if not sights:
        return no_frames(data)
    lengths = np.array([len(sight.frame) for sight in sights], np.int32)
    return FrameBatch(
        data=data,
        offset=np.cumsum(lengths, dtype=np.int64) - lengths,
        captured_bytes=lengths,
        wire_bytes=np.array([sight.wire_bytes for sight in sights], np.int32),
        time_ns=np.array([sight.time_ns for sight in sights], np.int64),
        bridge_port=np.array([sight.port for sight in sights], np.int16),
        vlan_tci=np.full(len(sights), NO_VLAN, np.int32),
    )
