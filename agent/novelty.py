"""A second opinion: windows in which a host does far more of several things than it ever does."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from agent.errors import ModelError
from agent.records import F32, I64
from agent.scoring import distinct, open_session, read_metadata
from contract.features import FEATURE_COUNT, FEATURE_NAMES, feature_schema_id
from contract.model_metadata import ModelMetadata, NoveltyMetadata

SCORES: Final = "scores"  # of the exported forest: the lower, the less it has seen the like
# A window matters to the forest where so many features are several times what they usually are.
LEAST_FEATURES: Final = 3
LEAST_DEVIATION: Final = np.float32(np.log(3.0))
_MOST_ROWS: Final = 256  # asked about at once: a chunk of hosts costs no more than milliseconds


def deviations(features: F32, usual: F32) -> F32:
    """Return how many times its usual value each feature is, as a logarithm; 0 where it is within.

    Args:
        features: Some columns of hosts, (n, features).
        usual: What these columns usually stay below, of the same shape.
    """
    above: F32 = np.maximum(np.log1p(features) - np.log1p(usual), np.float32(0))
    return above


def matters(deviating: F32) -> I64:
    """Return the rows that a forest should be asked about."""
    return np.flatnonzero((deviating >= LEAST_DEVIATION).sum(axis=1) >= LEAST_FEATURES)


class Novelty:
    """Tells how novel the behaviour of hosts is, by the forest of a bundle.

    Attributes:
        metadata: What the forest says of itself.

    Raises:
        ModelError: It cannot be opened, or belongs to another model or other features.
    """

    metadata: NoveltyMetadata

    def __init__(self, model: bytes, classifier: ModelMetadata) -> None:
        self._session = open_session(model)
        self.metadata = read_metadata(self._session, NoveltyMetadata)
        _check(self.metadata, classifier)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        named = self.metadata.features
        if (
            len(inputs) != 1
            or inputs[0].shape[1:] != [len(named)]
            or SCORES not in {output.name for output in outputs}
        ):
            message = f"novelty: needs one input of {len(named)} features and `{SCORES}`"
            raise ModelError(message)
        self._input: str = inputs[0].name
        self._columns = columns_of(named)

    def score(self, features: F32, usual: F32) -> F32:
        """Return how novel each row is, from 0 to 1; 0 where it is hardly above what is usual.

        Args:
            features: float32 of shape (n, FEATURE_COUNT).
            usual: What the same hosts' features usually stay below, of the same shape.
        """
        above = deviations(features.take(self._columns, axis=1), usual.take(self._columns, axis=1))
        found = np.zeros(len(features), np.float32)
        rows = matters(above)
        if len(rows):
            found[rows] = self.of_deviations(above[rows])
        return found

    def of_deviations(self, above: F32) -> F32:
        """Return how novel each row of deviations is, identical rows asked about only once."""
        first, inverse = distinct(above)
        unlike = above[first]
        told = [
            self._session.run([SCORES], {self._input: unlike[at : at + _MOST_ROWS]})[0]
            for at in range(0, len(unlike), _MOST_ROWS)
        ]
        # The exported forest says the library's decision: its score plus one half.
        novel = np.float32(0.5) - np.concatenate(told).ravel()
        return np.clip(novel, 0, 1).astype(np.float32)[inverse]

    def spoke(self, features: F32, usual: F32) -> F32:
        """Return how far each feature of one vector is above what is usual, (FEATURE_COUNT,)."""
        spoke = np.zeros(FEATURE_COUNT, np.float32)
        spoke[self._columns] = deviations(features[self._columns], usual[self._columns])
        return spoke


def columns_of(names: Sequence[str]) -> I64:
    """Return the columns of some features in a vector."""
    return np.array([FEATURE_NAMES.index(name) for name in names], np.int64)


def _check(metadata: NoveltyMetadata, classifier: ModelMetadata) -> None:
    """Refuse a forest that was made for another classifier or another agent than these."""
    expected = {"model_id": classifier.model_id, "feature_schema_id": feature_schema_id()}
    for name, value in expected.items():
        found = getattr(metadata, name)
        if found != value:
            message = f"novelty: {name} is {found}, expected {value}"
            raise ModelError(message)
    if set(metadata.features) - set(FEATURE_NAMES):
        message = "novelty: asks for features that there are not"
        raise ModelError(message)
