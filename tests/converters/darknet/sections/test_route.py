"""`[route]` and `[route_lhalf]`: which channels come out, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import parse, run_section

from trtzoo.errors import InputError

RNG = np.random.default_rng(2)
A, B = (RNG.normal(0, 1, (2, channels, 4, 5)).astype(np.float32) for channels in (4, 8))


def test_layers_come_one_after_the_other():
    np.testing.assert_array_equal(run_section("route", A, B, layers="0,1"), np.concatenate([A, B], axis=1))


@pytest.mark.parametrize("group", [0, 1, 3])
def test_each_layer_is_cut_to_its_group(group):
    parts = [x[:, group * x.shape[1] // 4 : (group + 1) * x.shape[1] // 4] for x in (A, B)]
    made = run_section("route", A, B, layers="0,1", groups=4, group_id=group)
    np.testing.assert_array_equal(made, np.concatenate(parts, axis=1))


def test_the_left_half_is_the_first_of_two_groups():
    np.testing.assert_array_equal(run_section("route_lhalf", B, layers=0), B[:, :4])


def test_negative_numbers_count_back():
    assert parse("route", 7, layers="-1,-4,2").sources(6) == (6, 3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "0", "groups": 3}, "groups=3 does not divide the 4 channels of layer 0"),
        ({"layers": "0", "groups": 2, "group_id": 2}, "group_id=2 does not exist among groups=2"),
        ({"layers": "1"}, "points to layer 1, but only layers 0 to 0"),
        ({}, "needs layers="),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        run_section("route", A, **options)
