"""Masks end to end: which prototype pixels are kept, by hand, and their values."""

from __future__ import annotations

import numpy as np
import pytest
from raw_heads import MASKS, model_meta, run
from routes import end_to_end

from trtzoo.contract.nms import NmsSettings

IMGSZ = (48, 64)
"""Of the models here; prototypes are a quarter of it, 12 x 16."""


def masks_of(box: list[float], coeffs: list[float], protos: np.ndarray) -> np.ndarray:
    runtime, _ = end_to_end(model_meta("segment", 1), NmsSettings("plain", topk_all=2), 1)
    heads = {"boxes": [[box]], "scores": [[[0.9]]], "mask_coeffs": [[coeffs]], "protos": protos[None]}
    outputs = run(runtime, {name: np.array(values, np.float32) for name, values in heads.items()})
    assert not outputs["det_masks"][0, 1].any()  # an unused row
    return outputs["det_masks"][0, 0]


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ([10, 8, 22, 20], (1, 6), (1, 6)),  # prototype pixels 2.5 to 5.5 across, 2 to 5 down
        ([9, 9, 23, 21], (1, 6), (1, 7)),  # 2.25 to 5.75, 2.25 to 5.25
        ([0, 0, 64, 48], (0, 12), (0, 16)),
        ([-40, -40, -8, -8], (0, 0), (0, 0)),
        ([60, 44, 64, 48], (10, 12), (14, 16)),
    ],
)
def test_a_box_keeps_its_pixels_and_the_rim_that_interpolation_reads(box, rows, columns):
    """A pixel is kept where x1 - 1.5 <= x < x2 + .5; all prototypes are 1, so that a kept pixel is sigmoid(5)."""
    expected = np.zeros((12, 16))
    expected[slice(*rows), slice(*columns)] = 1 / (1 + np.exp(-5))
    np.testing.assert_allclose(masks_of(box, [1] * 5, np.ones(MASKS)), expected, rtol=1e-6)


def test_values_are_sigmoids_of_coefficients_times_prototypes():
    rng = np.random.default_rng(0)
    coeffs, protos = rng.normal(size=5), rng.normal(size=MASKS)
    expected = 1 / (1 + np.exp(-np.einsum("m,mhw->hw", coeffs, protos)))
    np.testing.assert_allclose(masks_of([0, 0, 64, 48], list(coeffs), protos), expected, rtol=1e-5)
