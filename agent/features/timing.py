"""How regularly a host opens flows."""

from typing import Final

import numpy as np

from agent.features.view import View
from agent.grouping import Groups, oldest_first
from agent.records import F64, Bool

MAX_GAP_S: Final = 60.0


class Timing:
    """Remembers when each host opened its last flow."""

    def __init__(self, slots: int) -> None:
        self._last_ns = np.zeros(slots, np.int64)  # 0: none yet

    def count(self, view: View, opened: Bool) -> dict[str, F64]:
        """Measure gaps between opened flows of a window, by the names of the feature schema."""
        hosts = view.hosts
        self._last_ns[hosts.slot[hosts.fresh & (hosts.slot >= 0)]] = 0
        rows = opened.nonzero()[0]
        rows = rows[oldest_first(view.flows.first_ns[rows])]
        owner, time_ns = hosts.sender[rows], view.flows.first_ns[rows]
        groups = Groups.of(owner.view(np.uint64))
        starts = groups.starts
        owner, time_ns = owner[groups.order], time_ns[groups.order]
        gap = np.zeros(len(rows))
        gap[1:] = np.diff(time_ns) / 1e9
        slot = hosts.slot[owner[starts]]
        last = np.where(slot >= 0, self._last_ns[slot], 0)
        gap[starts] = np.where(last > 0, (time_ns[starts] - last) / 1e9, 0.0)
        gap = np.clip(gap, 0.0, MAX_GAP_S)
        ends = starts + groups.sizes - 1
        self._last_ns[slot[slot >= 0]] = time_ns[ends[slot >= 0]]
        size = len(hosts)
        return {
            "opens": np.bincount(owner, minlength=size).astype(np.float64),
            "open_gap": np.bincount(owner, gap, size).astype(np.float64, copy=False),
            "open_gap_squared": np.bincount(owner, gap * gap, size).astype(np.float64, copy=False),
            "active_windows": (np.arange(size) < hosts.senders).astype(np.float64),
        }
