"""Packets to flows: one row for each direction of a flow in a window, with its counts."""

from typing import Final, Self

import msgspec
import numpy as np

from agent.grouping import Groups
from agent.logins import ACCEPTANCE, ATTEMPT, REFUSAL, WELCOME
from agent.records import DIGEST_BYTES, I16, I64, U8, U16, U64, Bool, PacketBatch
from agent.tables import hashed, is_one_of, paired

# What is summed per flow. The first three are amounts, the others count packets by a flag.
AMOUNTS: Final = ("packets", "wire_bytes", "data_bytes")
FLAGS: Final = (
    "empty",
    "fragments",
    "syn",
    "syn_ack",
    "rst",
    "fin",
    "odd_flags",
    "data",
    "login_attempts",
    "repeated_logins",
    "login_refusals",
    "login_acceptances",
    "login_welcomes",
    "dns_queries",
    "dns_responses",
    "dns_failures",
    "dns_conflicts",
    "payloads",
    "borrowed_payloads",
    "own_repeats",
    "flow_repeats",
    "odd_repeats",
    "replayed_frames",
    "retransmissions",
)
SUMS: Final = AMOUNTS + FLAGS

MAX_FLOWS: Final = 32_768  # rows kept of one window; more are folded
BLOCK_PACKETS: Final = 16_384  # below 2**16, so that counts of a block fit a 16-bit lane
_LANES: Final = 4  # of 16 bits in an integer; BLOCK_PACKETS leaves the topmost its sign

TCP: Final = 6
UDP: Final = 17
_HAVE_PAYLOAD: Final = (TCP, UDP)
_IPV6: Final = 6
_ARP: Final = 0x0806
_DHCP_PORTS: Final = (67, 68)
_WIDE: Final = ("src_ip_high", "dst_ip_high", "claim_ip_low", "asked_ip_low", "dhcp_client")
_FIN, _SYN, _RST, _PSH, _ACK, _URG = 1, 2, 4, 8, 16, 32


class Flows(msgspec.Struct, frozen=True, eq=False):
    """The flows of a window, one row per direction, by ascending key; every column of shape (n,).

    The named columns are those of the first packet. `sums` holds the columns of SUMS that are not
    all zero: of a flood these are few, and a flood is when memory counts.
    Of ICMP the type stands in `dst_port`, of VRRP the priority, of ARP the operation stands in `protocol`. Messages of one
    ICMP type are one flow, whatever their codes.
    """

    key: U64
    first_ns: I64
    bridge_port: I16
    ethertype: U16
    protocol: U8
    hop_limit: U8
    src_mac: U64
    dst_mac: U64
    src_ip_high: U64
    src_ip_low: U64
    dst_ip_high: U64
    dst_ip_low: U64
    src_port: U16
    dst_port: U16
    icmp_code: U8
    router_lifetime: U16
    claim_ip_high: U64
    claim_ip_low: U64
    asked_ip_high: U64
    asked_ip_low: U64
    dhcp_operation: U8
    dhcp_client: U64
    folded: I64  # flows that this row stands for beyond itself
    sources: I64  # source addresses that it stands for beyond its own
    sums: dict[str, I64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.key)

    def total(self, name: str) -> I64:
        """Return one column of the sums, shape (n,)."""
        found = self.sums.get(name)
        return np.zeros(len(self), np.int64) if found is None else found

    def take(self, rows: I64 | Bool) -> "Flows":
        """Return the rows that a mask or ascending row numbers choose."""
        rows = rows.nonzero()[0] if rows.dtype == np.bool_ else rows
        columns = {name: getattr(self, name).take(rows) for name in COLUMNS}
        return Flows(**columns, sums={name: sums.take(rows) for name, sums in self.sums.items()})


class Ends(msgspec.Struct, frozen=True, eq=False):
    """Flows with keys of their IP addresses, each hashed once a window."""

    flows: Flows
    src_ip: U64  # shape (n,), as all keys: of rows without an IP as well
    dst_ip: U64

    @classmethod
    def of(cls, flows: Flows, seed: int) -> Self:
        """Return some flows with the keys of their addresses."""
        return cls(
            flows,
            hashed(seed, flows.src_ip_high, flows.src_ip_low),
            hashed(seed, flows.dst_ip_high, flows.dst_ip_low),
        )


COLUMNS: Final = tuple(name for name in Flows.__struct_fields__ if name != "sums")
_COPIED: Final = tuple(
    name
    for name in COLUMNS
    if name not in {"key", "first_ns", "protocol", "dst_port", "folded", "sources"}
)


