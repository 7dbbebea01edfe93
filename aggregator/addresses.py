"""Which place an address means: some of IPv6 stand for one of IPv4, and what holds for that holds here."""

import ipaddress
from typing import Final

AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address behind NAT64


def meant(text: str) -> AnyAddress:
    """Return the address that a text means: of a mapped, 6to4 or translated one, that of IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
