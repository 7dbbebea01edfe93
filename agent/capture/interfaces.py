"""What a pcapng section says about its interfaces, applied to frames."""

import struct
from typing import NamedTuple

import numpy as np

from agent.capture import link
from agent.capture.cut import MAX_FRAME_BYTES
from agent.capture.timestamps import MICROSECONDS, to_ns
from agent.records import I64, U8, U64, Bool

BLOCK_BYTES = 20  # of an interface's block without options
_OPTION_NAME, _OPTION_RESOLUTION, _OPTION_OFFSET = 2, 9, 14
_OFFSET_BYTES = 8
_MAX_NAME_LETTERS = 32


class Interface(NamedTuple):
    """Where frames were captured, and how their times are written."""

    name: str
    linktype: int
    snap_bytes: int
    resolution: int  # as in if_tsresol
    offset_s: int


def parse_interface(block: bytes, order: str, index: int) -> Interface:
    """Read an interface description block of at least BLOCK_BYTES bytes; wrong options count as none."""
    linktype, snap_bytes = struct.unpack_from(order + "H2xI", block, 8)
    options = _options(block[16:-4], order)
    resolution, offset = options.get(_OPTION_RESOLUTION), options.get(_OPTION_OFFSET, b"")
    return Interface(
        _printable(options.get(_OPTION_NAME, b"")) or f"if{index}",
        linktype,
        snap_bytes or MAX_FRAME_BYTES,
        resolution[0] if resolution else MICROSECONDS,
        struct.unpack(order + "q", offset)[0] if len(offset) == _OFFSET_BYTES else 0,
    )


def readable(interfaces: list[Interface]) -> Bool:
    """Tell for each interface whether frames of its link type can be read."""
    return np.array([link.supported(each.linktype) for each in interfaces], np.bool_)


def times_ns(interfaces: list[Interface], index: I64, ticks: U64) -> I64:
    """Return the times of frames; `index` names the interface of each."""
    if len(interfaces) == 1:
        return to_ns(ticks, interfaces[0].resolution, interfaces[0].offset_s)
    times = np.empty(len(ticks), np.int64)
    for which in np.unique(index):
        rows, interface = index == which, interfaces[which]
        times[rows] = to_ns(ticks[rows], interface.resolution, interface.offset_s)
    return times


def as_ethernet(interfaces: list[Interface], index: I64, data: U8, span: link.Span) -> link.Span:
    """Give frames an Ethernet header where their interface has none; see link.as_ethernet."""
    if len(interfaces) == 1:
        return link.as_ethernet(interfaces[0].linktype, data, span)
    linktypes = np.array([interface.linktype for interface in interfaces])[index]
    whole = link.Span(span.offset.copy(), span.captured_bytes.copy(), span.wire_bytes.copy())
    for linktype in np.unique(linktypes):
        rows = linktypes == linktype
        part = link.Span(span.offset[rows], span.captured_bytes[rows], span.wire_bytes[rows])
        part = link.as_ethernet(int(linktype), data, part)
        whole.offset[rows] = part.offset
        whole.captured_bytes[rows] = part.captured_bytes
        whole.wire_bytes[rows] = part.wire_bytes
    return whole


def _options(packed: bytes, order: str) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(packed):
        code, count = struct.unpack_from(order + "HH", packed, at)
        if code == 0 or at + 4 + count > len(packed):
            break
        options.setdefault(code, packed[at + 4 : at + 4 + count])
        at += 4 + (count + 3 & ~3)
    return options


def _printable(packed: bytes) -> str:
    letters = packed.rstrip(b"\0").decode(errors="replace")[:_MAX_NAME_LETTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in letters)
