"""Whether a payload was sent before, and by whom."""

from typing import Final

import numpy as np

from agent.features.view import TCP, UDP, View
from agent.grouping import Groups
from agent.records import F64, I64, U64, Bool, PacketBatch
from agent.tables import KeyTable, hashed, members

KEEP_NS: Final = 600_000_000_000
CAPACITY: Final = 65_536
_COMPARED: Final = members(TCP, UDP)
MIN_PAYLOAD_BYTES: Final = 8  # shorter ones are alike by chance
RETRANSMISSION_NS: Final = 10_000_000_000  # a segment that comes again later was replayed

MARKS: Final = ("payloads", "borrowed_payloads", "own_repeats", "flow_repeats", "retransmissions")


class Payloads:
    """Remembers who first sent a payload to a service, and in which flow it came last.

    A payload that another host has sent and its owner sends again is common property, such as the
    request for a page that several hosts ask for: from then on nobody borrows it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self._owner = np.zeros(self.table.capacity, np.uint64)
        self._flow = np.zeros(self.table.capacity, np.uint64)
        self._sequence = np.zeros(self.table.capacity, np.uint32)
        self._last_ns = np.zeros(self.table.capacity, np.int64)
        self._lent = np.zeros(self.table.capacity, np.bool_)  # another host has sent it
        self._common = np.zeros(self.table.capacity, np.bool_)  # and then its owner again

    def marks(self, packets: PacketBatch, now_ns: int) -> dict[str, Bool]:
        """Compare the payloads of a block with what was sent before.

        Returns:
            A flag per packet for each name in MARKS.
        """
        unicast = packets.dst_mac >> np.uint64(40) & np.uint64(1) == 0
        worth = unicast & _COMPARED[packets.protocol] & (packets.payload_digest > 0)
        worth &= packets.payload_bytes >= MIN_PAYLOAD_BYTES
        marks = {name: np.zeros(len(packets), np.bool_) for name in MARKS}
        marks["payloads"] = worth
        rows = np.flatnonzero(worth)
        if len(rows):
            self._compare(packets, rows, now_ns, marks)
        return marks

    def _compare(
        self, packets: PacketBatch, rows: I64, now_ns: int, marks: dict[str, Bool]
    ) -> None:
        key, owner, flow = self._keys(packets, rows)
        sequence, time_ns = packets.tcp_sequence[rows], packets.time_ns[rows]
        groups = Groups.of(key)
        order, first = groups.order, groups.first
        group = np.repeat(np.arange(len(groups)), groups.sizes)
        slots, fresh = self.table.claim(key[first], now_ns)
        is_first = np.zeros(len(order), np.bool_)
        is_first[groups.starts] = True
        # The packet before: the previous one of the group, or what the table remembers.
        before = np.roll(order, 1)
        remembered = slots[group]
        previous_flow = np.where(is_first, self._flow[remembered], flow[before])
        previous_sequence = np.where(is_first, self._sequence[remembered], sequence[before])
        previous_ns = np.where(is_first, self._last_ns[remembered], time_ns[before])
        group_owner = np.where(fresh, owner[first], self._owner[slots])[group]
        seen = ~(is_first & fresh[group])
        same_owner = group_owner == owner[order]
        same_flow = previous_flow == flow[order]
        again = same_flow & (previous_sequence == sequence[order])
        again &= packets.protocol[rows][order] == TCP
        again &= time_ns[order] - previous_ns < RETRANSMISSION_NS
        target = rows[order]
        taken = seen & ~again & ~same_owner
        lent = _so_far(self._lent, taken, groups, slots, fresh)
        common = _so_far(self._common, same_owner & ~again & lent, groups, slots, fresh)
        marks["retransmissions"][target] = seen & again
        marks["borrowed_payloads"][target] = taken & ~common
        marks["own_repeats"][target] = seen & ~again & same_owner & ~same_flow
        marks["flow_repeats"][target] = seen & ~again & same_owner & same_flow
        last = groups.last
        kept = slots >= 0
        self._owner[slots[kept & fresh]] = owner[first[kept & fresh]]
        self._flow[slots[kept]] = flow[last[kept]]
        self._sequence[slots[kept]] = sequence[last[kept]]
        self._last_ns[slots[kept]] = time_ns[last[kept]]

    def _keys(self, packets: PacketBatch, rows: I64) -> tuple[U64, U64, U64]:
        """Return keys of (payload, service), of the sender, and of the flow; each (rows,)."""
        high, low = packets.dst_ip_high[rows], packets.dst_ip_low[rows]
        service = packets.dst_port[rows].astype(np.uint64) << np.uint64(8)
        service |= packets.protocol[rows]
        key = hashed(self._seed, packets.payload_digest[rows], high, low, service)
        # By address, not MAC: a relayed packet has the MAC of the relay, not of its sender.
        owner = hashed(self._seed, packets.src_ip_high[rows], packets.src_ip_low[rows])
        flow = hashed(self._seed, owner, packets.src_port[rows].astype(np.uint64), service, low)
        return key, owner, flow


def _so_far(state: Bool, events: Bool, groups: Groups, slots: I64, fresh: Bool) -> Bool:
    """Tell whether an event came before each row, and note it for later ones.

    Args:
        state: Whether there was one, by slot; brought up to date.
        events: Of each row, in the groups' order.
        groups: Of the rows.
        slots: Of the groups; -1 for none.
        fresh: Of the groups; a fresh slot holds the state of another key.
    """
    known = ~fresh & state[slots]
    count: I64 = np.cumsum(events) - events
    earlier: Bool = np.repeat(known, groups.sizes)
    earlier |= count > np.repeat(count[groups.starts], groups.sizes)
    kept = slots >= 0
    state[slots[kept]] = (known | np.logical_or.reduceat(events, groups.starts))[kept]
    return earlier


def count(view: View) -> dict[str, F64]:
    """Count repeated payloads of a window, by the names of the feature schema."""
    return {name: view.sent(view.flows.total(name)) for name in MARKS}
