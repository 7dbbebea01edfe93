"""Parts of a dataset: split by origin, never by row, so that nothing is judged by its neighbours."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec
import numpy as np

from agent.records import F32, I64
from agent.scoring import is_evident
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_NAMES
from contract.model_metadata import Evidence
from model_training.dataset import Dataset
from model_training.errors import ParamsError
from model_training.labels import BENIGN_INDEX, UNKNOWN
from model_training.params import DataParams, WeightParams

LOUD_PACKETS: Final = 200.0  # sent in a window
_SENT: Final = FEATURE_NAMES.index("sent_packets_1s")


class Fold(msgspec.Struct, frozen=True, eq=False):
    """What is held out together: `held_out` are all of its rows, `train` the labelled others."""

    name: str  # of the origin or the tool
    train: I64
    held_out: I64


def folds(dataset: Dataset, helpers: Collection[str] = ()) -> Iterator[Fold]:
    """Yield one fold per origin; helpers are in the training part of all, and held out by none."""
    labelled = dataset.label != UNKNOWN
    for index, origin in enumerate(dataset.origins):
        if origin in helpers:
            continue
        mine = dataset.origin == index
        yield Fold(origin, np.flatnonzero(labelled & ~mine), np.flatnonzero(mine))


def tool_folds(dataset: Dataset, helpers: Collection[str] = ()) -> Iterator[Fold]:
    """Yield one fold per tool: all scenes that it attacked, wherever they were recorded."""
    labelled = dataset.label != UNKNOWN
    tool = np.array(dataset.tools)[dataset.scene]
    eligible = np.isin(np.arange(len(dataset)), judged(dataset, helpers))
    for name in np.unique(tool[eligible]).tolist():
        if name:
            mine = eligible & (tool == name)
            yield Fold(name, np.flatnonzero(labelled & (tool != name)), np.flatnonzero(mine))


def judged(dataset: Dataset, helpers: Collection[str]) -> I64:
    """Return the rows of all origins but helpers."""
    mine = [number for number, origin in enumerate(dataset.origins) if origin in helpers]
    return np.flatnonzero(~np.isin(dataset.origin, mine))


def telling(dataset: Dataset, rows: I64, params: dict[Label, Evidence]) -> I64:
    """Leave out rows of attacks that have hardly begun, and those about which no model is asked.

    The first probe of a scan looks like any connection; to learn that it is a scan is to learn to
    accuse everybody. Judging always uses all rows.

    Raises:
        ParamsError: There is no such feature.
    """
    named = {name for evidence in params.values() for name in evidence.features}
    if unknown := sorted(named - set(FEATURE_NAMES)):
        message = f"evidence: there is no {', '.join(unknown)}"
        raise ParamsError(message)
    kept = is_evident(dataset.features[rows], params)
    for name, evidence in params.items():
        columns = [FEATURE_NAMES.index(feature) for feature in evidence.features]
        mine = dataset.label[rows] == CLASSES.index(name)
        kept[mine] = dataset.features[rows[mine]][:, columns].max(axis=1) >= evidence.least
    return rows[kept]


def thinned(dataset: Dataset, rows: I64, params: DataParams, seed: int) -> I64:
    """Leave out rows of cells (origin and class) that have more than enough; the order is kept.

    Loud rows stay: honest hosts that send as much as a flood are rare, and what a flood must be told
    from.
    """
    random = np.random.default_rng(seed)
    kept = []
    for cell in _cells(dataset, rows):
        is_loud = dataset.features[cell, _SENT] >= LOUD_PACKETS
        loud, calm = cell[is_loud], cell[~is_loud]
        count = min(len(calm), params.max_rows_per_origin_and_class)
        kept += [loud, random.choice(calm, count, replace=False)]
    return np.sort(np.concatenate(kept))


def weights(dataset: Dataset, rows: I64, params: WeightParams) -> F32:
    """Return how much each row counts.

    Every attack class weighs the same, however often it was recorded; benign weighs as much as
    `params.benign` of them. Within a class, large origins do not drown small ones.

    Returns:
        float32 of shape (rows,), mean 1.
    """
    weight = np.zeros(len(dataset), np.float64)
    of_class = np.zeros(len(CLASSES))
    for cell in _cells(dataset, rows):
        share = float(len(cell)) ** params.origin_power
        weight[cell] = share / len(cell)
        of_class[dataset.label[cell[0]]] += share
    of_class[BENIGN_INDEX] /= params.benign
    chosen = weight[rows] / of_class[dataset.label[rows]]
    even: F32 = (chosen / chosen.mean()).astype(np.float32)
    return even


def _cells(dataset: Dataset, rows: I64) -> Iterator[I64]:
    """Yield the rows of each origin and class."""
    for origin in range(len(dataset.origins)):
        for label in range(len(CLASSES)):
            cell = rows[(dataset.origin[rows] == origin) & (dataset.label[rows] == label)]
            if len(cell):
                yield cell
