"""What is drawn: inside the picture, in the object's colour, with a label that can be read, on a copy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trtzoo.engines.pictures.detections import Detections, no_detections
from trtzoo.engines.pictures.drawing import Style, colour_of, draw, label_of
from trtzoo.engines.pictures.drawing.labels import Labels, Pen, Strip

NAMES = ("person", "bicycle", "a name that is much longer than the box is wide")
GREY = 128


def picture_of(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def detections(size: tuple[int, int], boxes, classes=None, **more) -> Detections:
    boxes = np.asarray(boxes, np.float32)
    classes = np.zeros(len(boxes), np.int64) if classes is None else np.asarray(classes)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    return Detections(size, boxes, scores, classes, **{"names": NAMES, **more})


def is_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture [H, W, 3] has this colour."""
    return np.abs(picture.astype(int) - colour).max(axis=2) <= 2


SIZES = {
    "smallest": (16, 16),
    "narrow": (300, 20),
    "flat": (20, 300),
    "usual": (480, 640),
    "full HD": (1080, 1920),
    "12 megapixels": (3000, 4000),
}
PLACES = {
    "upper left": (0.0, 0.0, 0.3, 0.3),
    "upper right": (0.7, 0.0, 1.0, 0.3),
    "lower left": (0.0, 0.7, 0.3, 1.0),
    "lower right": (0.7, 0.7, 1.0, 1.0),
    "along the top": (0.2, 0.0, 0.8, 0.1),
    "along the bottom": (0.2, 0.9, 0.8, 1.0),
    "everything": (0.0, 0.0, 1.0, 1.0),
    "the middle": (0.3, 0.3, 0.7, 0.7),
    "a point": (0.5, 0.5, 0.5, 0.5),
}


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


def labelled(size: tuple[int, int], place: tuple[float, ...]) -> np.ndarray:
    """The label of an object of class 0."""
    box = np.float32(place) * [size[1], size[0], size[1], size[0]]
    return strip_of(draw(picture_of(*size), detections(size, [box])), colour_of(0))


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


def lab(colours) -> np.ndarray:
    """Colours (blue, green, red) in CIELAB, where 2.3 is a difference that can just be seen."""
    return cv2.cvtColor(np.float32([colours]) / 255, cv2.COLOR_BGR2LAB)[0]


def distances(colours) -> np.ndarray:
    places = lab(colours)
    return np.linalg.norm(places[:, None] - places, axis=2) + np.diag([np.inf] * len(places))


def test_the_first_classes_have_colours_that_can_be_told_apart():
    """Car, bus and truck are COCO's classes 2, 5 and 7."""
    assert distances([colour_of(number) for number in range(10)]).min() > 45
    assert distances([colour_of(number) for number in range(24)]).min() > 25
    assert len({colour_of(number) for number in range(80)}) == 80


@pytest.mark.parametrize("number", [0, 2, 7, 30])
def test_instances_of_a_class_have_shades_that_can_be_told_apart(number):
    shades = [colour_of(number, instance) for instance in range(4)]
    assert shades[0] == colour_of(number)
    assert distances(shades).min() > 9


def test_masks_of_one_class_are_tinted_differently():
    size = (60, 80)
    masks = np.zeros((2, *size), bool)
    masks[0, 20:40, 5:25], masks[1, 20:40, 40:60] = True, True
    boxes = [[5, 20, 25, 40], [40, 20, 60, 40]]
    drawn = draw(picture_of(*size), detections(size, boxes, masks=masks), Style(labels=False))
    assert np.abs(drawn[30, 15].astype(int) - drawn[30, 50]).max() > 20
    alike = draw(picture_of(*size), detections(size, boxes), Style(labels=False))
    assert (alike[20, 15] == alike[20, 50]).all()


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


def test_the_style_sets_width_and_leaves_labels_out():
    found = detections((200, 200), [[50, 50, 150, 150]])
    thin, thick = (draw(picture_of(200, 200), found, Style(width, labels=False)) for width in (1, 9))
    column = slice(30, 70)
    assert (thin[column, 100] != GREY).any(axis=1).sum() <= 3
    assert (thick[column, 100] != GREY).any(axis=1).sum() >= 9
    with_labels = draw(picture_of(200, 200), found, Style(1))
    assert (with_labels != GREY).sum() > (thin != GREY).sum() * 1.5


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


@pytest.mark.parametrize("points", [17, 5], ids=["COCO's seventeen", "others"])
@pytest.mark.parametrize("values", [2, 3], ids=["without visibility", "with visibility"])
def test_keypoints_are_drawn_where_they_are_and_invisible_ones_not(points, values):
    size = (400, 400)
    places = np.stack([20 + 20 * np.arange(points), np.full(points, 300)], axis=1).astype(np.float32)
    keypoints = np.concatenate([places, np.ones((points, values - 2))], axis=1)[None].astype(np.float32)
    if values == 3:
        keypoints[0, 3, 2] = 0.1
        keypoints[0, 3, :2] = [200, 380]
    drawn = draw(picture_of(*size), detections(size, [[10, 20, 380, 390]], keypoints=keypoints))
    for number, (x, y) in enumerate(keypoints[0, :, :2].astype(int)):
        hidden = values == 3 and number == 3
        assert (drawn[y, x] != GREY).any() != hidden


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
