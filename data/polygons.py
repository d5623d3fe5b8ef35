"""Outlines of objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.weights import Array


def polygon_area(points: Array | Sequence[tuple[float, float]]) -> float:
    """Area of a polygon [N, 2], in the square of its unit, by the shoelace formula."""
    x, y = np.asarray(points, float).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
