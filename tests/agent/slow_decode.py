"""The decoder a second time, frame by frame and straight from the RFCs: what the fast one must equal."""

import struct
from typing import Final

from agent.decode import Status
from agent.records import NO_VLAN, SNAP_BYTES, PacketBatch

MAPPED: Final = 0xFFFF_0000_0000
TAGS: Final = (0x8100, 0x88A8, 0x9100)
EXTENSIONS: Final = (0, 43, 44, 51, 60, 135, 139, 140)
COLUMNS: Final = tuple(
    name
    for name in PacketBatch.__struct_fields__
    if name not in {"time_ns", "payload_digest", "login"}
)


class _BadError(Exception):
    """A header is cut off or contradicts itself."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class SlowDecoder:
    """Reads one frame; `fields` has every column of PacketBatch but time and digest."""

    def __init__(self, frame: bytes, wire_bytes: int | None = None, tci: int = NO_VLAN) -> None:
        self.wire = len(frame) if wire_bytes is None else wire_bytes
        self.frame = frame[:SNAP_BYTES]
        self.fields = dict.fromkeys(COLUMNS, 0)
        self.fields["wire_bytes"] = self.wire
        self.room = self.wire - (0 if tci == NO_VLAN else 4)  # the tag is not in the frame
        self.fields["vlan_id"] = tci & 0xFFF if tci != NO_VLAN else NO_VLAN
        self.payload: bytes | None = (
            None  # its captured head, where that was captured whole and no long one's
        )
        try:
            self._ethernet()
        except _BadError as bad:
            self.fields["status"] = bad.status

    def _need(self, at: int, count: int, status: Status) -> None:
        if len(self.frame) < at + count:
            raise _BadError(status)

    def _ethernet(self) -> None:
        self._need(0, 14, Status.SHORT_FRAME)
        self.fields["dst_mac"] = int.from_bytes(self.frame[:6], "big")
        self.fields["src_mac"] = int.from_bytes(self.frame[6:12], "big")
        (ethertype,) = struct.unpack_from(">H", self.frame, 12)
        at = 14
        for _ in range(4):
            if ethertype not in TAGS:
                break
            self._need(at, 4, Status.BAD_NETWORK)
            tag, ethertype = struct.unpack_from(">HH", self.frame, at)
            if self.fields["vlan_id"] == NO_VLAN:
                self.fields["vlan_id"] = tag & 0xFFF
            at += 4
        self.fields["ethertype"] = ethertype
        read = {0x0806: self._arp, 0x0800: self._ipv4, 0x86DD: self._ipv6}.get(ethertype)
        if read is not None:
            read(at)

    def _arp(self, at: int) -> None:
        self._need(at, 28, Status.BAD_NETWORK)
        head, operation, mac, claimed, _, asked = struct.unpack_from(">6sH6sI6sI", self.frame, at)
        if head != b"\0\1\x08\0\x06\4":
            raise _BadError(Status.BAD_NETWORK)
        self.fields["arp_operation"] = operation
        self.fields["claim_mac"] = int.from_bytes(mac, "big")
        self.fields["claim_ip_low"] = MAPPED | claimed
        self.fields["asked_ip_low"] = MAPPED | asked

    def _ipv4(self, at: int) -> None:
        self._need(at, 20, Status.BAD_NETWORK)
        first, _, total, identification, fragment, ttl, protocol, _, src, dst = struct.unpack_from(
            ">BBHHHBBHII", self.frame, at
        )
        header = (first & 15) * 4
        if first >> 4 != 4 or header < 20:
            raise _BadError(Status.BAD_NETWORK)
        self._need(at, header, Status.BAD_NETWORK)
        offset, more = fragment & 0x1FFF, fragment >> 13 & 1
        self.fields |= {
            "ip_version": 4,
            "ip_identification": identification,
            "hop_limit": ttl,
            "protocol": protocol,
            "src_ip_low": MAPPED | src,
            "dst_ip_low": MAPPED | dst,
            "fragment": 2 if offset else more,
        }
        room = self.room - at
        total = min(total, room) if total else room
        self._transport(at + header, max(total - header, 0), protocol)

    def _ipv6(self, at: int) -> None:
        self._need(at, 40, Status.BAD_NETWORK)
        first, total, protocol, hops = struct.unpack_from(">IHBB", self.frame, at)
        if first >> 28 != 6:
            raise _BadError(Status.BAD_NETWORK)
        for name, where in (("src_ip", at + 8), ("dst_ip", at + 24)):
            high, low = struct.unpack_from(">QQ", self.frame, where)
            self.fields |= {f"{name}_high": high, f"{name}_low": low}
        self.fields |= {"ip_version": 6, "hop_limit": hops, "protocol": protocol}
        room = self.room - at - 40
        total = min(total, room) if total else room
        skipped = self._extensions(at + 40)
        protocol = self.fields["protocol"]
        self._transport(at + 40 + skipped, max(total - skipped, 0), protocol)

    def _extensions(self, at: int) -> int:
        skipped = 0
        for count in range(9):
            kind = self.fields["protocol"]
            if kind not in EXTENSIONS or self.fields["fragment"] == 2:
                break
            if count == 8:
                raise _BadError(Status.BAD_NETWORK)
            self._need(at, 8 + skipped, Status.BAD_NETWORK)
            following, length, offset = struct.unpack_from(">BBH", self.frame, at + skipped)
            if kind == 44:
                self.fields["fragment"] = 2 if offset >> 3 else offset & 1
            skipped += {44: 8, 51: (length + 2) * 4}.get(kind, (length + 1) * 8)
            self.fields["protocol"] = following
        return skipped

    def _transport(self, at: int, length: int, protocol: int) -> None:
        if self.fields["fragment"] == 2:
            self.fields["payload_bytes"] = length
            return
        least, read = {
            6: (20, self._tcp),
            17: (8, self._udp),
            1: (4, self._icmp),
            58: (4, self._icmp),
            112: (8, self._vrrp),
        }.get(protocol, (0, None))
        if read is None:
            return
        self._need(at, least, Status.BAD_TRANSPORT)
        if length < least:
            raise _BadError(Status.BAD_TRANSPORT)
        header = read(at)
        if protocol == 112:
            return
        if not least <= header <= length:
            raise _BadError(Status.BAD_TRANSPORT)
        size = self.fields["payload_bytes"] = length - header
        head = self.frame[at + header : at + header + min(size, 64)]
        seen = 0 < size <= 512 and len(head) == min(size, 64)
        self.payload = head if seen else None

    def _tcp(self, at: int) -> int:
        sport, dport, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", self.frame, at)
        self.fields |= {"src_port": sport, "dst_port": dport}
        self.fields |= {"tcp_sequence": sequence, "tcp_flags": flags}
        return int(offset >> 4) * 4

    def _udp(self, at: int) -> int:
        sport, dport = struct.unpack_from(">HH", self.frame, at)
        self.fields |= {"src_port": sport, "dst_port": dport}
        body = self.frame[at + 8 :]
        if 53 in {sport, dport} and len(body) >= 4:
            number, flags = struct.unpack_from(">HH", body)
            self.fields |= {"dns_id": number, "dns_flags": flags}
            tells = body[6:8] > bytes(2) or flags & 0x0200
            if sport == 53 and flags & 0x800F == 0x8000 and len(body) >= 12 and tells:
                self.fields["dns_at"] = at + 8
        if {sport, dport} <= {67, 68} and len(body) >= 34:
            self.fields["dhcp_operation"] = body[0]
            self.fields["dhcp_client"] = int.from_bytes(body[28:34], "big")
        return 8

    def _vrrp(self, at: int) -> int:
        self.fields["dst_port"] = self.frame[at + 2]
        return 8

    def _icmp(self, at: int) -> int:
        kind, code = self.frame[at], self.frame[at + 1]
        self.fields |= {"icmp_type": kind, "icmp_code": code}
        near = self.fields["ip_version"] == 6 and self.fields["hop_limit"] == 255
        if near and self.fields["protocol"] == 58 and kind == 134 and len(self.frame) >= at + 8:
            self.fields["router_lifetime"] = int.from_bytes(self.frame[at + 6 : at + 8], "big")
        if near and self.fields["protocol"] == 58 and len(self.frame) >= at + 24:
            high, low = struct.unpack_from(">QQ", self.frame, at + 8)
            if kind == 136:
                self.fields |= {"claim_ip_high": high, "claim_ip_low": low}
                self.fields["claim_mac"] = self.fields["src_mac"]
            if kind == 135:
                self.fields |= {"asked_ip_high": high, "asked_ip_low": low}
        return 4
