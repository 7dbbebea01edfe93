"""Which MAC holds which IP address, learned from claims and traffic; in a table of fixed size."""

from typing import Final

import msgspec
import numpy as np

from agent.flows import Flows
from agent.grouping import Groups, oldest_first
from agent.records import I64, U64, Bool
from agent.tables import KeyTable, hashed, members

ARP: Final = 0x0806
ARP_REQUEST: Final = 1
KEEP_NS: Final = 600_000_000_000
HOLDER_SILENT_NS: Final = 60_000_000_000  # then another MAC may take the address over
CAPACITY: Final = 65_536

_INITIAL_HOP_LIMITS: Final = members(1, 32, 64, 128, 255)  # 1: multicast on the link
_DIRECT, _ROUTED, _ANSWERED, _ASSERTED = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
_MAPPED: Final = np.uint64(0xFFFF_0000_0000)


class Holders(msgspec.Struct, frozen=True, eq=False):
    """What the bindings say of each flow row; every column of shape (n,)."""

    foreign: Bool  # the source or claimed address is held by another MAC
    misdirected: Bool  # sent to a MAC that does not hold the destination address
    src_behind: Bool  # the source is an IP behind a router
    dst_behind: Bool  # so is the destination


class Bindings:
    """Learns holders window by window.

    The first MAC seen with an address holds it until it is silent; others that use the address
    meanwhile are foreign. Who has only asserted an address (an ARP reply or ND advertisement costs
    nothing) gives way to the first who uses it. An address is behind a router when its packets come with a hop limit that
    no stack starts with, are answered through the same MAC, and nobody on the link claims it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self._holder = np.zeros(self.table.capacity, np.uint64)
        self._seen_ns = np.zeros(self.table.capacity, np.int64)
        self._traits = np.zeros(self.table.capacity, np.uint8)

    def learn(self, flows: Flows, now_ns: int) -> Holders:
        """Take in the flows of a window and judge their addresses.

        Args:
            flows: All flows of one window.
            now_ns: The window's start.
        """
        source, direct = self._sources(flows)
        src_slot = self._claim(source, flows, now_ns)
        dst_key = self._address_keys(flows.dst_ip_high, flows.dst_ip_low)
        dst_slot = np.where(dst_key > 0, self.table.find(dst_key, now_ns), -1)
        self._note(src_slot, flows, direct, dst_slot)
        foreign = (src_slot >= 0) & (self._holder[src_slot] != flows.src_mac)
        to_group = flows.dst_mac >> np.uint64(40) & np.uint64(1) > 0
        known = (dst_slot >= 0) & (flows.ethertype != ARP) & ~to_group
        return Holders(
            foreign=foreign,
            misdirected=known & (self._holder[dst_slot] != flows.dst_mac),
            src_behind=self._behind(src_slot) & ~foreign,
            dst_behind=self._behind(dst_slot),
        )

    def _sources(self, flows: Flows) -> tuple[U64, Bool]:
        """Return the key of the address each row speaks for, 0 for none; and whether it is a claim."""
        claimed = flows.claim_ip_low > 0
        high = np.where(claimed, flows.claim_ip_high, flows.src_ip_high)
        low = np.where(claimed, flows.claim_ip_low, flows.src_ip_low)
        return self._address_keys(high, low), claimed

    def _address_keys(self, high: U64, low: U64) -> U64:
        """Return the key of each address, 0 for those that belong to nobody."""
        nobody = (high == 0) & ((low & np.uint64(0xFFFF_FFFF)) == 0)
        nobody |= (high == 0) & (low >= (_MAPPED | np.uint64(0xE000_0000)))  # multicast, broadcast
        nobody |= high >> np.uint64(56) == np.uint64(0xFF)
        return np.where(nobody, np.uint64(0), hashed(self._seed, high, low))

    def _claim(self, keys: U64, flows: Flows, now_ns: int) -> I64:
        """Give every address a slot and a holder; return the slot of each row, -1 for none."""
        slots = np.full(len(keys), -1, np.int64)
        rows = np.flatnonzero(keys)
        # Oldest first, so that the first of each address is the one that used it first.
        asserted = _asserted(flows)
        # What is only asserted comes behind all else.
        rows = rows[oldest_first(flows.first_ns[rows])]
        rows = np.concatenate([rows[~asserted[rows]], rows[asserted[rows]]])
        groups = Groups.of(keys[rows])
        first = rows[groups.first]
        unique, fresh = self.table.claim(keys[first], now_ns)
        slots[rows] = unique[groups.of_rows()]
        weak = self._seen_ns[unique] < now_ns - HOLDER_SILENT_NS
        weak |= (self._traits[unique] & _ASSERTED > 0) & ~asserted[first]
        moved = fresh | (weak & (self._holder[unique] != flows.src_mac[first]))
        moved &= unique >= 0
        self._holder[unique[moved]] = flows.src_mac[first[moved]]
        self._traits[unique[moved]] = np.where(asserted[first[moved]], _ASSERTED, 0)
        mine = (slots >= 0) & (self._holder[slots] == flows.src_mac)
        self._seen_ns[slots[mine]] = now_ns
        self._traits[slots[mine & ~asserted]] &= ~_ASSERTED
        return slots

    def _note(self, slots: I64, flows: Flows, direct: Bool, dst_slots: I64) -> None:
        mine = (slots >= 0) & (self._holder[slots] == flows.src_mac)
        initial = _INITIAL_HOP_LIMITS[flows.hop_limit]
        self._traits[slots[mine & (direct | initial)]] |= _DIRECT
        self._traits[slots[mine & ~direct & ~initial]] |= _ROUTED
        answered = (dst_slots >= 0) & (flows.ethertype != ARP)
        answered &= self._holder[dst_slots] == flows.dst_mac
        self._traits[dst_slots[answered]] |= _ANSWERED

    def _behind(self, slots: I64) -> Bool:
        # A claim on the link, of whatever kind, says that no router is between.
        behind: Bool = (slots >= 0) & (self._traits[slots] == _ROUTED | _ANSWERED)
        return behind


def _asserted(flows: Flows) -> Bool:
    """Return which rows only say that an address is held, instead of using it."""
    request = (flows.ethertype == ARP) & (flows.protocol == ARP_REQUEST)
    asserted: Bool = (flows.claim_ip_low > 0) & ~request
    return asserted
