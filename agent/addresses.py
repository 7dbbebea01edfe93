"""Addresses as integers in the columns, as text for people and messages."""

import ipaddress
import socket
from typing import Final

import numpy as np

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


def network_columns(text: str) -> tuple[int, int]:
    """Return a network's address and mask as the columns have them: IPv4 mapped into IPv6."""
    network = ipaddress.ip_network(text)
    address, bits = int(network.network_address), network.max_prefixlen
    mask = (1 << 128) - 1 & ~((1 << bits - network.prefixlen) - 1)
    return (address | _MAPPED if network.version == 4 else address), mask  # noqa: PLR2004


def halves(number: int) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low half of a number of 128 bits."""
    return np.uint64(number >> 64), np.uint64(number & (1 << 64) - 1)
