"""Scores as the agent tells them: where nothing speaks of an attack, the model is not asked."""

from collections.abc import Mapping

import numpy as np

from agent.records import F32
from agent.scoring import is_evident
from contract.attacks import Label
from contract.model_metadata import Evidence
from model_training.labels import BENIGN_INDEX


def as_told(scores: F32, features: F32, evidence: Mapping[Label, Evidence]) -> F32:
    """Return scores with rows that show evidence of no attack benign, both of shape (n, classes).

    Args:
        scores: What a booster says of every row.
        features: The rows, (n, FEATURE_COUNT).
        evidence: What each class asks for.
    """
    told = scores.copy()
    told[~is_evident(features, evidence)] = np.eye(scores.shape[1], dtype=np.float32)[BENIGN_INDEX]
    return told
