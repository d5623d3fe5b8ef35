"""Masks on the grid of the prototypes, by hand on a grid of 8 x 8 in an input of 32 x 32."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as library

from trtzoo.data.datasets.truth import Truth
from trtzoo.engines.pictures.preprocess import Placement
from trtzoo.evaluation.validation.metrics.prototype_masks import MaskGrid, found_on_grid

INPUT = (32, 32)
TWICE = Placement((16, 16), (2.0, 2.0), (0.0, 0.0))
"""A picture of 16 x 16 that fills the input."""


def square(x1: float, y1: float, x2: float, y2: float) -> list[list[float]]:
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def truth(*masks) -> Truth:
    count = len(masks)
    nothing = np.zeros(count)
    return Truth(nothing.astype(int), np.zeros((count, 4)), nothing, nothing.astype(bool), masks=masks)


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((8, 8), bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((0, 0, 32, 32), slice(0, 8), slice(0, 8)),
        ((8, 4, 16, 12), slice(1, 3), slice(2, 4)),
        ((8.1, 4.1, 16.1, 12.1), slice(2, 4), slice(3, 5)),
        ((9, 9, 9.5, 9.5), slice(0, 0), slice(0, 0)),
    ],
)
def test_a_mask_is_cut_to_the_indices_in_its_box(box, rows, columns):
    cut = found_on_grid(np.full((1, 8, 8), 0.51), np.array([box]), INPUT)
    np.testing.assert_array_equal(cut[0], block(rows, columns))
    assert not found_on_grid(np.full((1, 8, 8), 0.5), np.array([box]), INPUT).any()


def test_labels_are_drawn_at_the_inputs_size_and_scaled_down():
    """Picture pixels 4 to 11 are input pixels 8 to 22: rows and columns 2 to 5 of the grid."""
    grid = MaskGrid(np.stack([block(slice(2, 6), slice(2, 6)), block(slice(2, 4), slice(2, 6))]), INPUT, TWICE)
    np.testing.assert_allclose(grid.overlaps(truth(square(4, 4, 11, 11)), library), [[1, 0.5]], atol=1e-6)


def test_a_pixel_belongs_to_the_smallest_object_on_it():
    """A large square with a small one in it: what is found of the whole large one is 3/4 right."""
    large, small = square(4, 4, 11, 11), square(4, 4, 7, 7)
    grid = MaskGrid(np.stack([block(slice(2, 6), slice(2, 6)), block(slice(2, 4), slice(2, 4))]), INPUT, TWICE)
    for labels, expected in (((large, small), [[0.75, 0], [0.25, 1]]), ((small, large), [[0.25, 1], [0.75, 0]])):
        np.testing.assert_allclose(grid.overlaps(truth(*labels), library), expected, atol=1e-6)


def test_run_lengths_lie_where_their_picture_lies():
    """The picture lies 8 pixels down in the input."""
    picture = np.zeros((8, 16), np.uint8, order="F")
    picture[2:6, 4:12] = 1
    placement = Placement((8, 16), (2.0, 2.0), (0.0, 8.0))
    grid = MaskGrid(block(slice(3, 5), slice(2, 6))[None], INPUT, placement)
    np.testing.assert_allclose(grid.overlaps(truth(library.encode(picture)), library), [[1]], atol=1e-6)


def test_without_masks_nothing_overlaps():
    assert MaskGrid(np.zeros((2, 8, 8), bool), INPUT, TWICE).overlaps(truth(), library).shape == (0, 2)
    assert MaskGrid(np.zeros((0, 8, 8), bool), INPUT, TWICE).overlaps(truth(square(0, 0, 4, 4)), library).shape == (
        1,
        0,
    )
