"""What no honest host does, whatever else it does: attacks so plain that they need no model."""

from collections.abc import Sequence
from itertools import chain
from typing import Final, Self

import msgspec
import numpy as np

from agent.records import F32, I64, Bool
from contract.attacks import Label
from contract.features import FEATURE_NAMES
from contract.model_metadata import Limit

CERTAIN: Final = 0.99  # what the class of an exceeded limit scores at least
SURE: Final = 0.5  # of another attack, and the model is believed
_COLUMN: Final = {name: column for column, name in enumerate(FEATURE_NAMES)}
_TELNET: Final = _COLUMN["telnet_syn_60s"]
_PASSWORDS: Final = _COLUMN["login_attempts_60s"]


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
    return raised(scores, features, Bounds.of(limits), classes)


class Bounds(msgspec.Struct, frozen=True, eq=False):
    """Limits as columns, for they are many: each has some bounds, which must all hold."""

    labels: list[Label]  # of the limits
    starts: I64  # with which bound each limit begins
    columns: I64  # of the features that are bounded, shape (bounds,)
    least: F32
    most: F32

    @classmethod
    def of(cls, limits: Sequence[Limit]) -> Self:
        """Return the bounds of some limits."""
        bounds = [
            [(_COLUMN[name], least, np.inf) for name, least in limit.at_least.items()]
            + [(_COLUMN[name], -np.inf, most) for name, most in limit.at_most.items()]
            for limit in limits
        ]
        columns, least, most = (
            zip(*chain.from_iterable(bounds), strict=True) if bounds else [()] * 3
        )
        return cls(
            [limit.label for limit in limits],
            np.cumsum([0, *map(len, bounds[:-1])]),
            np.array(columns, np.int64),
            np.array(least, np.float32),
            np.array(most, np.float32),
        )

    def exceeded(self, features: F32) -> Bool:
        """Return which rows exceed which limits, shape (n, limits)."""
        if not self.labels:
            return np.zeros((len(features), 0), np.bool_)
        values = features.take(self.columns, axis=1)
        within = values >= self.least
        within &= values <= self.most
        return np.logical_and.reduceat(within, self.starts, axis=1)


def raised(scores: F32, features: F32, bounds: Bounds, classes: Sequence[Label]) -> F32:
    """Do what `with_limits` does, with the limits' bounds."""
    beyond = bounds.exceeded(features)
    numbers = np.flatnonzero(beyond.any(axis=0)).tolist()
    told = scores.copy()
    settled = np.zeros(len(scores), np.bool_)
    for number in numbers:
        rows = np.flatnonzero(beyond[:, number] & ~settled)
        settled[rows] = True
        label = classes.index(bounds.labels[number])
        others = scores[rows]
        others[:, [0, label]] = 0.0  # benign is no attack
        if bounds.labels[number] == "DOS":  # a flood says the same for ever
            others[:, classes.index("Replay")] = 0.0
            # Asking for what is refused is no guess where no password is tried.
            others[features[rows, _PASSWORDS] == 0, classes.index("BruteForce")] = 0.0
        elif bounds.labels[number] == "Scan":  # a bot knocks at telnet, too
            others[features[rows, _TELNET] == 0, classes.index("Botnet")] = 0.0
        elif bounds.columns[bounds.starts[number]] == _PASSWORDS:  # no flood tries them
            others[:, classes.index("DOS")] = 0.0
        rows = rows[(others.max(axis=1) <= SURE) & (scores[rows, label] < CERTAIN)]
        rest = 1.0 - scores[rows, label]
        told[rows] *= ((1.0 - CERTAIN) / rest)[:, None]
        told[rows, label] = CERTAIN
    return told


def exceeded(features: F32, label: Label, limits: Sequence[Limit]) -> I64:
    """Return the columns that put one vector beyond a limit of a class; none where it is within."""
    names = [
        name
        for limit in limits
        if limit.label == label and Bounds.of([limit]).exceeded(features[None])[0, 0]
        for name in limit.at_least
    ]
    return np.array([_COLUMN[name] for name in dict.fromkeys(names)], np.int64)
