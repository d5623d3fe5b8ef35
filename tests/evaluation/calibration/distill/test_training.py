"""Distillation learns, goes on after an interruption, and is used only where it helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from int8_graphs import rounded_graph
from tiny_models import tiny_detector, tiny_network

from trtzoo.contract.progress import silent
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.distill import training
from trtzoo.evaluation.calibration.distill.settings import DistillSettings
from trtzoo.evaluation.calibration.distill.training import distil
from trtzoo.evaluation.calibration.judging.heads import head_error, head_outputs
from trtzoo.evaluation.calibration.pictures import PictureReader
from trtzoo.evaluation.calibration.quantise import quantise
from trtzoo.evaluation.calibration.ranges import cache
from trtzoo.evaluation.calibration.settings import CalibrationSettings

NETWORK = tiny_network()


def test_learning_wins_back_most_of_the_error(start, files, tmp_path):
    graph, meta, points, numbers = start
    images = list(PictureReader(meta).batches(files, 1))
    exact = head_outputs(graph, images)

    def error(found):
        return head_error(exact, head_outputs(rounded_graph(*start[:3], found), images))

    settings = DistillSettings(steps=60, batch=3, rate=60)
    done = distil(NETWORK, graph, points, numbers, files, settings, None, silent)
    found = done.numbers
    assert error(found) < 0.5 * error(numbers)
    assert done.after < 0.5 * done.before
    assert "1 pictures kept aside went from" in done.note
    assert set(found.weights) == set(found.weight_scales) == set(points.layers)
    cache.save_arrays(tmp_path / "a.npz", found)
    imported = calibrate(graph, meta, "tiny", CalibrationSettings(ranges=tmp_path / "a.npz")).numbers
    for layer, weights in found.weights.items():
        np.testing.assert_array_equal(imported.weights[layer], weights)


def test_what_does_not_help_is_not_used(start, files, monkeypatch):
    """Rates that let the loss rise: the numbers of the start come back, and the note says so."""
    monkeypatch.setattr(training, "SCALE_RATE", 5.0)
    done = distil(
        NETWORK, start[0], start[2], start[3], files, DistillSettings(steps=3, batch=1, rate=100), None, silent
    )
    assert not done.after < done.before, "it may even be no number"
    assert done.numbers is start[3]
    assert "is not used" in done.note


def test_the_last_biases_are_judged_too(start, files):
    """Biases that are off by one are what comes back, and what the pictures kept aside are judged with."""
    settings = DistillSettings(steps=1, batch=1, rate=1e-3)

    def spoil(numbers):
        return replace(numbers, biases={layer: values + 1 for layer, values in numbers.biases.items()})

    plain, spoilt = (
        distil(NETWORK, *start_and_points(start), files, settings, None, silent, *how) for how in ((), (spoil,))
    )
    assert spoilt.before == plain.before
    assert spoilt.after > 10 * plain.after
    for layer, values in plain.learned.biases.items():
        np.testing.assert_allclose(spoilt.learned.biases[layer], values + 1, atol=1e-6)


def start_and_points(start):
    return start[0], start[2], start[3]


class StoppedError(Exception):
    """An interruption."""


def test_an_interrupted_run_goes_on_where_it_was(start, files, tmp_path, monkeypatch):
    settings = DistillSettings(steps=6, batch=2, save_every=2)
    whole = distil(NETWORK, start[0], start[2], start[3], files, settings, None, silent)
    checkpoint = tmp_path / "deep" / "run.pt"
    real, steps = training._Run.step, []

    def step(self, loss):
        if len(steps) == 5:
            raise StoppedError
        steps.append(self.done)
        return real(self, loss)

    monkeypatch.setattr(training._Run, "step", step)
    with pytest.raises(StoppedError):
        distil(NETWORK, start[0], start[2], start[3], files, settings, checkpoint, silent)
    assert checkpoint.is_file()
    steps.clear()
    resumed = distil(NETWORK, start[0], start[2], start[3], files, settings, checkpoint, silent)
    assert steps == [4, 5]
    assert not checkpoint.exists()
    assert resumed.after == pytest.approx(whole.after, rel=1e-5)
    assert resumed.before == whole.before
    for layer, weights in whole.numbers.weights.items():
        np.testing.assert_allclose(resumed.numbers.weights[layer], weights, atol=1e-7)
    assert resumed.numbers.thresholds == pytest.approx(whole.numbers.thresholds, rel=1e-6)


def test_from_settings_to_a_cached_archive(start, files, tmp_path):
    graph, meta = tiny_detector()
    how = CalibrationSettings(
        files[0].parent, cache=tmp_path, held_out=0, recovery="distill", distill=DistillSettings(2, 2)
    )
    first = quantise(graph, meta, "tiny", how, network=NETWORK).calibration
    again = quantise(tiny_detector()[0], meta, "tiny", how, network=NETWORK).calibration
    assert first.cache == again.cache
    assert first.cache.suffix == ".npz"
    assert again.cached
    assert again.numbers.thresholds == first.numbers.thresholds
    assert "kept aside went from" in first.notes[-1]
    assert again.notes[-1] == first.notes[-1], "what was told is told again"


def test_refusals(start, files, tmp_path):
    graph, meta = tiny_detector()
    how = CalibrationSettings(files[0].parent, cache=None, held_out=0, recovery="distill")
    with pytest.raises(UnsupportedError, match=r"original weights \(.pt or .cfg\)"):
        quantise(graph, meta, "tiny", how)
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(InputError, match="no picture can be read"):
        distil(NETWORK, start[0], start[2], start[3], [tmp_path / "a.png"], DistillSettings(), None, silent)
    for wrong in ({"steps": 0}, {"batch": 0}, {"rate": 0.0}):
        with pytest.raises(InputError, match="out of range"):
            DistillSettings(**wrong)
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match="holds no ranges"):
        cache.load_arrays(tmp_path / "b.npz")
