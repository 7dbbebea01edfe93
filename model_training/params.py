"""The parameters of a training run, checked when they are read."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from contract.attacks import Label
from contract.model_metadata import Evidence, Limit
from model_training.errors import ParamsError

DEFAULT_PARAMS: Final = Path(__file__).parent / "params.toml"

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of the parameters."""


class DataParams(Section, frozen=True):
    """Which observations are learned from."""

    max_rows_per_origin_and_class: Count
    ignored_features: list[str] = []  # counters (all horizons) or single features
    origins: dict[str, str] = {}
    helpers: list[str] = []  # origins that are learned from by every model and judged by none


class WeightParams(Section, frozen=True):
    """How much the rows count."""

    benign: Positive
    origin_power: Annotated[float, Meta(ge=0, le=1)]


class BoosterParams(Section, frozen=True):
    """XGBoost's own parameters, by its names."""

    rounds: Count
    patience: Count
    max_depth: Annotated[int, Meta(ge=1, le=8)]
    eta: Share
    min_child_weight: NotNegative
    subsample: Share
    colsample_bytree: Share
    colsample_bynode: Share
    lambda_: NotNegative = msgspec.field(name="lambda")
    gamma: NotNegative
    max_bin: Annotated[int, Meta(ge=2, le=1024)]


class ThresholdParams(Section, frozen=True):
    """How the scores from which a class is named are chosen."""

    false_alerts_per_host_week: Positive
    lowest: Share
    highest: Share


class NoveltyParams(Section, frozen=True):
    """The forest that tells what no class explains."""

    features: Annotated[list[str], Meta(min_length=1, max_length=128)]
    trees: Annotated[int, Meta(ge=1, le=400)]
    rows_per_tree: Annotated[int, Meta(ge=2, le=65_536)]
    max_rows_per_origin: Count
    false_alerts_per_100_host_days: Positive


class Params(Section, frozen=True):
    """Everything that a training run can be told."""

    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    data: DataParams
    weights: WeightParams
    booster: BoosterParams
    thresholds: ThresholdParams
    evidence: dict[Label, Evidence] = {}  # from when on an attack can be told at all
    limits: list[Limit] = []  # beyond which it needs no model
    novelty: NoveltyParams | None = None  # without it there is no second opinion


def read_params(path: Path) -> Params:
    """Read a params.toml.

    Raises:
        ParamsError: It cannot be read, or a parameter is unknown, missing or out of range.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Params)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ParamsError(message) from error
    except msgspec.DecodeError as error:
        message = f"{path}: {error}"
        raise ParamsError(message) from error
