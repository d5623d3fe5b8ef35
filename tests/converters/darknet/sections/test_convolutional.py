"""`[convolutional]` against a convolution written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from darknet_sections import parse, planned, run_section

from trtzoo.errors import InputError, UnsupportedError

RNG = np.random.default_rng(3)


def convolve(x, weight, stride=(1, 1), pad=0, dilation=1, groups=1):
    """Sum of shifted, strided pictures; stride is vertical, horizontal."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad * dilation,) * 2, (pad * dilation,) * 2))
    filters, within, size, _ = weight.shape
    height, width = ((n - dilation * (size - 1) - 1) // s + 1 for n, s in zip(padded.shape[2:], stride, strict=True))
    out = np.zeros((len(x), filters, height, width))
    for f in range(filters):
        first = f // (filters // groups) * within
        for dy in range(size):
            for dx in range(size):
                ys, xs = dy * dilation + stride[0] * np.arange(height), dx * dilation + stride[1] * np.arange(width)
                taken = padded[:, first : first + within][:, :, ys[:, None], xs]
                out[:, f] += np.einsum("bchw,c->bhw", taken, weight[f, :, dy, dx])
    return out


def picture(channels=4, height=9, width=14):
    return RNG.normal(0, 1, (2, channels, height, width)).astype(np.float32)


def kernel(filters, within, size):
    return RNG.normal(0, 0.5, (filters, within, size, size)).astype(np.float32)


GEOMETRIES = {
    "1x1": ({"size": 1}, {}),
    "3x3, pad=1": ({"size": 3, "pad": 1}, {"pad": 1}),
    "padding=2 instead of pad": ({"size": 3, "padding": 2}, {"pad": 2}),
    "stride": ({"size": 3, "pad": 1, "stride": 2}, {"pad": 1, "stride": (2, 2)}),
    "stride of a rectangle": ({"size": 3, "stride_x": 3, "stride_y": 2}, {"stride": (2, 3)}),
    "only stride_x differs": ({"size": 3, "stride": 2, "stride_x": 1}, {"stride": (2, 1)}),
    "dilation": ({"size": 3, "pad": 1, "dilation": 2}, {"pad": 1, "dilation": 2}),
    "5x5 in two groups": ({"size": 5, "pad": 1, "groups": 2}, {"pad": 2, "groups": 2}),
}


@pytest.mark.parametrize(("options", "geometry"), GEOMETRIES.values(), ids=GEOMETRIES)
def test_it_is_a_convolution_with_bias(options, geometry):
    x, weight, bias = picture(), kernel(6, 4 // options.get("groups", 1), options["size"]), RNG.normal(0, 1, 6)
    arrays = {"bias": bias, "weight": weight}
    made = run_section("convolutional", x, arrays=arrays, filters=6, activation="linear", **options)
    np.testing.assert_allclose(made, convolve(x, weight, **geometry) + bias.reshape(1, 6, 1, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variances", ["of one", "tiny", "negative and tiny"])
def test_batch_normalisation_adds_epsilon_to_the_variance(variances):
    x, weight = picture(), kernel(3, 4, 1)
    bias, scale, mean = (RNG.normal(0, 1, 3).astype(np.float32) for _ in range(3))
    variance = {"of one": [1, 0.5, 2], "tiny": [1e-6, 0, 3e-5], "negative and tiny": [-7e-44, -1e-7, -4e-6]}[variances]
    arrays = {"bias": bias, "scale": scale, "mean": mean, "variance": variance, "weight": weight}
    made = run_section("convolutional", x, arrays=arrays, filters=3, size=1, batch_normalize=1, activation="linear")
    channel = [np.float32(v).astype(np.float64).reshape(1, 3, 1, 1) for v in (bias, scale, mean, variance)]
    expected = (convolve(x, weight) - channel[2]) / np.sqrt(channel[3] + 0.00001) * channel[1] + channel[0]
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-3 if "tiny" in variances else 1e-5)


def test_it_ends_in_the_logistic_function_unless_told_otherwise():
    x, weight = picture(), kernel(2, 4, 1)
    made = run_section("conv", x, arrays={"bias": [0, 0], "weight": weight}, filters=2)
    np.testing.assert_allclose(made, 1 / (1 + np.exp(-convolve(x, weight))), rtol=1e-5)


def test_the_files_order_is_bias_scale_mean_variance_weight():
    spec = parse("convolutional", filters=8, size=3, batch_normalize=1, groups=2, activation="leaky")
    assert list(spec.arrays([(4, 5, 5)]).items()) == [
        ("bias", (8,)), ("scale", (8,)), ("mean", (8,)), ("variance", (8,)), ("weight", (8, 2, 3, 3)),
    ]  # fmt: skip


REFUSED = {
    "groups that do not divide": ({"groups": 3, "filters": 6}, InputError, "groups=3 divides neither 4 input channels"),
    "dilation beyond the input": (
        {"size": 3, "padding": 0, "dilation": 2},
        InputError,
        "reads past the input in DarkNet",
    ),
    "a switch": ({"xnor": 1}, UnsupportedError, "xnor=1 is not supported"),
    "silu": ({"activation": "silu"}, InputError, r"did you mean swish\?"),
    "a comment behind a word": ({"activation": "leaky;x"}, InputError, "reads the comment as a part of the word"),
}


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_cannot_be_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        planned("convolutional", (4, 9, 14), **options)
