"""Which MAC holds which IP address, learned from claims and traffic; in a table of fixed size."""

from typing import Final

import msgspec
import numpy as np

from agent.flows import Ends, Flows
from agent.grouping import Groups, since_first
from agent.records import I64, U8, U64, Bool
from agent.standby import StandbyRouters, advertisements
from agent.tables import KeyTable, hashed, is_group, members

ARP: Final = 0x0806
ARP_REQUEST: Final = 1
KEEP_NS: Final = 600_000_000_000
HOLDER_SILENT_NS: Final = 60_000_000_000  # then another MAC may take the address over
CAPACITY: Final = 65_536

_INITIAL_HOP_LIMITS: Final = members(1, 32, 64, 128, 255)  # 1: multicast on the link
_DIRECT, _ROUTED, _ANSWERED, _ASSERTED = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
_MAPPED: Final = np.uint64(0xFFFF_0000_0000)
_MULTICAST6: Final = np.uint64(0xFF << 56)
_LAST_BIT: Final = np.uint64(63)


class Holders(msgspec.Struct, frozen=True, eq=False):
    """What the bindings say of each flow row; every column of shape (n,)."""

    foreign: Bool  # the source or claimed address is held by another MAC
    own: Bool  # it is held by the sender, who uses it and does not only assert it
    misdirected: Bool  # sent to a MAC that does not hold the destination address
    src_behind: Bool  # the source is an IP behind a router
    dst_behind: Bool  # so is the destination
    dst_unseen: Bool  # nobody has spoken from the destination address


