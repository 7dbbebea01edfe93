"""Frames as bytes: Ethernet, ARP, IPv4, TCP, UDP, ICMP; a tape that collects them with their labels."""

import struct
from random import Random
from typing import Final, NamedTuple

import msgspec

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MSS: Final = 1448
BROADCAST: Final = b"\xff" * 6
_SYN_OPTIONS: Final = bytes.fromhex("020405b40402080a00000001000000000103030a")


class Host(msgspec.Struct, frozen=True):
    """A machine as the watched link sees it: what is remote wears the router's MAC."""

    name: str
    mac: bytes
    ip: bytes
    ttl: int = 64
    window: int = 64240
    options: bool = True  # whether its SYNs carry TCP options
    remote: bool = False


class Mark(NamedTuple):
    """The class of a frame and what exactly it is."""

    label: str = "benign"
    sub: str = ""

    def answer(self) -> "Mark":
        """Return what a victim's reaction is called."""
        return Mark(self.label, f"{self.sub}_response") if self.sub else self


BENIGN: Final = Mark()


class Tape:
    """Collects frames in any order."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.frames: list[tuple[float, bytes, Mark]] = []
        self.pad = rng.random() < 0.6  # whether the vantage point sees short frames padded

    def put(self, at_s: float, raw: bytes, mark: Mark = BENIGN) -> None:
        """Add one frame."""
        if self.pad and len(raw) < 60:
            raw += bytes(60 - len(raw))
        self.frames.append((at_s, raw, mark))


def ipv4(
    src: Host,
    dst: Host,
    protocol: int,
    body: bytes,
    *,
    as_ip: bytes | None = None,
    to_ip: bytes | None = None,
    to_mac: bytes | None = None,
    ttl: int = 0,
    fragment: int = 0,
) -> bytes:
    """Return an IPv4 frame from `src` to `dst`.

    Args:
        src: Whose MAC and address it carries.
        dst: Likewise.
        protocol: Of the body.
        body: Transport header and payload.
        as_ip: Another source address than its own.
        to_ip: Another destination address.
        to_mac: Another destination MAC.
        ttl: Another hop limit than the sender's.
        fragment: The field of flags and offset.
    """
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(body),
        0,  # of no stack in particular: only a recording has the number of before
        fragment,
        ttl or src.ttl,
        protocol,
        0,
        as_ip or src.ip,
        to_ip or dst.ip,
    )
    return (to_mac or dst.mac) + src.mac + b"\x08\x00" + head + body


def segment(
    ports: tuple[int, int], flags: int, *, seq: int = 0, ack: int = 0, window: int = 64240,
    payload: bytes = b"", options: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a TCP header with payload."""
    offset = (20 + len(options)) // 4 << 4
    return (
        struct.pack(">HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0)
        + options
        + payload
    )  # fmt: skip


def opening(host: Host, ports: tuple[int, int], seq: int) -> bytes:
    """Return a SYN as the host's stack would send it."""
    options = _SYN_OPTIONS if host.options else b""
    return segment(ports, SYN, seq=seq, window=host.window, options=options)


def datagram(ports: tuple[int, int], payload: bytes) -> bytes:
    """Return a UDP header with payload."""
    return struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload


def echo(kind: int, code: int, rest: int, payload: bytes = b"") -> bytes:
    """Return an ICMP message."""
    return struct.pack(">BBHI", kind, code, 0, rest) + payload


def link_local(host: Host) -> bytes:
    """Return the IPv6 address that a machine gives itself."""
    return b"\xfe\x80" + bytes(6) + host.mac[:3] + b"\xff\xfe" + host.mac[3:]


def neighbour6(
    src: Host, kind: int, body: bytes, *, to_mac: bytes = b"", to_ip: bytes = b""
) -> bytes:
    """Return an ICMPv6 message of neighbour discovery, to everybody unless told otherwise."""
    message = struct.pack(">BBH", kind, 0, 0) + body
    head = struct.pack(">IHBB", 0x60000000, len(message), 58, 255) + link_local(src)
    everybody = b"\xff\x02" + bytes(13) + b"\1"
    mac = to_mac or b"\x33\x33\0\0\0\1"
    return mac + src.mac + b"\x86\xdd" + head + (to_ip or everybody) + message


def numbered(frame: bytes, number: int) -> bytes:
    """Return an IPv4 frame with an identification."""
    return frame[:18] + number.to_bytes(2, "big") + frame[20:]


def unreachable(frame: bytes) -> bytes:
    """Return the ICMP body `port unreachable` about a frame."""
    return echo(3, 3, 0, frame[14:42])


def arp(
    operation: int,
    src: Host,
    claim: tuple[bytes, bytes],
    asked: tuple[bytes, bytes],
    to_mac: bytes = BROADCAST,
) -> bytes:
    """Return an ARP frame; `claim` and `asked` are (MAC, IP)."""
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return to_mac + src.mac + b"\x08\x06" + head + claim[0] + claim[1] + asked[0] + asked[1]


def address(text: str) -> bytes:
    """Return the four bytes of an address."""
    return bytes(int(part) for part in text.split("."))


def dotted(ip: bytes) -> str:
    """Return an address as text."""
    return ".".join(map(str, ip))


def colons(mac: bytes) -> str:
    """Return a MAC as text."""
    return ":".join(f"{byte:02x}" for byte in mac)
