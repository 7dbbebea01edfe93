"""Packets to flows: one row for each direction of a flow in a window, with its counts."""

from typing import Final

import msgspec
import numpy as np

from agent.records import I16, I64, U8, U16, U64, Bool, PacketBatch
from agent.tables import first_of_each, hashed, members

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
    "dns_queries",
    "dns_responses",
    "dns_failures",
    "dns_conflicts",
    "payloads",
    "borrowed_payloads",
    "own_repeats",
    "flow_repeats",
    "retransmissions",
)
SUMS: Final = AMOUNTS + FLAGS
_INDEX: Final = {name: index for index, name in enumerate(SUMS)}

MAX_FLOWS: Final = 65_536  # rows kept of one window; more are folded
BLOCK_PACKETS: Final = 16_384  # below 2**16, so that counts of a block fit a 16-bit lane
_LANES: Final = 4  # 16-bit lanes of a 64-bit integer

TCP: Final = 6
_IS_ICMP: Final = members(1, 58)
_HAS_PAYLOAD: Final = members(TCP, 17)
_FIN, _SYN, _RST, _PSH, _ACK, _URG = 1, 2, 4, 8, 16, 32


class Flows(msgspec.Struct, frozen=True, eq=False):
    """The flows of a window, one row per direction; every column of shape (n,).

    The named columns are those of the first packet; `sums` is int64 of shape (n, len(SUMS)).
    Of ICMP the type stands in `dst_port`, of ARP the operation stands in `protocol`.
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
    claim_ip_high: U64
    claim_ip_low: U64
    asked_ip_high: U64
    asked_ip_low: U64
    dhcp_operation: U8
    dhcp_client: U64
    folded: I64  # flows that this row stands for beyond itself
    sums: I64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.key)

    def total(self, name: str) -> I64:
        """Return one column of the sums, shape (n,)."""
        column: I64 = self.sums[:, _INDEX[name]]
        return column


_COPIED: Final = tuple(
    name
    for name in Flows.__struct_fields__
    if name not in {"key", "first_ns", "protocol", "dst_port", "folded", "sums"}
)


def flows_of(packets: PacketBatch, marks: dict[str, Bool], seed: int) -> Flows:
    """Group packets of one window into flows.

    Args:
        packets: At most BLOCK_PACKETS of them.
        marks: Further flags per packet, by their name in FLAGS.
        seed: Of the hash that groups.
    """
    is_icmp = _IS_ICMP[packets.protocol]
    protocol = packets.protocol | packets.arp_operation.astype(np.uint8)
    dst_port = np.where(is_icmp, packets.icmp_type, packets.dst_port).astype(np.uint16)
    key = _keys(packets, protocol, dst_port, seed)
    order, starts = first_of_each(key)
    first = order[starts]
    columns = {name: getattr(packets, name)[first] for name in _COPIED}
    return Flows(
        key=key[first],
        first_ns=packets.time_ns[first],
        protocol=protocol[first],
        dst_port=dst_port[first],
        folded=np.zeros(len(first), np.int64),
        sums=_sums(packets, {**_own_marks(packets), **marks}, order, starts),
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
    wide = packets.src_ip_high | packets.dst_ip_high
    wide |= packets.claim_ip_low | packets.asked_ip_low | packets.dhcp_client
    rows = np.flatnonzero(wide)  # IPv6, ARP and DHCP only, so that the others cost nothing more
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
        "empty": whole & _HAS_PAYLOAD[packets.protocol] & no_payload,
        "fragments": packets.fragment > 0,
        "syn": is_tcp & (connect == _SYN),
        "syn_ack": is_tcp & (connect == _SYN | _ACK),
        "rst": is_tcp & (flags & _RST > 0),
        "fin": is_tcp & (connect == _FIN | _ACK),
        # No stack sends a segment that neither opens, acknowledges nor resets, or that does both.
        "odd_flags": is_tcp
        & ((flags & (_SYN | _ACK | _RST) == 0) | (connect & (_SYN | _FIN) == _SYN | _FIN)),
        "data": is_tcp & ~no_payload,
    }


def _sums(packets: PacketBatch, marks: dict[str, Bool], order: I64, starts: I64) -> I64:
    sums = np.zeros((len(starts), len(SUMS)), np.int64)
    if not len(starts):
        return sums
    sums[:, 0] = np.diff(starts, append=len(order))
    sums[:, 1] = np.add.reduceat(packets.wire_bytes[order].astype(np.int64), starts)
    data = np.where(marks["data"], packets.payload_bytes, 0).astype(np.int64)
    sums[:, 2] = np.add.reduceat(data[order], starts)
    names = [name for name in FLAGS if name in marks and marks[name].any()]
    for at in range(0, len(names), _LANES):
        lanes = np.zeros(len(order), np.uint64)
        chosen = names[at : at + _LANES]
        for lane, name in enumerate(chosen):
            lanes |= marks[name].astype(np.uint64) << np.uint64(16 * lane)
        counts = np.add.reduceat(lanes[order], starts)
        for lane, name in enumerate(chosen):
            sums[:, _INDEX[name]] = counts >> np.uint64(16 * lane) & np.uint64(0xFFFF)
    return sums


def merged(parts: list[Flows]) -> Flows:
    """Return the flows of all parts, oldest part first, each flow once."""
    together = _concatenated(parts)
    if len(parts) == 1:
        return together
    order, starts = first_of_each(together.key)
    return _grouped(together, order, starts, np.zeros(len(starts), np.int64))


def folded(flows: Flows, most: int, seed: int) -> Flows:
    """Return at most `most` rows, by folding the smallest flows into rows that stand for many.

    First flows that differ only in source address and source port become one; what is still too
    much becomes one row per sender and protocol. No packet goes uncounted.
    """
    if len(flows) <= most:
        return flows
    flows = _fold(flows, most // 2, ("src_ip_high", "src_ip_low", "src_port"), seed)
    if len(flows) <= most:
        return flows
    gone = ("src_ip_high", "src_ip_low", "src_port", "dst_ip_high", "dst_ip_low", "dst_port")
    flows = _fold(flows, most // 2, (*gone, "dst_mac", "claim_ip_low", "asked_ip_low"), seed)
    if len(flows) <= most:
        return flows
    return _fold(flows, most // 2, (*gone, "dst_mac", "src_mac", "claim_ip_low"), seed)


def _fold(flows: Flows, keep: int, forget: tuple[str, ...], seed: int) -> Flows:
    # Largest first; equal ones by key, so that the choice depends on the flows alone.
    rank = np.lexsort((flows.key, -flows.total("packets")))
    small = np.sort(rank[keep:])
    columns = {name: getattr(flows, name).copy() for name in Flows.__struct_fields__}
    for name in forget:
        columns[name][small] = 0
    named = ("src_mac", "dst_mac", "src_ip_low", "dst_ip_low", "src_port", "dst_port", "protocol")
    columns["key"][small] = hashed(
        seed + len(forget), *(columns[name][small].astype(np.uint64) for name in named)
    )
    changed = Flows(**columns)
    order, starts = first_of_each(changed.key)
    extra = np.diff(starts, append=len(order)) - 1
    return _grouped(changed, order, starts, extra)


def _concatenated(parts: list[Flows]) -> Flows:
    names = Flows.__struct_fields__
    return Flows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _grouped(flows: Flows, order: I64, starts: I64, extra: I64) -> Flows:
    first = order[starts]
    columns = {name: getattr(flows, name)[first] for name in Flows.__struct_fields__}
    if len(starts):
        columns["sums"] = np.add.reduceat(flows.sums[order], starts, axis=0)
        columns["folded"] = np.add.reduceat(flows.folded[order], starts) + extra
        columns["first_ns"] = np.minimum.reduceat(flows.first_ns[order], starts)
    return Flows(**columns)
