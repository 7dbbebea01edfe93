"""Exact path-dependent TreeSHAP, all leaves of a class at once."""

from functools import cache

import numpy as np

from agent.explain.trees import Paths
from agent.records import F32, F64, Bool


def contributions(paths: Paths, features: F32) -> F64:
    """Return the SHAP value of every feature for one vector.

    In one leaf, a feature's Shapley value is `value * (holds - share)` times the mean, over the
    order in which features become known, of what the others let through. Each of them lets
    through `t * holds + (1 - t) * share` when a feature is known with probability t, so that mean
    is the integral over t of a polynomial of degree slots - 1, for which Gauss-Legendre
    quadrature with slots / 2 nodes is exact.

    Args:
        paths: The leaves of one class's trees.
        features: float32 of shape (feature_count,); NaN counts as missing.

    Returns:
        float64 of shape (feature_count,).
    """
    holds = _holds(paths, features).astype(np.float64)
    nodes, weights = _quadrature((len(paths.feature) + 1) // 2)
    total = np.zeros(paths.feature.shape)
    for node, weight in zip(nodes, weights, strict=True):
        total += weight * _product_of_others(node * holds + (1 - node) * paths.share)
    values = paths.value * (holds - paths.share) * total
    added = np.bincount(paths.feature.ravel(), values.ravel(), len(features) + 1)
    return added[:-1].astype(np.float64, copy=False)


@cache
def _quadrature(count: int) -> tuple[F64, F64]:
    """Return nodes and weights of Gauss-Legendre over [0, 1].

    Finding them takes longer than their use, and wakes threads of the linear algebra that burn
    another core.
    """
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _holds(paths: Paths, features: F32) -> Bool:
    seen = np.append(features, np.float32(0))[paths.feature]
    inside = (seen >= paths.low) & (seen < paths.high)
    missing = np.isnan(seen)
    return np.where(missing, paths.missing, inside) if missing.any() else inside


def _product_of_others(factors: F64) -> F64:
    """Return for each slot the product of the other slots, without dividing by what may be 0."""
    others = np.ones_like(factors)
    for slot in range(len(factors) - 1):  # an eighth of what cumprod takes along this axis
        np.multiply(others[slot], factors[slot], out=others[slot + 1])
    behind = np.ones_like(factors[0])
    for slot in range(len(factors) - 2, -1, -1):
        behind *= factors[slot + 1]
        others[slot] *= behind
    return others
