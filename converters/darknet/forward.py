"""The forward pass of a DarkNet network: one small function a layer type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.weights import Array, Weight
from ..vocabulary.ops import BatchNorm, Conv, Ops, Tensor
from .activations import activate
from .decode import HeadMap, decode
from .layers import AvgPool, Convolutional, Head, Identity, Net, Pool, Reorg, Route, Scale, Shortcut, Upsample
from .plan import Layer, pool_pads


@dataclass(frozen=True)
class DarkNet:
    """A planned network with its weights.

    Attributes:
        net: its input.
        layers: in order.
        weights: arrays by layer number and name.
    """

    net: Net
    layers: Sequence[Layer]
    weights: Mapping[int, Mapping[str, Weight]]

    def __call__(self, ops: Ops, image: Tensor) -> dict[str, Tensor]:
        """Images [B, C, H, W] -> boxes [B, A, 4] in network-input pixels, scores [B, A, classes]."""
        outputs: list[Tensor] = []
        maps: list[tuple[HeadMap, Tensor]] = []
        for layer in self.layers:
            inputs = [outputs[number] if number >= 0 else image for number in layer.sources]
            if isinstance(layer.spec, Head):
                maps.append((HeadMap(layer.spec, layer.output[1:]), inputs[0]))
                outputs.append(inputs[0])
                continue
            with ops.scope(layer.name):
                outputs.append(_FORWARD[type(layer.spec)](ops, layer, inputs, self.weights.get(layer.index, {})))
        with ops.scope("decode"):
            boxes, scores = decode(ops, maps, self.net)
        return {"boxes": boxes, "scores": scores}


Arrays = Mapping[str, Weight]


def _convolutional(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    spec = layer.spec
    assert isinstance(spec, Convolutional)
    pad = spec.padding * spec.dilation
    norm = (
        BatchNorm(arrays["scale"], arrays["bias"], arrays["mean"], arrays["variance"], 1e-5)
        if spec.batch_normalize
        else None
    )
    conv = Conv(
        weight=arrays["weight"],
        bias=None if norm else arrays["bias"],
        batch_norm=norm,
        stride=spec.stride,
        pads=(pad, pad, pad, pad),
        dilation=(spec.dilation, spec.dilation),
        groups=spec.groups,
    )
    return activate(ops, ops.conv2d(inputs[0], conv), spec.activation)


def _pool(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    spec = layer.spec
    assert isinstance(spec, Pool)
    pads = pool_pads(spec, *layer.inputs[0][1:])
    pool = ops.avg_pool if spec.average else ops.max_pool
    return pool(inputs[0], (spec.size, spec.size), spec.stride, pads)


def _upsample(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    spec = layer.spec
    assert isinstance(spec, Upsample)
    grown = ops.resize_nearest(inputs[0], spec.stride) if spec.stride > 1 else inputs[0]
    return grown if spec.scale == 1.0 else ops.mul(grown, spec.scale, "scale")


def _route(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    spec = layer.spec
    assert isinstance(spec, Route)
    if spec.groups == 1:
        return ops.concat(inputs)
    parts = []
    for x, (channels, _, _) in zip(inputs, layer.inputs, strict=True):
        length = channels // spec.groups
        parts.append(ops.slice(x, 1, spec.group_id * length, (spec.group_id + 1) * length, name="group"))
    return ops.concat(parts)


def _shortcut(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    """Sum of the previous layer and the others; of a wider one its first channels, a narrower one counts for its own."""
    spec, channels = layer.spec, layer.output[0]
    assert isinstance(spec, Shortcut)
    factors = _shortcut_factors(spec, arrays)
    total = inputs[0] if factors is None else ops.mul(inputs[0], factors[0], "weight")
    for number, (x, (width, _, _)) in enumerate(zip(inputs[1:], layer.inputs[1:], strict=True), start=1):
        shared = min(width, channels)
        if width > channels:
            x = ops.slice(x, 1, 0, channels, name="first")
        if factors is not None:
            factor = factors[number]
            x = ops.mul(x, factor[:, :shared] if factor.shape[1] > 1 else factor, "weight")
        if shared == channels:
            total = ops.add(total, x)
        else:
            first, rest = ops.split(total, (shared, channels - shared), 1, "parts")
            total = ops.concat([ops.add(first, x), rest])
    return activate(ops, total, spec.activation)


def _shortcut_factors(spec: Shortcut, arrays: Arrays) -> Array | None:
    """Normalised weights [inputs, 1, 1 or channels, 1, 1].

    Source: AlexeyAB/darknet, src/network.c, fuse_conv_batchnorm: what it runs with has no weight below 0.001 under "relu"
    and 1e-4 added to the sum, unlike its training code.
    """
    if spec.weights == "none":
        return None
    weights = arrays["weight"].load().astype(np.float64)
    parts = np.exp(weights - weights.max(axis=0)) if spec.normalization == "softmax" else np.maximum(weights, 1e-3)
    shares = parts / (parts.sum(axis=0) + 1e-4)
    factors: Array = shares.astype(np.float32).reshape(len(weights), 1, -1, 1, 1)
    return factors


def _reorg(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    """Space to depth, and DarkNet's own [reorg], which is depth to space read back as if it had not moved anything.

    Source: AlexeyAB/darknet, src/blas.c, reorg_cpu.
    """
    spec, (channels, height, width) = layer.spec, layer.inputs[0]
    assert isinstance(spec, Reorg)
    step = spec.stride
    if spec.reverse:
        blocks = ops.reshape(inputs[0], (step, step, channels // step**2, height, width), "blocks")
        return ops.reshape(ops.transpose(blocks, (0, 3, 4, 1, 5, 2), "order"), layer.output)
    if spec.true_order:
        blocks = ops.reshape(inputs[0], (channels, height // step, step, width // step, step), "blocks")
    else:
        blocks = ops.reshape(inputs[0], (channels // step**2, height, step, width, step), "blocks")
    return ops.reshape(ops.transpose(blocks, (0, 3, 5, 1, 2, 4), "order"), layer.output)


def _scale(ops: Ops, layer: Layer, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
    assert isinstance(layer.spec, Scale)
    return activate(ops, ops.mul(inputs[1], inputs[0]), layer.spec.activation)


_FORWARD: dict[type, Callable[[Ops, Layer, Sequence[Tensor], Arrays], Any]] = {
    Convolutional: _convolutional,
    Pool: _pool,
    AvgPool: lambda ops, layer, inputs, arrays: ops.global_avg_pool(inputs[0]),
    Upsample: _upsample,
    Route: _route,
    Shortcut: _shortcut,
    Reorg: _reorg,
    Scale: _scale,
    Identity: lambda ops, layer, inputs, arrays: inputs[0],
}
