"""FP32 against INT8 at the level of detections."""

import cv2
import numpy as np
import pytest
from tiny_models import tiny_detector

from trtzoo.engines.pictures.detections import Detections, no_detections
from trtzoo.evaluation.calibration.judging.compare import compare, compare_models
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.points import find_points

BOX, FAR = [10, 10, 50, 50], [100, 100, 140, 140]
NEAR = [12, 10, 52, 50]


def found(*rows):
    boxes, scores, classes = ([row[place] for row in rows] for place in range(3))
    width = len(boxes[0]) if boxes else 4
    return Detections(
        (200, 200),
        np.array(boxes, np.float32).reshape(-1, width),
        np.array(scores, np.float32),
        np.array(classes, np.int64),
    )


PAIRS = {
    "the same": ([(BOX, 0.9, 1)], [(BOX, 0.8, 1)], (1, 1, 0, -0.1)),
    "moved a little": ([(BOX, 0.9, 1)], [(NEAR, 0.9, 1)], (1, 1, 0, 0.0)),
    "another class": ([(BOX, 0.9, 1)], [(BOX, 0.9, 2)], (1, 0, 1, 0.0)),
    "elsewhere": ([(BOX, 0.9, 1)], [(FAR, 0.9, 1)], (1, 0, 1, 0.0)),
    "lost": ([(BOX, 0.9, 1), (FAR, 0.5, 1)], [(BOX, 0.9, 1)], (2, 1, 0, 0.0)),
    "each is matched once": ([(BOX, 0.9, 1), (NEAR, 0.5, 1)], [(BOX, 0.7, 1)], (2, 1, 0, -0.2)),
    "nothing": ([], [], (0, 0, 0, 0.0)),
    "oriented": ([([50, 50, 40, 10, 0.3], 0.9, 0)], [([50, 50, 40, 10, 0.31], 0.9, 0)], (1, 1, 0, 0.0)),
    "turned": ([([50, 50, 40, 10, 0.0], 0.9, 0)], [([50, 50, 40, 10, 1.5], 0.9, 0)], (1, 0, 1, 0.0)),
}


@pytest.mark.parametrize(("before", "after", "expected"), PAIRS.values(), ids=PAIRS)
def test_matching(before, after, expected):
    result = compare([found(*before)], [found(*after)])
    assert (result.reference, result.matched, result.extra) == expected[:3]
    assert result.shift == pytest.approx(expected[3], abs=1e-6)


def test_classifiers_are_compared_by_their_best_class():
    def picture(*probs):
        return no_detections((10, 10), np.array(probs, np.float32))

    result = compare([picture(0.9, 0.1), picture(0.6, 0.4)], [picture(0.8, 0.2), picture(0.3, 0.7)])
    assert (result.reference, result.matched, result.extra) == (2, 1, 1)
    assert result.shift == pytest.approx(-0.1, abs=1e-6)


def many(lost, moved=0.0):
    boxes = [[place * 60, 0, place * 60 + 50, 50] for place in range(40)]
    before = [(box, 0.5, 1) for box in boxes]
    after = [(box, 0.5 + moved + 0.01 * (place % 2), 1) for place, box in enumerate(boxes[lost:])]
    return compare([found(*before)], [found(*after)])


def test_a_dozen_detections_are_not_enough_for_a_warning():
    few = compare(
        [found(*[(BOX, 0.9, kind) for kind in range(8)])], [found(*[(BOX, 0.9, kind) for kind in range(1, 8)])]
    )
    assert few.share < 0.9
    assert [few.bad, many(5).bad, many(10).bad] == [False, False, True]
    assert [many(0, 0.02).bad, many(0, 0.04).bad] == [False, True]
    alone = compare([found((BOX, 0.9, 1))], [found((BOX, 0.5, 1))])
    assert not alone.bad, "one score that moved has no error to hold it against"


def test_a_warning_only_when_it_is_bad():
    good, bad = compare([found((BOX, 0.9, 1))], [found((BOX, 0.89, 1))]), compare([found((BOX, 0.9, 1))], [found()])
    assert [len(result.notes()) for result in (good, bad)] == [1, 2]
    assert "1 of 1 detections matched" in good.notes()[0]
    assert "--analyse" in bad.notes()[1]
    both = [(BOX, 0.9, 1), (FAR, 0.8, 1)]
    assert compare([found(*both)], [found((BOX, 0.8, 1), (FAR, 0.7, 1))]).bad, "scores fell by .1"


def test_two_models(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files[:2]):
        cv2.imwrite(str(file), np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8))
    graph, meta = tiny_detector()
    rounded = graph.copy()
    points = find_points(graph)
    coarse, _ = to_int8(rounded, meta, points, Quantisation(dict.fromkeys(points.quantised, 8.0)))
    steps = []
    same = compare_models((graph, meta), (graph, meta), files, lambda *step: steps.append(step))
    other = compare_models((graph, meta), (rounded, coarse), files)
    assert (same.pictures, same.shift) == (2, 0.0)
    assert same.share > 0.9, "only boxes cut off to nothing do not overlap themselves"
    assert other.reference == same.reference > 100
    assert other.shift != 0
    assert steps
