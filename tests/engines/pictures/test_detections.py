"""The record of what was found: geometry of oriented boxes, outlines of masks, JSON values."""

from __future__ import annotations

import json
import math
import sys

import cv2
import numpy as np
import pytest

from trtzoo.engines.pictures.detections import Detections, corners, no_detections
from trtzoo.engines.pictures.masks import mask_polygons, run_lengths
from trtzoo.errors import InputError, MissingDependencyError

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


def detections(**more) -> Detections:
    """Three objects in a picture of 40 x 60 pixels."""
    boxes = np.float32([[1, 2, 30, 39], [0, 0, 5, 5], [10, 10, 20, 30]])
    fields = {"boxes": boxes, "scores": np.float32([0.9, 0.8, 0.7]), "classes": np.array([1, 0, 1]), "names": NAMES}
    return Detections(**{"size": (40, 60)} | fields | more)


@pytest.mark.parametrize(
    "more",
    [
        {"scores": np.zeros(2, np.float32)},
        {"classes": np.zeros(4, np.int64)},
        {"boxes": np.zeros((0, 4), np.float32)},
        {"keypoints": np.zeros((2, 17, 3), np.float32)},
        {"masks": np.zeros((1, 40, 60), bool)},
    ],
    ids=lambda more: next(iter(more)),
)
def test_arrays_of_different_lengths_are_refused(more):
    with pytest.raises(InputError, match=f"different lengths: .*{next(iter(more))}.*; each needs a row an object"):
        detections(**more)


PICKS = {
    "a number": (1, [1]),
    "the last": (-1, [2]),
    "a number of numpy's": (np.int64(2), [2]),
    "a slice": (slice(1, None), [1, 2]),
    "numbers": ([2, 0], [2, 0]),
    "no numbers": ([], []),
    "a mask": (np.array([True, False, True]), [0, 2]),
}


@pytest.mark.parametrize(("keep", "rows"), PICKS.values(), ids=PICKS)
def test_objects_are_picked_with_all_that_belongs_to_them(keep, rows):
    keypoints, masks = np.random.default_rng(0).random((3, 5, 3)), np.random.default_rng(1).random((3, 40, 60)) > 0.5
    found = detections(keypoints=keypoints, masks=masks)
    picked = found[keep]
    assert len(picked) == len(rows)
    assert (picked.names, picked.size) == (found.names, found.size)
    for name in ("boxes", "scores", "classes", "keypoints", "masks"):
        np.testing.assert_array_equal(getattr(picked, name), getattr(found, name)[np.array(rows, int)])


def test_the_best_of_a_class_is_picked_by_a_comparison():
    found = detections()
    assert found[found.classes == 1].scores.tolist() == pytest.approx([0.9, 0.7])


def test_plotting_draws_on_a_copy():
    picture = np.full((40, 60, 3), 128, np.uint8)
    drawn = detections().plot(picture)
    assert drawn.shape == picture.shape
    assert (drawn != 128).any()
    assert (picture == 128).all()


COCO_NAMES = ("person", *map(str, range(78)), "toothbrush")


@pytest.mark.parametrize(
    ("names", "number", "category"),
    [
        (NAMES, 1, 2),
        (NAMES, 9, 10),
        (COCO_NAMES, 0, 1),
        (COCO_NAMES, 11, 13),
        (COCO_NAMES, 79, 90),
        ((*COCO_NAMES, "more"), 79, 80),
    ],
    ids=["own names", "without a name", "COCO's first", "after COCO's first gap", "COCO's last", "not COCO's"],
)
def test_categories_are_counted_from_one_with_cocos_gaps(names, number, category):
    [one, *_] = detections(classes=np.full(3, number), names=names).to_coco(7)
    assert (one["image_id"], one["category_id"]) == (7, category)
    assert one["bbox"] == [1, 2, 29, 37]
    assert one["score"] == pytest.approx(0.9)


def test_coco_results_carry_masks_and_keypoints():
    masks = np.zeros((3, 40, 60), bool)
    masks[:, 5:9, 5:9] = True
    points = np.float32([[[1, 2], [3, 4]]] * 3)
    [one, *_] = detections(masks=masks, keypoints=points).to_coco()
    assert one["segmentation"] == run_lengths(masks[0])
    assert one["keypoints"] == [1, 2, 1, 3, 4, 1]


def test_numbers_that_json_does_not_know_are_left_out():
    boxes = np.float32([[np.nan, 2, np.inf, 39], [0, 0, 5, 5], [10, 10, 20, 30]])
    found = detections(boxes=boxes)
    assert json.loads(json.dumps(found.to_records(), allow_nan=False))[0]["box"] == [0, 2, 0, 39]
    json.dumps(found.to_coco(), allow_nan=False)


def test_supervision_gets_the_same_objects():
    supervision = pytest.importorskip("supervision")
    masks = np.random.default_rng(0).random((3, 40, 60)) > 0.5
    found = detections(masks=masks)
    theirs = found.to_supervision()
    assert isinstance(theirs, supervision.Detections)
    np.testing.assert_array_equal(theirs.xyxy, found.boxes)
    np.testing.assert_array_equal(theirs.mask, masks)
    np.testing.assert_array_equal(theirs.confidence, found.scores)
    np.testing.assert_array_equal(theirs.class_id, found.classes)
    assert theirs.data["class_name"].tolist() == ["b", "a", "b"]
    assert len(theirs[theirs.class_id == 1]) == 2
    assert len(no_detections((4, 4)).to_supervision()) == 0


def test_supervision_gets_oriented_boxes_as_corners():
    supervision = pytest.importorskip("supervision")
    found = detections(boxes=np.float32([[20, 20, 10, 4, 0.3]] * 3))
    theirs = found.to_supervision()
    np.testing.assert_allclose(theirs.data[supervision.config.ORIENTED_BOX_COORDINATES], corners(found.boxes))
    np.testing.assert_allclose(theirs.xyxy[:, :2], corners(found.boxes).min(axis=1))


def test_without_supervision_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match="run `pip install supervision`"):
        detections().to_supervision()


def test_printed_detections_do_not_repeat_all_class_names():
    found = Detections((4, 4), np.zeros((1, 4)), np.ones(1), np.zeros(1, np.int64), names=("giraffe", "zebra"))
    assert "scores=array([" in repr(found)
    assert "zebra" not in repr(found)
