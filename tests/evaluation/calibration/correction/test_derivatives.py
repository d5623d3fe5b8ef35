"""Slopes of activations against differences of their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from trtzoo.evaluation.calibration.correction.derivatives import derivative_of
from trtzoo.graph_passes.precision.qdq.layers import Activation


def silu(y):
    return y / (1 + np.exp(-y))


FUNCTIONS = {
    Activation("silu"): silu,
    Activation("mish"): lambda y: y * np.tanh(np.log1p(np.exp(y))),
    Activation("relu"): lambda y: np.maximum(y, 0),
    Activation("leaky_relu", 0.1): lambda y: np.where(y > 0, y, 0.1 * y),
}


@pytest.mark.parametrize("activation", FUNCTIONS, ids=lambda activation: activation.kind)
def test_derivatives_against_differences(activation):
    y = np.concatenate([np.linspace(-9, -0.01, 100), np.linspace(0.01, 9, 100)])
    slope = (FUNCTIONS[activation](y + 1e-5) - FUNCTIONS[activation](y - 1e-5)) / 2e-5
    np.testing.assert_allclose(derivative_of(activation)(y), slope, atol=1e-5)


def test_no_derivative_without_an_activation():
    assert derivative_of(Activation()) is None
