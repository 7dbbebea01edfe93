"""What no honest host does, whatever else it does: attacks so plain that they need no model."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np

from agent.records import F32, I64, Bool
from contract.attacks import Label
from contract.features import FEATURE_NAMES
from contract.model_metadata import Limit

CERTAIN: Final = 0.99  # what the class of an exceeded limit scores at least
SURE: Final = 0.5  # of another attack, and the model is believed
_COLUMN: Final = {name: column for column, name in enumerate(FEATURE_NAMES)}


def with_limits(
    scores: F32, features: F32, limits: Sequence[Limit], classes: Sequence[Label]
) -> F32:
    """Raise the class of every limit that a row exceeds, unless the model is sure of another attack.

    A host that floods beside its day's work has the day's work in its vector as well, and trees may
    be calmed by it. The first limit that is exceeded counts.

    Args:
        scores: What the model says, (n, classes); not changed.
        features: The same rows, (n, FEATURE_COUNT).
        limits: Those of the model's metadata.
        classes: Of the columns of the scores.

    Returns:
        Scores of shape (n, classes); each row sums to 1.
    """
    raised = scores.copy()
    settled = np.zeros(len(scores), np.bool_)
    beyond = _beyond(features, limits)
    for number in np.flatnonzero(beyond.any(axis=0)).tolist():
        limit = limits[number]
        rows = np.flatnonzero(beyond[:, number] & ~settled)
        settled[rows] = True
        label = classes.index(limit.label)
        others = scores[rows]
        others[:, [0, label]] = 0.0  # benign is no attack
        rows = rows[(others.max(axis=1) <= SURE) & (scores[rows, label] < CERTAIN)]
        rest = 1.0 - scores[rows, label]
        raised[rows] *= ((1.0 - CERTAIN) / rest)[:, None]
        raised[rows, label] = CERTAIN
    return raised


def _beyond(features: F32, limits: Sequence[Limit]) -> Bool:
    """Return which rows exceed which limits, shape (n, limits); all at once, for there are many."""
    bounds = [
        [(_COLUMN[name], least, np.inf) for name, least in limit.at_least.items()]
        + [(_COLUMN[name], -np.inf, most) for name, most in limit.at_most.items()]
        for limit in limits
    ]
    if not limits:
        return np.zeros((len(features), 0), np.bool_)
    columns, least, most = zip(*chain.from_iterable(bounds), strict=True)
    values = features.take(columns, axis=1)
    within = (values >= np.array(least, np.float32)) & (values <= np.array(most, np.float32))
    starts = np.cumsum([0, *map(len, bounds[:-1])])
    return np.logical_and.reduceat(within, starts, axis=1)


def exceeded(features: F32, label: Label, limits: Sequence[Limit]) -> I64:
    """Return the columns that put one vector beyond a limit of a class; none where it is within."""
    names = [
        name
        for limit in limits
        if limit.label == label and _beyond(features[None], [limit])[0, 0]
        for name in limit.at_least
    ]
    return np.array([_COLUMN[name] for name in dict.fromkeys(names)], np.int64)
