"""Whether a payload was sent before, and by whom."""

from typing import Final

import numpy as np

from agent.features.view import TCP, UDP, View
from agent.grouping import Groups
from agent.records import F64, I64, U64, Bool, PacketBatch
from agent.tables import NEVER_NS, KeyTable, hashed, is_group, is_one_of, members, mixed

KEEP_NS: Final = 600_000_000_000
CAPACITY: Final = 65_536
MIN_PAYLOAD_BYTES: Final = 8  # shorter ones are alike by chance
MOST_DATAGRAM_BYTES: Final = 64
NTP_PORT: Final = 123
RETRANSMISSION_NS: Final = 10_000_000_000  # a segment that comes again later was replayed
# A mirror port or a radio shows the same packet twice, but within this.
ECHO_NS: Final = 200_000_000
# Programs ask again in the same flow when no answer comes; CoAP waits up to 24 s.
RETRY_NS: Final = 30_000_000_000
KINDS: Final = 1 << 16  # of messages: to one port, of one size
_ODD: Final = 0.1  # of the payloads of a kind came again, then it is odd that one more does
_COMMON: Final = 0.5  # then it is no more, whoever began
_HIGH_SERVICE: Final = members(38899, 49152, 49153, 49154, 55443, 56700)  # bulbs, UPnP
_HALVED_NS: Final = 1_800_000_000_000

MARKS: Final = (
    "payloads",
    "borrowed_payloads",
    "own_repeats",
    "flow_repeats",
    "odd_repeats",
    "replayed_frames",
    "retransmissions",
)


