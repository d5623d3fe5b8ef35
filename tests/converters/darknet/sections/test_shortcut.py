"""`[shortcut]`: sums, weighted sums, and layers of other widths (blas.c, shortcut_multilayer_cpu)."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import parse, planned, run_section

from trtzoo.converters.darknet.net import Net
from trtzoo.errors import InputError

RNG = np.random.default_rng(4)
A, B, C = (RNG.normal(0, 1, (2, channels, 4, 5)).astype(np.float32) for channels in (6, 6, 6))
NARROW, WIDE = (RNG.normal(0, 1, (2, channels, 4, 5)).astype(np.float32) for channels in (4, 9))


def test_a_sum_and_its_activation():
    made = run_section("shortcut", A, B, from_=0, activation="relu")
    np.testing.assert_allclose(made, np.maximum(A + B, 0), rtol=1e-6)


def test_only_the_channels_that_both_have_are_added():
    made = run_section("shortcut", A, NARROW, WIDE, from_="0,1")
    expected = A + WIDE[:, :6]
    expected[:, :4] += NARROW
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["per_feature", "per_layer", "per_channel"])
@pytest.mark.parametrize("norm", ["relu", "avg_relu", "softmax"])
def test_weights_are_normalised(kind, norm):
    weights = RNG.normal(0.3, 0.5, (3, 6 if kind == "per_channel" else 1)).astype(np.float32)
    shares = np.exp(weights.astype(np.float64)) if norm == "softmax" else np.maximum(weights, 0.001)
    if norm == "softmax":
        shares /= np.exp(weights.max(axis=0))
    shares = shares / (shares.sum(axis=0) + 0.0001)
    made = run_section(
        "shortcut", A, B, C, arrays={"weight": weights}, from_="0,1", weights_type=kind, weights_normalization=norm
    )
    expected = sum(x * share.reshape(1, -1, 1, 1) for x, share in zip((A, B, C), shares, strict=True))
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("size", "advised"), [((416, 416), False), ((416, 400), True)])
def test_an_input_of_416_is_not_blamed_for_maps_of_two_sizes(size, advised):
    with pytest.raises(
        InputError, match=r"joins feature maps of different sizes \(13x13, 26x26\); check from="
    ) as error:
        planned("shortcut", (8, 13, 13), (8, 26, 26), net=Net(3, *size, False), from_=0)
    assert ("multiples of 32" in str(error.value)) == advised


def test_weights_need_a_normalisation():
    with pytest.raises(InputError, match="weights_type needs weights_normalization"):
        parse("shortcut", from_=0, weights_type="per_feature")
