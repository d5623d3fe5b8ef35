"""Overlaps, matching, average precision and intervals against formulas of a few lines and other libraries."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from labelled_squares import noise_boxes

from trtzoo.evaluation.validation.metrics import average_precision as precision
from trtzoo.evaluation.validation.metrics.bootstrap import paired_difference
from trtzoo.evaluation.validation.metrics.matching import confusions, match, voc_match
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


class TestMatching:
    """Found objects by falling score; rows of the overlaps are labelled ones."""

    def test_each_labelled_object_is_found_once(self):
        right = match(np.array([[0.9, 0.8]]), np.array([0]), np.array([0, 0]))
        assert right[:, 0].tolist() == [True, False]

    def test_a_second_best_that_is_free_counts(self):
        right = match(np.array([[0.9, 0.8], [0.0, 0.6]]), np.array([0, 0]), np.array([0, 0]))
        assert right[:, 0].tolist() == [True, True]
        assert right[1].tolist() == [True] * 3 + [False] * 7

    def test_an_overlap_of_exactly_the_threshold_counts(self):
        assert match(np.array([[0.5]]), np.array([0]), np.array([0]))[0].tolist() == [True] + [False] * 9

    def test_another_class_does_not_count(self):
        assert not match(np.array([[0.9]]), np.array([1]), np.array([0])).any()

    def test_voc_holds_each_against_its_best_alone(self):
        overlaps, classes = np.array([[0.9, 0.8], [0.0, 0.6]]), np.array([0, 0])
        assert voc_match(overlaps, classes, classes, np.zeros(2, bool)).tolist() == [1, 0]

    def test_voc_ignores_difficult_objects(self):
        overlaps, classes = np.array([[0.9, 0.8]]), np.array([0])
        assert voc_match(overlaps, classes, np.array([0, 0]), np.array([True])).tolist() == [-1, -1]

    def test_confusions(self):
        overlaps = np.array([[0.9, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.3]])
        counts = confusions(overlaps, np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7]), 2)
        assert counts.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]

    def test_confusions_leave_out_low_scores(self):
        counts = confusions(np.array([[0.9]]), np.array([0]), np.array([0]), np.array([0.25]), 1)
        assert counts.tolist() == [[0, 0], [1, 0]]


def matches(right, scores, labelled, pictures=None, classes=None):
    right = np.repeat(np.array(right, bool)[:, None], 10, axis=1)
    zeros = np.zeros(len(right), int)
    owners = zeros if pictures is None else np.array(pictures[0])
    whose = np.zeros(labelled, int) if pictures is None else np.array(pictures[1])
    classes = zeros if classes is None else np.array(classes)
    return precision.Matches(right, np.array(scores, np.float32), classes, owners, np.zeros(labelled, int), whose)


def interpolated(right, labelled):
    """Precision at 101 recalls by definition: linear between the points of the envelope, 0 after the last."""
    hits = np.cumsum(right)
    recall, share = hits / labelled, hits / np.arange(1, len(right) + 1)
    recall, share = np.array([0, *recall, recall[-1], 1]), np.array([1, *share, 0, 0])
    best = np.array([share[row:].max() for row in range(len(share))])
    return np.interp(np.linspace(0, 1, 101), recall, best)


def test_average_precision_is_the_area_under_the_envelope():
    right, labelled = RNG.random(30) < 0.6, 25
    curves = precision.curves_by_class(matches(right, np.linspace(1, 0.1, 30), labelled))[0]
    line = interpolated(right, labelled)
    assert curves.ap == pytest.approx([np.trapezoid(line, dx=0.01)] * 10, abs=1e-9)
    np.testing.assert_allclose(curves.precision_at_recall, line, atol=1e-9)


CASES = {
    "all right": ([1, 1, 1], 3, 1.0),
    "nothing found": ([], 3, 0.0),
    "nothing right": ([0, 0], 3, 0.0),
}


@pytest.mark.parametrize(("right", "labelled", "expected"), CASES.values(), ids=CASES)
def test_average_precision_at_its_ends(right, labelled, expected):
    curves = precision.curves_by_class(
        matches(np.array(right, bool).reshape(-1), np.linspace(0.9, 0.1, len(right)), labelled)
    )
    assert precision.summarise(curves).map == pytest.approx(expected, abs=0.006)


def test_the_order_of_equal_scores_is_the_order_of_finding():
    first = precision.curves_by_class(matches([1, 0], [0.5, 0.5], 1))[0].ap[0]
    second = precision.curves_by_class(matches([0, 1], [0.5, 0.5], 1))[0].ap[0]
    assert first > second


def test_precision_and_recall_are_those_of_the_best_f1():
    """Nine right ones above .5, forty wrong ones below .3: the best threshold lies between."""
    right = [1] * 9 + [0] * 40
    scores = [*np.linspace(0.9, 0.5, 9), *np.linspace(0.3, 0.1, 40)]
    summary = precision.summarise(precision.curves_by_class(matches(right, scores, 10)))
    assert (summary.precision, summary.recall) == (pytest.approx(1.0, abs=0.03), pytest.approx(0.9))
    assert 0.3 < summary.confidence < 0.5


def test_vocs_average_precision_takes_eleven_recalls():
    right, scores = np.array([1, 0, 1, 0, 0], bool), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert precision.voc_average_precision(right, scores, 4) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)


class TestBootstrap:
    """Pictures of one labelled object each."""

    def model(self, right):
        count = len(right)
        return matches(right, np.linspace(0.9, 0.5, count), count, (range(count), range(count)))

    def test_a_model_differs_nowhere_from_itself(self):
        one = self.model(RNG.random(40) < 0.5)
        found = paired_difference(one, one, 40, draws=50)
        assert (found.difference, found.low, found.high) == (0, 0, 0)
        assert not found.resolved

    def test_a_clear_difference_is_resolved(self):
        found = paired_difference(self.model(np.arange(60) % 2 == 0), self.model(np.ones(60, bool)), 60, draws=200)
        assert found.resolved
        assert found.low < found.difference < found.high
        assert found.difference > 0.3

    def test_one_picture_more_or_less_is_not(self):
        worse = np.ones(60, bool)
        worse[30] = False
        assert not paired_difference(self.model(np.ones(60, bool)), self.model(worse), 60, draws=200).resolved

    def test_the_interval_is_that_of_a_plain_loop(self):
        """Draw the pictures, copy their findings and evaluate anew."""
        models = [self.model(RNG.random(30) < share) for share in (0.4, 0.7)]

        def average(one, drawn):
            rows = np.concatenate([np.flatnonzero(one.pictures == picture) for picture in drawn])
            order = rows[np.argsort(-one.scores[rows], kind="stable")]
            hits = np.cumsum(one.right[order, 0])
            best = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
            at = np.searchsorted(hits, np.linspace(0, 1, 101) * len(drawn) - 1e-9)
            return best[at[at < len(best)]].sum() / 101

        rng = np.random.default_rng(8)
        draws = [rng.integers(0, 30, 30) for _ in range(600)]
        gains = [average(models[1], drawn) - average(models[0], drawn) for drawn in draws]
        found = paired_difference(*models, 30, draws=600)
        assert (found.low, found.high) == pytest.approx(np.percentile(gains, [2.5, 97.5]), abs=0.04)
