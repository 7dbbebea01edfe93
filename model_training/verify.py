"""Proof that the exported model says what the trained one says, on every row."""

from typing import Final

import msgspec
import numpy as np
import xgboost

from agent.explain import Explainer
from agent.explain.trees import Trees, read_trees
from agent.model_bundle import Bundle
from agent.novelty import Novelty
from agent.records import F32, F64, I64
from agent.scoring import OnnxScorer
from contract.attacks import CLASSES
from model_training.errors import StepError
from model_training.evidence import as_told
from model_training.fit import predict

TOLERANCE: Final = 1e-5
MAX_EXPLAINED: Final = 300  # rows of each class whose explanation is compared
_CHUNK_ROWS: Final = 4096


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What verification.json holds; only a model that passed gets this far."""

    model_sha256: str
    trees_sha256: str
    rows: int
    scoring_difference: float  # agent.scoring through onnxruntime against XGBoost
    trees_difference: float  # the bundle's trees, walked by numpy, against XGBoost
    labels_differing: int
    rows_explained: int
    explanation_difference: float  # agent.explain against XGBoost's own SHAP values
    novelty_sha256: str = ""  # empty: there is no second opinion
    novelty_rows: int = 0
    novelty_difference: float = 0.0  # agent.novelty through onnxruntime against scikit-learn


def verify(
    booster: xgboost.Booster,
    bundle: Bundle,
    features: F32,
    digests: tuple[str, str, str],
    told: tuple[F32, F32] | None = None,
) -> Verification:
    """Compare XGBoost, the ONNX model through the agent's scorer, and the bundle's trees.

    Args:
        booster: As it was trained.
        bundle: As it was exported.
        features: All rows to compare, float32 of shape (n, FEATURE_COUNT).
        digests: SHA-256 of the files of model, trees and second opinion, for the record.
        told: Rows of deviations, and how novel scikit-learn's forest calls them.

    Raises:
        StepError: They differ.
        ModelError: The agent refuses the model.
    """
    trained = predict(booster, features)
    scored = OnnxScorer(bundle).score(features)
    expected = as_told(trained, features, bundle.metadata.evidence, bundle.metadata.limits)
    walked = walk(read_trees(bundle.trees), features)
    chosen = _some_of_each(trained)
    result = Verification(
        model_sha256=digests[0],
        trees_sha256=digests[1],
        rows=len(features),
        scoring_difference=_difference(scored, expected),
        trees_difference=_difference(walked, trained),
        labels_differing=int(
            (
                (scored.argmax(axis=1) != expected.argmax(axis=1))
                | (walked.argmax(axis=1) != trained.argmax(axis=1))
            ).sum()
        ),
        rows_explained=len(chosen),
        explanation_difference=explanation_difference(booster, bundle, features[chosen]),
        novelty_sha256=digests[2],
        novelty_rows=0 if told is None else len(told[0]),
        novelty_difference=0.0 if told is None else _novelty_difference(bundle, *told),
    )
    worst = max(
        result.scoring_difference,
        result.trees_difference,
        result.explanation_difference,
        result.novelty_difference,
    )
    if worst > TOLERANCE or result.labels_differing:
        message = f"the exported model differs from the trained one: {result}"
        raise StepError(message)
    return result


def explanation_difference(booster: xgboost.Booster, bundle: Bundle, features: F32) -> float:
    """Return the largest difference of a SHAP value from XGBoost's, over all classes and features."""
    expected = booster.predict(xgboost.DMatrix(features), pred_contribs=True)[:, :, :-1]
    explainer = Explainer(bundle)
    return max(
        (
            float(np.abs(explainer.contributions(row, label) - expected[at, number]).max())
            for at, row in enumerate(features)
            for number, label in enumerate(CLASSES)
        ),
        default=0.0,
    )


def _novelty_difference(bundle: Bundle, far: F32, expected: F32) -> float:
    if bundle.novelty is None:
        message = "a forest was fitted and not exported; run `edgewarden-train evaluate` and then `export`"
        raise StepError(message)
    return _difference(Novelty(bundle.novelty, bundle.metadata).of_deviations(far), expected)


def walk(trees: Trees, features: F32) -> F64:
    """Return the probabilities that the trees give, each walked from its root, (n, classes)."""
    chunks = [
        _walk(trees, features[at : at + _CHUNK_ROWS])
        for at in range(0, len(features), _CHUNK_ROWS)
    ]
    return np.concatenate(chunks) if chunks else np.empty((0, len(trees.base)))


def _walk(trees: Trees, features: F32) -> F64:
    node = np.tile(trees.root, (len(features), 1))
    rows = np.arange(len(features))[:, None]
    while (inner := trees.left[node] >= 0).any():
        seen = features[rows, np.maximum(trees.feature[node], 0)]
        left = np.where(np.isnan(seen), trees.missing_left[node], seen < trees.threshold[node])
        node = np.where(inner, np.where(left, trees.left[node], trees.right[node]), node)
    margin = np.tile(trees.base, (len(features), 1))
    for number in range(len(trees.base)):
        margin[:, number] += trees.value[node[:, trees.tree_class == number]].sum(axis=1)
    odds = np.exp(margin - margin.max(axis=1, keepdims=True))
    probabilities: F64 = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def _difference(one: F32 | F64, other: F32) -> float:
    return float(np.abs(one - other).max(initial=0.0))


def _some_of_each(scores: F32) -> I64:
    """Return some rows of every class that the model names, so that every class's trees are tried."""
    named = scores.argmax(axis=1)
    return np.concatenate(
        [np.flatnonzero(named == label)[:MAX_EXPLAINED] for label in range(len(CLASSES))]
    )
