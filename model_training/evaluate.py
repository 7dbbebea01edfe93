"""How good a model is where it counts: attacks found, how soon, and whom it accuses wrongly."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from agent.records import F32, I64
from contract.attacks import CLASSES, Label
from model_training.calibration import Calibration
from model_training.dataset import Dataset
from model_training.labels import BENIGN_INDEX, I8, UNKNOWN, count_per_class
from model_training.novelty import SecondOpinion
from model_training.peers import Peers
from model_training.strikes import Alerts, alerts, host_keys, packets_sent, verdicts, weighty
from model_training.thresholds import benign_hours, false_alerts, innocent

SOON_S: Final = 5.0  # what a loud attack may take
LATE_S: Final = 120.0  # what a slow one may
_BINS: Final = 10
_OWN: Final = "edgewarden-"  # origins of this project


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """How one class of one origin was found."""

    origin: str
    label: Label
    windows: int  # in which an attacker attacked
    windows_found: int  # named with the right class
    windows_flagged: int  # named with any attack class
    attackers: int  # hosts that attacked, each capture for itself
    attackers_found: int  # with an alert of the right class
    within_5_s: int
    within_120_s: int
    seconds_to_alert: float | None  # median, from the start of the first attack window


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """How one attacker of one scene was found."""

    origin: str
    scene: str
    tool: str = ""
    label: Label
    windows: int
    windows_found: int
    loudest: int  # packets that its host sent in the loudest of them
    seconds: float | None  # from the start of its first attack window to the first right alert
    otherwise: list[Label]  # other classes that alerts called it, from then on


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Windows whose likeliest attack scored alike: how often that was right."""

    windows: int
    mean_score: float
    share_right: float


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
    sightings: list[Sighting]
    confusion: dict[Label, dict[Label, int]]  # windows: what was done, what was named
    reliability: list[Bin]


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """What was found without one family of features; thresholds keep the same budget."""

    without: str  # empty: nothing was left out
    features: int  # that were left out
    found: dict[Label, int]  # attackers, over all origins
    foreign_found: int
    foreign_attackers: int
    false_alerts: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What evaluation.json holds."""

    rounds: int
    thresholds: dict[Label, float]
    held_out: Judgement  # every origin by a model that did not see it
    baseline: Judgement  # the same windows by fixed limits
    validation: Judgement  # by the shipped model; recorded by origins that it did see
    tools: Judgement | None = None  # every tool by a model that saw no scene of it
    ablation: list[Bought] = []  # where that step was taken
    calibration: list[Calibration] = []  # of what was held out
    second_opinion: SecondOpinion | None = None  # where that step was taken
    peers: Peers | None = None  # where that step was taken


def is_own(origin: str) -> bool:
    """Tell whether an origin is of this project rather than a foreign laboratory's."""
    return origin.startswith(_OWN)


def judge(dataset: Dataset, scores: F32, thresholds: dict[Label, float]) -> Judgement:
    """Compare scores with labels.

    Args:
        dataset: The observations.
        scores: Of shape (len(dataset), classes).
        thresholds: Of the attack classes.
    """
    verdict = verdicts(scores, thresholds)
    everything = np.arange(len(dataset))
    proofs = weighty(dataset, everything, scores)
    opened = alerts(host_keys(dataset, everything), dataset.window_start_ns, verdict, proofs)
    found, accused, sightings = [], [], []
    for index, origin in enumerate(dataset.origins):
        rows = np.flatnonzero((dataset.origin == index) & (dataset.label != UNKNOWN))
        if len(innocent(dataset, rows)):
            accused.append(_accused(dataset, rows, scores, thresholds, origin))
        seen = list(_sightings(dataset, rows, verdict, opened, origin))
        sightings += seen
        found += list(_found(dataset, rows, verdict, seen, origin))
    known = np.flatnonzero(dataset.label != UNKNOWN)
    return Judgement(
        found=found,
        accused=accused,
        sightings=sightings,
        confusion=_confusion(dataset.label[known], verdict[known]),
        reliability=list(_reliability(dataset.label[known], scores[known])),
    )


def _confusion(label: I8, verdict: I64) -> dict[Label, dict[Label, int]]:
    counts = count_per_class(label.astype(np.int64), verdict, len(CLASSES)).T
    return {
        true: {named: int(counts[row, column]) for column, named in enumerate(CLASSES)}
        for row, true in enumerate(CLASSES)
    }


def _reliability(label: I8, scores: F32) -> Iterator[Bin]:
    best = scores[:, 1:].argmax(axis=1) + 1
    score = scores[np.arange(len(scores)), best]
    bins = np.minimum((score * _BINS).astype(np.int64), _BINS - 1)
    for number in range(_BINS):
        mine = bins == number
        if mine.any():
            right = float((best[mine] == label[mine]).mean())
            mean = float(score[mine].mean())
            yield Bin(windows=int(mine.sum()), mean_score=mean, share_right=right)


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


def _sightings(
    dataset: Dataset, rows: I64, verdict: I64, opened: Alerts, origin: str
) -> Iterator[Sighting]:
    hosts = host_keys(dataset, rows)
    attacks = np.flatnonzero(dataset.label[rows] != BENIGN_INDEX)
    pairs = np.unique(hosts[attacks] * len(CLASSES) + dataset.label[rows][attacks])
    for host, label in zip(*np.divmod(pairs, len(CLASSES)), strict=True):
        mine = rows[(hosts == host) & (dataset.label[rows] == label)]
        begun = int(dataset.window_start_ns[mine].min())
        after = (opened.host == host) & (opened.opened_ns > begun)
        right = after & (opened.label == label)
        others = np.unique(opened.label[after & ~right])
        yield Sighting(
            origin=origin,
            scene=dataset.scenes[int(dataset.scene[mine[0]])],
            tool=dataset.tools[int(dataset.scene[mine[0]])],
            label=CLASSES[label],
            windows=len(mine),
            windows_found=int((verdict[mine] == label).sum()),
            loudest=int(packets_sent(dataset, mine).max()),
            seconds=float(opened.opened_ns[right].min() - begun) / 1e9 if right.any() else None,
            otherwise=[CLASSES[other] for other in others],
        )


def _found(
    dataset: Dataset, rows: I64, verdict: I64, seen: list[Sighting], origin: str
) -> Iterator[Found]:
    for label in np.unique(dataset.label[rows]).tolist():
        if label == BENIGN_INDEX:
            continue
        mine = rows[dataset.label[rows] == label]
        attackers = [one for one in seen if one.label == CLASSES[label]]
        seconds = [one.seconds for one in attackers if one.seconds is not None]
        yield Found(
            origin=origin,
            label=CLASSES[label],
            windows=len(mine),
            windows_found=int((verdict[mine] == label).sum()),
            windows_flagged=int((verdict[mine] != BENIGN_INDEX).sum()),
            attackers=len(attackers),
            attackers_found=len(seconds),
            within_5_s=sum(one <= SOON_S for one in seconds),
            within_120_s=sum(one <= LATE_S for one in seconds),
            seconds_to_alert=float(np.median(seconds)) if seconds else None,
        )
