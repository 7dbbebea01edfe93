"""A small model trained on made-up vectors: real XGBoost, real ONNX, in a fraction of a second."""

import functools

import numpy as np
import xgboost
from numpy.typing import NDArray

from agent.model_bundle import Bundle
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_COUNT, FEATURE_NAMES
from contract.model_metadata import ModelMetadata
from model_training.export import to_onnx, to_trees
from tests.model_bundles import told

ROUNDS = 6

# What each class does more of than others: the feature, and how much of it.
SIGNS: dict[Label, tuple[str, float]] = {
    "DOS": ("sent_syn_1s", 900.0),
    "Botnet": ("telnet_syn_60s", 120.0),
    "Replay": ("borrowed_payloads_60s", 9.0),
    "MITM": ("conflicting_claims_10s", 12.0),
    "Scan": ("ports_of_one_host_10s", 300.0),
    "BruteForce": ("login_syn_60s", 60.0),
}


def vectors(rows: int, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return made-up feature vectors and their classes."""
    random = np.random.default_rng(seed)
    features = random.gamma(1.0, 2.0, (rows, FEATURE_COUNT)).astype(np.float32)
    labels = random.integers(0, len(CLASSES), rows)
    for number, name in enumerate(CLASSES):
        if name in SIGNS:
            column, amount = SIGNS[name]
            mine = np.flatnonzero(labels == number)
            typical = random.normal(amount, amount / 4, len(mine))
            features[mine, FEATURE_NAMES.index(column)] += np.maximum(typical, 0)
    return features, labels


def metadata(**changes: object) -> ModelMetadata:
    """Return what a model of this agent says of itself."""
    model_id = str(changes.pop("model_id", "tiny"))
    return told(model_id, **changes)


@functools.cache
def booster() -> xgboost.Booster:
    """Return the trained model."""
    features, labels = vectors(1500)
    features[::7, ::5] = np.nan  # so that trees know what to do where a value is missing
    params = {
        "objective": "multi:softprob",
        "num_class": len(CLASSES),
        "max_depth": 5,
        "eta": 0.4,
        "colsample_bytree": 1.0,  # else trees that see no sign learn noise
        "seed": 1,
        "nthread": 1,
    }
    return xgboost.train(params, xgboost.DMatrix(features, label=labels), ROUNDS)


@functools.cache
def bundle() -> Bundle:
    """Return the model as agents load it."""
    said = metadata()
    return Bundle(to_onnx(booster(), said), to_trees(booster()), said)
