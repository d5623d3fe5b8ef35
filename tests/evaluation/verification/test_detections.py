"""Objects of two models held against each other, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trtzoo.engines.pictures.detections import Detections
from trtzoo.evaluation.verification.detections import compare_detections
from trtzoo.evaluation.verification.results import RULES

SIZE = (100, 100)
BOXES = np.array([[10, 10, 30, 30], [40, 40, 60, 60], [70, 70, 90, 90]], np.float32)
MASKS = np.zeros((3, *SIZE), bool)
for _number, (_x1, _y1, _x2, _y2) in enumerate(BOXES.astype(int)):
    MASKS[_number, _y1:_y2, _x1:_x2] = True
POINTS = np.stack([BOXES[:, :2], BOXES[:, 2:]], axis=1)
FOUND = Detections(SIZE, BOXES, np.array([0.9, 0.8, 0.6], np.float32), np.array([0, 1, 1]), POINTS, MASKS)
PRECISE = RULES["fp32"]


def changed(**values) -> Detections:
    return replace(FOUND, **values)


def moved(array: np.ndarray, row: int, by: float) -> np.ndarray:
    copy = array.astype(np.float32).copy()
    copy[row] += by
    return copy


def score(row: int, value: float) -> np.ndarray:
    scores = FOUND.scores.copy()
    scores[row] = value
    return scores


@pytest.mark.parametrize(
    ("candidate", "figures", "text"),
    [
        (FOUND, {"found": 3, "lost": 0, "extra": 0, "worst_iou": 1, "worst_score": 0}, ""),
        (
            FOUND[:2],
            {"found": 2, "lost": 1, "extra": 0},
            "1 of 3 objects above 0.3 are not found again, 0 of 2 are new",
        ),
        (changed(classes=np.array([0, 0, 1])), {"found": 2, "lost": 1, "extra": 1}, "1 of 3 objects above 0.3"),
        (
            changed(boxes=moved(BOXES, 1, 1)),
            {"found": 3, "worst_iou": 361 / 439},
            "an object's IoU with itself is 0.822",
        ),
        (changed(scores=score(1, 0.79)), {"worst_score": 0.01}, "a score is 0.0100 off, 0.002 is allowed"),
        (
            changed(scores=score(2, 0.29)),
            {"candidate": 2, "found": 3, "lost": 0, "worst_score": 0.31},
            "a score is 0.3100 off",
        ),
        (changed(scores=score(2, 0.2)), {"candidate": 2, "found": 2, "lost": 1}, "1 of 3 objects above 0.3"),
        (changed(classes=np.array([1, 2, 2])), {"found": 0, "lost": 3}, "all classes are shifted by 1"),
    ],
)
def test_what_differs_is_counted_and_said(candidate, figures, text):
    difference, faults = compare_detections([(FOUND, candidate)], PRECISE, "detect")
    assert {name: getattr(difference, name) for name in figures} == pytest.approx(figures, abs=1e-6)
    assert difference.passed is (not text)
    assert (text in faults[0].text) if text else not faults
    back, _ = compare_detections([(candidate, FOUND)], PRECISE, "detect")
    assert (back.found, back.lost, back.extra) == (difference.found, difference.extra, difference.lost)
    assert back.passed is difference.passed


def test_keypoints_by_distance():
    difference, (fault,) = compare_detections([(FOUND, changed(keypoints=moved(POINTS, 2, 3)))], PRECISE, "pose")
    assert difference.worst_pixels == pytest.approx(3 * 2**0.5)
    assert fault.text == "a keypoint is 4.24 pixels off, 0.1 are allowed"
    assert compare_detections([(FOUND, changed(keypoints=moved(POINTS, 2, 3)))], RULES["int8"], "pose")[0].passed


def test_masks_by_iou():
    masks = MASKS.copy()
    masks[0, 10:20] = False
    difference, (fault,) = compare_detections([(FOUND, changed(masks=masks))], RULES["fp16"], "segment")
    assert difference.worst_mask == pytest.approx(0.5)
    assert "IoU with itself is 0.500" in fault.text


def test_oriented_boxes():
    boxes = np.array([[50, 50, 40, 20, 0.5]], np.float32)
    one = Detections(SIZE, boxes, np.array([0.9], np.float32), np.array([0]))
    turned = replace(one, boxes=boxes + np.array([0, 0, 0, 0, np.pi], np.float32))
    assert compare_detections([(one, turned)], PRECISE, "obb")[0].worst_iou == pytest.approx(1, abs=1e-3)
    quarter = replace(one, boxes=boxes + np.array([0, 0, 0, 0, np.pi / 2], np.float32))
    assert compare_detections([(one, quarter)], PRECISE, "obb")[0].lost == 1


def test_classifiers_by_their_best_class():
    def answer(*probs: float) -> Detections:
        nothing = FOUND[:0]
        return replace(nothing, probs=np.array(probs, np.float32))

    pairs = [(answer(0.7, 0.2, 0.1), answer(0.7, 0.2, 0.1)), (answer(0.5, 0.4, 0.1), answer(0.4, 0.5, 0.1))]
    difference, faults = compare_detections(pairs, RULES["fp16"], "classify")
    assert (difference.reference, difference.found, difference.lost) == (2, 1, 1)
    assert difference.worst_score == pytest.approx(0.1)
    assert not difference.passed
    assert faults
