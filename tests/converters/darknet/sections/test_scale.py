"""`[scale_channels]` and `[sam]`: one layer times another."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import run_section

from trtzoo.errors import InputError

RNG = np.random.default_rng(6)
SOURCE = RNG.normal(0, 1, (2, 5, 3, 4)).astype(np.float32)
KINDS = {
    "sam": ("sam", {}, (2, 5, 3, 4)),
    "a factor a channel": ("scale_channels", {}, (2, 5, 1, 1)),
    "a factor a pixel": ("scale_channels", {"scale_wh": 1}, (2, 1, 3, 4)),
}


@pytest.mark.parametrize(("name", "options", "shape"), KINDS.values(), ids=KINDS)
def test_the_source_is_multiplied_by_the_previous_layer(name, options, shape):
    factor = RNG.normal(0, 1, shape).astype(np.float32)
    made = run_section(name, factor, SOURCE, from_=0, activation="relu", **options)
    np.testing.assert_allclose(made, np.maximum(SOURCE * factor, 0), rtol=1e-6)


def test_factors_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"needs a previous layer of shape \(5, 1, 1\), but it is \(5, 3, 4\)"):
        run_section("scale_channels", SOURCE, SOURCE, from_=0)
