"""What no honest host does, whatever else it does: attacks so plain that they need no model."""

from collections.abc import Sequence
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
    for limit in limits:
        rows = np.flatnonzero(exceeds(features, limit) & ~settled)
        if not len(rows):
            continue
        settled[rows] = True
        label = classes.index(limit.label)
        others = scores[rows]
        others[:, [0, label]] = 0.0  # benign is no attack
        rows = rows[(others.max(axis=1) <= SURE) & (scores[rows, label] < CERTAIN)]
        rest = 1.0 - scores[rows, label]
        raised[rows] *= ((1.0 - CERTAIN) / rest)[:, None]
        raised[rows, label] = CERTAIN
    return raised


def exceeds(features: F32, limit: Limit) -> Bool:
    """Return which rows exceed a limit, shape (n,)."""
    beyond = np.ones(len(features), np.bool_)
    for name, least in limit.at_least.items():
        beyond &= features[:, _COLUMN[name]] >= least
    for name, most in limit.at_most.items():
        beyond &= features[:, _COLUMN[name]] <= most
    return beyond


def exceeded(features: F32, label: Label, limits: Sequence[Limit]) -> I64:
    """Return the columns that put one vector beyond a limit of a class; none where it is within."""
    names = [
        name
        for limit in limits
        if limit.label == label and exceeds(features[None], limit)[0]
        for name in limit.at_least
    ]
    return np.array([_COLUMN[name] for name in dict.fromkeys(names)], np.int64)
