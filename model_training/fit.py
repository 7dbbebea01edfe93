"""Labelled observations to a booster: as many rounds as help on origins that were held out."""

from typing import Any, Final

import msgspec
import numpy as np
import xgboost

from agent.records import F32, F64, I64
from contract.attacks import CLASSES
from model_training.dataset import Dataset
from model_training.labels import UNKNOWN
from model_training.params import Params
from model_training.split import Fold, folds, thinned, weights

_TINY: Final = 1e-7


class CrossFit(msgspec.Struct, frozen=True, eq=False):
    """What boosters say of origins that they were not trained on."""

    rounds: int  # with which they say it best
    loss: F64  # of each round, shape (rounds,)
    scores: F32  # each row by the booster that did not see its origin, shape (n, classes)


def fit(dataset: Dataset, rows: I64, rounds: int, params: Params) -> xgboost.Booster:
    """Train a booster.

    Args:
        dataset: All labelled observations.
        rows: Which of them to learn from.
        rounds: Trees per class.
        params: The rest.
    """
    kept = thinned(dataset, rows, params.data, params.seed)
    matrix = xgboost.DMatrix(
        dataset.features[kept],
        label=dataset.label[kept],
        weight=weights(dataset, kept, params.weights),
    )
    return xgboost.train(_booster_params(params), matrix, rounds)


def cross_fit(dataset: Dataset, params: Params) -> CrossFit:
    """Hold out each origin once; choose the number of rounds by what is said of held-out origins.

    The loss of an origin is that of its rows, weighted like training rows, so that a large
    harmless origin does not decide alone.
    """
    limit = params.booster.rounds
    scores = np.empty((limit, len(dataset), len(CLASSES)), np.float16)
    for fold in folds(dataset):
        booster = fit(dataset, fold.train, limit, params)
        for number, held_out in enumerate(_by_round(booster, dataset, fold, limit)):
            scores[number, fold.held_out] = held_out
    loss = _losses(dataset, scores, params)
    rounds = _stop(loss, params.booster.patience)
    return CrossFit(rounds, loss, scores[rounds - 1].astype(np.float32))


def predict(booster: xgboost.Booster, features: F32) -> F32:
    """Return the probability of each class, shape (n, classes)."""
    return np.asarray(booster.predict(xgboost.DMatrix(features)), np.float32)


def load_booster(path: str) -> xgboost.Booster:
    """Read a booster that a run has saved."""
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster


def _by_round(booster: xgboost.Booster, dataset: Dataset, fold: Fold, limit: int) -> list[F32]:
    matrix = xgboost.DMatrix(dataset.features[fold.held_out])
    return [booster.predict(matrix, iteration_range=(0, n)) for n in range(1, limit + 1)]


def _losses(dataset: Dataset, scores: Any, params: Params) -> F64:
    rows = np.flatnonzero(dataset.label != UNKNOWN)
    weight = weights(dataset, rows, params.weights)
    right = scores[:, rows, dataset.label[rows]].astype(np.float64)
    loss: F64 = -(np.log(right.clip(_TINY)) * weight).mean(axis=1)
    return loss


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
