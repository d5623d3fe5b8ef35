"""The vocabulary as ONNX: every operation appends one node (rarely two) to an onnx-graphsurgeon graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.outputs import TensorSpec
from ...errors import ModelError, UnsupportedError
from ...graph.onnx_graph import GraphEditor, Shape, constant
from ...graph.weights import Array, Weight
from .ops import Conv, Operand, Ops, Pads, Tensor, conv_size

OPSETS = range(14, 21)
"""The opsets that the emitted nodes are valid in: HardSwish came with 14, TensorRT 8.6 reads up to 17, Gather-heavy runtimes to 20."""

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
        self.opset = opset
        self.batch: int | str = image.shape[0]
        self.input: Tensor = gs.Variable(image.name, dtype=np.dtype(image.dtype), shape=list(image.shape))
        self.graph = gs.Graph(inputs=[self.input], opset=opset, name="trtzoo", producer_name="trtzoo")
        self._editor = GraphEditor(self.graph)

    def finish(self, outputs: Mapping[str, Tensor]) -> gs.Graph:
        """Make these tensors the graph's outputs, under these names and in this order, and return the graph."""
        for name, tensor in outputs.items():
            if tensor is self.input or tensor in self.graph.outputs:
                tensor = self._node("Identity", [tensor], name, self.shape(tensor))
            tensor.name = name
            self.graph.outputs.append(tensor)
        self.graph.cleanup(remove_unused_graph_inputs=False)
        return self.graph

    def shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[1:])

    def conv2d(self, x: Tensor, conv: Conv, name: str = "conv") -> Tensor:
        channels, *size = self.shape(x)
        out, within, *kernel = conv.weight.shape
        if channels != within * conv.groups or out % conv.groups:
            raise ModelError(
                f"{self.full_name(name)}: {channels} input channels do not fit weights {list(conv.weight.shape)} in {conv.groups} groups"
            )
        ends = zip(size, kernel, conv.stride, conv.pads[:2], conv.pads[2:], conv.dilation, strict=True)
        return self._conv("Conv", x, conv, name, (out, *(conv_size(*end) for end in ends)))

    def conv_transpose2d(self, x: Tensor, conv: Conv, name: str = "conv_transpose") -> Tensor:
        _, *size = self.shape(x)
        _, out, *kernel = conv.weight.shape
        ends = zip(size, kernel, conv.stride, conv.pads[:2], conv.pads[2:], conv.dilation, strict=True)
        grown = (
            (n - 1) * stride - before - after + dilation * (k - 1) + 1 for n, k, stride, before, after, dilation in ends
        )
        return self._conv("ConvTranspose", x, conv, name, (out * conv.groups, *grown))

    def _conv(self, op: str, x: Tensor, conv: Conv, name: str, shape: tuple[int, ...]) -> Tensor:
        weight, bias = conv.folded(transposed=op == "ConvTranspose")
        name = self.full_name(name)
        inputs = [x, constant(f"{name}.weight", weight), *([constant(f"{name}.bias", bias)] if bias else [])]
        attrs = {
            "kernel_shape": list(weight.shape[2:]), "strides": list(conv.stride), "pads": list(conv.pads),
            "dilations": list(conv.dilation), "group": conv.groups,
        }  # fmt: skip
        return self._emit(op, inputs, name, shape, attrs)

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        name = self.full_name(name)
        inputs = [x, constant(f"{name}.weight", weight.as_float32())]
        if bias:
            inputs.append(constant(f"{name}.bias", bias.as_float32()))
        return self._emit("Gemm", inputs, name, (weight.shape[0],), {"transB": 1})

    def max_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        name: str = "max_pool",
    ) -> Tensor:
        return self._pool("MaxPool", x, kernel, stride, pads, name, {})

    def avg_pool(
        self,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads = (0, 0, 0, 0),
        count_pads: bool = False,
        name: str = "avg_pool",
    ) -> Tensor:
        return self._pool("AveragePool", x, kernel, stride, pads, name, {"count_include_pad": int(count_pads)})

    def _pool(
        self,
        op: str,
        x: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pads: Pads,
        name: str,
        attrs: dict[str, Any],
    ) -> Tensor:
        channels, *size = self.shape(x)
        ends = zip(size, kernel, stride, pads[:2], pads[2:], strict=True)
        attrs = {"kernel_shape": list(kernel), "strides": list(stride), "pads": list(pads)} | attrs
        return self._node(op, [x], name, (channels, *(conv_size(*end) for end in ends)), attrs)

    def global_avg_pool(self, x: Tensor, name: str = "global_avg_pool") -> Tensor:
        return self._node("GlobalAveragePool", [x], name, (self.shape(x)[0], 1, 1))

    def resize_nearest(self, x: Tensor, scale: int, name: str = "resize") -> Tensor:
        channels, height, width = self.shape(x)
        scales = np.array([1, 1, scale, scale], np.float32)
        attrs = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._node(
            "Resize", [x, gs.Variable.empty(), scales], name, (channels, height * scale, width * scale), attrs
        )

    def pad(self, x: Tensor, pads: Pads, value: float = 0.0, name: str = "pad") -> Tensor:
        channels, height, width = self.shape(x)
        top, left, bottom, right = pads
        ends = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        shape = (channels, height + top + bottom, width + left + right)
        return self._node("Pad", [x, ends, np.array(value or _NEARLY_ZERO, np.float32)], name, shape)

    def concat(self, xs: Sequence[Tensor], axis: int = 1, name: str = "concat") -> Tensor:
        if len(xs) == 1:
            return xs[0]
        shapes = [self.shape(x) for x in xs]
        rest = {shape[: axis - 1] + shape[axis:] for shape in shapes}
        if len(rest) > 1:
            raise ModelError(
                f"{self.full_name(name)}: cannot join shapes {', '.join(map(str, shapes))} along axis {axis}"
            )
        joined = list(shapes[0])
        joined[axis - 1] = sum(shape[axis - 1] for shape in shapes)
        return self._node("Concat", xs, name, joined, {"axis": axis})

    def split(self, x: Tensor, sizes: Sequence[int], axis: int = 1, name: str = "split") -> list[Tensor]:
        if len(sizes) == 1:
            return [x]
        shape = self.shape(x)
        shapes = [(*shape[: axis - 1], size, *shape[axis:]) for size in sizes]
        if sum(sizes) != shape[axis - 1]:
            raise ModelError(f"{self.full_name(name)}: cannot cut {shape[axis - 1]} into {list(sizes)}")
        outputs: list[Tensor] = self._editor.node(
            "Split", [x, np.array(sizes, np.int64)], self.full_name(name),
            shapes=[self._with_batch(part) for part in shapes], dtypes=[x.dtype] * len(sizes), attrs={"axis": axis},
        )  # fmt: skip
        return outputs

    def slice(self, x: Tensor, axis: int, start: int, stop: int, step: int = 1, name: str = "slice") -> Tensor:
        shape = list(self.shape(x))
        shape[axis - 1] = len(range(*slice(start, stop, step).indices(shape[axis - 1])))
        ends = [np.array([value], np.int64) for value in (start, stop, axis, step)]
        return self._node("Slice", [x, *ends], name, shape)

    def reshape(self, x: Tensor, shape: Sequence[int], name: str = "reshape") -> Tensor:
        count = int(np.prod(self.shape(x)))
        known = int(np.prod([length for length in shape if length != -1]))
        filled = [count // known if length == -1 else length for length in shape]
        if int(np.prod(filled)) != count:
            raise ModelError(f"{self.full_name(name)}: cannot reshape {self.shape(x)} to {tuple(shape)}")
        return self._node("Reshape", [x, np.array([0, *filled], np.int64)], name, filled)

    def transpose(self, x: Tensor, order: Sequence[int], name: str = "transpose") -> Tensor:
        shape = self.shape(x)
        return self._node("Transpose", [x], name, [shape[axis - 1] for axis in order[1:]], {"perm": list(order)})

    def matmul(self, a: Tensor, b: Operand, name: str = "matmul") -> Tensor:
        columns = b.shape[-1]
        return self._node("MatMul", [a, _operand(b)], name, (*self.shape(a)[:-1], columns))

    def softmax(self, x: Tensor, axis: int, name: str = "softmax") -> Tensor:
        return self._node("Softmax", [x], name, self.shape(x), {"axis": axis})

    def reduce(self, kind: str, x: Tensor, axes: Sequence[int], name: str | None = None) -> Tensor:
        shape = [1 if axis + 1 in axes else length for axis, length in enumerate(self.shape(x))]
        by_input = self.opset >= 18 or kind == "sum"
        inputs = [x, np.array(axes, np.int64)] if by_input else [x]
        attrs = {"keepdims": 1} if by_input else {"keepdims": 1, "axes": list(axes)}
        return self._node(_REDUCE[kind], inputs, name or kind, shape, attrs)

    def unary(self, kind: str, x: Tensor, name: str | None = None, **attributes: float) -> Tensor:
        if kind == "clip":
            limits = [np.array(attributes[side], np.float32) for side in ("low", "high")]
            return self._node("Clip", [x, *limits], name or kind, self.shape(x))
        attrs = dict(attributes) | _FIXED_ATTRIBUTES.get(kind, {})
        return self._node(_UNARY[kind], [x], name or kind, self.shape(x), attrs)

    def binary(self, kind: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        operands = [_operand(a), _operand(b)]
        shapes = [tuple(item.shape[1:]) if isinstance(item, gs.Tensor) else _constant_shape(item) for item in operands]
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError as error:
            raise ModelError(
                f"{self.full_name(name or kind)}: shapes {shapes[0]} and {shapes[1]} do not fit"
            ) from error
        return self._node(_BINARY[kind], operands, name or kind, shape)

    def _with_batch(self, shape: Sequence[int]) -> Shape:
        return [self.batch, *(int(length) for length in shape)]

    def _node(
        self, op: str, inputs: Sequence[Any], name: str, shape: Sequence[int], attrs: dict[str, Any] | None = None
    ) -> Tensor:
        return self._emit(op, inputs, self.full_name(name), shape, attrs)

    def _emit(
        self, op: str, inputs: Sequence[Any], name: str, shape: Sequence[int], attrs: dict[str, Any] | None = None
    ) -> Tensor:
        shapes, dtypes = [self._with_batch(shape)], [np.float32]
        return self._editor.node(op, inputs, name, shapes=shapes, dtypes=dtypes, attrs=attrs)[0]


def _operand(value: Operand) -> gs.Tensor | Array:
    return value if isinstance(value, gs.Tensor) else np.asarray(value, np.float32)


def _constant_shape(array: Array) -> tuple[int, ...]:
    """Shape of a constant without its leading batch axis of length 1, if it has one."""
    return array.shape[1:]
