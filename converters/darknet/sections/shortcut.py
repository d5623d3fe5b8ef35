"""`[shortcut]`: a sum of layers, weighted or not (shortcut_layer.c; blas.c, shortcut_multilayer_cpu)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....graph.weights import Array
from ...vocabulary.ops import Ops, Tensor
from ..activations import activate
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec
from ..values import activation, choice, references

_WEIGHTS = {"none": "none", "per_feature": "per_feature", "per_layer": "per_feature", "per_channel": "per_channel"}
_NORMALIZATIONS = {"none": "none", "relu": "relu", "avg_relu": "relu", "softmax": "softmax"}


@dataclass(frozen=True)
class Shortcut(Spec):
    """Sum of the previous layer and the others; of a wider one its first channels, a narrower one counts for its own.

    Attributes:
        layers: the others.
        weights: none, per_feature or per_channel.
        normalization: of the weights: none, relu or softmax.
        activation: after the sum.
    """

    layers: tuple[int, ...]
    weights: str
    normalization: str
    activation: str

    def sources(self, previous: int) -> tuple[int, ...]:
        return (previous, *self.layers)

    def output(self, place: Place) -> Shape:
        place.same_size("from")
        return place.shapes[0]

    def arrays(self, shapes: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        if self.weights == "none":
            return {}
        return {"weight": (len(shapes), shapes[0][0] if self.weights == "per_channel" else 1)}

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        factors = self._factors(arrays)
        total = inputs[0] if factors is None else ops.mul(inputs[0], factors[0], "weight")
        for number, x in enumerate(inputs[1:], start=1):
            total = _add(ops, total, x, None if factors is None else factors[number])
        return activate(ops, total, self.activation)

    def _factors(self, arrays: Arrays) -> Array | None:
        """Normalised weights [inputs, 1, 1 or channels, 1, 1].

        Source: AlexeyAB/darknet, src/network.c, fuse_conv_batchnorm: what it runs with has no weight below 0.001 under
        "relu" and 1e-4 added to the sum, unlike its training code.
        """
        if self.weights == "none":
            return None
        weights = arrays["weight"].load().astype(np.float64)
        parts = np.exp(weights - weights.max(axis=0)) if self.normalization == "softmax" else np.maximum(weights, 1e-3)
        shares = parts / (parts.sum(axis=0) + 1e-4)
        factors: Array = shares.astype(np.float32).reshape(len(weights), 1, -1, 1, 1)
        return factors


def _add(ops: Ops, total: Tensor, x: Tensor, factor: Array | None) -> Tensor:
    """`total` plus the channels of `x` that it has too, these multiplied by `factor` [1, 1 or channels, 1, 1]."""
    channels, width = ops.shape(total)[0], ops.shape(x)[0]
    shared = min(width, channels)
    if width > channels:
        x = ops.slice(x, 1, 0, channels, name="first")
    if factor is not None:
        x = ops.mul(x, factor[:, :shared] if factor.shape[1] > 1 else factor, "weight")
    if shared == channels:
        return ops.add(total, x)
    first, rest = ops.split(total, (shared, channels - shared), 1, "parts")
    return ops.concat([ops.add(first, x), rest])


def parse(section: Section, index: int) -> Shortcut:
    weights = choice(section, "weights_type", _WEIGHTS)
    normalization = choice(section, "weights_normalization", _NORMALIZATIONS)
    if weights != "none" and normalization == "none":
        raise section.error("weights_type needs weights_normalization=relu or softmax, as in DarkNet", "weights_type")
    return Shortcut(references(section, "from", index), weights, normalization, activation(section, "linear"))


TYPES = (
    SectionType(names=("shortcut",), parse=parse, keys="from activation weights_type weights_normalization"),
)  # fmt: skip