def flows_of(packets: PacketBatch, marks: dict[str, Bool], seed: int) -> Flows:
    """Group packets of one window into flows.

    Args:
        packets: At most BLOCK_PACKETS of them.
        marks: Further flags per packet, by their name in FLAGS.
        seed: Of the hash that groups.
    """
    protocol = packets.protocol | packets.arp_operation.astype(np.uint8)
    dst_port = packets.dst_port + packets.icmp_type  # which have no other port
    key = _keys(packets, protocol, dst_port, seed)
    groups = Groups.of(key)
    first = groups.first
    columns = {name: getattr(packets, name).take(first) for name in _COPIED}
    return Flows(
        key=key.take(first),
        first_ns=packets.time_ns.take(first),
        protocol=protocol.take(first),
        dst_port=dst_port.take(first),
        folded=np.zeros(len(first), np.int64),
        sources=np.zeros(len(first), np.int64),
        sums=_sums(packets, {**_own_marks(packets), **marks} | _guesses(packets, marks), groups),
        **columns,
    )


def _keys(packets: PacketBatch, protocol: U8, dst_port: U16, seed: int) -> U64:
    kind: U64 = packets.ethertype.astype(np.uint64) << np.uint64(32)
    kind = kind | protocol.astype(np.uint64) << np.uint64(16)
    key = hashed(
        seed,
        packets.src_mac << np.uint64(16) | packets.src_port,
        packets.dst_mac << np.uint64(16) | dst_port,
        packets.src_ip_low,
        packets.dst_ip_low,
        kind | packets.bridge_port.astype(np.uint64),
    )
    # IPv6, ARP and DHCP only, told by their narrow columns, so that the others cost nothing more.
    maybe = (packets.ip_version == _IPV6) | (packets.ethertype == _ARP)
    rows = (maybe | is_one_of(packets.src_port, *_DHCP_PORTS)).nonzero()[0]
    wide = np.zeros(len(rows), np.uint64)
    for name in _WIDE:
        wide |= getattr(packets, name).take(rows)
    rows = rows[wide > 0]
    if len(rows):
        key[rows] = hashed(
            seed,
            key[rows],
            packets.src_ip_high[rows],
            packets.dst_ip_high[rows],
            packets.claim_ip_high[rows] ^ packets.asked_ip_high[rows],
            packets.claim_ip_low[rows],
            packets.asked_ip_low[rows],
            packets.dhcp_client[rows] << np.uint64(8) | packets.dhcp_operation[rows],
        )
    return key


def _own_marks(packets: PacketBatch) -> dict[str, Bool]:
    flags = packets.tcp_flags
    # Not by the ports: 0 is a port that a tool may use.
    whole = (packets.status == 0) & (packets.fragment <= 1)
    is_tcp = whole & (packets.protocol == TCP)
    connect = flags & (_SYN | _ACK | _RST | _FIN)
    no_payload = packets.payload_bytes == 0
    return {
        # Of other protocols nobody knows where a payload begins.
        "empty": whole & is_one_of(packets.protocol, *_HAVE_PAYLOAD) & no_payload,
        "fragments": packets.fragment > 0,
        "syn": is_tcp & (connect == _SYN),
        "syn_ack": is_tcp & (connect == _SYN | _ACK),
        "rst": is_tcp & (flags & _RST > 0),
        "fin": is_tcp & (connect == _FIN | _ACK),
        # No stack sends a segment that neither opens, acknowledges nor resets, or that does both.
        "odd_flags": is_tcp
        & ((flags & (_SYN | _ACK | _RST) == 0) | (connect & (_SYN | _FIN) == _SYN | _FIN)),
        "data": is_tcp & ~no_payload,
        "login_refusals": is_tcp & (packets.login == REFUSAL),
        "login_acceptances": is_tcp & (packets.login == ACCEPTANCE),
        "login_welcomes": is_tcp & (packets.login == WELCOME),
    }


def _guesses(packets: PacketBatch, marks: dict[str, Bool]) -> dict[str, Bool]:
    """Return which packets try a password, and which say again what was said before.

    Programs log in with the same words again and again, and a recording with its owner's; who
    guesses says something else each time. Of a longer message only the head is known to be the same.
    """
    tried = (packets.protocol == TCP) & (packets.login == ATTEMPT)
    said = np.zeros(len(packets), np.bool_)
    for name in ("own_repeats", "borrowed_payloads"):
        said |= marks.get(name, False)
    said &= tried & (packets.payload_bytes <= DIGEST_BYTES)
    return {"login_attempts": tried & ~said, "repeated_logins": said}


