"""Detectors side by side: ours, fixed limits and Kitsune, on what Kitsune could judge."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from agent.records import F32, I64
from agent.strikes import MEMORY_NS
from contract.attacks import CLASSES, Label
from model_training.baseline import limit_scores
from model_training.dataset import Dataset, part
from model_training.labels import BENIGN_INDEX
from model_training.params import ThresholdParams
from model_training.strikes import Alerts, alerts, host_keys, verdicts, weighty
from model_training.thresholds import benign_hours, innocent

HOURS_A_DAY: Final = 24
DAYS_A_WEEK: Final = 7
NOISY: Final = (1.0, 10.0)  # false alerts per host-day, to see what more of them would buy
_STEPS: Final = 60


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector found of the same attackers."""

    detector: str
    accused: dict[Label, int]  # attackers with an alert while they attacked, whatever it said
    named: dict[Label, int] | None = None  # with the right class; None: it knows no classes
    false_alerts: int


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """What Kitsune could judge, and what each detector said of it."""

    captures: int
    captures_judged: int
    attackers: dict[Label, int]
    attackers_judged: dict[Label, int]
    host_days: float  # of hosts that never attack
    beside: list[Beside]


def compare(
    dataset: Dataset,
    kitsune: F32,
    scores: F32,
    thresholds: dict[Label, float],
    params: ThresholdParams,
) -> Peers:
    """Judge the rows that Kitsune judged by all three.

    Args:
        dataset: The judged observations.
        kitsune: Its scores, NaN where it could not judge; shape (len(dataset),).
        scores: Ours, (len(dataset), classes).
        thresholds: Ours.
        params: The budget of false alerts, which all classes have together here.
    """
    rows = np.flatnonzero(np.isfinite(kitsune))
    all_attackers = _attackers(dataset)
    seen = part(dataset, rows)
    attackers = _attackers(seen)
    everything = np.arange(len(seen))
    hosts = host_keys(seen, everything)
    ours = scores[rows]
    many = weighty(seen, everything)
    budget = params.false_alerts_per_host_week * (len(CLASSES) - 1) / DAYS_A_WEEK
    beside = [
        _beside(name, seen, alerts(hosts, seen.window_start_ns, said, proofs), named=True)
        for name, said, proofs in (
            ("Edgewarden", verdicts(ours, thresholds), weighty(seen, everything, ours)),
            ("Fixed limits", limit_scores(seen.features).argmax(axis=1).astype(np.int64), many),
        )
    ]
    for per_day in (budget, *NOISY):
        opened = _by_kitsune(seen, kitsune[rows], per_day)
        name = f"Kitsune, {per_day:.2g} false alerts a host-day"
        beside.append(_beside(name, seen, opened, named=False))
    return Peers(
        captures=len(np.unique(dataset.scene)),
        captures_judged=len(np.unique(seen.scene)),
        attackers=_by_class(all_attackers),
        attackers_judged=_by_class(attackers),
        host_days=round(benign_hours(seen, everything) / HOURS_A_DAY, 3),
        beside=beside,
    )


def _attackers(dataset: Dataset) -> I64:
    """Return each attacker of each class as host and label, (n, 2)."""
    attacks = np.flatnonzero(dataset.label > BENIGN_INDEX)
    pairs = np.stack([host_keys(dataset, attacks), dataset.label[attacks].astype(np.int64)], 1)
    return np.unique(pairs, axis=0)


def _by_class(attackers: I64) -> dict[Label, int]:
    counts = np.bincount(attackers[:, 1], minlength=len(CLASSES)).tolist()
    return {name: counts[label] for label, name in enumerate(CLASSES) if label and counts[label]}


def _beside(name: str, seen: Dataset, opened: Alerts, *, named: bool) -> Beside:
    hosts = host_keys(seen, np.arange(len(seen)))
    accused, right = [], []
    for host, label in _attackers(seen).tolist():
        when = seen.window_start_ns[(hosts == host) & (seen.label == label)]
        mine = (opened.host == host) & (opened.opened_ns > when.min())
        mine &= opened.opened_ns <= when.max() + MEMORY_NS
        accused.append((host, label) if mine.any() else (host, BENIGN_INDEX))
        right.append(
            (host, label) if (opened.label[mine] == label).any() else (host, BENIGN_INDEX)
        )
    harmless = np.unique(hosts[innocent(seen, np.arange(len(seen)))])
    return Beside(
        detector=name,
        accused=_by_class(np.array(accused, np.int64).reshape(-1, 2)),
        named=_by_class(np.array(right, np.int64).reshape(-1, 2)) if named else None,
        false_alerts=int(np.isin(opened.host, harmless).sum()),
    )


def _by_kitsune(seen: Dataset, score: F32, per_day: float) -> Alerts:
    """Open alerts on each origin with the threshold that keeps the budget on all others."""
    everything = np.arange(len(seen))
    hosts = host_keys(seen, everything)
    many = weighty(seen, everything)
    harmless = innocent(seen, everything)
    steps = np.unique(np.quantile(score, 1 - np.geomspace(0.5, 1e-6, _STEPS)))
    steps = np.append(steps, np.nextafter(score.max(), np.float32(np.inf)))
    origin_of = dict(zip(hosts.tolist(), seen.origin.tolist(), strict=True))
    wrong = np.zeros((len(steps), len(seen.origins)), np.int64)
    for number, step in enumerate(steps.tolist()):
        near = harmless[score[harmless] >= step]
        said = np.ones(len(near), np.int64)
        for host in alerts(
            hosts[near], seen.window_start_ns[near], said, many[near]
        ).host.tolist():
            wrong[number, origin_of[host]] += 1
    flagged = np.zeros(len(seen), np.int64)
    for origin, step in _thresholds(seen, wrong, steps, per_day):
        flagged[(seen.origin == origin) & (score >= step)] = 1
    return alerts(hosts, seen.window_start_ns, flagged, many)


def _thresholds(
    seen: Dataset, wrong: I64, steps: F32, per_day: float
) -> Iterator[tuple[int, float]]:
    days = np.array(
        [
            benign_hours(seen, np.flatnonzero(seen.origin == origin)) / HOURS_A_DAY
            for origin in range(len(seen.origins))
        ]
    )
    for origin in range(len(seen.origins)):
        of_others = wrong.sum(axis=1) - wrong[:, origin]
        quiet = np.flatnonzero(of_others <= per_day * (days.sum() - days[origin]))
        yield origin, float(steps[quiet[0] if len(quiet) else -1])
