"""How good a model is where it counts: attacks found, how soon, and whom it accuses wrongly."""

from collections.abc import Iterator

import msgspec
import numpy as np

from agent.records import F32, I64
from contract.attacks import CLASSES, Label
from model_training.dataset import Dataset
from model_training.labels import BENIGN_INDEX, UNKNOWN
from model_training.strikes import Alerts, alerts, host_keys, verdicts
from model_training.thresholds import benign_hours, false_alerts, innocent


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How one class of one origin was found."""

    origin: str
    label: Label
    windows: int  # in which an attacker attacked
    windows_found: int  # named with the right class
    windows_flagged: int  # named with any attack class
    attackers: int  # hosts that attacked, each capture for itself
    attackers_found: int  # with an alert of the right class
    seconds_to_alert: float | None  # median, from the start of the first attack window


class Accused(msgspec.Struct, frozen=True, kw_only=True):
    """How one origin's hosts that never attack were judged."""

    origin: str
    windows: int
    windows_flagged: int
    hosts: int
    host_hours: float
    false_alerts: dict[Label, int]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How a set of observations was judged."""

    found: list[Found]
    accused: list[Accused]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What evaluation.json holds."""

    rounds: int
    thresholds: dict[Label, float]
    held_out: Judgement  # every origin by a model that did not see it
    validation: Judgement  # by the shipped model; recorded by origins that it did see


def judge(dataset: Dataset, scores: F32, thresholds: dict[Label, float]) -> Judgement:
    """Compare scores with labels.

    Args:
        dataset: The observations.
        scores: Of shape (len(dataset), classes).
        thresholds: Of the attack classes.
    """
    verdict = verdicts(scores, thresholds)
    everything = np.arange(len(dataset))
    opened = alerts(host_keys(dataset, everything), dataset.window_start_ns, verdict)
    found, accused = [], []
    for index, origin in enumerate(dataset.origins):
        rows = np.flatnonzero((dataset.origin == index) & (dataset.label != UNKNOWN))
        if len(innocent(dataset, rows)):
            accused.append(_accused(dataset, rows, scores, thresholds, origin))
        found += list(_found(dataset, rows, verdict, opened, origin))
    return Judgement(found=found, accused=accused)


def _accused(
    dataset: Dataset, rows: I64, scores: F32, thresholds: dict[Label, float], origin: str
) -> Accused:
    benign = innocent(dataset, rows)
    wrong = false_alerts(dataset, rows, scores, thresholds)
    labels, counts = np.unique(wrong.label, return_counts=True)
    return Accused(
        origin=origin,
        windows=len(benign),
        windows_flagged=int((verdicts(scores[benign], thresholds) != BENIGN_INDEX).sum()),
        hosts=len(np.unique(host_keys(dataset, benign))),
        host_hours=round(benign_hours(dataset, rows), 3),
        false_alerts={CLASSES[label]: int(n) for label, n in zip(labels, counts, strict=True)},
    )


def _found(
    dataset: Dataset, rows: I64, verdict: I64, opened: Alerts, origin: str
) -> Iterator[Found]:
    for label in np.unique(dataset.label[rows]).tolist():
        if label == BENIGN_INDEX:
            continue
        mine = rows[dataset.label[rows] == label]
        attackers = np.unique(host_keys(dataset, mine))
        waits = [_wait(dataset, mine, opened, host, label) for host in attackers.tolist()]
        seconds = [wait for wait in waits if wait is not None]
        yield Found(
            origin=origin,
            label=CLASSES[label],
            windows=len(mine),
            windows_found=int((verdict[mine] == label).sum()),
            windows_flagged=int((verdict[mine] != BENIGN_INDEX).sum()),
            attackers=len(attackers),
            attackers_found=len(seconds),
            seconds_to_alert=float(np.median(seconds)) if seconds else None,
        )


def _wait(dataset: Dataset, rows: I64, opened: Alerts, host: int, label: int) -> float | None:
    """Return the seconds from an attacker's first attack window to the first right alert."""
    begun = int(dataset.window_start_ns[rows][host_keys(dataset, rows) == host].min())
    right = (opened.host == host) & (opened.label == label) & (opened.opened_ns > begun)
    return float(opened.opened_ns[right].min() - begun) / 1e9 if right.any() else None
