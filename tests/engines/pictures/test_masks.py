"""Run lengths are COCO's, both ways: against pycocotools, and a mask worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trtzoo.engines.pictures.masks import mask_of_runs, mask_polygons, run_lengths

MASKS = {
    "nothing": np.zeros((3, 5), bool),
    "everything": np.ones((3, 5), bool),
    "noise, of many short runs": np.random.default_rng(0).random((37, 53)) > 0.6,
    "one of long runs": np.arange(90_000).reshape(300, 300) > 50_000,
    "no pixel": np.zeros((0, 5), bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_comes_back_from_its_run_lengths(mask):
    np.testing.assert_array_equal(mask_of_runs(run_lengths(mask)), mask)


@pytest.mark.parametrize("mask", list(MASKS.values())[:4], ids=list(MASKS)[:4])
def test_they_are_those_of_cocos_own_tools(mask):
    library = pytest.importorskip("pycocotools.mask", reason="`pip install pycocotools`, to compare with")
    theirs = library.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert run_lengths(mask)["counts"].encode() == theirs["counts"]
    np.testing.assert_array_equal(mask_of_runs(theirs), mask)


def test_a_list_of_numbers_runs_down_the_columns():
    """By hand: of 2 x 3 pixels one is skipped, the next two are set, the rest is not."""
    mask = mask_of_runs({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, 4], [7, -1]])
def test_runs_that_do_not_fill_the_picture_are_refused(counts):
    with pytest.raises(ValueError, match="run lengths of"):
        mask_of_runs({"size": [2, 3], "counts": counts})


def test_each_part_of_a_mask_has_an_outline_and_a_speck_has_none():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 3:9] = mask[10:15, 10:12] = mask[18, 18] = True
    found = {frozenset(map(tuple, part)) for part in mask_polygons(mask)}
    assert found == {
        frozenset({(3, 2), (8, 2), (8, 5), (3, 5)}),
        frozenset({(10, 10), (11, 10), (11, 14), (10, 14)}),
    }
