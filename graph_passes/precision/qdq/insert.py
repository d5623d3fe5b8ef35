"""Writing INT8 into a graph: quantise/dequantise pairs at the points, and int8 weights with a scale a channel.

    x . QuantizeLinear . DequantizeLinear . Conv(., int8 weight . DequantizeLinear, bias)

Symmetric: zero point 0, activations in -128..127 with one scale a tensor, weights in -127..127 with one scale an output
channel. Biases stay float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....errors import InputError, UnsupportedError
from ....graph.editor import GraphEditor
from ....graph.skeleton import constant, weight_of
from ....graph.weights import Array, Weight
from .points import Points

LEVELS = 127
LEAST_SCALE = 2.0**-24
"""Of a channel without weights; half precision's least number, so that it survives there too."""
OLDEST_OPSET = 13
"""DequantizeLinear got its axis, for a scale a channel, in opset 13."""


@dataclass(frozen=True)
class Quantisation:
    """The numbers of an INT8 network, by the names of the float graph.

    Attributes:
        thresholds: tensor -> the magnitude that becomes 127, of every quantised tensor.
        biases: layer -> float32 [out] that replaces its bias.
        weights: layer -> float32 weights that replace its own, where they were trained further.
        weight_scales: layer -> float32 [out], where they were learned; else largest weight / 127.
    """

    thresholds: Mapping[str, float]
    biases: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)
    weight_scales: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class QdqReport:
    """What the pass did: layers in INT8, pairs on activations, layers kept and why."""

    layers: int
    pairs: int
    kept: Mapping[str, str]

    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        reasons: dict[str, int] = {}
        for reason in self.kept.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        kept = "".join(f", {count} kept ({reason})" for reason, count in reasons.items())
        return (f"INT8: {self.layers} layers, {self.pairs} quantised tensors{kept}",)


def to_int8(graph: gs.Graph, meta: ModelMeta, points: Points, numbers: Quantisation) -> tuple[ModelMeta, QdqReport]:
    """Put quantise/dequantise pairs into a graph, in place.

    Args:
        graph: with the nodes and tensors that `points` names; NMS may have been added behind them since.
        meta: of the graph.
        points: where (`find_points`).
        numbers: thresholds, and what recovery made of weights and biases.

    Returns:
        The metadata with its precision, and what was done.

    Raises:
        InputError: a tensor has no usable threshold.
        UnsupportedError: an opset before 13.
    """
    if graph.opset < OLDEST_OPSET:
        raise UnsupportedError(f"INT8 needs opset {OLDEST_OPSET} or later, the graph has {graph.opset}; export it anew")
    _check(points, numbers)
    writer = _Writer(graph, numbers)
    nodes = {node.name: node for node in graph.nodes}
    for name, tensor in points.layers.items():
        writer.layer(nodes[name], tensor)
    for skip in points.skips:
        node = nodes[skip.node]
        node.inputs[skip.position] = writer.pair(node.inputs[skip.position])
    return replace(meta, precision="int8"), QdqReport(len(points.layers), len(points.quantised), points.kept)


def weight_axis(node: gs.Node) -> int:
    """The axis of a layer's weights that counts its outputs."""
    return 1 if node.op == "Gemm" and not node.attrs.get("transB", 0) else 0


def channel_scales(weights: Array, axis: int) -> Array:
    """float32 [out]: the largest magnitude of each output channel / 127."""
    others = tuple(index for index in range(weights.ndim) if index != axis)
    scales: Array = np.abs(weights).max(axis=others) / LEVELS
    return np.maximum(scales, LEAST_SCALE).astype(np.float32)


def _check(points: Points, numbers: Quantisation) -> None:
    missing = [name for name in points.quantised if name not in numbers.thresholds]
    if missing:
        raise InputError(
            f"INT8: {len(missing)} tensors have no range, the first is {missing[0]}; calibrate this very model with these settings"
        )
    for name in points.quantised:
        if not 0 < numbers.thresholds[name] < np.inf:
            raise InputError(
                f"INT8: the range of {name} is {numbers.thresholds[name]}, not a positive number; calibrate with other "
                "pictures, or --int8-exclude its layer"
            )


class _Writer:
    """Adds the nodes, one pair for each tensor however many read it."""

    def __init__(self, graph: gs.Graph, numbers: Quantisation) -> None:
        self._editor = GraphEditor(graph)
        self._numbers = numbers
        self._pairs: dict[int, gs.Variable] = {}
        self._weights: dict[int, gs.Variable] = {}

    def layer(self, node: gs.Node, tensor: str) -> None:
        """Let a layer read its input through a pair, and int8 weights."""
        node.inputs[0] = self.pair(node.inputs[0], tensor)
        node.inputs[1] = self._weight(node)
        if (bias := self._numbers.biases.get(node.name)) is not None:
            values = constant(self._editor.unique(f"{node.name}.bias_int8"), np.asarray(bias, np.float32))
            node.inputs = [*node.inputs[:2], values]

    def pair(self, tensor: gs.Tensor, name: str = "") -> gs.Variable:
        """What a quantised tensor is after its pair."""
        if id(tensor) not in self._pairs:
            threshold = self._numbers.thresholds[name or tensor.name]
            scale, zero = np.array(threshold / LEVELS, np.float32), np.array(0, np.int8)
            self._pairs[id(tensor)] = self._dequantised(self._quantised(tensor, scale, zero), scale, zero, tensor.name)
        return self._pairs[id(tensor)]

    def _quantised(self, tensor: gs.Tensor, scale: Array, zero: Array) -> gs.Variable:
        shapes = [None if tensor.shape is None else list(tensor.shape)]
        name = f"{tensor.name}/quantise"
        return self._editor.node("QuantizeLinear", [tensor, scale, zero], name, shapes=shapes, dtypes=[np.int8])[0]

    def _dequantised(
        self, tensor: gs.Tensor, scale: Array, zero: Array, name: str, axis: int | None = None
    ) -> gs.Variable:
        shapes = [None if tensor.shape is None else list(tensor.shape)]
        attrs = {} if axis is None else {"axis": axis}
        return self._editor.node(
            "DequantizeLinear",
            [tensor, scale, zero],
            f"{name}/dequantise",
            shapes=shapes,
            dtypes=[np.float32],
            attrs=attrs,
        )[0]

    def _weight(self, node: gs.Node) -> gs.Variable:
        """A layer's weights as int8 behind a DequantizeLinear; layers that share a tensor share that too."""
        old, trained = node.inputs[1], self._numbers.weights.get(node.name)
        key = id(old) if trained is None else id(trained)
        if key not in self._weights:
            weight = weight_of(old) if trained is None else Weight.of(np.asarray(trained, np.float32))
            axis = weight_axis(node)
            scales = self._numbers.weight_scales.get(node.name)
            scales = channel_scales(weight.load(), axis) if scales is None else np.asarray(scales, np.float32)
            int8 = self._editor.constant(f"{old.name}.int8", quantised_weight(weight, scales, axis))
            zeros = np.zeros(len(scales), np.int8)
            self._weights[key] = self._dequantised(int8, scales, zeros, old.name, axis)
        return self._weights[key]


def quantised_weight(weight: Weight, scales: Array, axis: int) -> Weight:
    """int8 weights: rounded to even, -127..127."""
    shape = [1] * len(weight.shape)
    shape[axis] = -1

    def quantise(values: Array) -> Array:
        return np.clip(np.rint(values / scales.reshape(shape)), -LEVELS, LEVELS)

    return weight.map(quantise, np.int8)
