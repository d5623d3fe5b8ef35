"""A detector of a few channels with what matters to a builder: strides, activations, a residual, Resize, a decode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.outputs import input_spec
from trtzoo.contract.properties import to_properties
from trtzoo.converters.network import Network
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.converters.vocabulary.ops import Conv, Ops
from trtzoo.graph.weights import Weight
from trtzoo.graph.writer import write_onnx

CLASSES = ("cat", "dog", "bird")
SIZE = (32, 48)
ANCHORS = 2


def tiny_meta(batch: int | None = 1, **more: Any) -> ModelMeta:
    return ModelMeta("darknet", "detect", CLASSES, (2,), SIZE, batch, **more)


def tiny_detector(batch: int | None = 1, opset: int = 17, scale: float = 1.0) -> tuple[gs.Graph, ModelMeta]:
    """A graph that ends in raw heads; `scale` multiplies the weights of the second convolution."""
    meta = tiny_meta(batch)
    ops = OnnxOps(input_spec(meta), opset)
    return ops.finish(_forward(ops, ops.input, scale)), meta


def tiny_network() -> Network:
    """The same detector before it is a graph."""
    return Network(tiny_meta(None), _forward)


def _forward(ops: Ops, image: Any, scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(7)

    def conv(x: Any, out: int, kernel: int = 3, stride: int = 1, factor: float = 1.0) -> Any:
        inside = ops.shape(x)[0]
        values = rng.normal(0, (2 / (inside * kernel**2)) ** 0.5 * factor, (out, inside, kernel, kernel))
        bias = Weight.of(rng.normal(0, 0.1, out).astype(np.float32))
        weight = Weight.of(values.astype(np.float32))
        return ops.conv2d(x, Conv(weight, bias, stride=(stride, stride), pads=(kernel // 2,) * 4))

    with ops.scope("stem"):
        x = ops.silu(conv(image, 8, stride=2))
    with ops.scope("down"):
        y = ops.unary("leaky_relu", conv(x, 16, stride=2, factor=scale), alpha=0.1)
    with ops.scope("block"):
        y = ops.add(y, ops.mish(conv(y, 16)))
    with ops.scope("up"):
        y = ops.silu(conv(ops.concat([ops.resize_nearest(y, 2), x]), 8))
    with ops.scope("head"):
        return _decode(ops, conv(y, ANCHORS * (5 + len(CLASSES)), kernel=1))


def _decode(ops: Ops, x: Any) -> dict[str, Any]:
    """YOLOv5's decode of one level."""
    _, height, width = ops.shape(x)
    values = 5 + len(CLASSES)
    x = ops.transpose(ops.reshape(x, (ANCHORS, values, height, width)), (0, 1, 3, 4, 2))
    x = ops.reshape(ops.sigmoid(x), (-1, values))
    centre, size, objectness, classes = ops.split(x, (2, 2, 1, len(CLASSES)), axis=2)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(1, -1, 2).astype(np.float32)
    centre = ops.mul(ops.add(ops.mul(centre, 2.0), np.tile(grid - 0.5, (1, ANCHORS, 1))), 2.0)
    half = ops.mul(ops.mul(size, size), 16.0)
    boxes = ops.concat([ops.sub(centre, half), ops.add(centre, half)], axis=2)
    return {"boxes": boxes, "scores": ops.mul(classes, objectness)}


def write_tiny(path: Path, batch: int | None = 1, **more: Any) -> Path:
    """The detector as an ONNX file."""
    graph, meta = tiny_detector(batch, **more)
    write_onnx(graph, to_properties(meta), path)
    return path
