"""Small datasets with made-up vectors."""

import numpy as np

from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT
from model_training.dataset import Dataset
from tests.model_training.builders import SECOND_NS, START_NS
from tests.tiny_models import vectors


def dataset(
    rows: list[tuple[int, int, int, int]],
    origins: int | None = None,
    tools: list[str] | None = None,
) -> Dataset:
    """Return a dataset of (origin, host, second, label); each origin is one scene of one tool."""
    columns = np.array(rows, np.int64).reshape(-1, 4)
    count = origins or int(columns[:, 0].max()) + 1
    return Dataset(
        features=np.zeros((len(columns), FEATURE_COUNT), np.float32),
        label=columns[:, 3].astype(np.int8),
        host=columns[:, 1],
        window_start_ns=START_NS + columns[:, 2] * SECOND_NS,
        scene=columns[:, 0],
        origin=columns[:, 0],
        scenes=[f"scene{n}.pcap" for n in range(count)],
        tools=tools or [""] * count,
        origins=[f"origin{n}" for n in range(count)],
    )


def learnable(rows: int, origins: int, seed: int = 1) -> Dataset:
    """Return a dataset whose classes can be told apart, every origin with all of them."""
    features, labels = vectors(rows, seed)
    number = np.arange(rows)
    return Dataset(
        features=features,
        label=labels.astype(np.int8),
        host=labels,
        window_start_ns=START_NS + number * SECOND_NS,
        scene=number % origins,
        origin=number % origins,
        scenes=[f"scene{n}.pcap" for n in range(origins)],
        tools=[""] * origins,
        origins=[f"origin{n}" for n in range(origins)],
    )


def certain(labels: list[int], score: float = 0.9) -> np.ndarray:
    """Return scores that name these classes."""
    scores = np.full((len(labels), len(CLASSES)), (1 - score) / (len(CLASSES) - 1), np.float32)
    scores[np.arange(len(labels)), labels] = score
    return scores
