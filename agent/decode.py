"""Frames to packets: the headers of a whole batch at once, every read checked against what was captured."""

import enum
from typing import Any, Final, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from agent.answers import starts_of_answers
from agent.big_endian import u16, u32, u64
from agent.logins import logins, may_tell
from agent.publications import BROKER_PORT, take_down
from agent.records import (
    DIGEST_BYTES,
    I64,
    NO_VLAN,
    SNAP_BYTES,
    U8,
    Bool,
    FrameBatch,
    PacketBatch,
)
from agent.standby import VRRP
from agent.tables import digest_blocks, is_one_of, members


class Status(enum.IntEnum):
    """How far a frame could be read."""

    OK = 0
    SHORT_FRAME = 1  # less than an Ethernet header
    BAD_NETWORK = 2  # a network header (IP, ARP) that is cut off or contradicts itself
    BAD_TRANSPORT = 3  # likewise the transport header


TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMPV6: Final = 58
ARP: Final = 0x0806
IPV4: Final = 0x0800
IPV6: Final = 0x86DD

MAPPED: Final = np.uint64(0xFFFF_0000_0000)  # the low half's prefix of ::ffff:a.b.c.d

_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_MAX_TAGS: Final = 4
_MAX_EXTENSIONS: Final = 8
_EXTENSIONS: Final = members(0, 43, 44, 51, 60, 135, 139, 140)
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
# Commands and readings are small. Video and downloads are not, never the same twice, and in seconds
# would push everything else out of the table of payloads.
MOST_DIGESTED_BYTES: Final = 512
_HEADS: Final = np.tri(DIGEST_BYTES + 1, DIGEST_BYTES, -1, np.uint8) * np.uint8(255)  # masks

_Column = NDArray[Any]
_Inner = tuple[I64, I64, I64, U8, Bool]


def _scalar(column: object) -> type[np.generic]:
    """Return the scalar of an NDArray: ndarray[shape, dtype[scalar]], in numpy 2.5 [scalar]."""
    inner = get_args(column)[-1]
    scalar: type[np.generic] = next(iter(get_args(inner)), inner)
    return scalar


_COLUMN_KINDS: Final = {name: _scalar(kind) for name, kind in get_type_hints(PacketBatch).items()}
_DHCP_PORTS: Final = (67, 68)
_DNS_PORT: Final = 53
_ROUTER_ADVERTISEMENT, _NEIGHBOR_SOLICITATION, _NEIGHBOR_ADVERTISEMENT = 134, 135, 136


def decode(frames: FrameBatch) -> PacketBatch:
    """Read the headers of every frame.

    Only the first SNAP_BYTES of a frame count, so that a file and a live ring with short slots
    give the same packets. No content of a frame can make this raise.

    Args:
        frames: n frames.

    Returns:
        n packets, in the same order.
    """
    return _Decoder(frames).packets()


