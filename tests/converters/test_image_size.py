"""Sizes are multiples of a network's largest stride, not of its smallest."""

from __future__ import annotations

import pytest
from shared import GOLDEN, needs_golden

from trtzoo import ReadOptions
from trtzoo.converters import read_network
from trtzoo.converters.image_size import check_size, round_up
from trtzoo.errors import ModelError


@pytest.mark.parametrize(("size", "stride"), [((64, 96), 32), ((8, 8), 8), ((640, 640), 64)])
def test_multiples_are_taken(size, stride):
    assert check_size(size, stride) == size


@pytest.mark.parametrize(
    ("size", "stride", "advice"),
    [
        ((65, 96), 32, "--img-size 64 96 and --img-size 96 96"),
        ((40, 100), 32, "--img-size 32 96 and --img-size 64 128"),
        ((5, 64), 32, "--img-size 32 64 and --img-size 32 64"),
    ],
)
def test_others_are_refused_with_the_next_ones(size, stride, advice):
    with pytest.raises(ModelError, match=advice):
        check_size(size, stride)


def test_rounding_goes_up():
    assert [round_up(length, 32) for length in (1, 32, 33)] == [32, 32, 64]


@needs_golden
@pytest.mark.parametrize("case", ["y5_v7_detect_nc3_ema", "ul_v8_detect_nc3"])
def test_the_largest_stride_decides(case):
    weights = next((GOLDEN / case).glob("*.pt"))
    with pytest.raises(ModelError, match="largest stride 32; the next are --img-size 64 64"):
        read_network(weights, ReadOptions(img_size=(72, 72)))
