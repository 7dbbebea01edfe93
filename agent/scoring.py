"""Feature vectors to class probabilities: one ONNX session on one thread."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Final, Self, TypeVar

import msgspec
import numpy as np

# From 1.29 on the library reports its use to its maker unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from agent.errors import ModelError
from agent.grouping import Groups
from agent.limits import Bounds, raised
from agent.model_bundle import Bundle
from agent.records import F32, I64, Bool
from contract.attacks import BENIGN, CLASSES, Label
from contract.features import FEATURE_COUNT, FEATURE_NAMES, WINDOW_S, feature_schema_id
from contract.model_metadata import METADATA_KEY, Evidence, Limit, ModelMetadata

T = TypeVar("T")

CHUNK_ROWS: Final = 512  # about 9 ms at 17 us a row: short enough to fall between two ring reads
MOST_TRIAL_S: Final = 1.0  # for CHUNK_ROWS: of a window's one second nothing else would be left
SLACK: Final = 1e-3
_PROBABILITIES: Final = "probabilities"
_COLUMN: Final = {name: column for column, name in enumerate(FEATURE_NAMES)}
_REFUSALS: Final = (
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf,
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
    onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
    onnxruntime.capi.onnxruntime_pybind11_state.EngineError,
)


class OnnxScorer:
    """Scores feature vectors with the model of a bundle.

    Attributes:
        metadata: What the model says of itself; its classes are the columns of every score.

    Raises:
        ModelError: The model cannot be opened, or was made for other features, another window or
            other classes than this agent has.
    """

    metadata: ModelMetadata

    def __init__(self, bundle: Bundle) -> None:
        self._session = open_session(bundle.model)
        self.metadata = read_metadata(self._session, ModelMetadata)
        if self.metadata != bundle.metadata:
            message = f"model {self.metadata.model_id}: its metadata differ from its bundle's"
            raise ModelError(message)
        _check(self.metadata)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or _PROBABILITIES not in {output.name for output in outputs}:
            message = f"model {self.metadata.model_id}: needs one input and `{_PROBABILITIES}`"
            raise ModelError(message)
        self._input: str = inputs[0].name
        self._gate = Gate.of(self.metadata.evidence, self.metadata.limits)
        self._bounds = Bounds.of(self.metadata.limits)
        self._benign = np.array([name == BENIGN for name in self.metadata.classes], np.float32)

    def evident(self, features: F32) -> Bool:
        """Return which rows the model is asked about, shape (n,)."""
        return self._gate.passed(features)

    def score(self, features: F32, evident: Bool | None = None) -> F32:
        """Return the probability of each class, identical vectors scored only once.

        Rows without evidence of any attack are benign, and the model is not asked about them. Rows
        beyond a limit are attacks, unless the model is sure of another one.

        Args:
            features: float32 of shape (n, FEATURE_COUNT), all finite; n may be 0.
            evident: What `evident` says of them, where that is known already.

        Returns:
            float32 of shape (n, classes); each row sums to 1.
        """
        asked = (self.evident(features) if evident is None else evident).nonzero()[0]
        scores = np.empty((len(features), len(self._benign)), np.float32)
        scores[:] = self._benign
        if len(asked):
            rows = features if len(asked) == len(features) else features.take(asked, axis=0)
            told = self._probabilities(rows)
            scores[asked] = raised(told, rows, self._bounds, self.metadata.classes)
        return scores

    def try_out(self) -> None:
        """Ask the model about made-up rows, as many at once as it will ever be asked.

        Raises:
            ModelError: The answers are no probabilities, or take so long that windows would wait.
        """
        rows = np.random.default_rng(1).gamma(0.5, 50.0, (CHUNK_ROWS, FEATURE_COUNT))
        rows[0], rows[1] = 0.0, 1e9
        began_s = time.perf_counter()
        try:
            told = self._probabilities(rows.astype(np.float32))
        except (*_REFUSALS, RuntimeError) as error:
            message = f"model {self.metadata.model_id}: cannot judge: {str(error).splitlines()[0]}"
            raise ModelError(message) from error
        took_s = time.perf_counter() - began_s
        if told.shape != (CHUNK_ROWS, len(self.metadata.classes)) or not _are_probabilities(told):
            message = f"model {self.metadata.model_id}: its answers are no probabilities"
            raise ModelError(message)
        if took_s > MOST_TRIAL_S:
            message = (
                f"model {self.metadata.model_id}: too slow: {CHUNK_ROWS} rows in {took_s:.1f} s"
            )
            raise ModelError(message)

    def _probabilities(self, features: F32) -> F32:
        first, inverse = distinct(features)
        unlike = features if len(first) == len(features) else features[first]
        chunks = [
            self._session.run([_PROBABILITIES], {self._input: unlike[at : at + CHUNK_ROWS]})[0]
            for at in range(0, len(unlike), CHUNK_ROWS)
        ]
        scores: F32 = np.concatenate(chunks)[inverse]
        return scores


class Gate(msgspec.Struct, frozen=True, eq=False):
    """What every class asks for before it can be told, as columns, and limits that are beyond it."""

    columns: I64
    least: F32
    bounds: Bounds  # of the limits that a row may exceed without what its class asks for

    @classmethod
    def of(cls, evidence: Mapping[Label, Evidence], limits: Sequence[Limit] = ()) -> Self:
        """Return the gate of what each class asks for; where nothing is, every row shows enough."""
        least: dict[int, float] = {}
        for asked in evidence.values():
            for name in asked.features:
                column = _COLUMN[name]
                least[column] = min(asked.least, least.get(column, asked.least))
        beyond = [
            limit
            for limit in limits
            if all(
                value < least.get(_COLUMN[name], np.inf) for name, value in limit.at_least.items()
            )
        ]
        return cls(
            np.array([*least], np.int64),
            np.array([*least.values()], np.float32),
            Bounds.of(beyond),
        )

    def passed(self, features: F32) -> Bool:
        """Return which rows show enough of any class, shape (n,)."""
        if not len(self.columns):
            return np.ones(len(features), np.bool_)
        shows = np.asarray((features[:, self.columns] >= self.least).any(axis=1))
        return shows | self.bounds.exceeded(features).any(axis=1)


def is_evident(
    features: F32, evidence: Mapping[Label, Evidence], limits: Sequence[Limit] = ()
) -> Bool:
    """Return which rows show evidence of an attack of any class, shape (n,).

    Args:
        features: Of shape (n, FEATURE_COUNT).
        evidence: What each class asks for; where nothing is asked for, every row does.
        limits: Who is beyond one of them does, too.
    """
    return Gate.of(evidence, limits).passed(features)


def _are_probabilities(scores: F32) -> bool:
    whole = np.abs(scores.sum(axis=1) - 1.0) < SLACK  # false for NaN
    return bool(whole.all() and (scores >= -SLACK).all())


def distinct(features: F32) -> tuple[I64, I64]:
    """Return the first row of each distinct vector, and for each row which of those it equals.

    Where all rows differ, they keep their order.
    """
    bits = np.ascontiguousarray(features).view(np.uint32)
    rows = np.arange(len(bits))
    groups = Groups.of(np.einsum("ij->i", bits).astype(np.uint64))
    first = groups.first
    if len(first) == len(rows):
        return rows, rows
    inverse = groups.of_rows()
    if not np.array_equal(bits[first[inverse]], bits):  # some differ although their sums are equal
        keys = bits.view(np.dtype((np.void, bits.shape[1] * bits.itemsize))).ravel()
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return (rows, rows) if len(first) == len(rows) else (first, inverse)


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Open a model for one thread.

    Raises:
        ModelError: It is none.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # capture owns the other cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _REFUSALS as error:
        message = f"not a model that onnxruntime can open: {str(error).splitlines()[0]}"
        raise ModelError(message) from error


def read_metadata(session: onnxruntime.InferenceSession, kind: type[T]) -> T:
    """Return what a model says of itself.

    Raises:
        ModelError: It says nothing, or something else.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        message = f"the model carries no `{METADATA_KEY}` metadata"
        raise ModelError(message)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        message = f"the model's metadata cannot be read: {error}"
        raise ModelError(message) from error


def _check(metadata: ModelMetadata) -> None:
    """Refuse a model that was made for another agent than this one."""
    expected = {
        "feature_schema_id": feature_schema_id(),
        "feature_count": FEATURE_COUNT,
        "window_s": float(WINDOW_S),
        "classes": list(CLASSES),
    }
    for name, value in expected.items():
        found = getattr(metadata, name)
        if found != value:
            message = f"model {metadata.model_id}: {name} is {found}, this agent has {value}"
            raise ModelError(message)
    named = {name for asked in metadata.evidence.values() for name in asked.features}
    named |= {name for limit in metadata.limits for name in (*limit.at_least, *limit.at_most)}
    labels = {*metadata.evidence, *(limit.label for limit in metadata.limits)}
    if named - set(FEATURE_NAMES) or labels - set(metadata.classes[1:]):
        message = f"model {metadata.model_id}: evidence or limits of what there is not"
        raise ModelError(message)
    unknown = set(metadata.thresholds) - set(metadata.classes[1:])
    missing = set(metadata.classes[1:]) - set(metadata.thresholds)
    if unknown or missing:
        message = f"model {metadata.model_id}: thresholds wrong for {sorted(unknown | missing)}"
        raise ModelError(message)
