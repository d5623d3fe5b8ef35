"""What every test of distillation starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from noise import noise_pictures
from tiny_models import tiny_detector

from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.settings import CalibrationSettings


@pytest.fixture(scope="package")
def files(tmp_path_factory):
    return noise_pictures(tmp_path_factory.mktemp("pictures"), 6)


@pytest.fixture(scope="package")
def start(files):
    """Graph, points and coarse numbers, so that there is something to win back."""
    graph, meta = tiny_detector()
    found = calibrate(
        graph, meta, "tiny", CalibrationSettings(files[0].parent, cache=None, recovery="none", held_out=0)
    )
    coarse = {name: value * 3 for name, value in found.numbers.thresholds.items()}
    return graph, meta, found.points, replace(found.numbers, thresholds=coarse)
