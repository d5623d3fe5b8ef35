"""Every activation against its formula (AlexeyAB/darknet, src/activations.h), in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import run_section

from trtzoo.converters.darknet.activations import ACTIVATIONS

X = np.concatenate([np.linspace(-7.3, 7.3, 60), [-4, -2, -1, 0, 1, 2, 4, 6, 11]]).reshape(1, 3, 23, 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stair(x):
    whole = np.floor(x)
    return np.where(whole % 2 == 0, np.floor(x / 2), (x - whole) + np.floor(x / 2))


def exponents_share(x):
    return np.exp(x) / (np.exp(x).sum(axis=1, keepdims=True) + 1e-4)


FORMULAS = {
    "linear": lambda x: x,
    "logistic": sigmoid,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "revleaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "relie": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: x * (x > 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "hardtan": lambda x: np.clip(x, -1, 1),
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "swish": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "hard_mish": lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
    "tanh": np.tanh,
    "lhtan": lambda x: np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x)),
    "plse": lambda x: np.where(x < -4, 0.01 * (x + 4), np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)),
    "loggy": lambda x: 2 * sigmoid(x) - 1,
    "elu": lambda x: np.where(x >= 0, x, np.exp(x) - 1),
    "selu": lambda x: np.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * (np.exp(x) - 1)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3)),
    "stair": stair,
    "normalize_channels": lambda x: np.maximum(x, 0) / (np.maximum(x, 0).sum(axis=1, keepdims=True) + 1e-4),
    "normalize_channels_softmax": exponents_share,
    "normalize_channels_softmax_maxval": lambda x: exponents_share(x - x.max(axis=1, keepdims=True)),
}


def test_every_activation_has_a_formula_here():
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_it_is_its_formula(name):
    made = run_section("shortcut", X, np.zeros_like(X), from_=0, activation=name)
    np.testing.assert_allclose(made, FORMULAS[name](X.astype(np.float64)), rtol=2e-5, atol=2e-6)
