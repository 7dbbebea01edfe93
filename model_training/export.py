"""A booster to what the agent reads: an ONNX file that says what it is for, and the bare trees."""

import io
import json
from typing import Any, Final

import msgspec
import numpy as np
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from agent.explain.trees import Trees
from contract.features import FEATURE_COUNT
from contract.model_metadata import METADATA_KEY, ModelMetadata
from model_training.fit import base_margins

_OPSET: Final = 15  # the newest that the converter has tests for
_INPUT: Final = "features"


def to_onnx(booster: xgboost.Booster, metadata: ModelMetadata) -> bytes:
    """Return the booster as an ONNX file that carries its metadata."""
    inputs = [(_INPUT, FloatTensorType([None, FEATURE_COUNT]))]
    model = convert_xgboost(booster, initial_types=inputs, target_opset=_OPSET)
    property_ = model.metadata_props.add()
    property_.key, property_.value = METADATA_KEY, msgspec.json.encode(metadata).decode()
    data: bytes = model.SerializeToString()
    return data


def to_trees(booster: xgboost.Booster) -> bytes:
    """Return the booster's trees with their covers, as the agent's explanation reads them."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    sizes = [len(tree["left_children"]) for tree in model["trees"]]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    leaf = _column(model, "left_children", np.int32) < 0
    split = _column(model, "split_conditions", np.float32)  # in leaves, the leaf's value
    trees = Trees(
        feature=np.where(leaf, -1, _column(model, "split_indices", np.int32)).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), split),
        left=_children(model, "left_children", roots, sizes),
        right=_children(model, "right_children", roots, sizes),
        missing_left=_column(model, "default_left", np.bool_),
        value=np.where(leaf, split, np.float32(0)),
        cover=_column(model, "sum_hessian", np.float32),
        root=roots,
        tree_class=np.array(model["tree_info"], np.int32),
        base=base_margins(booster),
    )
    packed = io.BytesIO()
    np.savez_compressed(packed, **{n: getattr(trees, n) for n in Trees.__struct_fields__})
    return packed.getvalue()


def _column(model: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401  JSON
    return np.concatenate([np.array(tree[name], kind) for tree in model["trees"]])


def _children(model: dict[str, Any], name: str, roots: Any, sizes: list[int]) -> Any:  # noqa: ANN401
    """Return indexes among all nodes for indexes within each tree."""
    children = _column(model, name, np.int32)
    return np.where(children < 0, -1, children + np.repeat(roots, sizes)).astype(np.int32)
