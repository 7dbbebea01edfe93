"""The blocks of a pcapng file."""

import struct
from typing import NamedTuple

import numpy as np

from agent.capture import interfaces, link
from agent.capture.columns import at_every_byte, joined, no_frames
from agent.capture.cut import MAX_FRAME_BYTES, Cut
from agent.capture.walk import record_starts
from agent.errors import CaptureError
from agent.records import I64, NO_VLAN, U8, FrameBatch

MAX_PORTS = 256
_MAX_BLOCK_BYTES = 1 << 20  # of blocks that are read; longer ones of other kinds are skipped
_MIN_BLOCK_BYTES = 12
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_FIXED_BYTES = {
    _SECTION: 28,
    _INTERFACE: interfaces.BLOCK_BYTES,
    _PACKET: 32,
    _SIMPLE: 16,
    _ENHANCED: 32,
}
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_INT32_MAX = np.iinfo(np.int32).max


class _Columns(NamedTuple):
    """What packet blocks of one kind say, one row per block."""

    start: I64  # of the block in the buffer
    block_bytes: I64
    closing_bytes: I64  # the same, as the block's end repeats it
    interface: I64
    ticks: I64  # unsigned: to be viewed as such
    first: I64  # byte of the frame in the buffer
    captured_bytes: I64
    wire_bytes: I64

    def head(self, count: int) -> "_Columns":
        return _Columns(*(column[:count] for column in self))


class _DamageError(Exception):
    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def is_pcapng(head: bytes) -> bool:
    """Tell whether a file that starts so is a pcapng file."""
    return head[:4] == struct.pack("<I", _SECTION) and _order(head[8:12]) is not None


