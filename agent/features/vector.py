"""From counts of a window and a host's history to its feature vector."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from agent.hosts import Hosts
from agent.records import F32, F64, I64
from contract.features import COUNTER_COUNT, COUNTER_NAMES, DERIVED, FEATURE_COUNT, HORIZONS_S

_COLUMN: Final = {name: index for index, name in enumerate(COUNTER_NAMES)}
_DAMPED_S: Final = np.array(HORIZONS_S[1:], np.float64)
_COUNTED: Final = len(HORIZONS_S) * COUNTER_COUNT  # features that are counters; ratios come behind
# What is left of one packet after 4.6 horizons. Without an end a sum would remember for as long as
# floats reach, and models do ask for such traces: a 10 s count would know of a quarter of an hour.
_RESIDUE: Final = 1e-2
_MOST: Final = 1e30  # so that neither a sum of a history nor a ratio leaves what float32 can hold
_BLOCK: Final = 512  # hosts at once: what is computed of them stays in a core's cache


class Histories:
    """Keeps damped sums of every counter per host slot: a count fades by 1/e in each horizon."""

    def __init__(self, slots: int) -> None:
        # One more than there are slots: -1, of hosts that got none, is a place nobody reads.
        self._sums = np.zeros((slots + 1, len(_DAMPED_S), COUNTER_COUNT), np.float32)
        self._last_ns = np.zeros(slots + 1, np.int64)

    def vectors(self, counts: dict[str, F64], hosts: Hosts, order: I64, now_ns: int) -> F32:
        """Return the feature vectors of the hosts that sent, shape (hosts.senders, FEATURE_COUNT).

        Args:
            counts: Of all hosts of a window, by the names of the feature schema.
            hosts: Who they are.
            order: Numbers of the hosts that sent, as the vectors should follow each other.
            now_ns: The window's start.
        """
        counted = np.array([counts[name] for name in COUNTER_NAMES])
        now = np.minimum(counted, _MOST, out=np.empty(counted.shape, np.float32))
        # In the order of senders, then who only received.
        chosen = np.concatenate([order, np.arange(len(order), len(hosts))])
        slot = hosts.slot.take(chosen)
        age_s = np.maximum(now_ns - self._last_ns.take(slot), 0) / 1e9
        left = np.exp(-age_s[:, None] / _DAMPED_S).astype(np.float32)
        left[hosts.fresh.take(chosen) | (slot < 0)] = 0.0
        vectors = np.empty((len(order), FEATURE_COUNT), np.float32)
        for at in range(0, len(chosen), _BLOCK):
            part = slice(at, at + _BLOCK)
            self._block(now[:, chosen[part]].T, slot[part], left[part], vectors[part])
        self._last_ns[slot] = now_ns
        return vectors

    def _block(self, now: F32, slot: I64, left: F32, vectors: F32) -> None:
        """Bring the sums of some hosts up to date, and fill in the vectors of the first of them.

        Args:
            now: Their counts, (hosts, counters).
            slot: Their slots.
            left: What is left of each horizon's sums, (hosts, horizons).
            vectors: Of those that sent, (senders, features); filled in.
        """
        total = self._sums.take(slot, axis=0)
        total *= left[:, :, None]
        total *= total >= _RESIDUE
        total += now[:, None]
        self._sums[slot] = total
        count, width = len(vectors), _COUNTED - COUNTER_COUNT
        vectors[:, :COUNTER_COUNT] = now[:count]
        vectors[:, COUNTER_COUNT:_COUNTED] = total[:count].reshape(count, width)
        vectors[:, _COUNTED:] = _derived(total[:count].reshape(count, width))


# The ratios of contract.features.DERIVED, in its order: over how many seconds, what by what.
_RATIOS: Final[dict[str, tuple[int, str, str]]] = {
    "bytes_per_packet_10s": (10, "sent_bytes", "sent_packets"),
    "received_ratio_10s": (10, "received_packets", "sent_packets"),
    "empty_ratio_10s": (10, "sent_empty", "sent_packets"),
    "unreturned_size_10s": (10, "unreturned_bytes", "sent_unreturned"),
    "services_per_host_10s": (10, "contacted_services", "contacted_hosts"),
    "novelty_ratio_60s": (60, "new_services", "contacted_services"),
    "one_service_share_60s": (60, "flows_to_one_service", "opens"),
    "unanswered_ratio_10s": (10, "received_syn_ack", "sent_syn"),
    "unanswered_ratio_60s": (60, "received_syn_ack", "sent_syn"),
    "worm_share_10s": (10, "telnet_syn", "sent_syn"),
    "data_per_live_flow_10s": (10, "sent_data_bytes", "live_flows"),
    "refused_ratio_10s": (10, "received_rst", "sent_syn"),
    "data_per_connection_60s": (60, "sent_data_bytes", "received_syn_ack"),
    "borrowed_ratio_60s": (60, "borrowed_payloads", "payloads"),
    "repeat_ratio_60s": (60, "own_repeats", "payloads"),
    "open_gap_mean_60s": (60, "open_gap", "opens"),
    "open_gap_variation_60s": (60, "open_gap_squared", "opens"),  # on its way
}
_NAMES: Final = [counter.name for family in DERIVED.values() for counter in family]


def _sums(named: Iterable[tuple[int, str]]) -> I64:
    """Return the columns of some damped counters, one horizon after the other."""
    starts = {horizon_s: at * COUNTER_COUNT for at, horizon_s in enumerate(HORIZONS_S[1:])}
    return np.array([starts[horizon_s] + _COLUMN[name] for horizon_s, name in named])


_TOPS: Final = _sums((_RATIOS[name][0], _RATIOS[name][1]) for name in _NAMES)
_BOTTOMS: Final = _sums((_RATIOS[name][0], _RATIOS[name][2]) for name in _NAMES)
_UNANSWERED: Final = [_NAMES.index(f"unanswered_ratio_{horizon}s") for horizon in (10, 60)]
_MEAN, _VARIATION = _NAMES.index("open_gap_mean_60s"), _NAMES.index("open_gap_variation_60s")
# Where there is nothing to divide by: all SYNs were accepted, all else is none.
_OF_NOTHING: Final = np.isin(np.arange(len(_NAMES)), _UNANSWERED).astype(np.float32)
_TINY: Final = 1e-3  # what is left of a count after seven horizons


def _derived(damped: F32) -> F32:
    """Compute ratios of damped sums.

    Args:
        damped: The counters of each horizon, one horizon after the other; (hosts, sums).
    """
    bottom = damped.take(_BOTTOMS, axis=1)
    ratios = np.empty(bottom.shape, np.float32)
    ratios[:] = _OF_NOTHING
    np.divide(damped.take(_TOPS, axis=1), bottom, out=ratios, where=bottom > _TINY)
    ratios[:, _UNANSWERED] = np.maximum(1.0 - ratios[:, _UNANSWERED], 0.0)
    mean = ratios[:, _MEAN]
    deviation = np.sqrt(np.maximum(ratios[:, _VARIATION] - mean**2, 0.0))
    ratios[:, _VARIATION] = np.divide(deviation, mean, out=np.zeros_like(mean), where=mean > _TINY)
    return ratios
