"""The smallest change that would have made a verdict benign: searched for along the trees' own thresholds."""

from collections.abc import Callable
from typing import Final

import numpy as np

from agent.explain.trees import Trees
from agent.records import F32, I64, Bool

MOST_CHANGES: Final = 4
MOST_FEATURES: Final = 16  # tried in each step
_BELOW, _ABOVE = 10, 4  # values tried of each feature


def thresholds_of(trees: Trees, feature_count: int) -> list[F32]:
    """Return the values at which the trees ask for each feature, ascending."""
    inner = trees.left >= 0
    feature, threshold = trees.feature[inner], trees.threshold[inner]
    return [np.unique(threshold[feature == index]) for index in range(feature_count)]


def smallest_change(
    features: F32, order: I64, thresholds: list[F32], score: Callable[[F32], tuple[F32, Bool]]
) -> list[tuple[int, float]]:
    """Return which features would have to have which values, fewest first; [] if none was found.

    Args:
        features: A vector with a malicious verdict, shape (FEATURE_COUNT,).
        order: Feature numbers, those that spoke most for the verdict first.
        thresholds: Of every feature.
        score: Returns of some vectors how strongly they are accused, and which are benign.
    """
    now = features.copy()
    changes: dict[int, float] = {}
    for _ in range(MOST_CHANGES):
        index, value = _candidates(
            now, [f for f in order.tolist() if f not in changes], thresholds
        )
        if not len(index):
            break
        tried = np.repeat(now[None], len(index), axis=0)
        tried[np.arange(len(index)), index] = value
        accused, benign = score(tried)
        best = int(accused.argmin())
        if benign.any():
            # Of the feature that spoke most among those that suffice, the nearest value.
            first = benign & (index == index[benign.argmax()])
            best = int(np.where(first, np.abs(value - now[index]), np.inf).argmin())
        changes[int(index[best])] = float(value[best])
        now[index[best]] = value[best]
        if benign.any():
            return list(changes.items())
    return []


def _candidates(now: F32, chosen: list[int], thresholds: list[F32]) -> tuple[I64, F32]:
    """Return features and values worth trying, each of shape (n,)."""
    index, value = [], []
    for feature in chosen[:MOST_FEATURES]:
        at = int(np.searchsorted(thresholds[feature], now[feature], "right"))
        below = np.nextafter(thresholds[feature][:at], np.float32(-np.inf))
        found = np.concatenate([_some(below, _BELOW), _some(thresholds[feature][at:], _ABOVE)])
        index.append(np.full(len(found), feature))
        value.append(found)
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *index]), np.concatenate([nothing.astype(np.float32), *value])


def _some(values: F32, count: int) -> F32:
    """Return at most `count` of some values, evenly chosen, the first and the last among them."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, count).round().astype(np.int64)]
