"""`[maxpool]`, `[local_avgpool]` and `[avgpool]` against DarkNet's loops (maxpool_layer.c), in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import parse, run_section

from trtzoo.errors import ModelError, UnsupportedError

X = np.random.default_rng(5).normal(-3, 1, (2, 3, 9, 12)).astype(np.float32)
"""Negative, so that a padding of zero would win."""


def windows(x, size, stride_y, stride_x, padding, reduce):
    """Each window starts at -(padding // 2); what lies outside is not there."""
    height, width = x.shape[2:]
    out_h, out_w = (height + padding - size) // stride_y + 1, (width + padding - size) // stride_x + 1
    out = np.zeros((*x.shape[:2], out_h, out_w))
    for i in range(out_h):
        for j in range(out_w):
            top, left = i * stride_y - padding // 2, j * stride_x - padding // 2
            out[:, :, i, j] = reduce(x[:, :, max(top, 0) : top + size, max(left, 0) : left + size], axis=(2, 3))
    return out


CASES = {
    "2/2": ({"size": 2, "stride": 2}, (2, 2, 2, 1)),
    "2/1 pads after": ({"size": 2, "stride": 1}, (2, 1, 1, 1)),
    "3/2": ({"size": 3, "stride": 2}, (3, 2, 2, 2)),
    "5/1": ({"size": 5, "stride": 1}, (5, 1, 1, 4)),
    "no padding": ({"size": 3, "stride": 2, "padding": 0}, (3, 2, 2, 0)),
    "odd padding": ({"size": 4, "stride": 2, "padding": 3}, (4, 2, 2, 3)),
    "stride of a rectangle": ({"size": 3, "stride_x": 2, "stride_y": 3}, (3, 3, 2, 2)),
    "a tall stride": ({"size": 3, "stride_x": 1, "stride_y": 4}, (3, 4, 1, 2)),
    "nothing given": ({}, (1, 1, 1, 0)),
    "size is the stride's": ({"stride": 3}, (3, 3, 3, 2)),
}


@pytest.mark.parametrize(("options", "window"), CASES.values(), ids=CASES)
@pytest.mark.parametrize(("name", "reduce"), [("maxpool", np.max), ("local_avgpool", np.mean)])
def test_it_is_darknets_window(name, reduce, options, window):
    made = run_section(name, X, **options)
    np.testing.assert_allclose(made, windows(X.astype(np.float64), *window, reduce), rtol=1e-5)


def test_avgpool_is_the_mean_of_a_channel():
    np.testing.assert_allclose(run_section("avgpool", X)[..., 0, 0], X.mean(axis=(2, 3)), rtol=1e-5)


def test_a_window_outside_the_picture_is_refused():
    with pytest.raises(ModelError, match="choose one below 4"):
        run_section("maxpool", X, size=2, stride=1, padding=4)


def test_a_depth_pool_is_refused():
    with pytest.raises(UnsupportedError, match="maxpool_depth=1 is not supported"):
        parse("maxpool", maxpool_depth=1)
