"""Why a model decided as it did: exact contributions of features, in words for people."""

from typing import Final

import numpy as np

from agent.errors import ModelError
from agent.explain.shapley import contributions
from agent.explain.trees import read_paths
from agent.explain.words import describe
from agent.model_bundle import Bundle
from agent.records import F32, F64
from contract.attacks import BENIGN, Label
from contract.features import FEATURES
from contract.messages import TopFeature

TOP_FEATURES: Final = 5


class Explainer:
    """Explains single verdicts of the model of a bundle.

    Raises:
        ModelError: The bundle's trees cannot be read or do not fit its metadata.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._classes = list(bundle.metadata.classes)
        self._paths = read_paths(bundle.trees, bundle.metadata.feature_count)
        if len(self._paths) != len(self._classes):
            message = f"trees for {len(self._paths)} classes, the model has {len(self._classes)}"
            raise ModelError(message)

    def contributions(self, features: F32, label: Label) -> F64:
        """Return what each feature added to the margin of a class.

        Args:
            features: One vector of shape (FEATURE_COUNT,).
            label: The class.

        Returns:
            float64 of shape (FEATURE_COUNT,): path-dependent SHAP values, in log-odds.
        """
        return contributions(self._paths[self._classes.index(label)], features)

    def explain(self, features: F32, label: Label, usual: F32 | None = None) -> list[TopFeature]:
        """Return the features that spoke most for a class and against benign, strongest first.

        Args:
            features: One vector of shape (FEATURE_COUNT,).
            label: The class of the alert.
            usual: What this host's features usually stay below, where that is known.

        Returns:
            At most TOP_FEATURES, each with a positive contribution.
        """
        spoke = self.contributions(features, label) - self.contributions(features, BENIGN)
        order = np.argsort(-spoke, kind="stable")[:TOP_FEATURES]
        return [
            _top_feature(
                int(i),
                float(features[i]),
                float(spoke[i]),
                None if usual is None else float(usual[i]),
            )
            for i in order
            if spoke[i] > 0
        ]


def _top_feature(index: int, value: float, contribution: float, usual: float | None) -> TopFeature:
    feature = FEATURES[index]
    return TopFeature(
        feature=feature.name,
        value=value,
        unit=feature.unit,
        contribution=contribution,
        usual=usual,
        words=describe(feature, value, usual),
    )
