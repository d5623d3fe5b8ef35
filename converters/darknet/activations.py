"""DarkNet's activations in the vocabulary (AlexeyAB/darknet, src/activations.h and src/activations.c)."""

from __future__ import annotations

from collections.abc import Callable

from ..vocabulary.ops import Ops, Tensor


def activate(ops: Ops, x: Tensor, name: str) -> Tensor:
    """Apply the activation `name`, one of `ACTIVATIONS`."""
    return _ACTIVATIONS[name](ops, x)


def _hard_mish(ops: Ops, x: Tensor) -> Tensor:
    """x above 0, x^2 / 2 + x from -2, 0 below."""
    low = ops.clip(x, -2.0, 0.0, "hard_mish.low")
    curve = ops.mul(low, ops.add(ops.mul(low, 0.5, "hard_mish.half"), 1.0, "hard_mish.line"), "hard_mish.curve")
    return ops.add(ops.unary("relu", x, "hard_mish.relu"), curve, "hard_mish")


def _gelu(ops: Ops, x: Tensor) -> Tensor:
    """x / 2 * (1 + tanh(0.797885 x + 0.035677 x^3))."""
    square = ops.mul(x, x, "gelu.square")
    inner = ops.mul(x, ops.add(ops.mul(square, 0.035677, "gelu.cubic"), 0.797885, "gelu.sum"), "gelu.inner")
    half = ops.mul(x, 0.5, "gelu.half")
    return ops.mul(half, ops.add(ops.unary("tanh", inner, "gelu.tanh"), 1.0, "gelu.one"), "gelu")


def _selu(ops: Ops, x: Tensor) -> Tensor:
    return ops.mul(ops.unary("elu", x, "selu.elu", alpha=1.6732), 1.0507, "selu")


def _inside_and_rest(ops: Ops, x: Tensor, low: float, high: float, inner: float, offset: float, outer: float) -> Tensor:
    """Slope `inner` from low to high, slope `outer` beyond, `offset` at 0."""
    inside = ops.clip(x, low, high, "piecewise.clip")
    line = ops.add(ops.mul(inside, inner, "piecewise.scale"), offset, "piecewise.line")
    return ops.add(line, ops.mul(ops.sub(x, inside, "piecewise.rest"), outer, "piecewise.slope"), "piecewise")


def _stair(ops: Ops, x: Tensor) -> Tensor:
    """floor(x / 2), plus the fraction of x where floor(x) is odd."""
    whole = ops.unary("floor", x, "stair.floor")
    half = ops.unary("floor", ops.mul(whole, 0.5, "stair.half"), "stair.step")
    odd = ops.sub(whole, ops.mul(half, 2.0, "stair.even"), "stair.odd")
    return ops.add(half, ops.mul(ops.sub(x, whole, "stair.fraction"), odd, "stair.rise"), "stair")


def _loggy(ops: Ops, x: Tensor) -> Tensor:
    return ops.sub(ops.mul(ops.sigmoid(x, "loggy.sigmoid"), 2.0, "loggy.scale"), 1.0, "loggy")


def _ramp(ops: Ops, x: Tensor) -> Tensor:
    return ops.add(ops.unary("relu", x, "ramp.relu"), ops.mul(x, 0.1, "ramp.slope"), "ramp")


def _share(ops: Ops, values: Tensor) -> Tensor:
    """Each channel's part of the sum over the channels (plus DarkNet's 1e-4)."""
    return ops.div(values, ops.add(ops.reduce("sum", values, (1,), "share.sum"), 1e-4, "share.epsilon"), "share")


def _share_of_exponents(ops: Ops, x: Tensor) -> Tensor:
    return _share(ops, ops.unary("exp", x, "share.exp"))


def _share_of_shifted_exponents(ops: Ops, x: Tensor) -> Tensor:
    return _share_of_exponents(ops, ops.sub(x, ops.reduce("max", x, (1,), "share.max"), "share.shift"))


_ACTIVATIONS: dict[str, Callable[[Ops, Tensor], Tensor]] = {
    "linear": lambda ops, x: x,
    "logistic": lambda ops, x: ops.sigmoid(x, "logistic"),
    "leaky": lambda ops, x: ops.unary("leaky_relu", x, "leaky", alpha=0.1),
    "revleaky": lambda ops, x: ops.unary("leaky_relu", x, "revleaky", alpha=0.1),
    "relie": lambda ops, x: ops.unary("leaky_relu", x, "relie", alpha=0.01),
    "relu": lambda ops, x: ops.unary("relu", x),
    "relu6": lambda ops, x: ops.clip(x, 0.0, 6.0, "relu6"),
    "hardtan": lambda ops, x: ops.clip(x, -1.0, 1.0, "hardtan"),
    "ramp": _ramp,
    "swish": lambda ops, x: ops.silu(x, "swish"),
    "mish": lambda ops, x: ops.mish(x),
    "hard_mish": _hard_mish,
    "tanh": lambda ops, x: ops.unary("tanh", x),
    "lhtan": lambda ops, x: _inside_and_rest(ops, x, 0.0, 1.0, 1.0, 0.0, 0.001),
    "plse": lambda ops, x: _inside_and_rest(ops, x, -4.0, 4.0, 0.125, 0.5, 0.01),
    "loggy": _loggy,
    "elu": lambda ops, x: ops.unary("elu", x, alpha=1.0),
    "selu": _selu,
    "gelu": _gelu,
    "stair": _stair,
    "normalize_channels": lambda ops, x: _share(ops, ops.unary("relu", x, "share.relu")),
    "normalize_channels_softmax": _share_of_exponents,
    "normalize_channels_softmax_maxval": _share_of_shifted_exponents,
}

ACTIVATIONS = tuple(_ACTIVATIONS)
"""The names that a cfg may use."""
