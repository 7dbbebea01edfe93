"""Who serves a network beside whoever was there first."""

from typing import Final

import numpy as np

from agent.features.view import View
from agent.records import I64

_MOST: Final = 16


class Rivals:
    """Remembers who serves, DHCP servers or routers, each as long as it is heard now and then.

    Args:
        keep_ns: How long who is silent is remembered.
    """

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._heard: dict[int, tuple[int, int]] = {}  # MAC -> first seen, last seen

    def among(self, view: View, rows: I64) -> I64:
        """Return the rows of some that serve whose sender does although another was there before."""
        if not len(rows):
            return rows
        macs = view.flows.src_mac.take(rows)
        present = np.unique(macs)
        alive = {
            mac: (first, view.now_ns if mac in present else last)
            for mac, (first, last) in self._heard.items()
            if last >= view.now_ns - self._keep_ns
        }
        # Whoever is there stays: inventing servers must not make the real one look new.
        room = present[: _MOST + len(alive)].tolist()
        for mac in [mac for mac in room if mac not in alive][: _MOST - len(alive)]:
            alive[mac] = (view.now_ns, view.now_ns)
        self._heard = alive
        oldest = min((first for first, _ in alive.values()), default=0)
        first_ones = [mac for mac, (first, _) in alive.items() if first == oldest]
        return rows[~np.isin(macs, np.array(first_ones, np.uint64))]
