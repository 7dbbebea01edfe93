"""The second opinion: a forest of what benign hosts do beyond their own usual, and how quiet it is."""

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import IsolationForest

from agent.novelty import matters
from agent.records import F32, I64
from agent.strikes import ANOMALOUS_WINDOWS
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_NAMES
from contract.model_metadata import METADATA_KEY, NoveltyMetadata
from model_training.dataset import Dataset
from model_training.errors import ParamsError
from model_training.histories import Deviating
from model_training.labels import BENIGN_INDEX
from model_training.params import NoveltyParams
from model_training.strikes import Alerts, alerts, host_keys, verdicts, weighty
from model_training.thresholds import benign_hours, innocent

HOURS_A_DAY: Final = 24
_MIN_ORIGINS: Final = 2
_STEPS: Final = np.arange(0.5, 1.0, 0.0125)  # a forest calls what it often saw 0.5 and less
_OPSETS: Final = {"": 15, "ai.onnx.ml": 3}


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """What the second opinion finds of one class, among attackers whose usual behaviour was known."""

    label: Label
    attackers: int
    known: int
    missed: int  # of the known ones, by the classifier
    found: int  # of the missed ones


class Disturbed(msgspec.Struct, frozen=True, kw_only=True):
    """How one origin's hosts that never attack were disturbed, with a threshold chosen without it."""

    origin: str
    hosts_known: int
    host_hours: float
    threshold: float
    false_alerts: int


class SecondOpinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a forest adds to the classifier."""

    threshold: float  # chosen on all origins
    false_alerts: int  # on all origins, with that threshold
    unknown: list[Unknown]
    disturbed: list[Disturbed]


class _Judged(NamedTuple):
    """What both said of all rows of a dataset."""

    hosts: I64  # codes
    scores: F32  # the classifier's
    named: I64  # its verdicts
    novel: F32  # 0 where a class explains


def columns(params: NoveltyParams) -> I64:
    """Return the columns of the features that are compared.

    Raises:
        ParamsError: There is no such feature.
    """
    if strange := sorted(set(params.features) - set(FEATURE_NAMES)):
        message = f"novelty: there is no {', '.join(strange)}"
        raise ParamsError(message)
    return np.array([FEATURE_NAMES.index(name) for name in params.features], np.int64)


def usable(dataset: Dataset, known: Deviating) -> bool:
    """Tell whether innocent hosts of two origins are known: one is held out at a time."""
    return len(np.unique(dataset.origin[_harmless(dataset, known)])) >= _MIN_ORIGINS


def _harmless(dataset: Dataset, known: Deviating) -> I64:
    return np.intersect1d(known.rows, innocent(dataset, np.arange(len(dataset))))


def fit_forest(
    dataset: Dataset, known: Deviating, held_out: int | None, params: NoveltyParams, seed: int
) -> IsolationForest:
    """Fit a forest to what innocent hosts do.

    Args:
        dataset: The observations.
        known: Those of hosts whose usual behaviour was known; usable.
        held_out: Number of an origin to leave out.
        params: The rest.
        seed: Of what is drawn.
    """
    random = np.random.default_rng(seed)
    harmless = _harmless(dataset, known)
    origin = dataset.origin[harmless]
    drawn = []
    for number in np.unique(origin[origin != held_out]).tolist():
        mine = harmless[origin == number]
        count = min(len(mine), params.max_rows_per_origin)
        drawn.append(random.choice(mine, count, replace=False))
    rows = np.searchsorted(known.rows, np.sort(np.concatenate(drawn)))
    forest = IsolationForest(
        n_estimators=params.trees,
        max_samples=min(params.rows_per_tree, len(rows)),
        random_state=seed,
        n_jobs=1,
    )
    return forest.fit(known.far[rows])


def novelty(forest: IsolationForest, far: F32) -> F32:
    """Return what the agent would say of rows of deviations, 0 where it would not ask; shape (n,)."""
    said = np.zeros(len(far), np.float32)
    rows = matters(far)
    if len(rows):
        said[rows] = -forest.score_samples(far[rows])
    return said


def held_out_novelty(dataset: Dataset, known: Deviating, params: NoveltyParams, seed: int) -> F32:
    """Return the novelty of each row by the forest that did not see its origin; unknown hosts: 0."""
    said = np.zeros(len(dataset), np.float32)
    origin = dataset.origin[known.rows]
    for number in np.unique(origin).tolist():
        mine = origin == number
        forest = fit_forest(dataset, known, number, params, seed)
        said[known.rows[mine]] = novelty(forest, known.far[mine])
    return said


def forest_to_onnx(forest: IsolationForest, features: int) -> bytes:
    """Return a forest as ONNX, without metadata."""
    model = to_onnx(
        forest,
        initial_types=[("deviations", FloatTensorType([None, features]))],
        target_opset=_OPSETS,
    )
    data: bytes = model.SerializeToString()
    return data


def with_metadata(model: bytes, metadata: NoveltyMetadata) -> bytes:
    """Return an ONNX file that says what it is for."""
    loaded = onnx.load_from_string(model)
    property_: Any = loaded.metadata_props.add()
    property_.key, property_.value = METADATA_KEY, msgspec.json.encode(metadata).decode()
    data: bytes = loaded.SerializeToString()
    return data


def judge_novelty(
    dataset: Dataset,
    scores: F32,
    thresholds: dict[Label, float],
    said: tuple[F32, I64],
    params: NoveltyParams,
) -> SecondOpinion:
    """Choose the threshold, and say what is found of what the classifier missed, and whom it disturbs.

    Args:
        dataset: The judged observations.
        scores: Of the classifier, (len(dataset), classes).
        thresholds: Of the classes.
        said: Novelty of each row by a forest that had not seen its origin, and the known rows.
        params: The budget.
    """
    novel, known = said
    everything = np.arange(len(dataset))
    named = verdicts(scores, thresholds)
    hosts = host_keys(dataset, everything)
    judged = _Judged(hosts, scores, named, np.where(named == BENIGN_INDEX, novel, np.float32(0)))
    harmless = innocent(dataset, everything)
    opened = [_opened(dataset, judged, harmless, step) for step in _STEPS.tolist()]
    origin_of = dict(zip(hosts.tolist(), dataset.origin.tolist(), strict=True))
    wrong = np.zeros((len(_STEPS), len(dataset.origins)), np.int64)
    for step, found in enumerate(opened):
        for host in found.host.tolist():
            wrong[step, origin_of[host]] += 1
    hours = np.array(
        [
            benign_hours(dataset, np.flatnonzero(dataset.origin == number))
            for number in range(len(dataset.origins))
        ]
    )
    chosen = [
        _choose(wrong.sum(axis=1) - wrong[:, number], hours.sum() - hours[number], params)
        for number in range(len(hours))
    ]
    ships = _choose(wrong.sum(axis=1), hours.sum(), params)
    known_hosts = np.unique(hosts[known])
    harmless_hosts = np.unique(hosts[harmless])
    return SecondOpinion(
        threshold=round(float(_STEPS[ships]), 4),
        false_alerts=int(wrong[ships].sum()),
        unknown=_unknown(dataset, judged, known_hosts, chosen),
        disturbed=[
            Disturbed(
                origin=origin,
                hosts_known=sum(
                    origin_of[host] == number
                    for host in np.intersect1d(known_hosts, harmless_hosts).tolist()
                ),
                host_hours=round(float(hours[number]), 3),
                threshold=round(float(_STEPS[chosen[number]]), 4),
                false_alerts=int(wrong[chosen[number], number]),
            )
            for number, origin in enumerate(dataset.origins)
        ],
    )


def _choose(wrong: I64, hours: float, params: NoveltyParams) -> int:
    """Return the lowest step that stays in the budget, the last one if none does."""
    allowed = params.false_alerts_per_100_host_days * hours / HOURS_A_DAY / 100
    quiet = np.flatnonzero(wrong <= allowed)
    return int(quiet[0]) if len(quiet) else len(wrong) - 1


def _opened(dataset: Dataset, judged: _Judged, rows: I64, threshold: float) -> Alerts:
    near = rows[judged.novel[rows] >= threshold]
    starts = dataset.window_start_ns[near]
    said = np.ones(len(near), np.int64)
    return alerts(judged.hosts[near], starts, said, needed=ANOMALOUS_WINDOWS)


def _unknown(dataset: Dataset, judged: _Judged, known: I64, chosen: list[int]) -> list[Unknown]:
    hosts = judged.hosts
    proofs = weighty(dataset, np.arange(len(dataset)), judged.scores)
    by_class = alerts(hosts, dataset.window_start_ns, judged.named, proofs)
    rows = []
    for label in range(1, len(CLASSES)):
        mine = np.flatnonzero(dataset.label == label)
        attackers = np.unique(hosts[mine])
        seen = attackers[np.isin(attackers, known)]
        told = by_class.host[by_class.label == label]
        missed = seen[~np.isin(seen, told)]
        found = 0
        for host in missed.tolist():
            all_of_it = np.flatnonzero(hosts == host)
            threshold = float(_STEPS[chosen[int(dataset.origin[all_of_it[0]])]])
            begun = dataset.window_start_ns[mine[hosts[mine] == host]].min()
            opened = _opened(dataset, judged, all_of_it, threshold)
            found += bool((opened.opened_ns > begun).any())
        if len(attackers):
            rows.append(
                Unknown(
                    label=CLASSES[label],
                    attackers=len(attackers),
                    known=len(seen),
                    missed=len(missed),
                    found=found,
                )
            )
    return rows
