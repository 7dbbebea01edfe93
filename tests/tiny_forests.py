"""A small second opinion fitted to made-up deviations: real scikit-learn, real ONNX."""

import functools

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from contract.features import feature_schema_id
from contract.model_metadata import NoveltyMetadata
from model_training.novelty import forest_to_onnx, with_metadata

FEATURES = ["sent_packets_10s", "sent_bytes_10s", "contacted_services_10s", "sent_udp_10s"]


@functools.cache
def far() -> NDArray[np.float32]:
    """Return what was ordinary: mostly nothing beyond what is usual, sometimes a little."""
    random = np.random.default_rng(5)
    return np.maximum(random.normal(0, 0.7, (600, len(FEATURES))), 0).astype(np.float32)


@functools.cache
def forest() -> IsolationForest:
    """Return the fitted forest."""
    return IsolationForest(n_estimators=40, max_samples=256, random_state=1).fit(far())


def opinion(**changes: object) -> bytes:
    """Return the forest as a bundle carries it."""
    said = {
        "model_id": "tiny",
        "feature_schema_id": feature_schema_id(),
        "features": FEATURES,
        "threshold": 0.6,
    }
    metadata = msgspec.convert(said | changes, NoveltyMetadata)
    return with_metadata(_exported(), metadata)


@functools.cache
def _exported() -> bytes:
    return forest_to_onnx(forest(), len(FEATURES))
