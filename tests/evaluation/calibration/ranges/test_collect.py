"""One pass over the pictures: what is counted, and the network of which only the input counts."""

import cv2
import numpy as np
import pytest
from int8_graphs import ONES, conv
from small_graphs import foreign_graph
from tiny_models import tiny_detector

from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.ranges.collect import collect
from trtzoo.evaluation.calibration.settings import CalibrationSettings


def shallow():
    """One body layer and a final one, so that only the picture is quantised."""
    weights = ONES | {"w": np.ones((4, 3, 1, 1), np.float32), "last": np.ones((6, 4, 1, 1), np.float32)}
    return foreign_graph(
        [*conv("images", "a"), ("Conv", ["a", "last"], ["out"])], {"images": [1, 3, 32, 48]}, ["out"], weights
    )


def test_a_network_of_which_only_the_input_is_quantised(tmp_path):
    for number in range(2):
        picture = np.random.default_rng(number).integers(0, 256, (32, 48, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    settings = CalibrationSettings(tmp_path, cache=None, held_out=0)
    found = calibrate(shallow(), tiny_detector()[1], "shallow", settings)
    assert found.points.quantised == ("images",)
    assert found.numbers.thresholds["images"] == pytest.approx(1, abs=0.02)
    assert set(found.numbers.biases) == {"ac"}


def test_the_input_alone_is_counted_and_told():
    images = [np.full((2, 3, 32, 48), value, np.float32) for value in (0.25, 0.5)]
    steps = []
    found = collect(shallow(), ["images"], images, 4, lambda *step: steps.append(step))
    assert (found["images"].peak, found["images"].total) == (0.5, 4 * 3 * 32 * 48)
    assert [share for share, _ in steps] == [0.5, 1.0]
