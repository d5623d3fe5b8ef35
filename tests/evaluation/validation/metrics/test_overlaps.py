"""Overlaps of boxes, keypoints and oriented boxes against pixels and formulas of a few lines."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from labelled_squares import noise_boxes

from trtzoo.evaluation.validation.metrics.overlaps import (
    COCO_SIGMAS,
    box_iou,
    keypoint_similarity,
    probabilistic_iou,
    rotated_iou,
)

RNG = np.random.default_rng(3)


def painted(outline: np.ndarray, fine: int = 10) -> np.ndarray:
    """A polygon [N, 2] as pixels, ten of them to each side of one of its own."""
    canvas = np.zeros((120 * fine, 120 * fine), np.uint8)
    return cv2.fillPoly(canvas, [np.rint(outline * fine).astype(np.int32)], 1).astype(bool)


def outline(box: np.ndarray) -> np.ndarray:
    if len(box) == 4:
        return box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
    return cv2.boxPoints(((box[0], box[1]), (box[2], box[3]), np.rad2deg(box[4])))


@pytest.mark.parametrize(("overlap", "oriented"), [(box_iou, False), (rotated_iou, True)], ids=["upright", "oriented"])
def test_overlaps_are_shares_of_pixels(overlap, oriented):
    labelled, found = noise_boxes(RNG, 8, oriented), noise_boxes(RNG, 9, oriented)
    values = overlap(labelled, found)
    pixels = [[painted(outline(box)) for box in boxes] for boxes in (labelled, found)]
    expected = [[(a & b).sum() / (a | b).sum() for b in pixels[1]] for a in pixels[0]]
    np.testing.assert_allclose(values, expected, atol=0.01)
    assert (values > 0.1).sum() > 5


def test_keypoint_similarity_is_cocos():
    labelled = np.dstack([RNG.uniform(0, 50, (2, 17, 2)), RNG.integers(0, 3, (2, 17))])
    found, areas = labelled[:1, :, :2] + RNG.normal(0, 2, (3, 17, 2)), np.array([900.0, 400.0])
    values = keypoint_similarity(labelled, found, areas)
    for row, person in enumerate(labelled):
        for column, points in enumerate(found):
            squared = ((person[:, :2] - points) ** 2).sum(axis=1)
            likeness = np.exp(-squared / (2 * areas[row] * (2 * COCO_SIGMAS) ** 2))
            assert values[row, column] == pytest.approx(likeness[person[:, 2] > 0].mean(), abs=1e-6)


def test_probabilistic_iou_is_one_minus_the_hellinger_distance():
    """Against the distance of two Gaussians from their covariance matrices."""
    labelled, found = noise_boxes(RNG, 3, True), noise_boxes(RNG, 4, True)

    def gauss(box):
        turn = np.array([[np.cos(box[4]), -np.sin(box[4])], [np.sin(box[4]), np.cos(box[4])]])
        return box[:2], turn @ np.diag(box[2:4] ** 2 / 12) @ turn.T

    def likeness(first, second):
        (m1, s1), (m2, s2) = gauss(first), gauss(second)
        mean = (s1 + s2) / 2
        shift = (m1 - m2) @ np.linalg.inv(mean) @ (m1 - m2) / 8
        shape = np.log(np.linalg.det(mean) / np.sqrt(np.linalg.det(s1) * np.linalg.det(s2))) / 2
        return 1 - np.sqrt(1 - np.exp(-shift - shape))

    expected = [[likeness(first, second) for second in found] for first in labelled]
    np.testing.assert_allclose(probabilistic_iou(labelled, found), expected, atol=1e-3)
