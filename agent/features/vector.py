"""From counts of a window and a host's history to its feature vector."""

from typing import Final

import numpy as np

from agent.hosts import Hosts
from agent.records import F32, F64
from contract.features import COUNTER_COUNT, COUNTER_NAMES, DERIVED, FEATURE_COUNT, HORIZONS_S

_COLUMN: Final = {name: index for index, name in enumerate(COUNTER_NAMES)}
_DAMPED_S: Final = HORIZONS_S[1:]
# What is left of one packet after 4.6 horizons. Without an end a sum would remember for as long as
# floats reach, and models do ask for such traces: a 10 s count would know of a quarter of an hour.
_RESIDUE: Final = 1e-2
_MOST: Final = 1e30  # so that neither a sum of a history nor a ratio leaves what float32 can hold


class Histories:
    """Keeps damped sums of every counter per host slot: a count fades by 1/e in each horizon."""

    def __init__(self, slots: int) -> None:
        # One more than there are slots: -1, of hosts that got none, is a place nobody reads.
        # float32 halves the largest of our tables; sums are made in float64.
        self._sums = np.zeros((len(_DAMPED_S), slots + 1, COUNTER_COUNT), np.float32)
        self._last_ns = np.zeros(slots + 1, np.int64)

    def vectors(self, counts: dict[str, F64], hosts: Hosts, now_ns: int) -> F32:
        """Return the feature vectors of the hosts that sent, shape (hosts.senders, FEATURE_COUNT)."""
        now = np.empty((len(hosts), COUNTER_COUNT))
        for column, name in enumerate(COUNTER_NAMES):
            now[:, column] = counts[name]
        np.minimum(now, _MOST, out=now)
        slot = hosts.slot
        age_s = np.maximum(now_ns - self._last_ns[slot], 0) / 1e9
        nothing = hosts.fresh | (slot < 0)
        vectors = np.empty((hosts.senders, FEATURE_COUNT), np.float32)
        vectors[:, :COUNTER_COUNT] = now[: hosts.senders]
        damped = []
        for number, (horizon_s, sums) in enumerate(zip(_DAMPED_S, self._sums, strict=True), 1):
            total = sums.take(slot, axis=0).astype(np.float64)
            total *= np.where(nothing, 0.0, np.exp(-age_s / horizon_s))[:, None]
            total *= total >= _RESIDUE
            total += now
            sums[slot] = total
            damped.append(total[: hosts.senders])
            vectors[:, number * COUNTER_COUNT : (number + 1) * COUNTER_COUNT] = damped[-1]
        self._last_ns[slot] = now_ns
        vectors[:, (len(_DAMPED_S) + 1) * COUNTER_COUNT :] = _derived(*damped)
        return vectors


def _derived(over_10s: F64, over_60s: F64) -> F64:
    """Compute the ratios of contract.features.DERIVED, in its order."""

    def ratio(top: F64, bottom: F64) -> F64:
        return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > _TINY)

    def short(name: str) -> F64:
        return over_10s[:, _COLUMN[name]]

    def long(name: str) -> F64:
        return over_60s[:, _COLUMN[name]]

    mean = ratio(long("open_gap"), long("opens"))
    variance = np.maximum(ratio(long("open_gap_squared"), long("opens")) - mean**2, 0.0)
    values = {
        "bytes_per_packet_10s": ratio(short("sent_bytes"), short("sent_packets")),
        "received_ratio_10s": ratio(short("received_packets"), short("sent_packets")),
        "empty_ratio_10s": ratio(short("sent_empty"), short("sent_packets")),
        "services_per_host_10s": ratio(short("contacted_services"), short("contacted_hosts")),
        "novelty_ratio_60s": ratio(long("new_services"), long("contacted_services")),
        "one_service_share_60s": ratio(long("flows_to_one_service"), long("opens")),
        "unanswered_ratio_10s": _unanswered(short("sent_syn"), short("received_syn_ack")),
        "unanswered_ratio_60s": _unanswered(long("sent_syn"), long("received_syn_ack")),
        "worm_share_10s": ratio(short("telnet_syn"), short("sent_syn")),
        "data_per_live_flow_10s": ratio(short("sent_data_bytes"), short("live_flows")),
        "refused_ratio_10s": ratio(short("received_rst"), short("sent_syn")),
        "data_per_connection_60s": ratio(long("sent_data_bytes"), long("received_syn_ack")),
        "borrowed_ratio_60s": ratio(long("borrowed_payloads"), long("payloads")),
        "repeat_ratio_60s": ratio(long("own_repeats"), long("payloads")),
        "open_gap_mean_60s": mean,
        "open_gap_variation_60s": ratio(np.sqrt(variance), mean),
    }
    names = [counter.name for family in DERIVED.values() for counter in family]
    return np.stack([values[name] for name in names], axis=1)


_TINY: Final = 1e-3  # what is left of a count after seven horizons


def _unanswered(syn: F64, accepted: F64) -> F64:
    share = np.divide(accepted, syn, out=np.ones_like(syn), where=syn > _TINY)
    return np.clip(1.0 - share, 0.0, 1.0)
