"""Behind which bridge port each MAC lives, learned from traffic; in a table of fixed size."""

from typing import Final

import msgspec
import numpy as np

from agent.flows import Flows
from agent.grouping import Groups, oldest_first
from agent.records import I16, I64, Bool
from agent.tables import NEVER_NS, KeyTable, hashed

KEEP_NS: Final = 24 * 3_600_000_000_000
HOME_SILENT_NS: Final = 60_000_000_000  # then another bridge port may become the home
CAPACITY: Final = 16_384
_SALT: Final = 3


class Places(msgspec.Struct, frozen=True, eq=False):
    """What is known of the source MAC of each flow row; every column of shape (n,)."""

    away: Bool  # it lives behind another bridge port: somebody borrowed it, or it has just moved
    shared: Bool  # it was seen behind another bridge port too, within KEEP_NS


class Homes:
    """Learns homes window by window: the first bridge port of a MAC, until it is silent there."""

    def __init__(self, seed: int) -> None:
        self._seed = seed + _SALT
        self.table = KeyTable(CAPACITY, KEEP_NS)
        self._home = np.zeros(self.table.capacity, np.int16)
        self._seen_ns = np.full(self.table.capacity, NEVER_NS)
        self._shared_ns = np.full(self.table.capacity, NEVER_NS)

    def learn(self, flows: Flows, now_ns: int) -> Places:
        """Take in the flows of a window and say which do not come from their sender's home.

        Args:
            flows: All flows of one window.
            now_ns: The window's start.
        """
        away, shared = np.zeros(len(flows), np.bool_), np.zeros(len(flows), np.bool_)
        rows = flows.src_mac.nonzero()[0]
        if not len(rows):
            return Places(away, shared)
        keys = hashed(self._seed, flows.src_mac.take(rows))
        groups = Groups.of(keys)
        slots, fresh = self.table.claim(keys[groups.first], now_ns)
        known = slots >= 0
        port = flows.bridge_port.take(rows)
        first_port = _first_ports(groups, port, flows.first_ns.take(rows))
        self._settle(slots[known], fresh[known], first_port[known], now_ns)
        slot = groups.spread(slots)
        at_home = (slot >= 0) & (self._home[slot] == port)
        self._seen_ns[slot[at_home]] = now_ns
        away[rows] = (slot >= 0) & ~at_home
        self._shared_ns[slot[(slot >= 0) & ~at_home]] = now_ns
        shared[rows] = (slot >= 0) & (self._shared_ns[slot] >= now_ns - KEEP_NS)
        return Places(away, shared)

    def _settle(self, slots: I64, fresh: Bool, port: I16, now_ns: int) -> None:
        """Give newcomers, and who left a home that is silent, the port where they are."""
        moved = ~fresh & (self._home[slots] != port)
        moved &= self._seen_ns[slots] < now_ns - HOME_SILENT_NS
        self._shared_ns[slots[fresh]] = NEVER_NS
        self._shared_ns[slots[moved]] = now_ns
        self._home[slots[fresh | moved]] = port[fresh | moved]


def _first_ports(groups: Groups, port: I16, first_ns: I64) -> I16:
    """Return behind which bridge port each MAC was seen first in the window, shape (groups,)."""
    ports: I16 = port.take(groups.first)
    if port.min() == port.max():  # as in every capture of one interface
        return ports
    ordered = port.take(groups.order)
    lowest = np.minimum.reduceat(ordered, groups.starts)
    several = (lowest != np.maximum.reduceat(ordered, groups.starts)).nonzero()[0]
    if len(several):
        some = groups.only(several)
        by_time = oldest_first(first_ns.take(some.order))
        owner = np.repeat(np.arange(len(several)), some.sizes).take(by_time)
        first = by_time.take(Groups.of(owner.view(np.uint64)).first)
        ports[several] = port.take(some.order.take(first))
    return ports
