"""Why a model decided as it did: exact contributions of features, in words for people."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from agent.errors import ModelError
from agent.explain.counterfactual import smallest_change, thresholds_of
from agent.explain.shapley import contributions
from agent.explain.trees import read_paths, read_trees
from agent.explain.words import describe, describe_bound
from agent.model_bundle import Bundle
from agent.records import F32, F64, I64, Bool
from contract.attacks import BENIGN, Label
from contract.features import FEATURES
from contract.messages import Change, TopFeature

TOP_FEATURES: Final = 5


class Explainer:
    """Explains single verdicts of the model of a bundle.

    Raises:
        ModelError: The bundle's trees cannot be read or do not fit its metadata.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._classes = list(bundle.metadata.classes)
        count = bundle.metadata.feature_count
        self._paths = read_paths(bundle.trees, count)
        self._thresholds = thresholds_of(read_trees(bundle.trees), count)
        self._limits = np.array([bundle.metadata.thresholds.get(n, 2.0) for n in self._classes])
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

    def spoke(self, features: F32, label: Label) -> F64:
        """Return what each feature added for a class and against benign, shape (FEATURE_COUNT,).

        Args:
            features: One vector of shape (FEATURE_COUNT,).
            label: The class of the alert.
        """
        return self.contributions(features, label) - self.contributions(features, BENIGN)

    def explain(
        self, features: F32, spoke: F64, usual: F32 | None = None, plain: Sequence[int] = ()
    ) -> list[TopFeature]:
        """Return the features that spoke most for a class and against benign, strongest first.

        Args:
            features: One vector of shape (FEATURE_COUNT,).
            spoke: What each of them said.
            usual: What this host's features usually stay below, where that is known.
            plain: Columns that decide by themselves, whatever they said: a limit is exceeded.

        Returns:
            At most TOP_FEATURES: the plain ones, then those with a positive contribution.
        """
        strongest = [i for i in _strongest_first(spoke).tolist() if spoke[i] > 0]
        chosen = list(dict.fromkeys([*plain, *strongest]))[:TOP_FEATURES]
        return [
            _top_feature(
                i,
                float(features[i]),
                float(spoke[i]),
                None if usual is None else float(usual[i]),
            )
            for i in chosen
        ]

    def counterfactual(
        self, features: F32, label: Label, spoke: F64, score: Callable[[F32], F32]
    ) -> list[Change]:
        """Return a small change of the features that would have made the verdict benign.

        Args:
            features: One vector of shape (FEATURE_COUNT,).
            label: The class of the alert.
            spoke: What each feature said.
            score: The model: vectors (n, FEATURE_COUNT) to probabilities (n, classes).

        Returns:
            What would all have to be otherwise; empty if no few changes suffice.
        """
        accused = self._classes.index(label)

        def accusation(tried: F32) -> tuple[F32, Bool]:
            scores = score(tried)
            return scores[:, accused], np.all(scores < self._limits, axis=1)

        order = _strongest_first(spoke)
        changes = smallest_change(features, order, self._thresholds, accusation)
        return [_change(index, float(features[index]), value) for index, value in changes]


def _strongest_first(spoke: F64) -> I64:
    return np.argsort(-spoke, kind="stable")


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


def _change(index: int, was: float, value: float) -> Change:
    feature = FEATURES[index]
    return Change(
        feature=feature.name,
        value=value,
        unit=feature.unit,
        words=describe_bound(feature, value, upper=value < was),
    )