class PcapngBlocks:
    """Cuts pcapng blocks into frames.

    An interface of a later section is the same bridge port if index and name are the same.
    Simple packet blocks carry no time: they get that of the frame before.
    """

    def __init__(self) -> None:
        self.ports: tuple[str, ...] = ()
        self._order = "<"
        self._interfaces: list[interfaces.Interface] = []  # of this section
        self._port: list[int] = []  # of each of them
        self._port_of: dict[tuple[int, str], int] = {}
        self._last_ns = 0

    def cut(self, data: U8, begin: int, end: int, position: int) -> Cut:
        """Find the frames in a buffer; see Records.cut."""
        pieces = [no_frames(data)]
        at, after = begin, begin
        why: str | None = None
        try:
            while at + _MIN_BLOCK_BYTES <= end:
                after = self._block(data, at, end, pieces)
                if after == at:
                    break
                at = after
        except _DamageError as damage:
            at = damage.at
            why = f"the block at byte {position + at - begin} {damage}"
        return Cut(joined(pieces), at, why)

    def _block(self, data: U8, at: int, end: int, pieces: list[FrameBatch]) -> int:
        """Take the block at `at`, and those of its kind behind it; return where they end."""
        if struct.unpack_from("<I", data.data, at)[0] == _SECTION:
            self._start_section(data, at)
        kind, block_bytes = struct.unpack_from(self._order + "II", data.data, at)
        if block_bytes & 3 or block_bytes < _FIXED_BYTES.get(kind, _MIN_BLOCK_BYTES):
            raise _DamageError(at, f"has an impossible length of {block_bytes}")
        if block_bytes > _MAX_BLOCK_BYTES:
            if kind in _FIXED_BYTES:
                raise _DamageError(at, f"has an impossible length of {block_bytes}")
            return at + int(block_bytes)
        if at + block_bytes > end:
            return at
        if kind in (_PACKET, _SIMPLE, _ENHANCED):
            return self._packets(data, at, end, kind, pieces)
        closing = struct.unpack_from(self._order + "I", data.data, at + block_bytes - 4)[0]
        if closing != block_bytes:
            raise _DamageError(at, f"has two lengths, {block_bytes} and {closing}")
        if kind == _INTERFACE:
            self._add_interface(bytes(data[at : at + block_bytes]), at)
        return at + int(block_bytes)

    def _start_section(self, data: U8, at: int) -> None:
        order = _order(bytes(data[at + 8 : at + 12]))
        if order is None:
            raise _DamageError(at, "starts a section of unknown byte order")
        self._order, self._interfaces, self._port = order, [], []

    def _add_interface(self, block: bytes, at: int) -> None:
        index = len(self._interfaces)
        interface = interfaces.parse_interface(block, self._order, index)
        port = self._port_of.setdefault((index, interface.name), len(self.ports))
        if port == MAX_PORTS:
            raise _DamageError(at, f"describes interface number {MAX_PORTS + 1}: too many")
        if port == len(self.ports):
            self.ports = (*self.ports, interface.name)
        self._interfaces.append(interface)
        self._port.append(port)

    def _packets(self, data: U8, at: int, end: int, kind: int, pieces: list[FrameBatch]) -> int:
        columns = self._columns(data, self._walk(data, at, end, kind), kind)
        good, fault = self._judge(columns, kind)
        pieces.append(self._frames(data, columns.head(good), kind))
        if fault is not None:
            raise _DamageError(int(columns.start[good]), fault)
        if good == len(columns.start):
            return int(columns.start[-1] + columns.block_bytes[-1])
        if not any(map(len, pieces)):
            linktype = self._interfaces[columns.interface[0]].linktype
            message = f"frames of link type {link.describe(linktype)} cannot be read"
            raise CaptureError(message)
        return int(columns.start[good])  # the caller comes again once these frames are away

    def _walk(self, data: U8, begin: int, end: int, kind: int) -> I64:
        head_at = struct.Struct(self._order + "II").unpack_from
        native = data[: end & ~3].view(np.uint32)
        kind_as_stored = native[begin // 4]
        sizes = data[: end & ~3].view(self._order + "u4")
        shortest = _FIXED_BYTES[kind]

        def guess(at: int, stop: int) -> tuple[I64, I64]:
            """Take every word that is the kind of block for the start of one."""
            head = np.flatnonzero(native[at // 4 : stop // 4 - 1] == kind_as_stored) + at // 4
            size = sizes[head + 1].astype(np.int64)
            sound = (size & 3 == 0) & (size >= shortest) & (size <= _MAX_BLOCK_BYTES)
            if not sound.all():
                head, size = head[sound], size[sound]
            start = head * 4
            return start, start + size

        def one_by_one(at: int) -> tuple[list[int], int]:
            buffer = data.data
            starts: list[int] = []
            while at + _MIN_BLOCK_BYTES <= end:
                found, size = head_at(buffer, at)
                sound = found == kind and size & 3 == 0 and shortest <= size <= _MAX_BLOCK_BYTES
                if not sound or at + size > end:
                    break
                starts.append(at)
                at += size
            return starts, at

        return record_starts(begin, end, guess, one_by_one)[0]

    def _columns(self, data: U8, start: I64, kind: int) -> _Columns:
        word = self._order + "u4"
        words = at_every_byte(data, "V28")[start].view(word).reshape(-1, 7).astype(np.int64)
        size = words[:, 1]
        closing = at_every_byte(data, word)[start + size - 4].astype(np.int64)
        if kind == _SIMPLE:
            snap_bytes = self._interfaces[0].snap_bytes if self._interfaces else 0
            captured = np.minimum(words[:, 2], (size - _FIXED_BYTES[kind]).clip(max=snap_bytes))
            none = np.zeros(len(start), np.int64)
            return _Columns(start, size, closing, none, none, start + 12, captured, words[:, 2])
        interface = words[:, 2]
        if kind == _PACKET:  # there the index has 16 bits, and a drop counter follows
            interface = interface & 0xFFFF if self._order == "<" else interface >> 16
        ticks = words[:, 3] << 32 | words[:, 4]
        return _Columns(
            start, size, closing, interface, ticks, start + 28, words[:, 5], words[:, 6]
        )

    def _judge(self, columns: _Columns, kind: int) -> tuple[int, str | None]:
        """Count the blocks before the first that is damaged, or of a foreign link type."""
        readable = interfaces.readable(self._interfaces)
        room = columns.block_bytes - _FIXED_BYTES[kind]
        faults = {
            "has two different lengths": columns.closing_bytes != columns.block_bytes,
            "names an interface that its section lacks": columns.interface >= len(readable),
            f"claims more than {MAX_FRAME_BYTES} captured bytes": (
                columns.captured_bytes > MAX_FRAME_BYTES
            ),
            "is too short for its frame": columns.captured_bytes > room,
        }
        good, first_fault = len(room), None
        for fault, rows in faults.items():
            if rows.any() and (row := int(rows.argmax())) < good:
                good, first_fault = row, fault
        foreign = ~readable[columns.interface[:good]]
        if foreign.any():
            return int(foreign.argmax()), None
        return good, first_fault

    def _frames(self, data: U8, columns: _Columns, kind: int) -> FrameBatch:
        span = link.Span(
            columns.first,
            columns.captured_bytes.astype(np.int32),
            columns.wire_bytes.clip(max=_INT32_MAX).astype(np.int32),
        )
        if len(columns.start):
            span = interfaces.as_ethernet(self._interfaces, columns.interface, data, span)
        if kind == _SIMPLE:
            time_ns = np.full(len(columns.start), self._last_ns, np.int64)
        else:
            time_ns = interfaces.times_ns(
                self._interfaces, columns.interface, columns.ticks.view(np.uint64)
            )
        if len(time_ns):
            self._last_ns = int(time_ns[-1])
        return FrameBatch(
            data=data,
            offset=span.offset,
            captured_bytes=span.captured_bytes,
            wire_bytes=span.wire_bytes,
            time_ns=time_ns,
            bridge_port=np.array(self._port, np.int16)[columns.interface],
            vlan_tci=np.full(len(time_ns), NO_VLAN, np.int32),
        )


def _order(magic: bytes) -> str | None:
    orders = {struct.pack(order + "I", _BYTE_ORDER_MAGIC): order for order in "<>"}
    return orders.get(magic)
