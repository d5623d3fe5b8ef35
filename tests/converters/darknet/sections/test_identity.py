"""Sections that only training uses change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import run_section

X = np.random.default_rng(6).normal(0, 1, (2, 5, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("name", ["dropout", "empty", "silence"])
def test_what_goes_in_comes_out(name):
    np.testing.assert_array_equal(run_section(name, X), X)
