"""The records of a classic pcap file."""

import struct

import numpy as np

from agent.capture import link
from agent.capture.columns import at_every_byte
from agent.capture.cut import MAX_FRAME_BYTES, Cut
from agent.capture.walk import STRETCH_BYTES, places_of, record_starts
from agent.errors import CaptureError
from agent.records import I64, NO_VLAN, U8, FrameBatch

HEADER_BYTES = 24
_CAPTURED_AT = 8  # in a record's header
_INT32_MAX = np.iinfo(np.int32).max
# magic number -> nanoseconds in a fraction, bytes of a record header
_MAGICS = {
    0xA1B2C3D4: (1_000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1_000, 24),  # "modified": Kuznetzov's interface index behind the usual header
}


def is_classic(head: bytes) -> bool:
    """Tell whether a file that starts so is a classic pcap file."""
    return any(
        struct.unpack_from(order + "I", head.ljust(4, b"\0"))[0] in _MAGICS for order in "<>"
    )


class ClassicRecords:
    """Cuts classic pcap records into frames.

    Raises:
        CaptureError: The header is incomplete or names a link type that cannot be read.
    """

    def __init__(self, header: bytes) -> None:
        if len(header) < HEADER_BYTES:
            message = "the file ends inside the pcap header"
            raise CaptureError(message)
        self._order = "<" if struct.unpack_from("<I", header)[0] in _MAGICS else ">"
        self._upper_half = (3, 2) if self._order == "<" else (0, 1)  # of a record's seconds
        magic, linktype = struct.unpack(self._order + "I16xI", header)
        self._fraction_ns, self._record_bytes = _MAGICS[magic]
        self._linktype = linktype & 0x03FFFFFF  # above: the length of a frame check sequence
        if not link.supported(self._linktype):
            message = f"frames of link type {link.describe(self._linktype)} cannot be read"
            raise CaptureError(message)
        self.ports: tuple[str, ...] = ("if0",)

    def cut(self, data: U8, begin: int, end: int, position: int) -> Cut:
        """Find the frames in a buffer; see Records.cut."""
        starts, after = self._walk(data, begin, end)
        frames = self._frames(data, starts)
        (captured,) = struct.unpack_from(self._order + "I", data.data, after + _CAPTURED_AT)
        if captured <= MAX_FRAME_BYTES or after + self._record_bytes > end:
            return Cut(frames, after)
        claim = f"claims {captured} captured bytes, more than {MAX_FRAME_BYTES}"
        return Cut(frames, after, f"the record at byte {position + after - begin} {claim}")

    def _walk(self, data: U8, begin: int, end: int) -> tuple[I64, int]:
        header = self._record_bytes
        word_at = struct.Struct(self._order + "I").unpack_from
        captured_at = at_every_byte(data, self._order + "u4")[_CAPTURED_AT:]
        flags, others = np.empty((2, STRETCH_BYTES), np.bool_)

        def guess(at: int, stop: int) -> tuple[I64, I64]:
            """Take for a start what agrees with the first record's seconds in their upper half."""
            count = max(0, min(stop, end + 1 - header) - at)
            for byte, agrees in zip(self._upper_half, (flags, others), strict=True):
                np.equal(data[at + byte :][:count], data[at + byte], out=agrees[:count])
            flags[:count] &= others[:count]
            flags[count : count + 7] = False
            start = places_of(flags[: (count + 7) & ~7]) + at
            captured = captured_at[start].astype(np.int64)
            sound = captured <= MAX_FRAME_BYTES
            if not sound.all():
                start, captured = start[sound], captured[sound]
            return start, start + captured + header

        def one_by_one(at: int) -> tuple[list[int], int]:
            buffer = data.data
            starts: list[int] = []
            while at + header <= end:
                captured = word_at(buffer, at + _CAPTURED_AT)[0]
                after = at + header + captured
                if captured > MAX_FRAME_BYTES or after > end:
                    break
                starts.append(at)
                at = after
            return starts, at

        return record_starts(begin, end, guess, one_by_one)

    def _frames(self, data: U8, starts: I64) -> FrameBatch:
        words = at_every_byte(data, "V16")[starts].view(self._order + "u4").reshape(-1, 4)
        time_ns = words[:, 0].astype(np.int64) * 1_000_000_000
        time_ns += words[:, 1].astype(np.int64) * self._fraction_ns
        span = link.Span(
            starts + self._record_bytes,
            words[:, 2].astype(np.int32),
            np.minimum(words[:, 3], _INT32_MAX).astype(np.int32),
        )
        span = link.as_ethernet(self._linktype, data, span)
        return FrameBatch(
            data=data,
            offset=span.offset,
            captured_bytes=span.captured_bytes,
            wire_bytes=span.wire_bytes,
            time_ns=time_ns,
            bridge_port=np.zeros(len(starts), np.int16),
            vlan_tci=np.full(len(starts), NO_VLAN, np.int32),
        )
