"""Columns of packets to a pcap file of real frames: whole columns at once, checksums included."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from agent.capture.columns import at_every_byte
from agent.records import I16, I64, NO_VLAN, U8, U16, U32, U64

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_IP_BYTES: Final = {ARP: 28, IPV4: 20, IPV6: 40}
_TRANSPORT_BYTES: Final = {0: 0, ICMP: 0, ICMPV6: 0, TCP: 20, UDP: 8}
_ETHERNET_BYTES, _TAG_BYTES, _RECORD_BYTES = 14, 4, 16
_OFFSET_MASK: Final = 0x1FFF
_ALL_ONES: Final = 0xFFFF
_WRITTEN_AT_ONCE: Final = 65_536  # packets
_UNIT_LOCAL_HIGH: Final = 0xFD00_0ED6_E000_0000
# Microseconds, because some peers read nothing else.
_FILE_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)


class Template(msgspec.Struct, frozen=True):
    """What all packets of one kind have in common; `stamp_at` is where bytes of each differ.

    `payload` stands behind the transport header; of ICMP it includes the ICMP header, whose
    checksum is computed, and of later fragments it is all that follows the IP header.
    """

    ethertype: int
    protocol: int = 0
    payload: bytes = b""
    stamp_at: int = -1
    stamp_bytes: int = 4
    fragment: int = 0  # the field of the IPv4 header
    dst_high: int = _UNIT_LOCAL_HIGH  # of IPv6, where it is a group
    operation: int = 1  # of ARP
    hop_limit: int = 64

    @property
    def transport_bytes(self) -> int:
        """Length of the TCP or UDP header; later fragments have none."""
        return 0 if self.fragment & _OFFSET_MASK else _TRANSPORT_BYTES[self.protocol]

    @property
    def frame_bytes(self) -> int:
        """Length of the frame without a VLAN tag."""
        headers = _ETHERNET_BYTES + _IP_BYTES[self.ethertype] + self.transport_bytes
        return headers + len(self.payload)


class Packets(msgspec.Struct, frozen=True, eq=False):
    """Packets to be written, every column of shape (n,)."""

    time_ns: I64
    template: U16
    src_mac: U64
    dst_mac: U64
    src_ip: U64  # an IPv4 address, or the low half of an IPv6 one
    dst_ip: U64
    src_port: U16
    dst_port: U16
    sequence: U32
    acknowledged: U32
    tcp_flags: U8
    stamp: U32  # in the payload, and as the IPv4 identification
    vlan: I16

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self.time_ns)

    def take(self, rows: "slice | I64") -> "Packets":
        """Return some rows."""
        return Packets(*(getattr(self, name)[rows] for name in self.__struct_fields__))


def joined(parts: Sequence[Packets]) -> Packets:
    """Return the packets of all parts in the order of their time."""
    names = Packets.__struct_fields__
    together = Packets(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))
    return together.take(np.argsort(together.time_ns, kind="stable"))


def write_packets(path: Path, packets: Packets, templates: Sequence[Template]) -> None:
    """Write packets as a pcap file of whole frames."""
    with path.open("wb") as file:
        file.write(_FILE_HEADER)
        for at in range(0, len(packets), _WRITTEN_AT_ONCE):
            part = packets.take(slice(at, at + _WRITTEN_AT_ONCE))
            file.write(_records(part, templates).data)


def _records(packets: Packets, templates: Sequence[Template]) -> U8:
    sizes = np.array([template.frame_bytes for template in templates])
    tagged = packets.vlan != NO_VLAN
    ends = np.cumsum(sizes[packets.template] + tagged * _TAG_BYTES + _RECORD_BYTES)
    written = np.zeros(int(ends[-1]), np.uint8)
    starts = np.concatenate([[0], ends[:-1]])
    kinds = packets.template.astype(np.int64) * 2 + tagged
    for kind in np.unique(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        records = _of_one_kind(packets.take(rows), templates[kind // 2], tagged=bool(kind % 2))
        width = f"V{records.shape[1]}"
        at_every_byte(written, width)[starts[rows]] = records.view(width).ravel()
    return written


def _of_one_kind(packets: Packets, template: Template, *, tagged: bool) -> U8:
    """Return the records of packets that share a template, one a row."""
    begin = _RECORD_BYTES + _ETHERNET_BYTES + tagged * _TAG_BYTES
    frame_bytes = template.frame_bytes + tagged * _TAG_BYTES
    records = np.zeros((len(packets), _RECORD_BYTES + frame_bytes), np.uint8)
    seconds, nanoseconds = np.divmod(packets.time_ns, 1_000_000_000)
    _put(records, 0, seconds, "<u4")
    _put(records, 4, nanoseconds // 1000, "<u4")
    records[:, 8:16] = np.frombuffer(struct.pack("<II", frame_bytes, frame_bytes), np.uint8)
    _put_mac(records, _RECORD_BYTES, packets.dst_mac)
    _put_mac(records, _RECORD_BYTES + 6, packets.src_mac)
    if tagged:
        _put(records, begin - 6, np.full(len(packets), 0x8100), ">u2")
        _put(records, begin - 4, packets.vlan, ">u2")
    records[:, begin - 2 : begin] = np.frombuffer(struct.pack(">H", template.ethertype), np.uint8)
    _NETWORKS[template.ethertype](records[:, begin:], packets, template)
    return records


def _arp(room: U8, packets: Packets, template: Template) -> None:
    head = struct.pack(">HHBBH", 1, IPV4, 6, 4, template.operation)
    room[:, :8] = np.frombuffer(head, np.uint8)
    _put_mac(room, 8, packets.src_mac)
    _put(room, 14, packets.src_ip, ">u4")
    if template.operation != 1:
        _put_mac(room, 18, packets.dst_mac)
    _put(room, 24, packets.dst_ip, ">u4")


def _ipv4(room: U8, packets: Packets, template: Template) -> None:
    head = struct.pack(
        ">BBHHHBB", 0x45, 0, room.shape[1], 0, template.fragment, template.hop_limit,
        template.protocol,
    )  # fmt: skip
    room[:, :10] = np.frombuffer(head, np.uint8)
    _put(room, 4, packets.stamp & 0xFFFF, ">u2")
    _put(room, 12, packets.src_ip, ">u4")
    _put(room, 16, packets.dst_ip, ">u4")
    _put(room, 10, _checksum(_words(room[:, :20])), ">u2")
    _transport(room[:, 20:], packets, template, _words(room[:, 12:20]))


def _ipv6(room: U8, packets: Packets, template: Template) -> None:
    payload_bytes = room.shape[1] - 40
    head = struct.pack(">IHBB", 6 << 28, payload_bytes, template.protocol, template.hop_limit)
    room[:, :8] = np.frombuffer(head, np.uint8)
    _put(room, 8, np.full(len(packets), _UNIT_LOCAL_HIGH, np.uint64), ">u8")
    _put(room, 16, packets.src_ip, ">u8")
    _put(room, 24, np.full(len(packets), template.dst_high, np.uint64), ">u8")
    _put(room, 32, packets.dst_ip, ">u8")
    _transport(room[:, 40:], packets, template, _words(room[:, 8:40]))


_NETWORKS: Final = {ARP: _arp, IPV4: _ipv4, IPV6: _ipv6}


def _transport(room: U8, packets: Packets, template: Template, addresses: I64) -> None:
    """Fill in what follows the IP header; `addresses` is their sum, for the checksum."""
    at = template.transport_bytes
    room[:, at:] = np.frombuffer(template.payload, np.uint8)
    if template.stamp_at >= 0:
        mask = np.uint32((1 << 8 * template.stamp_bytes) - 1)
        _put(room, at + template.stamp_at, packets.stamp & mask, f">u{template.stamp_bytes}")
    if at:
        _put(room, 0, packets.src_port, ">u2")
        _put(room, 2, packets.dst_port, ">u2")
    if at == _TRANSPORT_BYTES[TCP]:
        _put(room, 4, packets.sequence, ">u4")
        _put(room, 8, packets.acknowledged, ">u4")
        room[:, 12] = 5 << 4
        room[:, 13] = packets.tcp_flags
        room[:, 14:16] = 0xFA  # window
    elif at == _TRANSPORT_BYTES[UDP]:
        _put(room, 4, np.full(len(packets), room.shape[1]), ">u2")
    _sign(room, template, addresses)


def _sign(room: U8, template: Template, addresses: I64) -> None:
    """Put the transport checksum; a UDP datagram in fragments goes without."""
    if template.protocol == ICMP:
        _put(room, 2, _checksum(_words(room)), ">u2")
    elif template.protocol and not template.fragment:
        place = {TCP: 16, UDP: 6, ICMPV6: 2}[template.protocol]
        pseudo = addresses + template.protocol + room.shape[1]
        _put(room, place, _checksum(pseudo + _words(room)), ">u2")


def _words(room: U8) -> I64:
    """Return the sum of each row's 16-bit words."""
    even = room.shape[1] // 2 * 2
    words = np.ascontiguousarray(room[:, :even]).view(">u2")
    total: I64 = words.sum(axis=1, dtype=np.int64)
    return total + (room[:, even].astype(np.int64) << 8 if room.shape[1] > even else 0)


def _checksum(total: I64) -> I64:
    for _ in range(2):
        total = (total & 0xFFFF) + (total >> 16)
    # Never 0, which would mean that there is none; to 0xFFFF it is equal.
    return np.where(total == _ALL_ONES, _ALL_ONES, ~total & _ALL_ONES)


def _put(room: U8, at: int, values: "I64 | U64 | U32 | U16 | I16", kind: str) -> None:
    packed = values.astype(kind)
    room[:, at : at + packed.dtype.itemsize] = packed.view(np.uint8).reshape(len(values), -1)


def _put_mac(room: U8, at: int, macs: U64) -> None:
    room[:, at : at + 6] = macs.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
