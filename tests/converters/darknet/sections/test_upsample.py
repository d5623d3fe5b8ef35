"""`[upsample]`: every pixel again and again."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import run_section

X = np.random.default_rng(1).normal(0, 1, (2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"stride": 3}, {"stride": 1}, {"stride": 2, "scale": 0.5}], ids=str)
def test_pixels_are_repeated_and_scaled(options):
    step = options.get("stride", 2)
    expected = X.repeat(step, axis=2).repeat(step, axis=3) * options.get("scale", 1)
    np.testing.assert_allclose(run_section("upsample", X, **options), expected, rtol=1e-6)