def _sums(packets: PacketBatch, marks: dict[str, Bool], groups: Groups) -> dict[str, I64]:
    sums = {
        "packets": groups.sizes,
        "wire_bytes": groups.sums(packets.wire_bytes.astype(np.int64)),
    }
    if marks["data"].any():
        sums["data_bytes"] = groups.sums(packets.payload_bytes.astype(np.int64) * marks["data"])
    names = [name for name in FLAGS if name in marks and marks[name].any()]
    for at in range(0, len(names), _LANES):
        chosen = names[at : at + _LANES]
        lanes = np.zeros((len(packets), _LANES), np.uint16)
        for lane, name in enumerate(chosen):
            lanes[:, lane] = marks[name]
        counts = groups.sums(lanes.view(np.int64).ravel()).view(np.uint16).reshape(-1, _LANES)
        for lane, name in enumerate(chosen):
            sums[name] = counts[:, lane].astype(np.int64)
    return sums


def merged(parts: list[Flows]) -> Flows:
    """Return the flows of all parts, oldest part first, each flow once.

    Args:
        parts: At least one; emptied, for in a flood a third copy would be the most that this
            process holds at any time.
    """
    if len(parts) == 1:
        return parts.pop()
    together = _concatenated(parts)
    parts.clear()
    return _once_each(together, Groups.of(together.key), folding=False)


def folded(flows: Flows, most: int, seed: int) -> Flows:
    """Return at most `most` rows, by folding the smallest flows into rows that stand for many.

    Flows that differ only in source port become one; where that is not enough, also in source
    address; then all of one sender and protocol; where senders are invented, all of one bridge port
    and protocol. No packet goes uncounted.
    """
    if len(flows) <= most:
        return flows
    # A quarter is kept as it is, so that blocks fit beside it before it is all folded again.
    large = _largest(flows.total("packets"), most // 4)
    small, kept = flows.take(~large), flows.take(large)
    del flows  # as in `merged`
    address = hashed(seed, small.src_ip_high, small.src_ip_low)
    groups = _coarsened(small, _FORGOTTEN, most // 2, seed)
    few = _once_each(small, groups, folding=True)
    apart = Groups.of(paired(small.key, address)).first
    few.sources[:] += np.bincount(groups.of_rows()[apart], minlength=len(groups)) - 1
    both = _concatenated([kept, few])
    return _once_each(both, Groups.of(both.key), folding=True)


def _coarsened(flows: Flows, steps: tuple[tuple[str, ...], ...], most: int, seed: int) -> Groups:
    """Forget in place what tells flows apart, step by step until few enough are left to tell."""
    for name in steps[0]:
        getattr(flows, name)[:] = 0
    flows.key[:] = hashed(
        seed + len(steps), *(getattr(flows, name).astype(np.uint64) for name in _FOLDED_BY)
    )
    groups = Groups.of(flows.key)
    if len(groups) <= most or len(steps) == 1:
        return groups
    return _coarsened(flows, steps[1:], most, seed)


_FOLDED_BY: Final = (
    "bridge_port",
    "src_mac",
    "dst_mac",
    "src_ip_low",
    "dst_ip_low",
    "src_port",
    "dst_port",
    "protocol",
)
_FORGOTTEN: Final = (
    ("src_port",),
    ("src_ip_high", "src_ip_low"),
    ("dst_ip_high", "dst_ip_low", "dst_port", "dst_mac", "claim_ip_low", "asked_ip_low"),
    ("src_mac",),
)


def _largest(packets: I64, count: int) -> Bool:
    """Mark the largest, of equal ones the first."""
    least = np.partition(packets, len(packets) - count)[len(packets) - count]
    large: Bool = packets > least
    ties = (packets == least).nonzero()[0]
    large[ties[: count - int(large.sum())]] = True
    return large


def _concatenated(parts: list[Flows]) -> Flows:
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    names = [name for name in SUMS if any(name in part.sums for part in parts)]
    sums = {name: np.concatenate([part.total(name) for part in parts]) for name in names}
    return Flows(**columns, sums=sums)


def _once_each(flows: Flows, groups: Groups, *, folding: bool) -> Flows:
    """Return each flow once.

    Args:
        flows: In any order.
        groups: By their key.
        folding: Rows of one key are different flows, and are counted as such.
    """
    once = flows.take(groups.first)
    several = (groups.sizes > 1).nonzero()[0]
    if not len(several):
        return once
    together = groups.only(several)
    for name, sums in flows.sums.items():
        once.sums[name][several] = together.sums(sums)
    once.folded[several] = together.sums(flows.folded)
    once.folded[several] += together.sizes - 1 if folding else 0
    once.sources[several] = together.sums(flows.sources)
    once.first_ns[several] = np.minimum.reduceat(flows.first_ns[together.order], together.starts)
    return once