class Bindings:
    """Learns holders window by window.

    The first MAC seen with an address holds it until it is silent; others that use the address
    meanwhile are foreign. Who has only asserted an address (an ARP reply or ND advertisement costs
    nothing) gives way to the first who uses it. Routers that stand in for each other are one holder.
    An address is behind a router when its packets come with a hop limit that no stack starts with,
    are answered through the same MAC, and nobody on the link claims it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self._holder = np.zeros(self.table.capacity, np.uint64)
        self._seen_ns = np.zeros(self.table.capacity, np.int64)
        self._traits = np.zeros(self.table.capacity, np.uint8)
        self._standby = StandbyRouters()

    def learn(self, ends: Ends, now_ns: int) -> Holders:
        """Take in the flows of a window and judge their addresses.

        Args:
            ends: All flows of one window, keys made with the seed of these bindings.
            now_ns: The window's start.
        """
        flows = ends.flows
        advertised = advertisements(flows)
        if self._standby.hear(flows, advertised):
            self._holder = self._standby.alike(self._holder)
        src_mac, dst_mac = self._standby.alike(flows.src_mac), self._standby.alike(flows.dst_mac)
        source, direct = self._sources(ends)
        # A virtual router says so from its own MAC and the address of whoever is it now.
        source[advertised] = 0
        src_slot, mine = self._claim(source, src_mac, flows, now_ns)
        dst_slot = self._targets(ends, now_ns)
        link = (dst_slot >= 0) & (flows.ethertype != ARP)
        theirs = link & (self._holder.take(dst_slot) == dst_mac)
        self._note(src_slot[mine], flows.hop_limit[mine], direct[mine], dst_slot[theirs])
        foreign = (src_slot >= 0) & ~mine
        to_group = is_group(flows.dst_mac)
        return Holders(
            foreign=foreign,
            own=mine & (self._traits.take(src_slot) & _ASSERTED == 0),
            misdirected=link & ~theirs & ~to_group,
            src_behind=self._behind(src_slot) & ~foreign,
            dst_behind=self._behind(dst_slot),
            dst_unseen=dst_slot < 0,
        )

    def _targets(self, ends: Ends, now_ns: int) -> I64:
        """Return the slot of the address each row was sent to, -1 for none."""
        groups = Groups.of(ends.dst_ip)  # few, as a rule
        first = groups.first
        high, low = ends.flows.dst_ip_high.take(first), ends.flows.dst_ip_low.take(first)
        keys = _of_somebody(ends.dst_ip.take(first), high, low)
        slots = self.table.find(keys, now_ns)
        slots[keys == 0] = -1
        return groups.spread(slots)

    def _sources(self, ends: Ends) -> tuple[U64, Bool]:
        """Return the key of the address each row speaks for, 0 for none; and whether it is a claim."""
        flows = ends.flows
        keys = _of_somebody(ends.src_ip, flows.src_ip_high, flows.src_ip_low)
        claimed = flows.claim_ip_low > 0
        rows = claimed.nonzero()[0]  # few of a window's rows claim anything
        high, low = flows.claim_ip_high.take(rows), flows.claim_ip_low.take(rows)
        keys[rows] = _of_somebody(hashed(self._seed, high, low), high, low)
        return keys, claimed

    def _claim(self, keys: U64, src_mac: U64, flows: Flows, now_ns: int) -> tuple[I64, Bool]:
        """Give every address a slot and a holder.

        Returns:
            The slot of each row, -1 for none; and whether the row's sender holds it.
        """
        slots = np.full(len(keys), -1, np.int64)
        rows = keys.nonzero()[0]
        asserted = _asserted(flows)
        groups = Groups.of(keys.take(rows))
        # The one that used it first; what is only asserted comes behind all else.
        rank = since_first(flows.first_ns) | asserted.astype(np.uint64) << _LAST_BIT
        first = rows.take(groups.least(rank.take(rows)))
        unique, fresh = self.table.claim(keys.take(first), now_ns)
        slots[rows] = groups.spread(unique)
        mac, weaker = src_mac.take(first), asserted.take(first)
        weak = self._seen_ns[unique] < now_ns - HOLDER_SILENT_NS
        weak |= (self._traits[unique] & _ASSERTED > 0) & ~weaker
        moved = fresh | (weak & (self._holder[unique] != mac))
        moved &= unique >= 0
        self._holder[unique[moved]] = mac[moved]
        # Whoever takes an address that was on the link is on the link too, whatever it makes believe:
        # or else the owner, when it speaks again, would be cut off by that address.
        on_link = np.where(fresh, np.uint8(0), self._traits[unique] & _DIRECT)
        self._traits[unique[moved]] = (on_link | np.where(weaker, _ASSERTED, np.uint8(0)))[moved]
        mine = (slots >= 0) & (self._holder.take(slots) == src_mac)
        self._seen_ns[slots[mine]] = now_ns
        self._traits[slots[mine & ~asserted]] &= ~_ASSERTED
        return slots, mine

    def _note(self, slots: I64, hop_limit: U8, direct: Bool, answered: I64) -> None:
        initial = direct | _INITIAL_HOP_LIMITS[hop_limit]
        self._traits[slots[initial]] |= _DIRECT
        self._traits[slots[~initial]] |= _ROUTED
        self._traits[answered] |= _ANSWERED

    def _behind(self, slots: I64) -> Bool:
        # A claim on the link, of whatever kind, says that no router is between.
        behind: Bool = (slots >= 0) & (self._traits.take(slots) == _ROUTED | _ANSWERED)
        return behind


def _of_somebody(keys: U64, high: U64, low: U64) -> U64:
    """Return the keys of some addresses, 0 for those that belong to nobody."""
    nobody = (low & np.uint64(0xFFFF_FFFF)) == 0
    nobody |= low >= (_MAPPED | np.uint64(0xE000_0000))  # multicast, broadcast
    nobody &= high == 0
    nobody |= high >= _MULTICAST6
    return np.where(nobody, np.uint64(0), keys)


def _asserted(flows: Flows) -> Bool:
    """Return which rows only say that an address is held, instead of using it."""
    request = (flows.ethertype == ARP) & (flows.protocol == ARP_REQUEST)
    asserted: Bool = (flows.claim_ip_low > 0) & ~request
    return asserted
