"""Scores as the agent tells them: what is too little to ask about, and what is too much."""

from collections.abc import Mapping, Sequence

import numpy as np

from agent.limits import with_limits
from agent.records import F32
from agent.scoring import is_evident
from contract.attacks import CLASSES, Label
from contract.model_metadata import Evidence, Limit
from model_training.labels import BENIGN_INDEX


def as_told(
    scores: F32, features: F32, evidence: Mapping[Label, Evidence], limits: Sequence[Limit]
) -> F32:
    """Return scores as agent.scoring would give them, (n, classes).

    Args:
        scores: What a booster says of every row, of the same shape.
        features: The rows, (n, FEATURE_COUNT).
        evidence: What each class asks for; a row without any, and within all limits, is benign.
        limits: What no honest host does.
    """
    told = with_limits(scores, features, limits, CLASSES)
    told[~is_evident(features, evidence, limits)] = np.eye(scores.shape[1], dtype=np.float32)[
        BENIGN_INDEX
    ]
    return told
