"""How far an output moved: one measure for every check of a graph against another, or against what it came from."""

from __future__ import annotations

import numpy as np

from .weights import Array


def moved(expected: Array, actual: Array) -> float:
    """The largest difference, relative to the largest expected value; infinite where shapes or the places of NaN differ."""
    if expected.shape != actual.shape or not np.array_equal(np.isnan(expected), np.isnan(actual)):
        return float("inf")
    known = ~np.isnan(expected)
    wanted, got = expected[known].astype(np.float64), actual[known].astype(np.float64)
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    difference = float(np.abs(wanted - got).max(initial=0.0)) / scale
    return difference if np.isfinite(difference) else float("inf")
