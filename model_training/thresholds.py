"""The score from which each class is named, chosen on origins that the model had not seen."""

from typing import Final

import numpy as np

from agent.records import F32, I64
from contract.attacks import CLASSES, Label
from model_training.dataset import Dataset
from model_training.labels import BENIGN_INDEX
from model_training.params import ThresholdParams
from model_training.strikes import WINDOW_NS, Alerts, alerts, host_keys, verdicts, weighty

HOUR_NS: Final = 3600 * 1_000_000_000
HOURS_A_WEEK: Final = 168
_STEP: Final = 0.01


def choose(dataset: Dataset, scores: F32, params: ThresholdParams) -> dict[Label, float]:
    """Return for each attack class the lowest threshold whose false alerts stay in the budget.

    Args:
        dataset: With benign behaviour.
        scores: What boosters say of each row that did not see its origin, (n, classes).
        params: The budget, and the bounds of a threshold.

    Returns:
        The threshold of each attack class; the upper bound where the budget cannot be kept.
    """
    weeks = benign_hours(dataset, np.arange(len(dataset))) / HOURS_A_WEEK
    allowed = params.false_alerts_per_host_week * weeks
    benign = innocent(dataset, np.arange(len(dataset)))
    chosen: dict[Label, float] = {}
    for label, name in enumerate(CLASSES):
        if label != BENIGN_INDEX:
            near = benign[scores[benign, label] >= params.lowest]  # nothing else can count
            steps = np.arange(params.lowest, params.highest, _STEP).tolist()
            kept = (
                step
                for step in steps
                if len(_opened(dataset, near, scores[near], {name: step}).label) <= allowed
            )
            chosen[name] = round(next(kept, params.highest), 4)
    return chosen


def false_alerts(
    dataset: Dataset, rows: I64, scores: F32, thresholds: dict[Label, float]
) -> Alerts:
    """Return the alerts that would open on hosts that never attack.

    Args:
        dataset: The observations.
        rows: Which of them to look at.
        scores: Of all observations, (len(dataset), classes).
        thresholds: Of the classes that may be named.
    """
    benign = innocent(dataset, rows)
    return _opened(dataset, benign, scores[benign], thresholds)


def _opened(dataset: Dataset, rows: I64, scores: F32, thresholds: dict[Label, float]) -> Alerts:
    return alerts(
        host_keys(dataset, rows),
        dataset.window_start_ns[rows],
        verdicts(scores, thresholds),
        weighty(dataset, rows, scores),
    )


def benign_hours(dataset: Dataset, rows: I64) -> float:
    """Return how long hosts were there that never attack: from first to last window, added up."""
    benign = innocent(dataset, rows)
    if not len(benign):
        return 0.0
    hosts = host_keys(dataset, benign)
    _, group = np.unique(hosts, return_inverse=True)
    starts = dataset.window_start_ns[benign]
    first = np.full(group.max() + 1, np.iinfo(np.int64).max)
    last = np.zeros(group.max() + 1, np.int64)
    np.minimum.at(first, group, starts)
    np.maximum.at(last, group, starts + WINDOW_NS)
    return float((last - first).sum()) / HOUR_NS


def innocent(dataset: Dataset, rows: I64) -> I64:
    """Return the benign rows of hosts that attack nowhere in their capture.

    An alert that goes on for a while after its attack is late to close, but accuses nobody wrongly.
    """
    hosts = host_keys(dataset, rows)
    attackers = np.unique(hosts[dataset.label[rows] > BENIGN_INDEX])
    harmless: I64 = rows[(dataset.label[rows] == BENIGN_INDEX) & ~np.isin(hosts, attackers)]
    return harmless
