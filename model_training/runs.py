"""A training run on disk: everything that is needed to repeat it, and what came out."""

import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.model_bundle import Bundle
from contract.features import feature_schema_id
from contract.model_bundle import METADATA, MODEL, NOVELTY, TREES
from contract.model_metadata import ModelMetadata
from model_training.captures import Capture, sha256_of
from model_training.dataset import code_revision
from model_training.errors import StepError
from model_training.params import Params, read_params

T = TypeVar("T")

DEFAULT_RUN: Final = Path("runs/latest")
_LIBRARIES: Final = (
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "scikit-learn",
    "skl2onnx",
    "xgboost-cpu",
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A capture that was learned from or judged."""

    file: str
    sha256: str
    labels_sha256: str | None
    origin: str
    split: str
    licence: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was made of."""

    started_ns: int
    feature_schema_id: str
    observing_revision: str  # of the code from frames to observations
    training_revision: str  # of the code from observations to a bundle
    versions: dict[str, str]
    sources: list[Source]

    @property
    def data_sha256(self) -> str:
        """The fingerprint of all captures and labels."""
        parts = sorted(f"{s.sha256}:{s.labels_sha256}:{s.split}" for s in self.sources)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Run:
    """The folder of a run and the places of its results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self.params = folder / "params.toml"
        self.record = folder / "run.json"
        self.booster = folder / "booster.json"
        self.held_out = folder / "held_out.npz"
        self.tools = folder / "held_out_tools.npz"
        self.ablation = folder / "ablation.json"
        self.forest = folder / "novelty.onnx"
        self.novelty = folder / "novelty.npz"
        self.kitsune = folder / "kitsune.npz"
        self.evaluation = folder / "evaluation.json"
        self.report = folder / "report"
        self.verification = folder / "verification.json"
        self.bundle = folder / "bundle"

    def read(self, path: Path, kind: type[T], step: str) -> T:
        """Read a result.

        Raises:
            StepError: It is not there, so that `step` has to be taken first.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError) as error:
            message = f"{path}: {error}; run `edgewarden-train {step}` first"
            raise StepError(message) from error

    def read_params(self) -> Params:
        """Read the parameters that the run began with."""
        return read_params(self.params)

    def read_bundle(self) -> Bundle:
        """Read what was exported, signed or not.

        Raises:
            StepError: Nothing was exported yet.
        """
        metadata = self.read(self.bundle / METADATA, ModelMetadata, "export")
        novelty = self.bundle / NOVELTY
        return Bundle(
            (self.bundle / MODEL).read_bytes(),
            (self.bundle / TREES).read_bytes(),
            metadata,
            novelty.read_bytes() if novelty.exists() else None,
        )


def write_json(path: Path, value: object) -> None:
    """Write a result in a form that people read and diffs show."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def describe_run(captures: Iterable[Capture]) -> Record:
    """Note what a run that begins now is made of."""
    return Record(
        started_ns=time.time_ns(),
        feature_schema_id=feature_schema_id(),
        observing_revision=code_revision(),
        training_revision=_training_revision(),
        versions={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
        sources=[_source(capture) for capture in captures],
    )


def _training_revision() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _source(capture: Capture) -> Source:
    entry, labels = capture.entry, capture.labels_path
    return Source(
        file=entry.file,
        sha256=entry.sha256,
        labels_sha256=sha256_of(labels) if labels else None,
        origin=entry.origin.name,
        split=entry.split,
        licence=entry.licence,
    )
