"""What rounding did to heads and detections, by hand."""

import numpy as np
import pytest

from trtzoo.engines.pictures.detections import Detections, no_detections
from trtzoo.evaluation.calibration.sensitivity.damage import Seen, damage


def seen(scores, heads=(0.0, 1.0)):
    boxes = np.array([[place * 50, 0, place * 50 + 40, 40] for place in range(len(scores))], np.float32).reshape(-1, 4)
    found = Detections((200, 200), boxes, np.array(scores, np.float32), np.zeros(len(scores), np.int64))
    return Seen([np.array(heads, np.float32)], found, 0.25)


DAMAGES = {
    "unchanged": ([0.9, 0.5], [0.9, 0.5], 0.0),
    "a score fell": ([0.9, 0.5], [0.9, 0.4], 1 - 0.8 / 0.9),
    "one is lost": ([0.9, 0.5], [0.9], 1 - 0.65 / 0.9),
    "one is new": ([0.9], [0.9, 0.5], 1 - 0.65 / 0.9),
    "one at the threshold is lost": ([0.9, 0.26], [0.9], 1 - 0.65 / 0.66),
    "nothing is left": ([0.9], [], 1.0),
    "there was nothing": ([], [], 0.0),
}


@pytest.mark.parametrize(("before", "after", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_lost_detections(before, after, expected):
    assert damage([seen(before)], [seen(after)]).lost == pytest.approx(expected, abs=1e-6)


def test_error_of_heads_and_probabilities():
    assert damage([seen([], (0.0, 1.0))], [seen([], (0.1, 1.1))]).error == pytest.approx(0.01 / 0.25, rel=1e-5)
    one, other = (
        Seen([np.zeros(2, np.float32)], no_detections((9, 9), np.array(probs, np.float32)), 0.25)
        for probs in ((0.9, 0.1), (0.6, 0.4))
    )
    assert damage([one], [other]).lost == pytest.approx(1 - 0.7 / 1.3)
