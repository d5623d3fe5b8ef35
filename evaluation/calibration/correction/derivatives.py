"""How strongly an activation hands on a small error in front of it: its derivative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....graph.weights import Array
from ....graph_passes.precision.qdq.layers import Activation

Derivative = Callable[[Array], Array]
"""float32 values before the activation -> its slope there, same shape."""


def derivative_of(activation: Activation) -> Derivative | None:
    """The derivative of an activation, None where there is none or it is not known."""
    if activation.kind == "leaky_relu":
        return lambda y: np.where(y > 0, np.float32(1), np.float32(activation.alpha))
    return _SIMPLE.get(activation.kind)


def _sigmoid(y: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(y, -80, 80))))


def _silu(y: Array) -> Array:
    """(x s(x))' = s + x s (1 - s)."""
    gate = _sigmoid(y)
    return np.asarray(gate * (1 + y * (1 - gate)))


def _mish(y: Array) -> Array:
    """(x tanh(softplus(x)))' = t + x s (1 - t^2), since softplus' = s."""
    gate = np.tanh(np.logaddexp(np.float32(0), y))
    return np.asarray(gate + y * _sigmoid(y) * (1 - np.square(gate)))


_SIMPLE: dict[str, Derivative] = {"silu": _silu, "mish": _mish, "relu": lambda y: (y > 0).astype(np.float32)}
