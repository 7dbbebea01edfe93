"""Routers that stand in for each other: all who do are one holder of their addresses."""

from typing import Final

import msgspec
import numpy as np

from agent.flows import Flows
from agent.records import I64, U64
from agent.tables import is_group

VRRP: Final = 112  # and CARP
MOST: Final = 16  # routers, and of each window's advertisements
SILENT_GAPS: Final = 2.5  # a router that stands by waits for three, and a little
_ARP: Final = 0x0806
_NEAR: Final = 255  # the hop limit of who speaks on this link
_WINDOW_NS: Final = 1_000_000_000


class _Router(msgspec.Struct):
    last_ns: int  # when it last said that it is the router
    gap_ns: int  # between two times that it says so
    resigned: bool = False


def advertisements(flows: Flows) -> I64:
    """Return the rows that say that their sender is the router now (VRRP, CARP)."""
    rows = (flows.protocol == VRRP).nonzero()[0]  # hardly any: the rest is asked of these alone
    near = flows.hop_limit.take(rows) == _NEAR
    near &= (flows.ethertype.take(rows) != _ARP) & is_group(flows.dst_mac.take(rows))
    found: I64 = rows[near]
    return found


class StandbyRouters:
    """The MACs that were the router of this link one after another.

    The first who says that it is the router is one. Another becomes one when those before it have
    resigned or fallen silent, as the protocol has it. Who takes a router's place while that still
    speaks is a stranger, as before: this is how such a network is attacked.
    """

    def __init__(self) -> None:
        self._routers: dict[int, _Router] = {}

    def hear(self, flows: Flows, rows: I64) -> bool:
        """Take in the advertisements of a window; return whether anybody has become a router.

        Args:
            flows: Of the window.
            rows: Which of them are advertisements.
        """
        before = len(self._routers)
        in_time = rows[np.argsort(flows.first_ns.take(rows), kind="stable")]
        for row in in_time[:MOST].tolist():
            mac, first_ns = int(flows.src_mac[row]), int(flows.first_ns[row])
            if (
                mac not in self._routers
                and len(self._routers) < MOST
                and self._is_vacant(first_ns)
            ):
                self._routers[mac] = _Router(first_ns, 2 * _WINDOW_NS)
            if router := self._routers.get(mac):
                packets = int(flows.total("packets")[row])
                within = _WINDOW_NS // packets
                gap_ns = within if packets > 1 else abs(first_ns - router.last_ns)
                router.gap_ns = max(gap_ns, router.gap_ns // 2)  # two words at once say little
                router.last_ns = first_ns + (packets - 1) * within
                router.resigned = not flows.dst_port[row]
        return len(self._routers) > before

    def alike(self, macs: U64) -> U64:
        """Return some MACs with one for all routers that stand in for each other."""
        if len(self._routers) <= 1:  # as nearly everywhere
            return macs
        routers = np.array([*self._routers], np.uint64)
        return np.where(np.isin(macs, routers), routers[0], macs)

    def _is_vacant(self, now_ns: int) -> bool:
        return all(
            router.resigned or now_ns - router.last_ns > SILENT_GAPS * router.gap_ns
            for router in self._routers.values()
        )
