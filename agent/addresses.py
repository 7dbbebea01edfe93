"""Addresses as integers in the columns, as text for people and messages."""

import ipaddress
import socket
from typing import Final

_MAPPED: Final = 0xFFFF_0000_0000
_MAPPED_MASK: Final = 0xFFFF_FFFF_0000_0000


def mac_text(mac: int) -> str:
    """Return a MAC as `aa:bb:cc:dd:ee:ff`."""
    return (mac & 0xFFFF_FFFF_FFFF).to_bytes(6, "big").hex(":")


def ip_text(high: int, low: int) -> str | None:
    """Return an IPv4 or IPv6 address from its two halves; None for the unset address 0."""
    if high == 0 and low in {0, _MAPPED}:
        return None
    if high == 0 and low & _MAPPED_MASK == _MAPPED:
        return socket.inet_ntoa((low & 0xFFFF_FFFF).to_bytes(4, "big"))
    # An address with an IPv4 tail is written in hexadecimal all the same: one spelling, no dots.
    return str(ipaddress.IPv6Address(high << 64 | low))
