"""Labels of windows: a host is called an attacker only for what it sent itself."""

from typing import Final

import msgspec
import numpy as np

from agent.records import I64, U64, Bool, Observations
from contract.features import FEATURE_NAMES, HORIZONS_S
from model_training.labels import (
    BENIGN_INDEX,
    BOTNET_INDEX,
    I8,
    REPLAY_INDEX,
    SCAN_INDEX,
    UNKNOWN,
    FrameLabels,
    Parties,
    count_per_class,
    is_one_mac,
    is_one_of,
)

# Forged senders: a host is only as guilty as its own frames show, one forged frame shows nothing.
MIN_FORGED_FRAMES: Final = 10
# An attacker that pauses for longer has stopped: the longest honest pause inside one attack is that
# between two forged ARP replies. Damped history still shows the attack then, and learning that it
# is over lets alerts end soon after the attack does.
PAUSE_NS: Final = 15_000_000_000
SECOND_NS: Final = 1_000_000_000
MIN_ASKED: Final = 0.5  # what is left of one in a minute
_RIVALRY: Final = FEATURE_NAMES.index("dhcp_rivalry_60s")
_SENT: Final = FEATURE_NAMES.index("sent_packets_60s")
_ASKING: Final = [
    FEATURE_NAMES.index(name) for name in ("opens_60s", "arp_requests_60s", "sent_icmp_60s")
]


class FrameSenders(msgspec.Struct, frozen=True, eq=False):
    """Who sent each frame to whom and when, in capture order; every column of shape (n,)."""

    time_ns: I64
    src_mac: U64
    src_ip_high: U64
    src_ip_low: U64
    dst_mac: U64

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.time_ns)


def label_windows(
    observations: Observations, frames: FrameSenders, labels: FrameLabels, parties: Parties
) -> I8:
    """Label each observation with the class of what its host did, or UNKNOWN.

    A host is an attacker where it sent frames of an attack from the attacker's side. A victim's
    answers leave it benign. What is neither sure to be an attack nor sure to be harmless, an
    attacker's short pauses included, is UNKNOWN.

    Args:
        observations: All of one capture, in order of time.
        frames: All of the same capture.
        labels: One for each frame.
        parties: Attackers and victims of the capture.

    Returns:
        int8 of shape (n,): index into CLASSES, or UNKNOWN.
    """
    count = len(observations)
    row = owners(observations, frames)
    guilty, doubtful = _blame(frames, labels, parties)
    owned = row >= 0
    attacks = count_per_class(labels.label[guilty & owned], row[guilty & owned], count)
    rival = np.bincount(row[guilty & owned & labels.rival], minlength=count)
    in_doubt = np.bincount(row[doubtful & owned], minlength=count) > 0
    total = attacks.sum(axis=1)
    result = np.where(total > 0, attacks.argmax(axis=1), BENIGN_INDEX).astype(np.int8)
    result[in_doubt & (total == 0)] = UNKNOWN
    if not parties.attacker_is_known:
        result[(total > 0) & (total < MIN_FORGED_FRAMES)] = UNKNOWN
    else:
        result[(total > 0) & _is_forged_host(observations, parties)] = UNKNOWN
    result[(result == SCAN_INDEX) & _only_answers(observations)] = UNKNOWN
    alone = observations.features[:, _RIVALRY] == 0
    result[(total > 0) & (total == rival) & alone] = UNKNOWN
    result[(total == 0) & _pauses(observations, total > 0)] = UNKNOWN
    return result


def owners(observations: Observations, frames: FrameSenders) -> I64:
    """Return for each frame the observation that counts it as sent, or -1.

    A frame belongs to an IP behind a router where that IP was observed as a host of its own, else
    to its MAC, else to the remainder (MAC 0) in which small hosts of a crowded window are judged.
    """
    window = _windows(frames.time_ns)
    start = observations.window_start_ns // SECOND_NS
    ip = observations.is_ip_host
    found = _match(
        (window, frames.src_ip_high, frames.src_ip_low),
        (start[ip], observations.src_ip_high[ip], observations.src_ip_low[ip]),
        np.flatnonzero(ip),
    )
    by_mac = _match(
        (window, frames.src_mac), (start[~ip], observations.src_mac[~ip]), np.flatnonzero(~ip)
    )
    rest = ~ip & (observations.src_mac == 0)
    by_window = _match((window,), (start[rest],), np.flatnonzero(rest))
    found = np.where(found >= 0, found, by_mac)
    return np.where(found >= 0, found, by_window)


