"""Verdicts to alerts, as the agent's policy makes them: two verdicts of a class within its memory."""

from typing import Final

import msgspec
import numpy as np

from agent.records import F32, I64, Bool
from agent.strikes import BEYOND_DOUBT, BOTNET_MEMORY_NS, MEMORY_NS, OVERWHELMING_PACKETS
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_NAMES
from model_training.dataset import Dataset
from model_training.labels import BENIGN_INDEX

STRIKES: Final = 2  # the agent's default
QUIET_NS: Final = (
    60_000_000_000  # an alert that is quiet for so long is closed; the next is another
)
WINDOW_NS: Final = 1_000_000_000
_BOTNET: Final = CLASSES.index("Botnet")
_BEYOND_DOUBT: Final = np.array([BEYOND_DOUBT.get(name, np.inf) for name in CLASSES], np.float32)
_SENT: Final = FEATURE_NAMES.index("sent_packets_1s")


class Alerts(msgspec.Struct, frozen=True, eq=False):
    """One row per alert, every column of shape (n,)."""

    host: I64  # a code from `host_keys`
    label: I64  # index into CLASSES
    opened_ns: I64


def verdicts(scores: F32, thresholds: dict[Label, float]) -> I64:
    """Return for each row the likeliest attack class that reaches its threshold, else benign."""
    lowest = np.array([thresholds.get(name, 2.0) for name in CLASSES], np.float32)
    reached = np.where(scores >= lowest, scores, np.float32(-1))
    best = reached.argmax(axis=1)
    found: I64 = np.where(reached.max(axis=1, initial=-1) >= 0, best, BENIGN_INDEX)
    return found


def host_keys(dataset: Dataset, rows: I64) -> I64:
    """Return a code for the host of each row that is its own in the whole dataset."""
    hosts = int(dataset.host.max(initial=0)) + 1
    keys: I64 = dataset.scene[rows] * hosts + dataset.host[rows]
    return keys


def alerts(
    host: I64,
    window_start_ns: I64,
    verdict: I64,
    heavy: Bool | None = None,
    needed: int = STRIKES,
) -> Alerts:
    """Open alerts on the verdicts of many hosts, in any order.

    Args:
        host: A code for the host of each verdict.
        window_start_ns: When its window began.
        verdict: Index into CLASSES.
        heavy: Which verdicts count as two strikes; none where it is not given.
        needed: How many strikes open an alert.
    """
    if heavy is None:
        heavy = np.zeros(len(host), np.bool_)
    malicious = np.flatnonzero(verdict != BENIGN_INDEX)
    keys = (window_start_ns[malicious], verdict[malicious], host[malicious])
    order = malicious[np.lexsort(keys)]
    opened = []
    key = host[order] * len(CLASSES) + verdict[order]
    for run in np.split(order, np.flatnonzero(np.diff(key)) + 1):
        is_bot = bool((verdict[run] == _BOTNET).any())
        memory_ns = BOTNET_MEMORY_NS if is_bot else MEMORY_NS
        moments = _opened(window_start_ns[run], heavy[run], needed, memory_ns)
        opened += [(int(host[run[0]]), int(verdict[run[0]]), at) for at in moments]
    columns = np.array(opened, np.int64).reshape(-1, 3)
    return Alerts(columns[:, 0], columns[:, 1], columns[:, 2])


def _opened(starts: I64, heavy: Bool, needed: int, memory_ns: int) -> list[int]:
    """Return when alerts open on the sorted verdicts of one class against one host."""
    opened: list[int] = []
    last_seen = -QUIET_NS * 2
    held: list[tuple[int, int]] = []  # strikes: when, and how much they count
    for start, is_heavy in zip(starts.tolist(), heavy.tolist(), strict=True):
        if start - last_seen <= QUIET_NS:
            last_seen = start + WINDOW_NS
            continue
        held = [strike for strike in held if start - strike[0] <= memory_ns]
        held.append((start, 2 if is_heavy else 1))
        if sum(weight for _, weight in held) >= needed:
            opened.append(start + WINDOW_NS)
            last_seen = start + WINDOW_NS
            held = []
    return opened


def weighty(dataset: Dataset, rows: I64, scores: F32 | None = None) -> Bool:
    """Return which windows prove as much as two: of many packets, or beyond doubt.

    Args:
        dataset: The observations.
        rows: Which of them.
        scores: Of those rows, (rows, classes), where the judge gives scores.
    """
    many: Bool = packets_sent(dataset, rows) >= OVERWHELMING_PACKETS
    return many if scores is None else many | (scores >= _BEYOND_DOUBT).any(axis=1)


def packets_sent(dataset: Dataset, rows: I64) -> F32:
    """Return how many packets the host of each row sent in its window."""
    sent: F32 = dataset.features[rows, _SENT]
    return sent
