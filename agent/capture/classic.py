"""The records of a classic pcap file."""

import struct

import numpy as np

from agent.capture import link
from agent.capture.cut import MAX_FRAME_BYTES, Cut
from agent.errors import CaptureError
from agent.records import I64, NO_VLAN, U8, FrameBatch

HEADER_BYTES = 24
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
        magic, linktype = struct.unpack(self._order + "I16xI", header)
        self._fraction_ns, self._record_bytes = _MAGICS[magic]
        self._linktype = linktype & 0x03FFFFFF  # above: the length of a frame check sequence
        if not link.supported(self._linktype):
            message = f"frames of link type {link.describe(self._linktype)} cannot be read"
            raise CaptureError(message)
        self.ports: tuple[str, ...] = ("if0",)

    def cut(self, data: U8, begin: int, end: int, position: int) -> Cut:
        """Find the frames in a buffer; see Records.cut."""
        starts, after, captured = self._walk(data, begin, end)
        frames = self._frames(data, starts)
        if captured <= MAX_FRAME_BYTES:
            return Cut(frames, after)
        claim = f"claims {captured} captured bytes, more than {MAX_FRAME_BYTES}"
        return Cut(frames, after, f"the record at byte {position + after - begin} {claim}")

    def _walk(self, data: U8, at: int, end: int) -> tuple[I64, int, int]:
        """Return where whole records start, where they end, and what the next one claims."""
        captured_at = struct.Struct(self._order + "I").unpack_from
        buffer = data.data
        header = self._record_bytes
        starts: list[int] = []
        captured = 0
        while at + header <= end:
            captured = captured_at(buffer, at + 8)[0]
            after = at + header + captured
            if captured > MAX_FRAME_BYTES or after > end:
                break
            starts.append(at)
            at = after
        return np.array(starts, np.int64), at, captured

    def _frames(self, data: U8, starts: I64) -> FrameBatch:
        words = link.fixed_width(data, 16)[starts].view(self._order + "u4").reshape(-1, 4)
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
