"""Who serves a network beside whoever was there first."""

from typing import Final

import numpy as np

from agent.features.view import View
from agent.records import Bool

_MOST: Final = 16


class Rivals:
    """Remembers who serves, DHCP servers or routers, each as long as it is heard now and then.

    Args:
        keep_ns: How long who is silent is remembered.
    """

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._heard: dict[int, tuple[int, int]] = {}  # MAC -> first seen, last seen

    def among(self, view: View, serving: Bool) -> Bool:
        """Return which rows that serve come from somebody although another one was there before."""
        rows = serving.nonzero()[0]
        rivals = np.zeros(len(serving), np.bool_)
        if not len(rows):
            return rivals
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
        rivals[rows] = ~np.isin(macs, np.array(first_ones, np.uint64))
        return rivals
