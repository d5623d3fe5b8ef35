"""Shapes worked out without running anything, against what ONNX Runtime, numpy and torch make."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from trtzoo.errors import ModelError
from trtzoo.graph.shapes import Window, broadcast, conv_size


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "before", "after", "dilation"),
    [case for case in product((5, 8), (1, 3), (1, 2, 3), (0, 1), (0, 2), (1, 2)) if case[0] > case[1] * case[5]],
)
def test_a_window_fits_as_often_as_it_can_be_put_down(length, kernel, stride, before, after, dilation):
    reach = dilation * (kernel - 1)
    starts = [start for start in range(0, length + before + after, stride) if start + reach < length + before + after]
    assert conv_size(length, kernel, stride, before, after, dilation) == len(starts)


def test_a_window_larger_than_the_map_is_refused():
    with pytest.raises(ModelError, match=r"a window of 5 \(dilation 2\) does not fit into 8 pixels"):
        conv_size(8, 5, 1, 0, 0, 2)


def test_growing_undoes_shrinking():
    window = Window((2, 3), (1, 0, 1, 2), (1, 2))
    assert window.grown(window.shrunk((9, 13), (3, 2)), (3, 2)) == [9, 13]


SHAPES = [([2, 3], [3]), ([2, 1, 4], [3, 1]), ([1], [5, 1]), ([], [2]), ([4, 1], [1, 4])]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_broadcasting_is_numpys(a, b):
    assert tuple(broadcast(a, b)) == np.broadcast_shapes(a, b)


def test_a_free_axis_meets_itself_or_one():
    assert broadcast(["batch", 3], [1, 3]) == broadcast([3], ["batch", 1]) == ["batch", 3]
    for other in ([2, 3], ["rows", 3]):
        with pytest.raises(ValueError, match="do not fit"):
            broadcast(["batch", 3], other)
