"""Through which MACs a network reaches what is outside."""

from typing import Final

import numpy as np

from agent.features.view import View
from agent.grouping import distinct
from agent.records import I64, U64, Bool
from agent.tables import KeyTable

KEEP_NS: Final = 3_600_000_000_000
CAPACITY: Final = 256


class Routers:
    """Remembers who carries calls to or from what is behind a router; see `Bindings`."""

    def __init__(self) -> None:
        self.table = KeyTable(CAPACITY, KEEP_NS)

    def learn(self, view: View, called: Bool) -> None:
        """Take in a window.

        Args:
            view: The window.
            called: Which rows opened a TCP flow.
        """
        rows = called.nonzero()[0]
        flows, holders = view.flows, view.holders
        # Who has a victim's calls sent to itself does not hold the addresses that they are for.
        out = rows[holders.dst_behind.take(rows) & ~holders.misdirected.take(rows)]
        back = rows[holders.src_behind.take(rows)]
        macs = np.concatenate([flows.dst_mac.take(out), flows.src_mac.take(back)])
        self.table.claim(distinct(view.key(macs)), view.now_ns)

    def among(self, view: View, macs: U64) -> Bool:
        """Tell which of some MACs are routers'."""
        known: I64 = self.table.find(view.key(macs), view.now_ns)
        return known >= 0
