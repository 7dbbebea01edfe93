"""Labelled observations to a booster: as many rounds as help on origins that were held out."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from agent.records import F32, F64, I64, Bool
from contract.attacks import CLASSES
from contract.features import FEATURE_NAMES
from model_training.dataset import Dataset
from model_training.errors import ManifestError, ParamsError
from model_training.labels import UNKNOWN
from model_training.params import Params
from model_training.split import Fold, folds, judged, telling, thinned, weights

_MIN_ORIGINS: Final = 2


class CrossFit(msgspec.Struct, frozen=True, eq=False):
    """What boosters say of origins that they were not trained on."""

    rounds: int  # with which they say it best
    loss: F64  # of each round, shape (rounds,)
    scores: F32  # each row by the booster that did not see its origin, (n, classes); helpers: 0


def fit(dataset: Dataset, rows: I64, rounds: int, params: Params) -> xgboost.Booster:
    """Train a booster.

    Args:
        dataset: All labelled observations.
        rows: Which of them to learn from.
        rounds: Trees per class.
        params: The rest.
    """
    begun = telling(dataset, rows, params.evidence)
    kept = thinned(dataset, begun, params.data, params.seed)
    matrix = xgboost.DMatrix(
        _without(dataset.features[kept], params.data.ignored_features),
        label=dataset.label[kept],
        weight=weights(dataset, kept, params.weights),
    )
    return xgboost.train(_booster_params(params), matrix, rounds)


def cross_fit(dataset: Dataset, params: Params) -> CrossFit:
    """Hold out each origin once; choose the number of rounds by what is said of held-out origins.

    Rows are weighted as in training, so that a large harmless origin does not decide alone.

    Raises:
        ManifestError: There is only one origin.
    """
    if len(np.unique(dataset.origin[dataset.label != UNKNOWN])) < _MIN_ORIGINS:
        message = "labelled captures of two origins or more are needed: one is held out at a time"
        raise ManifestError(message)
    limit = params.booster.rounds
    scores = np.zeros((limit, len(dataset), len(CLASSES)), np.float16)
    for fold in folds(dataset, params.data.helpers):
        booster = fit(dataset, fold.train, limit, params)
        held_out = dataset.features[fold.held_out]
        for number, chances in enumerate(_by_round(booster, held_out, limit)):
            scores[number, fold.held_out] = chances
    loss = _losses(dataset, scores, params)
    rounds = _stop(loss, params.booster.patience)
    return CrossFit(rounds, loss, scores[rounds - 1].astype(np.float32))


def hold_out(dataset: Dataset, parts: Iterable[Fold], rounds: int, params: Params) -> F32:
    """Return what is said of each row by the booster that did not see its part, (n, classes).

    Rows of no part are 0.
    """
    scores = np.zeros((len(dataset), len(CLASSES)), np.float32)
    for fold in parts:
        booster = fit(dataset, fold.train, rounds, params)
        scores[fold.held_out] = predict(booster, dataset.features[fold.held_out])
    return scores


def _without(features: F32, ignored: list[str]) -> F32:
    """Return features with the ignored ones all 0, so that no tree asks for them.

    Raises:
        ParamsError: There is no such feature.
    """
    kept = features.copy()
    for name in ignored:
        columns = [i for i, n in enumerate(FEATURE_NAMES) if name in {n, n.rpartition("_")[0]}]
        if not columns:
            message = f"ignored_features: there is no feature `{name}`"
            raise ParamsError(message)
        kept[:, columns] = 0
    return kept


def predict(booster: xgboost.Booster, features: F32) -> F32:
    """Return the probability of each class, shape (n, classes)."""
    return np.asarray(booster.predict(xgboost.DMatrix(features)), np.float32)


def load_booster(path: Path) -> xgboost.Booster:
    """Read a booster that a run has saved."""
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster


def base_margins(booster: xgboost.Booster) -> F64:
    """Return the margin of each class before any tree, shape (classes,)."""
    learner = json.loads(booster.save_config())["learner"]["learner_model_param"]
    base = np.atleast_1d(np.array(json.loads(learner["base_score"]), np.float64))
    return np.broadcast_to(base, len(CLASSES)).copy()


def _by_round(booster: xgboost.Booster, features: F32, limit: int) -> Iterator[F64]:
    """Yield the probabilities after each round; every tree is asked only once."""
    matrix = xgboost.DMatrix(features)
    matrix.set_base_margin(np.zeros((len(features), len(CLASSES)), np.float32))
    margin = np.tile(base_margins(booster), (len(features), 1))
    for number in range(limit):
        margin += booster.predict(matrix, iteration_range=(number, number + 1), output_margin=True)
        odds = np.exp(margin - margin.max(axis=1, keepdims=True))
        yield odds / odds.sum(axis=1, keepdims=True)


def _losses(dataset: Dataset, scores: NDArray[np.float16], params: Params) -> F64:
    """Return for each round the weighted mean of the probability that went to wrong classes.

    Bounded for each row, unlike log loss, which a few rows of a strange origin would decide.
    """
    known = judged(dataset, params.data.helpers)
    known = known[_could_be_known(dataset)[known]]
    rows = telling(dataset, known, params.evidence)
    weight = weights(dataset, rows, params.weights)
    wrong = 1 - scores[:, rows, dataset.label[rows]].astype(np.float64)
    loss: F64 = (wrong * weight).mean(axis=1)
    return loss


def _could_be_known(dataset: Dataset) -> Bool:
    """Tell which rows are of a class that some other origin has as well."""
    known = np.zeros(len(dataset), np.bool_)
    for label in range(len(CLASSES)):
        mine = dataset.label == label
        if len(np.unique(dataset.origin[mine])) > 1:
            known |= mine
    return known


def _stop(loss: F64, patience: int) -> int:
    """Return after how many rounds to stop: when `patience` more brought nothing."""
    best = 0
    for number in range(len(loss)):
        if loss[number] < loss[best]:
            best = number
        elif number - best >= patience:
            break
    return best + 1


def _booster_params(params: Params) -> dict[str, object]:
    chosen = msgspec.to_builtins(params.booster)
    for ours in ("rounds", "patience"):
        del chosen[ours]
    return {
        **chosen,
        "objective": "multi:softprob",
        "num_class": len(CLASSES),
        "tree_method": "hist",
        "seed": params.seed,
        "nthread": 1,  # the order of sums, and so the trees, must not depend on the machine
        "verbosity": 1,
    }
