"""Addresses as they are written and what they mean: some of IPv6 stand for one of IPv4, and so on."""

import ipaddress
import socket
from typing import Annotated, Final

from msgspec import Meta

from aggregator.errors import InvalidError
from contract.identifiers import whole

# As people and firmware write it: AA:BB:…, aa-bb-…
GivenMac = Annotated[str, Meta(pattern=whole("[:-]".join(["[0-9A-Fa-f]{2}"] * 6)))]
GivenIp = Annotated[str, Meta(pattern=whole(r"[0-9A-Fa-f:.]{2,45}"))]

AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds tell a machine its credentials, besides 169.254.169.254 and all that is link-local.
METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)
TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address behind NAT64


def meant(text: str) -> AnyAddress:
    """Return the address that a text means: of a mapped, 6to4 or translated one, that of IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def guesser_of(text: str) -> str:
    """Return what stands for whoever guesses from an address: of IPv6 a network of 64 bits.

    So many addresses every host has for itself, and could begin anew with each.
    """
    try:
        address = meant(text)
    except ValueError:
        return text  # a socket without an address
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def as_mac(given: str | None) -> str | None:
    """Return a MAC as it is kept and told on the wire, if there is one."""
    return None if given is None else given.replace("-", ":").lower()


def as_ip(name: str, given: str | None) -> str | None:
    """Return an IP as it is kept and told on the wire, if there is one.

    Args:
        name: Of the field or parameter, for who has to mend it.
        given: In whatever spelling.

    Raises:
        InvalidError: It is none.
    """
    try:
        return None if given is None else str(ipaddress.ip_address(given))
    except ValueError as error:
        message = f"{name}: {given} is no IP address"
        raise InvalidError(message) from error


def literal(host: str) -> AnyAddress | None:
    """Return the address that a host is written as, in whatever spelling; None for a name."""
    try:
        return meant(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    except OSError:
        return None


def why_no_device(address: AnyAddress) -> str:
    """Return why no device that can be reached has an address; nothing where one may."""
    if address.is_link_local:
        return "a link-local address"
    if address in METADATA:
        return "where a cloud tells machines their credentials"
    if address.is_multicast:
        return "a group's address"
    if address.is_unspecified or (address.version == 4 and address.is_reserved):  # noqa: PLR2004
        return "no host's address"
    return ""
