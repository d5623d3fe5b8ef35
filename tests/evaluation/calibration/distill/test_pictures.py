"""The pictures that a student sees: the same at the same step, changed only as far as they may be, some kept aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise import noise_pictures
from tiny_models import tiny_network

from trtzoo.errors import UnsupportedError
from trtzoo.evaluation.calibration.distill import pictures as module
from trtzoo.evaluation.calibration.distill.pictures import Pictures
from trtzoo.evaluation.calibration.distill.settings import DistillSettings

META = tiny_network().meta


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return noise_pictures(tmp_path_factory.mktemp("many"), 17)


def test_a_step_sees_the_same_pictures_whenever_it_is_run(many):
    settings = DistillSettings(steps=3, batch=4, seed=9)
    there, again = Pictures(META, many, settings), Pictures(META, many, settings)
    for step in (2, 0):
        assert torch.equal(there.batch(step), again.batch(step))
    assert not torch.equal(there.batch(0), there.batch(1))
    assert not torch.equal(there.batch(0), Pictures(META, many, replace(settings, seed=8)).batch(0))


def test_every_eighth_picture_is_kept_aside_and_never_learned_from(many, monkeypatch):
    monkeypatch.setattr(module, "_changed", lambda images, random, white: torch.stack(list(images)))
    there = Pictures(META, many, DistillSettings(steps=1, batch=5))
    assert len(there.aside) == 2
    seen = torch.cat([there.batch(step) for step in range(3)])
    for image in there.aside:
        assert not any(torch.equal(image, one) for one in seen)
    different = {one.numpy().tobytes() for one in seen}
    assert len(different) == 15, "all the others, each once, before any comes again"


def test_changes_stay_within_their_bounds():
    """A ramp from left to right: mirrored it falls; enlarged it covers at least three quarters; brightness within a tenth."""
    ramp = torch.linspace(0, 0.8, 48).expand(3, 32, 48)
    (mirrored, steepness) = (0, [])
    for seed in range(60):
        (image,) = module._changed([ramp], np.random.default_rng(seed), 1.0)
        assert image.shape == ramp.shape and float(image.min()) >= 0 and float(image.max()) <= 0.8 * 1.1 + 1e-6
        across = float(image[0, 16, -1] - image[0, 16, 0])
        mirrored += across < 0
        steepness.append(abs(across) / 0.8)
    assert 15 < mirrored < 45
    assert 0.75 * 0.9 * 0.95 < min(steepness) < 0.85
    assert 1 < max(steepness) <= 1.1 + 1e-6


def test_white_stays_white():
    (image,) = module._changed([torch.full((3, 8, 8), 1.0)], np.random.default_rng(3), 1.0)
    assert float(image.max()) <= 1.0


def test_other_inputs_are_refused(many):
    with pytest.raises(UnsupportedError, match=r"float32 \[B, C, H, W\]"):
        Pictures(replace(META, input_dtype="uint8"), many, DistillSettings())