class Payloads:
    """Remembers who first sent a payload to a service, and in which flow it came last.

    A payload that another host has sent, and then its owner again or a third host, is common
    property, such as the request for a page that several hosts ask for, or the first words of many
    alike devices: from then on nobody borrows it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self._kinds = Kinds(self.table.capacity)
        self._owner = np.zeros(self.table.capacity, np.uint64)
        self._flow = np.zeros(self.table.capacity, np.uint64)
        self._sequence = np.zeros(self.table.capacity, np.uint32)
        self._identification = np.zeros(self.table.capacity, np.uint16)
        self._last_ns = np.zeros(self.table.capacity, np.int64)
        self._lent = np.zeros(self.table.capacity, np.bool_)  # another host has sent it
        self._borrower = np.zeros(self.table.capacity, np.uint64)  # the first who did
        self._common = np.zeros(self.table.capacity, np.bool_)  # and then its owner, or a third

    def marks(self, packets: PacketBatch, now_ns: int) -> dict[str, Bool]:
        """Compare the payloads of a block with what was sent before.

        Returns:
            A flag per packet for each name in MARKS.
        """
        unicast = ~is_group(packets.dst_mac)
        worth = unicast & is_one_of(packets.protocol, TCP, UDP) & (packets.payload_digest > 0)
        worth &= packets.payload_bytes >= MIN_PAYLOAD_BYTES
        # What devices answer to a search begins alike, and of a datagram only the beginning is compared.
        worth &= (packets.protocol == TCP) | (packets.payload_bytes <= MOST_DATAGRAM_BYTES)
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
        sequence, time_ns = packets.tcp_sequence.take(rows), packets.time_ns.take(rows)
        identification = packets.ip_identification.take(rows)
        groups = Groups.of(key)
        first, last = groups.first, groups.last
        slots, fresh = self.table.claim(key.take(first), now_ns)
        # Most payloads are new; only those that came before are looked at further.
        seen = np.ones(len(rows), np.bool_)
        seen[groups.starts[fresh]] = False
        place = np.flatnonzero(seen)
        group = groups.starts.searchsorted(place, "right") - 1
        slot, is_fresh = slots.take(group), fresh.take(group)
        here = groups.order.take(place)
        # The packet before: the previous one of the group, or what the table remembers.
        before = groups.order.take(place - 1)
        is_first = place == groups.starts.take(group)
        same_flow = np.where(is_first, self._flow[slot], flow[before]) == flow[here]
        same_sequence = (
            np.where(is_first, self._sequence[slot], sequence[before]) == sequence[here]
        )
        previous = np.where(is_first, self._identification[slot], identification[before])
        pause_ns = time_ns[here] - np.where(is_first, self._last_ns[slot], time_ns[before])
        group_owner = np.where(is_fresh, owner[first.take(group)], self._owner[slot])
        same_owner = group_owner == owner[here]
        target = rows.take(here)
        is_segment = same_flow & same_sequence & (packets.protocol[target] == TCP)
        # A stack numbers what it sends again anew; only a recording has the number of before.
        replayed = same_flow & (previous == identification[here]) & (previous > 1)
        replayed &= pause_ns >= ECHO_NS
        replayed |= is_segment & (pause_ns >= RETRANSMISSION_NS)
        again = is_segment & ~replayed
        is_common = _asks_alike(packets, target)
        taken = ~again & ~same_owner & _to_service(packets, target) & ~is_common
        kept = slots >= 0
        new = slots[kept & fresh]
        self._lent[new] = self._common[new] = False
        third = self._third(taken, group, slots, slot, owner[here])
        lent = _so_far(self._lent, taken, group, slot, is_fresh)
        shared = third | (same_owner & ~again & lent)
        common = third | _so_far(self._common, shared, group, slot, is_fresh)
        marks["retransmissions"][target] = again
        marks["replayed_frames"][target] = replayed
        marks["borrowed_payloads"][target] = taken & ~common
        marks["own_repeats"][target] = ~again & same_owner & ~same_flow
        marks["flow_repeats"][target] = ~again & same_owner & same_flow
        late = ~again & ~is_common & ~(same_flow & (pause_ns < RETRY_NS))
        odd = self._kinds.odd(
            self._places(packets, rows.take(first)), slots, fresh, group[late], now_ns
        )
        marks["odd_repeats"][target] = late & odd.take(group)
        self._owner[new] = owner[first[kept & fresh]]
        slots, last = slots[kept], last[kept]
        self._flow[slots] = flow.take(last)
        self._sequence[slots] = sequence.take(last)
        self._identification[slots] = identification.take(last)
        self._last_ns[slots] = time_ns.take(last)

    def _third(self, taken: Bool, group: I64, slots: I64, slot: I64, who: U64) -> Bool:
        """Tell which rows take a payload that yet another host has taken, and note who was first.

        Args:
            taken: Of each row.
            group: Of each row, ascending.
            slots: Of each group; -1 for none.
            slot: Of each row's group.
            who: Takes it, of each row.
        """
        rows = taken.nonzero()[0]
        mine = group[rows]
        is_first = np.ones(len(rows), np.bool_)
        np.not_equal(mine[1:], mine[:-1], out=is_first[1:])
        first = np.zeros(len(slots), np.uint64)
        first[mine[is_first]] = who[rows[is_first]]
        known = (slot[rows] >= 0) & self._lent[slot[rows]]
        first[mine[known]] = self._borrower[slot[rows[known]]]
        third = np.zeros(len(taken), np.bool_)
        third[rows] = who[rows] != first[mine]
        kept = rows[slot[rows] >= 0]
        self._borrower[slot[kept]] = first[group[kept]]
        return third

    def _keys(self, packets: PacketBatch, rows: I64) -> tuple[U64, U64, U64]:
        """Return keys of (payload, service), of the sender, and of the flow; each (rows,)."""
        high, low = packets.dst_ip_high.take(rows), packets.dst_ip_low.take(rows)
        service = packets.dst_port.take(rows).astype(np.uint64) << np.uint64(8)
        service |= packets.protocol.take(rows)
        key = hashed(self._seed, packets.payload_digest.take(rows), high, low, service)
        # By address, not MAC: a relayed packet has the MAC of the relay, not of its sender.
        owner = hashed(self._seed, packets.src_ip_high.take(rows), packets.src_ip_low.take(rows))
        src_port = packets.src_port.take(rows).astype(np.uint64)
        flow = hashed(self._seed, owner, src_port, service, low)
        return key, owner, flow

    def _places(self, packets: PacketBatch, rows: I64) -> I64:
        """Return where the kind of some messages is counted: by port, protocol and size."""
        kind = packets.dst_port.take(rows).astype(np.uint64) << np.uint64(32)
        kind |= packets.payload_bytes.take(rows).astype(np.uint64) << np.uint64(8)
        kind |= packets.protocol.take(rows)
        return (mixed(kind ^ np.uint64(self._seed)) >> np.uint64(48)).view(np.int64)


class Kinds:
    """Knows how often messages of one size to one port come again at all.

    A reading with a counter or a cipher in it never does: then a repeat means something. A fixed
    number of kinds; the few that fall together count as one.
    """

    def __init__(self, payloads: int) -> None:
        self._different = np.zeros(KINDS, np.uint32)  # payloads
        self._repeated = np.zeros(KINDS, np.uint32)  # of them came again
        self._came_again = np.zeros(payloads, np.bool_)  # by slot of the payload
        self._was_odd = np.zeros(payloads, np.bool_)
        self._halved_ns = NEVER_NS

    def odd(self, place: I64, slots: I64, fresh: Bool, repeats: I64, now_ns: int) -> Bool:
        """Tell whose repeats are odd, and take the payloads of a block in.

        What is true of a payload's first repeat is of its further ones, until it is common.

        Args:
            place: Of each payload's kind, below KINDS; shape (payloads,).
            slots: Of each payload; -1 for none.
            fresh: Which payloads are new.
            repeats: Which of them came again, ascending; as often as they did.
            now_ns: The data's time.

        Returns:
            For each payload, whether it is odd that it came again.
        """
        if now_ns - self._halved_ns > _HALVED_NS:
            self._different >>= np.uint32(1)
            self._repeated >>= np.uint32(1)
            self._halved_ns = np.int64(now_ns)
        np.add.at(self._different, place[fresh], np.uint32(1))
        new = slots[fresh & (slots >= 0)]
        self._came_again[new] = self._was_odd[new] = False
        odd = np.zeros(len(place), np.bool_)
        if not len(repeats):
            return odd
        once = np.ones(len(repeats), np.bool_)
        np.not_equal(repeats[1:], repeats[:-1], out=once[1:])
        again = repeats[once]
        where, slot = place[again], slots[again]
        known = ~fresh[again] & (slot >= 0) & self._came_again[slot]
        np.add.at(self._repeated, where[~known], np.uint32(1))
        share = (self._repeated[where] - 0.5) / self._different[where].clip(1)
        odd[again] = np.where(known, self._was_odd[slot] & (share < _COMMON), share < _ODD)
        noted = slot >= 0
        self._came_again[slot[noted]] = True
        self._was_odd[slot[noted]] = odd[again][noted]
        return odd


def _to_service(packets: PacketBatch, rows: I64) -> Bool:
    """Return which packets ask, rather than answer: answers of many to one client are alike, too."""
    source, target = packets.src_port.take(rows), packets.dst_port.take(rows)
    lower: Bool = target <= source  # is a service's port, as a rule
    high_target, high_source = _HIGH_SERVICE[target], _HIGH_SERVICE[source]
    return np.where(high_target != high_source, high_target, lower)


def _asks_alike(packets: PacketBatch, rows: I64) -> Bool:
    """Return which packets ask for what everybody asks for, in the same words."""
    # For the same names, under one of 65,536 numbers: these meet by chance.
    alike: Bool = (packets.dns_id.take(rows) > 0) | (packets.dns_flags.take(rows) > 0)
    # For the time: small devices put nothing into the question, and all of a kind send the same.
    alike |= (packets.dst_port.take(rows) == NTP_PORT) & (packets.protocol.take(rows) == UDP)
    return alike


def _so_far(state: Bool, events: Bool, group: I64, slot: I64, is_fresh: Bool) -> Bool:
    """Tell whether an event came before each row, and note it for later ones.

    Args:
        state: Whether there was one, by slot; brought up to date.
        events: Of each row.
        group: Of each row, ascending.
        slot: Of each row's group; -1 for none.
        is_fresh: Whether the group is new: nothing came before it.
    """
    count: I64 = np.cumsum(events) - events
    earlier: Bool = count > count[group.searchsorted(group)]
    earlier |= ~is_fresh & state[slot]
    noted = slot[events]
    state[noted[noted >= 0]] = True
    return earlier


def count(view: View) -> dict[str, F64]:
    """Count repeated payloads of a window, by the names of the feature schema."""
    return {name: view.sent(name) for name in MARKS}
