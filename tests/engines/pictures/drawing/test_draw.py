"""What is drawn: inside the picture, in the object's colour, on a copy."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import GREY, PLACES, SIZES, detections, is_colour, picture_of

from trtzoo.engines.pictures.detections import Detections, no_detections
from trtzoo.engines.pictures.drawing import Style, colour_of, draw


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_box_anywhere_has_its_four_edges_in_the_picture(place, size):
    height, width = size
    box = np.float32(place) * [width, height, width, height]
    picture = picture_of(*size)
    drawn = draw(picture, detections(size, [box], names=("",)))
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    assert (picture == GREY).all()
    changed = (drawn != GREY).any(axis=2)
    left, top, right, bottom = np.rint(box).astype(int).clip(0, [width - 1, height - 1] * 2)
    for edge in (
        changed[top, left:right],
        changed[bottom, left:right],
        changed[top:bottom, left],
        changed[top:bottom, right],
    ):
        assert edge.all()


def test_masks_of_one_class_are_tinted_differently():
    size = (60, 80)
    masks = np.zeros((2, *size), bool)
    masks[0, 20:40, 5:25], masks[1, 20:40, 40:60] = True, True
    boxes = [[5, 20, 25, 40], [40, 20, 60, 40]]
    drawn = draw(picture_of(*size), detections(size, boxes, masks=masks), Style(labels=False))
    assert np.abs(drawn[30, 15].astype(int) - drawn[30, 50]).max() > 20
    alike = draw(picture_of(*size), detections(size, boxes), Style(labels=False))
    assert (alike[20, 15] == alike[20, 50]).all()


def test_the_style_sets_width_and_leaves_labels_out():
    found = detections((200, 200), [[50, 50, 150, 150]])
    thin, thick = (draw(picture_of(200, 200), found, Style(width, labels=False)) for width in (1, 9))
    column = slice(30, 70)
    assert (thin[column, 100] != GREY).any(axis=1).sum() <= 3
    assert (thick[column, 100] != GREY).any(axis=1).sum() >= 9
    with_labels = draw(picture_of(200, 200), found, Style(1))
    assert (with_labels != GREY).sum() > (thin != GREY).sum() * 1.5


def test_a_class_above_the_names_is_shown_by_its_number():
    assert detections((4, 4), [[0, 0, 1, 1]]).name_of(99) == "99"
    drawn = draw(picture_of(100, 100), detections((100, 100), [[10, 40, 60, 80]], [99]))
    assert (drawn != GREY).any()


def test_labels_stand_above_what_lies_behind_them():
    """The label of the weaker object is drawn after the outline of the better one, which crosses it."""
    size = (480, 640)
    found = detections(size, [[150, 60, 400, 300], [100, 200, 600, 400]], [0, 1])
    alone = draw(picture_of(*size), detections(size, [[100, 200, 600, 400]], [1]))
    both = draw(picture_of(*size), found)
    top = slice(183, 199)
    label = is_colour(alone[top, 110:200], colour_of(1))
    assert label.mean() > 0.5
    assert is_colour(both[top, 110:200], colour_of(1))[label].mean() > 0.9


def test_masks_tint_their_pixels_only():
    size = (60, 80)
    mask = np.zeros((1, *size), bool)
    mask[0, 45:55, 50:70] = True
    drawn = draw(picture_of(*size), detections(size, [[50, 45, 70, 55]], masks=mask))
    inside, outside = drawn[48:52, 55:65], drawn[57:, 5:40]
    expected = GREY * 0.55 + np.array(colour_of(0)) * 0.45
    assert np.abs(inside - expected).max() <= 1
    assert (outside == GREY).all()


def test_oriented_boxes_are_drawn_as_turned_rectangles():
    size = (200, 200)
    drawn = draw(picture_of(*size), detections(size, [[100, 100, 100, 40, np.pi / 4]]))
    changed = (drawn != GREY).any(axis=2)
    ends = (
        np.array([100, 100])
        + np.array([[1, 1], [-1, -1]]) * (50 / np.sqrt(2))
        + np.array([[-1, 1], [1, -1]]) * (20 / np.sqrt(2))
    )
    for x, y in np.rint(ends).astype(int):
        assert changed[y - 2 : y + 3, x - 2 : x + 3].any()
    assert not changed[100, 100]


def test_nothing_to_draw_leaves_a_copy():
    picture = picture_of(50, 50)
    found = Detections((50, 50), np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    drawn = draw(picture, found)
    assert drawn is not picture
    np.testing.assert_array_equal(drawn, picture)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_classifier_lists_its_best_classes(size):
    probs = np.float32([0.1, 0.5, 0.05, 0.2, 0.1, 0.05])
    drawn = draw(picture_of(*size), no_detections(size, probs))
    assert (drawn != GREY).any()
    if min(size) >= 480:
        lines = (drawn != GREY).any(axis=(1, 2))
        assert 0.1 < lines.mean() < 0.4
        assert lines[: lines.sum()].all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e12], ids=str)
@pytest.mark.parametrize("form", ["upright", "oriented", "keypoints"])
@pytest.mark.filterwarnings("error")
def test_numbers_that_are_no_places_do_no_harm(form, value):
    size = (100, 100)
    box = (
        [value, 10, 50, value]
        if form == "upright"
        else [50, 50, value, 20, 0.2]
        if form == "oriented"
        else [1, 1, 9, 9]
    )
    keypoints = np.float32([[[value, 5, 1], [5, value, 1]]]) if form == "keypoints" else None
    drawn = draw(picture_of(*size), detections(size, [box], keypoints=keypoints))
    assert drawn.shape == (100, 100, 3)
