"""The vocabulary as ONNX: every operation is handed to the one emitter, under the name that the scopes give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import OPSETS
from ...contract.outputs import TensorSpec
from ...errors import UnsupportedError
from ...graph.emitter import Emitter
from ...graph.shapes import Pads, Window
from ...graph.weights import Array, Weight
from .ops import Conv, Operand, Ops, Tensor

_UNARY = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "exp": "Exp",
    "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "neg": "Neg", "sin": "Sin", "cos": "Cos",
    "floor": "Floor", "elu": "Elu", "selu": "Selu",
    "hard_swish": "HardSwish", "hard_sigmoid": "HardSigmoid", "erf": "Erf",
}  # fmt: skip
_FIXED_ATTRIBUTES = {"hard_sigmoid": {"alpha": 1 / 6, "beta": 0.5}}
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow"}
_NEARLY_ZERO = 2.0**-24
"""A padding of zero, less than float32 can add to 1. ONNX Runtime (to 1.31 at least) and onnxsim merge a Pad of exactly
zero into a MaxPool after it, where padding never wins, and the results of yolov3-tiny are wrong (onnxsim issue 290)."""
_REDUCE = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax"}


class OnnxOps(Ops):
    """Builds a graph with one input; `finish` names its outputs.

    Args:
        image: name, type and shape [B, C, H, W] of the input.
        opset: of the ONNX default domain, one of `OPSETS`.

    Raises:
        UnsupportedError: the opset is not one of `OPSETS`.
    """

    def __init__(self, image: TensorSpec, opset: int = 17) -> None:
        super().__init__()
        if opset not in OPSETS:
            raise UnsupportedError(f"--opset {opset} is not supported; choose {OPSETS.start} to {OPSETS.stop - 1}")
        self.input: Tensor = gs.Variable(image.name, dtype=np.dtype(image.dtype), shape=list(image.shape))
        self.graph = gs.Graph(inputs=[self.input], opset=opset, name="trtzoo", producer_name="trtzoo")
        self._emitter = Emitter(self.graph)

    def finish(self, outputs: Mapping[str, Tensor]) -> gs.Graph:
        """Make these tensors the graph's outputs, under these names and in this order, and return the graph."""
        for name, tensor in outputs.items():
            if tensor is self.input or tensor in self.graph.outputs:
                tensor = self._emitter.unary("Identity", tensor, self.full_name(name))
            tensor.name = name
            self.graph.outputs.append(tensor)
        self.graph.cleanup(remove_unused_graph_inputs=False)
        return self.graph

    def shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[1:])

    def conv2d(self, x: Tensor, conv: Conv, name: str = "conv") -> Tensor:
        weight, bias = conv.folded()
        return self._emitter.conv(x, weight, bias, conv.window, self.full_name(name))

    def conv_transpose2d(self, x: Tensor, conv: Conv, name: str = "conv_transpose") -> Tensor:
        weight, bias = conv.folded(transposed=True)
        return self._emitter.conv_transpose(x, weight, bias, conv.window, self.full_name(name))

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        offset = bias.as_float32() if bias else None
        return self._emitter.linear(x, weight.as_float32(), offset, self.full_name(name))

    def max_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        name: str = "max_pool",
    ) -> Tensor:
        return self._emitter.pool("MaxPool", x, kernel, Window(stride, pads), self.full_name(name))

    def avg_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        count_pads: bool = False,
        name: str = "avg_pool",
    ) -> Tensor:
        window, full = Window(stride, pads), self.full_name(name)
        return self._emitter.pool("AveragePool", x, kernel, window, full, count_include_pad=int(count_pads))

    def global_avg_pool(self, x: Tensor, name: str = "global_avg_pool") -> Tensor:
        shape = [*x.shape[:2], 1, 1]
        return self._emitter.emit("GlobalAveragePool", [x], shape, x.dtype, self.full_name(name))

    def resize_nearest(self, x: Tensor, scale: int, name: str = "resize") -> Tensor:
        return self._emitter.resize_nearest(x, scale, self.full_name(name))

    def pad(self, x: Tensor, pads: Pads, value: float = 0.0, name: str = "pad") -> Tensor:
        before, after = (0, 0, *pads[:2]), (0, 0, *pads[2:])
        return self._emitter.pad(x, before, after, value or _NEARLY_ZERO, self.full_name(name))

    def concat(self, xs: Sequence[Tensor], axis: int = 1, name: str = "concat") -> Tensor:
        return xs[0] if len(xs) == 1 else self._emitter.concat(xs, axis, self.full_name(name))

    def split(self, x: Tensor, sizes: Sequence[int], axis: int = 1, name: str = "split") -> list[Tensor]:
        return [x] if len(sizes) == 1 else self._emitter.split(x, sizes, axis, self.full_name(name))

    def slice(self, x: Tensor, axis: int, start: int, stop: int, step: int = 1, name: str = "slice") -> Tensor:
        return self._emitter.slice(x, axis, start, stop, self.full_name(name), step)

    def reshape(self, x: Tensor, shape: Sequence[int], name: str = "reshape") -> Tensor:
        return self._emitter.reshape(x, shape, self.full_name(name))

    def transpose(self, x: Tensor, order: Sequence[int], name: str = "transpose") -> Tensor:
        return self._emitter.transpose(x, order, self.full_name(name))

    def matmul(self, a: Tensor, b: Operand, name: str = "matmul") -> Tensor:
        return self._emitter.matmul(a, _operand(b), self.full_name(name))

    def softmax(self, x: Tensor, axis: int, name: str = "softmax") -> Tensor:
        return self._emitter.softmax(x, axis, self.full_name(name))

    def reduce(self, kind: str, x: Tensor, axes: Sequence[int], name: str | None = None) -> Tensor:
        return self._emitter.reduce(_REDUCE[kind], x, axes, name=self.full_name(name or kind))

    def unary(self, kind: str, x: Tensor, name: str | None = None, **attributes: float) -> Tensor:
        full = self.full_name(name or kind)
        if kind == "clip":
            return self._emitter.clip(x, attributes["low"], attributes["high"], full)
        return self._emitter.unary(_UNARY[kind], x, full, **attributes, **_FIXED_ATTRIBUTES.get(kind, {}))

    def binary(self, kind: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        return self._emitter.binary(_BINARY[kind], _operand(a), _operand(b), self.full_name(name or kind))


def _operand(value: Operand) -> gs.Tensor | Array:
    return value if isinstance(value, gs.Tensor) else np.asarray(value, np.float32)