def _windows(time_ns: I64) -> I64:
    """Return the window of each frame; a late frame counts in the window that is open."""
    window = time_ns // SECOND_NS
    latest = np.maximum.accumulate(window)
    return np.where(latest - window > max(HORIZONS_S), window, latest)


def _match(wanted: tuple[I64 | U64, ...], offered: tuple[I64 | U64, ...], index: I64) -> I64:
    """Return for each wanted tuple the index of an equal offered one, or -1."""
    if not len(index):
        return np.full(len(wanted[0]), -1, np.int64)
    columns = [
        np.concatenate([a.astype(np.uint64), b.astype(np.uint64)])
        for a, b in zip(offered, wanted, strict=True)
    ]
    order = np.lexsort(columns)
    changed = np.zeros(len(order), np.bool_)
    for column in columns:
        changed[1:] |= column[order][1:] != column[order][:-1]
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(changed)
    answer = np.full(len(order), -1, np.int64)
    answer[group[: len(index)]] = index
    return answer[group[len(index) :]]


def _blame(frames: FrameSenders, labels: FrameLabels, parties: Parties) -> tuple[Bool, Bool]:
    """Return which frames their senders are guilty of, and which leave their senders in doubt."""
    attack = labels.label > BENIGN_INDEX
    mine = is_one_mac(frames.src_mac, parties.attacker_macs) | is_one_of(
        frames.src_ip_high, frames.src_ip_low, parties.attacker_ips
    )
    victim = is_one_of(frames.src_ip_high, frames.src_ip_low, parties.victim_ips)
    if parties.attacker_is_known:
        # A recorded frame carries the MAC of whom it was recorded from: that is who repeats itself.
        guilty = (
            attack & ~labels.reaction & (mine | labels.turned | (labels.label == REPLAY_INDEX))
        )
        answer = labels.reaction & (labels.label != BOTNET_INDEX)  # there it may be the master's
        harmless = attack & (victim | answer) & ~mine
    else:
        target = frames.src_mac == _most_attacked(frames, attack & ~labels.reaction)
        guilty = attack & ~labels.reaction & ~target
        harmless = attack & labels.reaction & victim
    return guilty, ~guilty & ~harmless & (labels.label != BENIGN_INDEX)


def _is_forged_host(observations: Observations, parties: Parties) -> Bool:
    """Tell which observations are of an address that the attacker may only have borrowed."""
    named = is_one_of(observations.src_ip_high, observations.src_ip_low, parties.attacker_ips)
    return observations.is_ip_host & ~named


def _only_answers(observations: Observations) -> Bool:
    """Tell which hosts turned to nobody lately: they do not scan, even where a manifest says so."""
    sent = observations.features[:, _SENT] > 0
    quiet: Bool = np.all(observations.features[:, _ASKING] < MIN_ASKED, axis=1)
    return quiet & sent


def _most_attacked(frames: FrameSenders, attack: Bool) -> np.uint64:
    """Return the MAC that most frames of the attack went to."""
    macs, counts = np.unique(frames.dst_mac[attack], return_counts=True)
    return macs[counts.argmax()] if len(macs) else np.uint64(0)


def _pauses(observations: Observations, attacking: Bool) -> Bool:
    """Tell which observations are of a host that attacked a moment ago."""
    hosts = host_codes(observations)
    order = np.lexsort((observations.window_start_ns, hosts))
    latest = np.where(attacking, observations.window_start_ns, -PAUSE_NS * 2)[order]
    begins = np.flatnonzero(np.diff(hosts[order], prepend=-1))
    for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
        latest[begin:end] = np.maximum.accumulate(latest[begin:end])
    result = np.empty(len(order), np.bool_)
    result[order] = observations.window_start_ns[order] - latest <= PAUSE_NS
    return result


def host_codes(observations: Observations) -> I64:
    """Number the hosts of a capture from 0; shape (n,)."""
    ip = observations.is_ip_host
    columns = (
        ip,
        np.where(ip, np.uint64(0), observations.src_mac),
        np.where(ip, observations.src_ip_high, np.uint64(0)),
        np.where(ip, observations.src_ip_low, np.uint64(0)),
    )
    order = np.lexsort(columns)
    changed = np.zeros(len(order), np.bool_)
    for column in columns:
        changed[1:] |= column[order][1:] != column[order][:-1]
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(changed)
    return codes
