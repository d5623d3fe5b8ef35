"""The record of what was found: geometry of oriented boxes, outlines of masks, JSON values."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from trtzoo.engines.pictures.detections import Detections, corners, no_detections
from trtzoo.engines.pictures.masks import mask_polygons, run_lengths

NAMES = ("a", "b")


def test_corners_of_an_upright_box():
    points = corners(np.float32([[10, 20, 6, 4, 0]]))[0]
    np.testing.assert_allclose(points, [[13, 22], [13, 18], [7, 18], [7, 22]], atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 2.0, -1.2], ids=lambda angle: f"{angle:.2f}")
def test_corners_equal_opencvs_rotated_rectangle(angle):
    boxes = np.float32([[100, 50, 40, 12, angle], [3, 4, 5, 60, angle]])
    for points, (x, y, w, h, turn) in zip(corners(boxes), boxes.tolist(), strict=True):
        expected = cv2.boxPoints(((x, y), (w, h), math.degrees(turn)))
        distance = np.linalg.norm(points[:, None] - expected[None], axis=2)
        assert distance.min(axis=1).max() < 1e-3
        assert sorted(distance.argmin(axis=1)) == [0, 1, 2, 3]


def test_no_oriented_boxes_have_no_corners():
    assert corners(np.zeros((0, 5), np.float32)).shape == (0, 4, 2)


def test_the_outline_of_a_mask_is_the_mask_when_it_is_filled():
    mask = np.zeros((40, 60), bool)
    mask[5:20, 10:30] = True
    mask[15:35, 25:50] = True
    (outline,) = mask_polygons(mask)
    filled = cv2.fillPoly(np.zeros((40, 60), np.uint8), [np.array(outline).reshape(-1, 2)], 1)
    np.testing.assert_array_equal(filled.astype(bool), mask)


def test_separate_parts_of_a_mask_have_outlines_of_their_own():
    mask = np.zeros((40, 60), bool)
    mask[2:10, 2:10] = mask[20:30, 30:50] = True
    assert len(mask_polygons(mask)) == 2
    assert mask_polygons(np.zeros((40, 60), bool)) == []


@pytest.mark.parametrize(
    "part", [(slice(7, 8), slice(9, 10)), (slice(7, 8), slice(5, 20)), (slice(2, 30), slice(4, 5))]
)
def test_a_part_of_one_pixel_or_one_line_is_no_polygon(part):
    """Fewer than three points would be read as a box by COCO's tools."""
    mask = np.zeros((40, 60), bool)
    mask[part] = True
    assert mask_polygons(mask) == []
    mask[30:35, 50:55] = True
    assert len(mask_polygons(mask)) == 1


MASKS = {
    "nothing": np.zeros((7, 5), bool),
    "everything": np.ones((7, 5), bool),
    "a hole, and a part of one pixel": np.pad(
        np.pad(np.zeros((2, 2), bool), 2, constant_values=True), ((0, 9), (0, 0))
    ),
    "noise": np.random.default_rng(0).random((37, 53)) < 0.5,
    "runs of more than 2^15 pixels": np.arange(300)[:, None] * np.ones(400) > 200,
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_run_lengths_are_those_of_the_coco_api(mask):
    tools = pytest.importorskip("pycocotools.mask")
    expected = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert run_lengths(mask) == {"size": list(mask.shape), "counts": expected["counts"].decode()}
    np.testing.assert_array_equal(tools.decode(run_lengths(mask)), mask)


def test_records_are_json_values_rounded_to_what_is_meaningful():
    found = Detections(
        size=(40, 60),
        boxes=np.float32([[1.23456, 2, 30, 39.99999], [0, 0, 5, 5]]),
        scores=np.float32([0.912345678, 0.5]),
        classes=np.array([1, 7]),
        keypoints=np.float32([[[1.234, -5.678, 0.5]], [[2, 3, 1]]]),
        names=NAMES,
    )
    first, second = json.loads(json.dumps(found.to_records()))
    assert first == {
        "class": 1,
        "name": "b",
        "score": 0.91235,
        "box": [1.23, 2.0, 30.0, 40.0],
        "keypoints": [[1.23, -5.68, 0.5]],
    }
    assert second["name"] == "7", "a class above the names"


def test_the_best_five_classes_come_in_order_and_ties_by_number():
    probs = np.float32([0.1, 0.3, 0.1, 0.3, 0.05, 0.1, 0.05])
    found = no_detections((4, 4), probs, NAMES)
    assert [number for number, _ in found.top_classes()] == [1, 3, 0, 2, 5]
    assert [record["class"] for record in found.to_records()] == [1, 3, 0, 2, 5]
    assert found.top_classes(2) == [(1, pytest.approx(0.3)), (3, pytest.approx(0.3))]


def test_fewer_than_five_classes():
    assert len(no_detections((4, 4), np.float32([0.4, 0.6])).top_classes()) == 2


def test_a_detector_has_no_top_classes():
    assert no_detections((4, 4)).top_classes() == []
    assert no_detections((4, 4)).to_records() == []
    assert len(no_detections((4, 4))) == 0
