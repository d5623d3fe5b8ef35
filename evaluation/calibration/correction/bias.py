"""Bias correction without labels: each layer's bias takes back the shift that quantisation brings, where the shift matters.

Layer by layer, the float network and the quantised one side by side on the same pictures; y is what the layer writes, before
its activation f:

    w = f'(y_float)^2        bias_c += sum(w * (y_float - y_quantised)) / sum(w)      over pictures and places, for channel c

The next layer of the quantised network sees the corrected values. With w = 1, the textbook form (Nagel et al. 2019,
"Data-free quantization"), the sums are ruled by places where SiLU is flat, and the shift that suits them does harm where it is
not; the factor f' is how an error before the activation becomes one behind it. Layers without an activation are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....contract.progress import Progress, silent
from ....graph.skeleton import weight_of
from ....graph.weights import Array
from ....graph_passes.precision.qdq.insert import Quantisation, to_int8
from ....graph_passes.precision.qdq.layers import activation_of
from ....graph_passes.precision.qdq.points import Points
from ..progress import Clock
from .derivatives import Derivative, derivative_of
from .lockstep import LayerwiseRun


def corrected_biases(
    graph: gs.Graph,
    meta: ModelMeta,
    points: Points,
    numbers: Quantisation,
    images: Sequence[Array],
    progress: Progress = silent,
) -> dict[str, Array]:
    """The biases that win back accuracy, for every INT8 layer with an activation.

    Args:
        graph: the float network; is not changed.
        meta: of it.
        points: where it is quantised.
        numbers: with what.
        images: inputs [B, C, H, W], a dozen or two are enough.
        progress: told about each layer.

    Returns:
        Layer -> float32 [out].
    """
    graph.toposort()
    layers = [node for node in graph.nodes if node.name in points.layers]
    quantised = graph.copy()
    to_int8(quantised, meta, points, numbers)
    cuts = [node.name for node in layers]
    runs = zip(LayerwiseRun(graph, cuts, images).layers(), LayerwiseRun(quantised, cuts, images).layers(), strict=True)
    biases: dict[str, Array] = {}
    clock = Clock(len(layers), "correcting biases", "layers", progress)
    for node, (exact, rounded) in zip(layers, runs, strict=True):
        if derivative := derivative_of(activation_of(node)):
            shift = _shift(exact, rounded, derivative)
            for array in rounded:
                array += _by_channel(shift, array)
            biases[node.name] = _bias(node, numbers, len(shift)) + shift
        clock.advance()
    return biases


def _shift(exact: Sequence[Array], rounded: Sequence[Array], derivative: Derivative) -> Array:
    """sum(w * e) / sum(w) for each channel, float32 [out]; 0 where the activation is flat everywhere."""
    above, below = 0.0, 0.0
    for y, q in zip(exact, rounded, strict=True):
        weight = np.square(derivative(y))
        places = (0, *range(2, y.ndim))
        above = above + (weight * (y - q)).sum(axis=places, dtype=np.float64)
        below = below + weight.sum(axis=places, dtype=np.float64)
    shift: Array = np.divide(above, below, out=np.zeros_like(above), where=below > 0).astype(np.float32)
    return shift


def _bias(node: gs.Node, numbers: Quantisation, channels: int) -> Array:
    if node.name in numbers.biases:
        return numbers.biases[node.name]
    return weight_of(node.inputs[2]).load() if len(node.inputs) > 2 else np.zeros(channels, np.float32)


def _by_channel(values: Array, like: Array) -> Array:
    return values.reshape(1, -1, *[1] * (like.ndim - 2))
