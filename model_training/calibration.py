"""How far scores are from shares that were right, and whether a map that other origins teach mends it."""

from typing import Final

import msgspec
import numpy as np

from agent.records import F32, F64, Bool
from contract.attacks import CLASSES
from model_training.dataset import Dataset
from model_training.labels import UNKNOWN

DOUBTFUL: Final = 0.1  # the likeliest attack scores as much; nearly all rows are below, and benign
_BINS: Final = 10
_STEPS: Final = 50
_CALM: Final = 0.1  # pull of the slope towards 1, for classes that other origins hardly show
_LEAST: Final = 1e-6


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Expected calibration errors of one origin's doubtful windows."""

    origin: str  # empty: of all
    windows: int
    as_scored: float
    mapped: float  # by one map a class, fitted to the other origins


def calibrations(dataset: Dataset, scores: F32) -> list[Calibration]:
    """Measure each origin, and all together last.

    Args:
        dataset: The observations.
        scores: Of each row by a model that did not see its origin, (n, classes).
    """
    best = scores[:, 1:].argmax(axis=1) + 1
    score = scores[np.arange(len(scores)), best].astype(np.float64)
    right = best == dataset.label
    doubtful = (dataset.label != UNKNOWN) & (score >= DOUBTFUL)
    mapped = _cross_mapped(dataset, scores)[np.arange(len(scores)), best]
    origins = [(name, dataset.origin == n) for n, name in enumerate(dataset.origins)]
    measured = []
    for name, mine in [*origins, ("", np.ones(len(dataset), np.bool_))]:
        rows = doubtful & mine
        if rows.any():
            errors = [expected_error(one[rows], right[rows]) for one in (score, mapped)]
            measured.append(
                Calibration(
                    origin=name, windows=int(rows.sum()), as_scored=errors[0], mapped=errors[1]
                )
            )
    return measured


def expected_error(score: F64, right: Bool) -> float:
    """Return the mean distance between score and share right, over ten bins of scores."""
    bins = np.minimum((score * _BINS).astype(np.int64), _BINS - 1)
    off = (score - right).astype(np.float64)
    return float(np.abs(np.bincount(bins, off, _BINS)).sum() / len(score))


def _cross_mapped(dataset: Dataset, scores: F32) -> F64:
    mapped = scores.astype(np.float64)
    asked = (dataset.label != UNKNOWN) & (scores[:, 0] < 1)  # without evidence there is no score
    for origin in range(len(dataset.origins)):
        mine = dataset.origin == origin
        others = asked & ~mine
        for label in range(1, len(CLASSES)):
            slope, shift = fit_map(scores[others, label], dataset.label[others] == label)
            mapped[mine, label] = _logistic(slope * _log_odds(scores[mine, label]) + shift)
    return mapped


def fit_map(score: F32, right: Bool) -> tuple[float, float]:
    """Return slope and shift of the log odds under which scores are likeliest (Platt's scaling)."""
    odds = _log_odds(score)
    given = np.stack([odds, np.ones(len(odds))], axis=1)
    pull, found = np.diag([_CALM, _CALM]), np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = _logistic(given @ found)
        slant = given.T @ (chance - right) + pull @ (found - [1.0, 0.0])
        curve = (given * (chance * (1 - chance))[:, None]).T @ given + pull
        step = np.linalg.solve(curve, slant)
        found = found - step / max(
            1.0, float(np.abs(step).max())
        )  # far from the end it overshoots
    return float(found[0]), float(found[1])


def _log_odds(score: F32) -> F64:
    inside = np.clip(score.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.log(inside / (1 - inside))


def _logistic(value: F64) -> F64:
    return 0.5 + np.tanh(value / 2) / 2
