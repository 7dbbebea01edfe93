"""The trees of a bundle, unfolded into one row per leaf for the explanation."""

import io
import zipfile
from typing import Final

import msgspec
import numpy as np

from agent.errors import ModelError
from agent.records import F32, F64, I32, I64, Bool

MAX_NODES: Final = 1_000_000
MAX_DEPTH: Final = 16


class Trees(msgspec.Struct, frozen=True, eq=False):
    """Nodes of all trees, one after another; a tree's first node is its root.

    Node columns have shape (nodes,), tree columns (trees,), `base` (classes,).
    """

    feature: I32
    threshold: F32  # a value below it goes left
    left: I32  # index of the child among all nodes; -1 in leaves
    right: I32
    missing_left: Bool
    value: F32  # of leaves
    cover: F32  # how much training weight passed
    root: I32
    tree_class: I32
    base: F64  # margin before any tree


class Paths(msgspec.Struct, frozen=True, eq=False):
    """The leaves of one class's trees: what must hold to reach each of them.

    Shape (slots, leaves), one slot for each feature asked on the way; unused slots name the
    feature `feature_count`, hold for every vector, and so contribute nothing.
    """

    feature: I64
    low: F32  # holds when low <= value < high
    high: F32
    missing: Bool  # holds when the value is missing
    share: F64  # of the training weight that passes these questions
    value: F64  # shape (leaves,)


def read_trees(data: bytes) -> Trees:
    """Read an .npz file of trees.

    Raises:
        ModelError: It is no such file, or its trees are malformed.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            trees = Trees(*(arrays[name] for name in Trees.__struct_fields__))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"trees cannot be read: {error}"
        raise ModelError(message) from error
    if problem := _find_problem(trees):
        message = f"trees are malformed: {problem}"
        raise ModelError(message)
    return trees


def _find_problem(trees: Trees) -> str:
    nodes = len(trees.feature)
    of_nodes = ("threshold", "left", "right", "missing_left", "value", "cover")
    if not 0 < nodes <= MAX_NODES or len(trees.root) != len(trees.tree_class):
        return "number of nodes or trees"
    if any(getattr(trees, name).shape != (nodes,) for name in of_nodes):
        return "columns differ in length"
    inner = trees.left >= 0
    own = np.arange(nodes)[inner]
    for child in (trees.left[inner], trees.right[inner]):
        if (child <= own).any() or (child >= nodes).any():
            return "a child before its parent or out of range"  # also what rules out cycles
    if (trees.cover[inner] <= 0).any():
        return "a node without cover"
    if not np.isin(trees.tree_class, np.arange(len(trees.base))).all():
        return "a tree of no class"
    return "" if ((trees.root >= 0) & (trees.root < nodes)).all() else "a root out of range"


def read_paths(data: bytes, feature_count: int) -> list[Paths]:
    """Return the paths of each class's trees.

    Raises:
        ModelError: The data are not trees, or ask for features that do not exist.
    """
    trees = read_trees(data)
    inner = trees.left >= 0
    if not ((trees.feature[inner] >= 0) & (trees.feature[inner] < feature_count)).all():
        message = f"trees ask for features outside the {feature_count} of the schema"
        raise ModelError(message)
    return [_unfold(trees, which, feature_count) for which in range(len(trees.base))]


_Question = tuple[float, float, bool, float]  # low, high, missing, share
_Path = dict[int, _Question]


def _unfold(trees: Trees, which: int, feature_count: int) -> Paths:
    leaves: list[tuple[_Path, float]] = []
    for root in trees.root[trees.tree_class == which].tolist():
        leaves.extend(_walk(trees, root))
    slots = max((len(path) for path, _ in leaves), default=0) or 1
    shape = (slots, len(leaves))
    paths = Paths(
        feature=np.full(shape, feature_count, np.int64),
        low=np.full(shape, -np.inf, np.float32),
        high=np.full(shape, np.inf, np.float32),
        missing=np.ones(shape, np.bool_),
        share=np.ones(shape, np.float64),
        value=np.array([value for _, value in leaves], np.float64),
    )
    for leaf, (path, _) in enumerate(leaves):
        for slot, (feature, question) in enumerate(path.items()):
            paths.feature[slot, leaf] = feature
            paths.low[slot, leaf], paths.high[slot, leaf] = question[0], question[1]
            paths.missing[slot, leaf], paths.share[slot, leaf] = question[2], question[3]
    return paths


def _walk(trees: Trees, root: int) -> list[tuple[_Path, float]]:
    """Return the path and value of each leaf of a tree; questions on one feature are merged."""
    leaves: list[tuple[_Path, float]] = []
    waiting: list[tuple[int, _Path]] = [(root, {})]
    while waiting:
        node, path = waiting.pop()
        left, right = int(trees.left[node]), int(trees.right[node])
        if left < 0:
            leaves.append((path, float(trees.value[node])))
            continue
        if len(path) > MAX_DEPTH:
            message = f"a path with more than {MAX_DEPTH} features"
            raise ModelError(message)
        feature, threshold = int(trees.feature[node]), float(trees.threshold[node])
        low, high, missing, share = path.get(feature, (-np.inf, np.inf, True, 1.0))
        goes_left, cover = bool(trees.missing_left[node]), float(trees.cover[node])
        to_left = share * float(trees.cover[left]) / cover
        to_right = share * float(trees.cover[right]) / cover
        below = (low, min(high, threshold), missing and goes_left, to_left)
        above = (max(low, threshold), high, missing and not goes_left, to_right)
        waiting += [(left, {**path, feature: below}), (right, {**path, feature: above})]
    return leaves