class _Decoder:
    """One batch on its way: `columns` fills up layer by layer, `at` is where the next layer starts."""

    def __init__(self, frames: FrameBatch) -> None:
        self._frames = frames
        count = len(frames)
        self._data = _padded(frames)
        self._start = frames.offset.astype(np.int64, copy=False)
        self._length = np.minimum(frames.captured_bytes, SNAP_BYTES).astype(np.int64)
        self._wire = frames.wire_bytes
        told = frames.vlan_tci != NO_VLAN  # tags that the kernel took off: none in a file
        if np.count_nonzero(told):
            self._wire = frames.wire_bytes - np.where(told, np.int32(4), 0)
        self.columns: dict[str, Any] = {
            name: np.zeros(count, kind) for name, kind in _COLUMN_KINDS.items()
        }
        for name in ("time_ns", "wire_bytes", "bridge_port"):
            self.columns[name] = getattr(frames, name)
        self.columns["vlan_id"] = np.full(count, NO_VLAN, np.int16)
        np.copyto(self.columns["vlan_id"], frames.vlan_tci & 0xFFF, "unsafe", where=told)

    def packets(self) -> PacketBatch:
        """Return the packets."""
        at = self._ethernet()
        ethertype = self.columns["ethertype"]
        readable = self.columns["status"] == Status.OK
        self._arp(((ethertype == ARP) & readable).nonzero()[0], at)
        inner: list[Any] = [
            self._ipv4(((ethertype == IPV4) & readable).nonzero()[0], at),
            self._ipv6(((ethertype == IPV6) & readable).nonzero()[0], at),
        ]
        self._transport(*(np.concatenate(parts) for parts in zip(*inner, strict=True)))
        return PacketBatch(**self.columns)

    def _blocks(self, rows: I64, at: I64, width: int) -> U8:
        """Return `width` bytes of each row from `at` on: uint8 of shape (rows, width).

        Rows are copied as single items of an overlapping view, eight times faster than an index
        matrix. What lies behind a frame's captured bytes is another frame's: check the length.
        """
        items = self._data.shape[0] - width + 1
        view: Any = np.ndarray((items,), f"V{width}", self._data, strides=(1,))
        where = np.minimum(self._start.take(rows) + at, items - 1)
        blocks: U8 = view[where].view(np.uint8).reshape(len(rows), width)
        return blocks

    def _mark(self, rows: I64, bad: Bool, status: Status) -> Bool | None:
        """Note what is wrong with bad rows; return the good ones, None where all are."""
        if not np.count_nonzero(bad):
            return None
        self.columns["status"][rows[bad]] = status
        return ~bad

    def _ethernet(self) -> I64:
        """Read MACs, tags and ethertype of all rows; return where the network layer starts."""
        columns, count = self.columns, len(self._frames)
        rows, at = np.arange(count), np.full(count, 14, np.int64)
        good = self._mark(rows, self._length < 14, Status.SHORT_FRAME)
        block = self._blocks(rows, np.zeros(count, np.int64), 16)
        if good is not None:
            block[~good] = 0
        columns["dst_mac"] = u64(block, 0) >> np.uint64(16)
        columns["src_mac"] = u64(block, 6) >> np.uint64(16)
        columns["ethertype"] = ethertype = u16(block, 12)
        for _ in range(_MAX_TAGS):
            tagged = is_one_of(ethertype, *_TAGS).nonzero()[0]
            if not len(tagged):
                break
            short: Bool = self._length[tagged] < at[tagged] + 4
            self._mark(tagged, short, Status.BAD_NETWORK)
            ethertype[tagged[short]] = 0
            tagged = tagged[~short]
            tag = self._blocks(tagged, at[tagged], 4)
            outer = columns["vlan_id"][tagged] == NO_VLAN
            columns["vlan_id"][tagged[outer]] = (u16(tag, 0)[outer] & 0xFFF).astype(np.int16)
            ethertype[tagged] = u16(tag, 2)
            at[tagged] += 4
        return at

    def _arp(self, rows: I64, at: I64) -> None:
        if not len(rows):
            return
        short = self._length[rows] < at[rows] + 28
        block = self._blocks(rows, at[rows], 28)
        # Ethernet (1) and IPv4 with address lengths 6 and 4; other ARP is legal but says nothing to us.
        other = (u64(block, 0) >> np.uint64(16)) != np.uint64(0x0001_0800_0604)
        good = self._mark(rows, short | other, Status.BAD_NETWORK)
        rows, block = _only(good, rows, block)
        columns = self.columns
        columns["arp_operation"][rows] = u16(block, 6)
        columns["claim_mac"][rows] = u64(block, 8) >> np.uint64(16)
        columns["claim_ip_low"][rows] = u32(block, 14) | MAPPED
        columns["asked_ip_low"][rows] = u32(block, 24) | MAPPED

    def _ipv4(self, rows: I64, at: I64) -> _Inner:
        """Read the headers of some rows; return what _transport takes."""
        start, length = at.take(rows), self._length.take(rows)
        block = self._blocks(rows, start, 20)
        header = (block[:, 0] & 0x0F).astype(np.int64) * 4
        bad = (length < start + 20) | (block[:, 0] >> 4 != 4) | (header < 20)
        bad |= length < start + header
        good = self._mark(rows, bad, Status.BAD_NETWORK)
        rows, start, header, block = _only(good, rows, start, header, block)
        columns = self.columns
        columns["ip_version"][rows] = 4
        columns["ip_identification"][rows] = u16(block, 4)
        columns["hop_limit"][rows] = block[:, 8]
        columns["protocol"][rows] = block[:, 9]
        columns["src_ip_low"][rows] = u32(block, 12) | MAPPED
        columns["dst_ip_low"][rows] = u32(block, 16) | MAPPED
        fragment = u16(block, 6)
        later = (fragment & 0x1FFF) != 0
        columns["fragment"][rows] = (fragment >> 13) & 1
        columns["fragment"][rows[later]] = 2
        room = self._wire.take(rows) - start
        total = u16(block, 2).astype(np.int64)
        # 0: the sender's network card splits the segment (TSO), so the wire length says it.
        total = np.where(total == 0, room, np.minimum(total, room))
        return rows, start + header, np.maximum(total - header, 0), block[:, 9], later

    def _ipv6(self, rows: I64, at: I64) -> _Inner:
        """Read the headers of some rows; return what _transport takes."""
        start = at[rows]
        block = self._blocks(rows, start, 40)
        bad = (self._length[rows] < start + 40) | (block[:, 0] >> 4 != 6)
        good = self._mark(rows, bad, Status.BAD_NETWORK)
        rows, start, block = _only(good, rows, start, block)
        columns = self.columns
        columns["ip_version"][rows] = 6
        columns["hop_limit"][rows] = block[:, 7]
        columns["src_ip_high"][rows] = u64(block, 8)
        columns["src_ip_low"][rows] = u64(block, 16)
        columns["dst_ip_high"][rows] = u64(block, 24)
        columns["dst_ip_low"][rows] = u64(block, 32)
        room = self._wire[rows] - start - 40
        total = u16(block, 4).astype(np.int64)
        total = np.where(total == 0, room, np.minimum(total, room))
        protocol, skipped, later, good = self._extensions(rows, start + 40, block[:, 6].copy())
        columns["protocol"][rows] = protocol
        rest = np.maximum(total - skipped, 0)
        where = start + 40 + skipped
        return _only(good, rows, where, rest, protocol, later)

    def _extensions(self, rows: I64, start: I64, protocol: U8) -> tuple[U8, I64, Bool, Bool]:
        """Walk the IPv6 extension headers of all rows together.

        Returns:
            The transport protocol, the bytes skipped, whether it is a later fragment, whether the
            chain could be read; each of shape (rows,).
        """
        skipped = np.zeros(len(rows), np.int64)
        later = np.zeros(len(rows), np.bool_)
        good = np.ones(len(rows), np.bool_)
        for _ in range(_MAX_EXTENSIONS):
            inside = (_EXTENSIONS[protocol] & good & ~later).nonzero()[0]
            if not len(inside):
                break
            where = start[inside] + skipped[inside]
            short = self._length[rows[inside]] < where + 8
            good[inside[short]] = False
            inside, where = inside[~short], where[~short]
            head = self._blocks(rows[inside], where, 4)
            kind = protocol[inside]
            step = (head[:, 1].astype(np.int64) + 1) * 8
            step = np.where(kind == _AUTHENTICATION, (head[:, 1].astype(np.int64) + 2) * 4, step)
            step = np.where(kind == _FRAGMENT, 8, step)
            offset = u16(head, 2)
            is_fragment = kind == _FRAGMENT
            later[inside] = is_fragment & (offset >> 3 != 0)
            mark = np.where(offset >> 3 != 0, 2, offset & 1)
            target = rows[inside[is_fragment]]
            self.columns["fragment"][target] = mark[is_fragment]
            protocol[inside] = head[:, 0]
            skipped[inside] += step
        good &= ~(_EXTENSIONS[protocol] & ~later)
        self._mark(rows, ~good, Status.BAD_NETWORK)
        return protocol, skipped, later, good

    def _transport(self, rows: I64, at: I64, length: I64, protocol: U8, later: Bool) -> None:
        """Read the transport header of whole packets and first fragments.

        Args:
            rows: Which frames.
            at: Where in the frame the transport header starts.
            length: Bytes of header and payload by the network header.
            protocol: The transport protocol.
            later: Later fragments, which have no transport header.
        """
        if np.count_nonzero(later):
            self.columns["payload_bytes"][rows[later]] = length[later]
            rows, at, length, protocol = _only(~later, rows, at, length, protocol)
        self._vrrp(*_only(protocol == VRRP, rows, at, length))
        readers = (((TCP,), 20, self._tcp), ((UDP,), 8, self._udp))
        for numbers, minimum, read in (*readers, ((ICMP, ICMPV6), 4, self._icmp)):
            mine = is_one_of(protocol, *numbers)
            if not np.count_nonzero(mine):
                continue
            chosen, where, size = _only(mine, rows, at, length)
            short = (size < minimum) | (self._length.take(chosen) < where + minimum)
            good = self._mark(chosen, short, Status.BAD_TRANSPORT)
            chosen, where, size = _only(good, chosen, where, size)
            header = read(chosen, self._blocks(chosen, where, 28), where)
            good = self._mark(chosen, header > size, Status.BAD_TRANSPORT)
            chosen, where, size = _only(good, chosen, where + header, size - header)
            self._payload(chosen, where, size)
            if TCP in numbers:
                self._logins(chosen, where, size)

    def _tcp(self, rows: I64, block: U8, _where: I64) -> I64:
        columns = self.columns
        columns["src_port"][rows], columns["dst_port"][rows] = u16(block, 0), u16(block, 2)
        columns["tcp_sequence"][rows] = u32(block, 4)
        columns["tcp_flags"][rows] = block[:, 13]
        header = (block[:, 12] >> 4).astype(np.int64) * 4
        return np.where(header < 20, np.iinfo(np.int64).max // 2, header)

    def _udp(self, rows: I64, block: U8, where: I64) -> I64:
        columns = self.columns
        source, destination = u16(block, 0), u16(block, 2)
        columns["src_port"][rows], columns["dst_port"][rows] = source, destination
        captured = self._length.take(rows) - where
        dns = ((source == _DNS_PORT) | (destination == _DNS_PORT)) & (captured >= 12)
        asked, head, start, room = _only(dns, rows, block, where, captured)
        columns["dns_id"][asked] = u16(head, 8)
        columns["dns_flags"][asked] = u16(head, 10)
        columns["dns_at"][asked] = starts_of_answers(head, start, room)
        bootps = is_one_of(source, *_DHCP_PORTS) & is_one_of(destination, *_DHCP_PORTS)
        dhcp = (bootps & (captured >= 42)).nonzero()[0]
        if len(dhcp):
            bootp = self._blocks(rows[dhcp], where[dhcp] + 8, 36)
            columns["dhcp_operation"][rows[dhcp]] = bootp[:, 0]
            columns["dhcp_client"][rows[dhcp]] = u64(bootp, 28) >> np.uint64(16)
        return np.full(len(rows), 8, np.int64)

    def _icmp(self, rows: I64, block: U8, where: I64) -> I64:
        columns = self.columns
        columns["icmp_type"][rows] = block[:, 0]
        columns["icmp_code"][rows] = block[:, 1]
        # Neighbours speak with the highest hop limit, which no packet from behind a router has.
        near = (columns["ip_version"][rows] == 6) & (columns["hop_limit"][rows] == 255)
        near &= columns["protocol"][rows] == ICMPV6
        told = near & (block[:, 0] == _ROUTER_ADVERTISEMENT) & (self._length[rows] >= where + 8)
        columns["router_lifetime"][rows[told]] = u16(block, 6)[told]
        whole = near & (self._length[rows] >= where + 24)
        claims = whole & (block[:, 0] == _NEIGHBOR_ADVERTISEMENT)
        asks = whole & (block[:, 0] == _NEIGHBOR_SOLICITATION)
        columns["claim_mac"][rows[claims]] = columns["src_mac"][rows[claims]]
        columns["claim_ip_high"][rows[claims]] = u64(block, 8)[claims]
        columns["claim_ip_low"][rows[claims]] = u64(block, 16)[claims]
        columns["asked_ip_high"][rows[asks]] = u64(block, 8)[asks]
        columns["asked_ip_low"][rows[asks]] = u64(block, 16)[asks]
        return np.full(len(rows), 4, np.int64)

    def _vrrp(self, rows: I64, at: I64, length: I64) -> None:
        if not len(rows):
            return
        short = (length < 8) | (self._length.take(rows) < at + 8)
        rows, at = _only(self._mark(rows, short, Status.BAD_TRANSPORT), rows, at)
        self.columns["dst_port"][rows] = self._blocks(rows, at, 3)[:, 2]

    def _payload(self, rows: I64, at: I64, length: I64) -> None:
        self.columns["payload_bytes"][rows] = length
        head = np.minimum(length, DIGEST_BYTES)
        # A head that was not captured whole would make unequal payloads look equal.
        seen = (length > 0) & (length <= MOST_DIGESTED_BYTES)
        seen &= self._length.take(rows) >= at + head
        if not np.count_nonzero(seen):
            return
        rows, at, length, head = _only(seen, rows, at, length, head)
        block = self._heads(rows, at, head)
        published = self.columns["dst_port"].take(rows) == BROKER_PORT
        published &= self.columns["protocol"].take(rows) == TCP
        take_down(block, length, published.nonzero()[0])
        self.columns["payload_digest"][rows] = digest_blocks(block, length)

    def _logins(self, rows: I64, at: I64, length: I64) -> None:
        """Look for passwords and refusals in TCP payloads whose first byte may tell of some."""
        head = np.minimum(length, DIGEST_BYTES)
        worth = (length > 0) & (self._length.take(rows) >= at + head)
        first = self._data.take(self._start.take(rows) + at * worth)
        worth &= may_tell(first, length > MOST_DIGESTED_BYTES)
        if np.count_nonzero(worth):
            rows, at, head = _only(worth, rows, at, head)
            self.columns["login"][rows] = logins(self._heads(rows, at, head))

    def _heads(self, rows: I64, at: I64, head: I64) -> U8:
        """Return the first bytes of payloads, zeros behind their end."""
        block = self._blocks(rows, at, DIGEST_BYTES)
        block &= _HEADS.take(head, axis=0)
        return block


def _only(good: Bool | None, *columns: _Column) -> tuple[Any, ...]:
    """Return the good rows of some columns; None: all are, and nothing is copied."""
    if good is None or np.count_nonzero(good) == len(good):
        return columns
    rows = good.nonzero()[0]  # several columns by numbers take less than each by a mask
    return tuple(column.take(rows, axis=0) for column in columns)


def _padded(frames: FrameBatch) -> U8:
    """Return the buffer with room behind the last frame, so that every block can be read."""
    longest = int(frames.offset.max(initial=0)) + 2 * SNAP_BYTES + DIGEST_BYTES
    missing = longest - len(frames.data)
    if missing <= 0:
        return np.ascontiguousarray(frames.data)
    return np.concatenate([frames.data, np.zeros(missing, np.uint8)])
