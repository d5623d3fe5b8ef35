"""`[reorg]` and `[reorg3d]` against DarkNet's index arithmetic (blas.c, reorg_cpu)."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import run_section

from trtzoo.errors import InputError, UnsupportedError

X = np.arange(2 * 8 * 6 * 10, dtype=np.float32).reshape(2, 8, 6, 10)


def reorg_cpu(x, channels, height, width, stride, forward):
    """Numbers of one picture, moved between a map of `channels` x `height` x `width` and one of larger maps."""
    out, within = np.zeros(x.size, np.float32), channels // stride**2
    for k, j, i in np.ndindex(channels, height, width):
        offset, c2 = divmod(k, within)
        here = i + width * (j + height * k)
        there = i * stride + offset % stride + width * stride * (j * stride + offset // stride + height * stride * c2)
        if forward:
            out[there] = x.flat[here]
        else:
            out[here] = x.flat[there]
    return out


@pytest.mark.parametrize("stride", [1, 2])
def test_reorg_counts_in_the_size_of_its_input(stride):
    made = run_section("reorg", X, stride=stride)
    for image, expected in zip(made, X, strict=True):
        np.testing.assert_array_equal(image.ravel(), reorg_cpu(expected, 8, 6, 10, stride, forward=False))


def test_reorg3d_counts_in_the_size_of_its_output():
    made = run_section("reorg3d", X, stride=2)
    for image, expected in zip(made, X, strict=True):
        np.testing.assert_array_equal(image.ravel(), reorg_cpu(expected, 32, 3, 5, 2, forward=False))


def test_reverse_moves_channels_to_pixels():
    made = run_section("reorg", X, stride=2, reverse=1)
    for image, expected in zip(made, X, strict=True):
        np.testing.assert_array_equal(image.ravel(), reorg_cpu(expected, 8, 6, 10, 2, forward=True))


def test_what_does_not_divide_is_refused():
    with pytest.raises(InputError, match="needs a multiple of 9 channels, not 8"):
        run_section("reorg", X, stride=3)
    with pytest.raises(InputError, match="does not divide a 6x10 map"):
        run_section("reorg3d", X, stride=4)
    with pytest.raises(UnsupportedError, match="reverse=1"):
        run_section("reorg3d", X, stride=2, reverse=1)
