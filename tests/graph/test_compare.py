"""The one measure of how far an output moved."""

from __future__ import annotations

import numpy as np
import pytest

from trtzoo.graph.compare import moved

NAN, INF = float("nan"), float("inf")
CASES = {
    "equal": ([1, -4], [1, -4], 0),
    "relative to the largest": ([1, -4], [1, -3], 0.25),
    "all zero": ([0, 0], [0, 0.5], 0.5),
    "nothing": ([], [], 0),
    "NaN in the same place": ([1, NAN], [1, NAN], 0),
    "NaN in another place": ([1, NAN], [NAN, 1], INF),
    "infinite": ([1, 2], [1, INF], INF),
}


@pytest.mark.parametrize(("expected", "actual", "distance"), CASES.values(), ids=CASES)
def test_the_distance(expected, actual, distance):
    assert moved(np.array(expected, np.float32), np.array(actual, np.float32)) == distance


def test_another_shape_is_infinitely_far():
    assert moved(np.zeros((2, 1)), np.zeros(2)) == INF
