"""Labels stand in the picture, clear of each other, and can be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import PLACES, detections, is_colour, picture_of

from trtzoo.engines.pictures.detections import Detections
from trtzoo.engines.pictures.drawing import colour_of, draw, label_of
from trtzoo.engines.pictures.drawing.labels import Labels, Pen, Strip


def strips(found: Detections) -> list[Strip]:
    height, width = found.size
    labels = Labels(picture_of(height, width), Pen(2, 0.5))
    for box in found.boxes:
        labels.write("person 0.90", np.int32([box[:2], box[2:]]), (0, 0, 255))
    return labels.taken


def test_labels_of_a_crowd_do_not_hide_each_other():
    rng = np.random.default_rng(0)
    corners = rng.uniform(100, 500, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(60, 120, (12, 2))], axis=1)
    taken = strips(detections((700, 1000), boxes))
    hidden = sum(one.shared_with(other) for number, one in enumerate(taken) for other in taken[:number])
    plain = [
        Strip(int(box[0]), int(box[1]) - one.height, one.width, one.height)
        for box, one in zip(boxes, taken, strict=True)
    ]
    before = sum(one.shared_with(other) for number, one in enumerate(plain) for other in plain[:number])
    assert hidden < before / 5


def test_of_two_objects_in_one_place_both_labels_can_be_read():
    first, second = strips(detections((480, 640), [[100, 100, 300, 300]] * 2))
    assert first.shared_with(second) == 0


@pytest.mark.parametrize(
    ("name", "number", "label"),
    [
        ("person", 0, "person"),
        ("café", 0, "cafe"),
        ("Straßenbahn", 0, "Straenbahn"),
        ("日本", 7, "7"),
        ("", 3, "3"),
        ("fire hydrant", 0, "fire hydrant"),
    ],
)
def test_names_become_letters_that_can_be_drawn(name, number, label):
    assert label_of(name, number) == label


def labelled(size: tuple[int, int], place: tuple[float, ...]) -> np.ndarray:
    """The label of an object of class 0."""
    box = np.float32(place) * [size[1], size[0], size[1], size[0]]
    return strip_of(draw(picture_of(*size), detections(size, [box])), colour_of(0))


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920)], ids=str)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_label_lies_in_the_picture_as_a_whole(place, size):
    strip, unhindered = (labelled(size, where) for where in (place, PLACES["the middle"]))
    assert np.abs(np.subtract(strip.shape[:2], unhindered.shape[:2])).max() <= 2
    assert ink_share(strip) == pytest.approx(ink_share(unhindered), abs=0.05)


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920), (3000, 4000)], ids=str)
def test_the_label_can_be_read(size):
    strip = labelled(size, PLACES["the middle"])
    assert 0.02 < strip.shape[0] / min(size) < 0.1
    assert strip.shape[0] >= 11, "letters of at least eight pixels"
    assert darkest_and_lightest(strip) > 100
    assert ink_share(strip) > 0.08


def strip_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The part of the picture that the largest filled area of the colour covers; its text lies inside."""
    filled = is_colour(picture, colour).astype(np.uint8)
    closed = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    side = max(9, min(picture.shape[:2]) // 50)
    solid = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    down, across = np.nonzero(solid)
    assert down.size, "no filled strip"
    return picture[down.min() : down.max() + 1, across.min() : across.max() + 1]


def darkest_and_lightest(strip: np.ndarray) -> float:
    luminance = cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY).astype(float)
    return luminance.max() - luminance.min()


def ink_share(strip: np.ndarray) -> float:
    return 1 - is_colour(strip, colour_of(0)).mean()


@pytest.mark.parametrize("number", range(30))
def test_ink_and_strip_of_every_class_differ_in_luminance(number):
    drawn = draw(picture_of(480, 640), detections((480, 640), [[100, 100, 300, 300]], [number], names=()))
    assert darkest_and_lightest(strip_of(drawn, colour_of(number))) > 90
