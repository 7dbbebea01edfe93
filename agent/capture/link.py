"""Frames of other link types, given an Ethernet header in place."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agent.capture.columns import at_every_byte
from agent.records import I32, I64, U8, U16

ETHERNET = 1
HEADER_BYTES = 14
ROOM_BYTES = 14  # that must lie in the buffer before a frame: the new header may start there

_IPV4, _IPV6 = 0x0800, 0x86DD
_NAMES = {
    105: "IEEE 802.11",
    119: "IEEE 802.11 with a Prism header",
    127: "IEEE 802.11 with a radiotap header",
    187: "Bluetooth",
    189: "USB",
    195: "IEEE 802.15.4",
    201: "Bluetooth",
    215: "IEEE 802.15.4",
    220: "USB",
    227: "CAN",
    230: "IEEE 802.15.4",
    249: "USB",
    251: "Bluetooth Low Energy",
    256: "Bluetooth Low Energy",
    283: "IEEE 802.15.4",
}


class Span(NamedTuple):
    """Where frames lie in a buffer; the columns have shape (n,)."""

    offset: I64
    captured_bytes: I32
    wire_bytes: I32


def describe(linktype: int) -> str:
    """Return a link type's number, with its name where one is known."""
    return f"{linktype} ({_NAMES[linktype]})" if linktype in _NAMES else str(linktype)


def supported(linktype: int) -> bool:
    """Tell whether frames of a link type can be given an Ethernet header."""
    return linktype == ETHERNET or linktype in _CONVERTERS


def as_ethernet(linktype: int, data: U8, span: Span) -> Span:
    """Overwrite the link headers of frames with Ethernet headers.

    Addresses are those of the link header where it has them, else zero.

    Args:
        linktype: A supported one.
        data: The buffer, changed in place; what lies up to ROOM_BYTES before a frame is lost.
        span: Where the frames lie.

    Returns:
        Where they lie now. A frame without its whole link header has no captured bytes.
    """
    if linktype == ETHERNET:
        return span
    link_bytes, build = _CONVERTERS[linktype]
    whole = span.captured_bytes >= max(link_bytes, 1)
    first = span.offset[whole]
    rows = at_every_byte(data, f"V{HEADER_BYTES}")
    rows[first + (link_bytes - HEADER_BYTES)] = build(data, first).view(rows.dtype).ravel()
    grown = HEADER_BYTES - link_bytes
    return Span(
        span.offset - grown,
        np.where(whole, span.captured_bytes + grown, 0).astype(np.int32),
        np.where(whole, span.wire_bytes.astype(np.int64) + grown, span.wire_bytes)
        .clip(0, np.iinfo(np.int32).max)
        .astype(np.int32),
    )


def _of_raw_ip(data: U8, first: I64) -> U8:
    version = data[first] >> 4
    headers = np.zeros((len(first), HEADER_BYTES), np.uint8)
    headers[:, 12:] = _ethertypes({4: _IPV4, 6: _IPV6})[version]
    return headers


def _of_loopback(data: U8, first: I64) -> U8:
    family = data[first] | data[first + 3]  # one of them is 0: the byte order is the writer's
    headers = np.zeros((len(first), HEADER_BYTES), np.uint8)
    headers[:, 12:] = _ethertypes({2: _IPV4} | dict.fromkeys((10, 23, 24, 28, 30), _IPV6))[family]
    return headers


def _of_cooked(data: U8, first: I64) -> U8:
    return _with_sender(data, first + 14, first + 6, data[first + 5])


def _of_cooked_v2(data: U8, first: I64) -> U8:
    return _with_sender(data, first, first + 12, data[first + 11])


def _with_sender(data: U8, ethertype: I64, address: I64, address_bytes: U8) -> U8:
    headers = np.zeros((len(ethertype), HEADER_BYTES), np.uint8)
    sender = data[address[:, None] + np.arange(6)]
    headers[:, 6:12] = np.where((address_bytes == 6)[:, None], sender, 0)  # noqa: PLR2004 a MAC
    headers[:, 12] = data[ethertype]
    headers[:, 13] = data[ethertype + 1]
    return headers


def _ethertypes(of: dict[int, int]) -> U8:
    table: U16 = np.zeros(256, ">u2")
    for key, ethertype in of.items():
        table[key] = ethertype
    return table.view(np.uint8).reshape(256, 2)


_Builder = Callable[[U8, I64], U8]
_CONVERTERS: dict[int, tuple[int, _Builder]] = {
    0: (4, _of_loopback),
    108: (4, _of_loopback),
    12: (0, _of_raw_ip),
    14: (0, _of_raw_ip),
    101: (0, _of_raw_ip),
    228: (0, _of_raw_ip),
    229: (0, _of_raw_ip),
    113: (16, _of_cooked),
    276: (20, _of_cooked_v2),
}
