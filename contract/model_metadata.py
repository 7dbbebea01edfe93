"""What a model must say of itself before an agent lets it judge."""

from typing import Annotated

import msgspec
from msgspec import Meta

from contract.attacks import Label
from contract.identifiers import FeatureSchemaId, ModelId, Probability, Sha256, TimeNs

METADATA_KEY = "edgewarden"  # the key in the ONNX file's metadata_props


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be seen of a host before an attack can be told: one of some features, so large."""

    least: Annotated[float, Meta(gt=0)]
    features: Annotated[list[str], Meta(min_length=1, max_length=64)]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What no honest host does: features that are all as large, or as small, at once."""

    label: Label
    at_least: Annotated[dict[str, float], Meta(min_length=1, max_length=16)]
    at_most: Annotated[dict[str, float], Meta(max_length=16)] = {}


class NoveltyMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Carried inside the ONNX file of a bundle's second opinion."""

    model_id: ModelId  # of the classifier that it stands beside
    feature_schema_id: FeatureSchemaId
    features: Annotated[list[str], Meta(min_length=1, max_length=128)]  # its inputs, in order
    threshold: Probability  # from which a window is novel


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Carried inside the ONNX file and beside it in the bundle."""

    model_id: ModelId
    feature_schema_id: FeatureSchemaId
    feature_count: Annotated[int, Meta(ge=1, le=4096)]
    window_s: Annotated[float, Meta(gt=0, le=3600)]
    classes: Annotated[list[Label], Meta(min_length=2, max_length=16)]
    thresholds: Annotated[dict[Label, Probability], Meta(max_length=16)]  # of attack classes
    # Of attack classes; a host without evidence of any is benign without being asked about. Empty: all are asked.
    evidence: Annotated[dict[Label, Evidence], Meta(max_length=16)] = {}
    # Beyond one of these a host attacks, whatever the trees say; the first that is exceeded counts.
    limits: Annotated[list[Limit], Meta(max_length=64)] = []
    training_data_sha256: Sha256
    trained_ns: TimeNs
