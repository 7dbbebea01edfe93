"""Just enough of a frame parser to label recordings: pcap, Ethernet, ARP, IPv4, TCP, UDP, ICMP."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

TCP, UDP, ICMP = 6, 17, 1
_ARP, _IPV4 = 0x0806, 0x0800
_MAGIC_MICROSECONDS = 0xA1B2C3D4

Tuple5 = tuple[int, str, int, str, int]


class Arp(msgspec.Struct, frozen=True):
    """Who claims or asks for what."""

    opcode: int
    sender_mac: str
    sender_ip: str
    target_ip: str


class Frame(msgspec.Struct, frozen=True):
    """What the labelling rules look at; `protocol` is 0 for anything but IPv4."""

    time_ns: int
    src_mac: str
    dst_mac: str
    raw: bytes
    arp: Arp | None = None
    src_ip: str = ""
    dst_ip: str = ""
    protocol: int = 0
    src_port: int = 0
    dst_port: int = 0
    tcp_flags: int = 0
    icmp_type: int = -1
    payload: bytes = b""
    quoted: Tuple5 | None = None

    @property
    def tuple5(self) -> Tuple5:
        """Protocol, source and destination as seen."""
        return (self.protocol, self.src_ip, self.src_port, self.dst_ip, self.dst_port)

    @property
    def flow(self) -> Tuple5:
        """The same for both directions."""
        return both_ways(self.tuple5)


def both_ways(seen: Tuple5) -> Tuple5:
    """Return one key for a five-tuple and its reverse."""
    protocol, src_ip, src_port, dst_ip, dst_port = seen
    if (src_ip, src_port) <= (dst_ip, dst_port):
        return seen
    return (protocol, dst_ip, dst_port, src_ip, src_port)


def read_pcap(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (time in ns, frame) from a little-endian microsecond pcap, as our tcpdump writes it.

    Raises:
        ValueError: The file is something else.
    """
    data = path.read_bytes()
    if struct.unpack_from("<I", data)[0] != _MAGIC_MICROSECONDS:
        message = f"{path} is no little-endian microsecond pcap"
        raise ValueError(message)
    offset = 24
    while offset + 16 <= len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, offset)
        if offset + 16 + size > len(data):
            return
        yield seconds * 10**9 + micros * 1000, data[offset + 16 : offset + 16 + size]
        offset += 16 + size


def write_pcap(path: Path, frames: Iterator[tuple[int, bytes]] | list[tuple[int, bytes]]) -> None:
    """Write frames as a little-endian microsecond pcap."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", _MAGIC_MICROSECONDS, 2, 4, 0, 0, 262_144, 1))
        for time_ns, raw in frames:
            seconds, rest_ns = divmod(time_ns, 10**9)
            out.write(struct.pack("<IIII", seconds, rest_ns // 1000, len(raw), len(raw)) + raw)


def parse(time_ns: int, raw: bytes) -> Frame:
    """Read a frame; what it cannot understand stays at the defaults."""
    kind = int.from_bytes(raw[12:14], "big")
    frame = Frame(time_ns, src_mac=raw[6:12].hex(":"), dst_mac=raw[:6].hex(":"), raw=raw)
    if kind == _ARP and len(raw) >= 42:  # noqa: PLR2004  (Ethernet + ARP)
        return msgspec.structs.replace(frame, arp=_arp(raw))
    if kind == _IPV4 and len(raw) >= 34:  # noqa: PLR2004  (Ethernet + IPv4)
        return _ipv4(frame, raw[14:])
    return frame


def _arp(raw: bytes) -> Arp:
    return Arp(
        opcode=int.from_bytes(raw[20:22], "big"),
        sender_mac=raw[22:28].hex(":"),
        sender_ip=socket.inet_ntoa(raw[28:32]),
        target_ip=socket.inet_ntoa(raw[38:42]),
    )


def _ipv4(frame: Frame, packet: bytes) -> Frame:
    protocol, src_ip, dst_ip, body = _ip_header(packet)
    frame = msgspec.structs.replace(frame, protocol=protocol, src_ip=src_ip, dst_ip=dst_ip)
    if int.from_bytes(packet[6:8], "big") & 0x1FFF or len(body) < 8:  # noqa: PLR2004  (later fragment, or cut)
        return frame
    if protocol == ICMP:
        return _icmp(frame, body)
    if protocol not in {TCP, UDP}:
        return frame
    src_port, dst_port = struct.unpack_from(">HH", body)
    start = 8 if protocol == UDP else (body[12] >> 4) * 4 if len(body) > 13 else len(body)  # noqa: PLR2004
    flags = body[13] if protocol == TCP and len(body) > 13 else 0  # noqa: PLR2004
    ports = {"src_port": src_port, "dst_port": dst_port, "tcp_flags": flags}
    return msgspec.structs.replace(frame, payload=body[start:], **ports)


def _ip_header(packet: bytes) -> tuple[int, str, str, bytes]:
    header_bytes = (packet[0] & 15) * 4
    total_bytes = int.from_bytes(packet[2:4], "big")
    addresses = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    return packet[9], *addresses, packet[header_bytes:total_bytes]


def _icmp(frame: Frame, body: bytes) -> Frame:
    """Echo identifiers stand in for ports; errors carry the packet they complain about."""
    kind = body[0]
    if kind in {0, 8}:
        echo_id = int.from_bytes(body[4:6], "big")
        ends = {"src_port": echo_id, "dst_port": echo_id}
        return msgspec.structs.replace(frame, icmp_type=kind, payload=body[8:], **ends)
    quoted = None
    if kind in {3, 5, 11} and len(body) >= 36:  # noqa: PLR2004  (ICMP + IPv4 + 8 bytes)
        protocol, src_ip, dst_ip, rest = _ip_header(body[8:])
        rest = rest or body[28:]
        src_port, dst_port = struct.unpack_from(">HH", rest) if len(rest) >= 4 else (0, 0)  # noqa: PLR2004
        quoted = (protocol, src_ip, src_port, dst_ip, dst_port)
    return msgspec.structs.replace(frame, icmp_type=kind, quoted=quoted)
