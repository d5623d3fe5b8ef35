"""Standard ONNX operators as method calls that know shape and type of what they make.

The one place where nodes are spelled: the families' vocabulary (`converters/vocabulary/onnx_ops.py`) and the graph passes, NMS
among them, are written in it. An axis counts from the batch, 0, and a shape entry that is a str is a free axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from ..errors import ModelError
from .editor import GraphEditor
from .shapes import Shape, Window, broadcast
from .skeleton import constant
from .weights import Array, Weight

Tensor: TypeAlias = gs.Tensor
"""A graphsurgeon tensor with known shape and type."""

Operand: TypeAlias = gs.Tensor | Array
"""A tensor or a numpy array, which becomes a constant."""

_COMPARISONS = ("Less", "Greater", "GreaterOrEqual", "LessOrEqual", "Equal")
_AXES_BY_INPUT = {"ReduceSum": 13, "ReduceMax": 18, "ReduceMin": 18, "ReduceMean": 18}
"""From which opset a reduction takes its axes as an input instead of an attribute."""


class Emitter:
    """Appends nodes under a name prefix.

    Args:
        graph: gets the nodes; a Loop's body is a graph of its own.
        scope: prefix of the nodes' names, such as `/nms`; a name that begins with a slash is taken as it is.
    """

    def __init__(self, graph: gs.Graph, scope: str = "") -> None:
        self.graph = graph
        self.scope = scope
        self._editor = GraphEditor(graph)

    def unique(self, name: str) -> str:
        """`name`, or `name_1`, `name_2`, ... if it is taken; taken from now on."""
        return self._editor.unique(name)

    def constant(self, name: str, values: Weight | Array) -> Tensor:
        """A constant under this name, or the next that is free."""
        return self._editor.constant(name, values)

    def emit(
        self,
        op: str,
        inputs: Sequence[Operand],
        shape: Shape,
        dtype: npt.DTypeLike,
        name: str | None = None,
        domain: str | None = None,
        **attrs: object,
    ) -> Tensor:
        """Append a node with one output."""
        return self._append(op, inputs, [shape], [dtype], name, attrs, domain)[0]

    def emit_many(
        self,
        op: str,
        inputs: Sequence[Operand],
        shapes: Sequence[Shape],
        dtypes: Sequence[npt.DTypeLike],
        name: str | None = None,
        domain: str | None = None,
        **attrs: object,
    ) -> list[Tensor]:
        """Append a node with an output for each shape."""
        return self._append(op, inputs, shapes, dtypes, name, attrs, domain)

    def _append(
        self,
        op: str,
        inputs: Sequence[Operand],
        shapes: Sequence[Shape],
        dtypes: Sequence[npt.DTypeLike],
        name: str | None,
        attrs: Mapping[str, object],
        domain: str | None = None,
    ) -> list[Tensor]:
        lists = [list(shape) for shape in shapes]
        full = self._full_name(name or op.lower())
        return self._editor.node(op, inputs, full, shapes=lists, dtypes=dtypes, domain=domain, attrs=attrs)

    def _full_name(self, name: str) -> str:
        return name if name.startswith("/") else f"{self.scope}/{name}"

    def conv(self, x: Tensor, weight: Weight, bias: Weight | None, window: Window, name: str = "conv") -> Tensor:
        """Convolution of [B, C, H, W] with `weight` [out, C / groups, kh, kw]; weights are named after the node."""
        out, within, *kernel = weight.shape
        if x.shape[1] != within * window.groups or out % window.groups:
            raise ModelError(
                f"{self._full_name(name)}: {x.shape[1]} input channels do not fit weights {list(weight.shape)} in "
                f"{window.groups} groups"
            )
        return self._convolve("Conv", x, weight, bias, window, [out, *window.shrunk(x.shape[2:], kernel)], name)

    def conv_transpose(self, x: Tensor, weight: Weight, bias: Weight | None, window: Window, name: str) -> Tensor:
        """Transposed convolution of [B, C, H, W] with `weight` [C, out / groups, kh, kw]."""
        _, out, *kernel = weight.shape
        shape = [out * window.groups, *window.grown(x.shape[2:], kernel)]
        return self._convolve("ConvTranspose", x, weight, bias, window, shape, name)

    def _convolve(
        self, op: str, x: Tensor, weight: Weight, bias: Weight | None, window: Window, shape: Shape, name: str
    ) -> Tensor:
        return self.emit(
            op, [x, *self._parameters(name, weight, bias)], [x.shape[0], *shape], x.dtype, name,
            kernel_shape=list(weight.shape[2:]), strides=list(window.stride), pads=list(window.pads),
            dilations=list(window.dilation), group=window.groups,
        )  # fmt: skip

    def _parameters(self, name: str, weight: Weight, bias: Weight | None) -> list[Tensor]:
        full = self._full_name(name)
        parts = {"weight": weight, "bias": bias}
        return [constant(f"{full}.{part}", values) for part, values in parts.items() if values is not None]

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None, name: str = "linear") -> Tensor:
        """[B, in] -> [B, out] with `weight` [out, in]."""
        inputs = [x, *self._parameters(name, weight, bias)]
        return self.emit("Gemm", inputs, [x.shape[0], weight.shape[0]], x.dtype, name, transB=1)

    def pool(
        self, op: str, x: Tensor, kernel: tuple[int, int], window: Window, name: str | None = None, **attrs: object
    ) -> Tensor:
        """MaxPool or AveragePool of [B, C, H, W]."""
        shape = [*x.shape[:2], *window.shrunk(x.shape[2:], kernel)]
        ends: dict[str, object] = {
            "kernel_shape": list(kernel),
            "strides": list(window.stride),
            "pads": list(window.pads),
        }
        return self._append(op, [x], [shape], [x.dtype], name, ends | attrs)[0]

    def resize_nearest(self, x: Tensor, scale: int, name: str | None = None) -> Tensor:
        """Every pixel of [B, C, H, W] `scale` times in both directions."""
        shape = [*x.shape[:2], x.shape[2] * scale, x.shape[3] * scale]
        scales = np.array([1, 1, scale, scale], np.float32)
        return self.emit(
            "Resize", [x, gs.Variable.empty(), scales], shape, x.dtype, name,
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    def pad(
        self, x: Tensor, before: Sequence[int], after: Sequence[int], value: float, name: str | None = None
    ) -> Tensor:
        """`value` before and after each axis."""
        ends = np.array([*before, *after], np.int64)
        shape = [n if not a + b else n + a + b for n, a, b in zip(x.shape, before, after, strict=True)]
        return self.emit("Pad", [x, ends, np.array(value, x.dtype)], shape, x.dtype, name)

    def softmax(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """Softmax along an axis."""
        return self.emit("Softmax", [x], x.shape, x.dtype, name, axis=axis)

    def binary(self, op: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        """Arithmetic, comparison or logic of each pair of values, broadcast as numpy does."""
        dtype = np.bool_ if op in _COMPARISONS else (a if isinstance(a, gs.Tensor) else b).dtype
        try:
            shape = broadcast(a.shape, b.shape)
        except ValueError as error:
            raise ModelError(f"{self._full_name(name or op.lower())}: {error}") from error
        return self.emit(op, [a, b], shape, dtype, name)

    def unary(self, op: str, x: Tensor, name: str | None = None, **attrs: object) -> Tensor:
        """A function of each value."""
        return self._append(op, [x], [x.shape], [x.dtype], name, attrs)[0]

    def clip(self, x: Tensor, low: float, high: float, name: str | None = None) -> Tensor:
        """Limit to low..high."""
        limits = [np.array(limit, x.dtype) for limit in (low, high)]
        return self.emit("Clip", [x, *limits], x.shape, x.dtype, name)

    def cast(self, x: Tensor, dtype: npt.DTypeLike, name: str | None = None) -> Tensor:
        """The same values as another type."""
        kind = np.dtype(dtype)
        return self.emit("Cast", [x], x.shape, kind, name, to=kind.type)

    def where(self, condition: Tensor, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        """`a` where the condition holds, else `b`."""
        shape = broadcast(broadcast(condition.shape, a.shape), b.shape)
        dtype = (a if isinstance(a, gs.Tensor) else b).dtype
        return self.emit("Where", [condition, a, b], shape, dtype, name)

    def reduce(
        self, op: str, x: Tensor, axes: int | Sequence[int], keep: bool = True, name: str | None = None
    ) -> Tensor:
        """ReduceMax, ReduceMin, ReduceMean or ReduceSum over axes, which stay with length 1 if `keep`."""
        gone = [axes] if isinstance(axes, int) else list(axes)
        kept = [1 if axis in gone else length for axis, length in enumerate(x.shape) if keep or axis not in gone]
        if self.graph.opset >= _AXES_BY_INPUT[op]:
            return self.emit(op, [x, np.array(gone, np.int64)], kept, x.dtype, name, keepdims=int(keep))
        return self.emit(op, [x], kept, x.dtype, name, keepdims=int(keep), axes=gone)

    def any(self, x: Tensor, name: str | None = None) -> Tensor:
        """Whether any value of a 0/1 float tensor is 1: a boolean scalar."""
        most = self.emit("ReduceMax", [x], [], x.dtype, keepdims=0)
        return self.emit("Greater", [most, np.array(0.5, np.float32)], [], np.bool_, name)

    def argmax(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """Index of the greatest value along an axis, the first of equals; the axis goes."""
        shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
        return self.emit("ArgMax", [x], shape, np.int64, name, axis=axis, keepdims=0)

    def topk(self, x: Tensor, k: int, largest: bool = True, name: str | None = None) -> tuple[Tensor, Tensor]:
        """The k best values along the last axis in order, and their indices; equals by lower index."""
        shape = [*x.shape[:-1], k]
        values, indices = self.emit_many(
            "TopK", [x, np.array([k], np.int64)], [shape, shape], [x.dtype, np.int64], name,
            axis=len(shape) - 1, largest=int(largest), sorted=1,
        )  # fmt: skip
        return values, indices

    def gather_elements(self, x: Tensor, indices: Tensor, name: str | None = None) -> Tensor:
        """[B, N] at [B, K] -> [B, K]."""
        return self.emit("GatherElements", [x, indices], indices.shape, x.dtype, name, axis=1)

    def gather_rows(self, x: Tensor, indices: Tensor, name: str | None = None) -> Tensor:
        """[B, N, ...] at [B, K] -> [B, K, ...]."""
        shape = [*indices.shape, *x.shape[2:]]
        return self.emit("GatherND", [x, self.unsqueeze(indices, 2)], shape, x.dtype, name, batch_dims=1)

    def take_rows(self, x: Tensor, indices: Tensor, name: str | None = None) -> Tensor:
        """The same as `gather_rows`, value by value.

        ONNX Runtime's GatherND reads a table of the host's memory when it runs, which a CUDA graph that is replayed would find
        gone; GatherElements has none.
        """
        width = int(np.prod(x.shape[2:]))
        flat = self.reshape(x, [x.shape[1], width]) if len(x.shape) > 3 else x
        shape = [*indices.shape, width]
        places = self.emit("Expand", [self.unsqueeze(indices, 2), np.array([1, 1, width], np.int64)], shape, np.int64)
        rows = self.emit("GatherElements", [flat, places], shape, x.dtype, name if flat is x else None, axis=1)
        return rows if flat is x else self.reshape(rows, [indices.shape[1], *x.shape[2:]], name)

    def unsqueeze(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """A new axis of length 1."""
        shape = [*x.shape[:axis], 1, *x.shape[axis:]]
        return self.emit("Unsqueeze", [x, np.array([axis], np.int64)], shape, x.dtype, name)

    def squeeze(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """Without an axis of length 1."""
        shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
        return self.emit("Squeeze", [x, np.array([axis], np.int64)], shape, x.dtype, name)

    def reshape(self, x: Tensor, shape: Sequence[int], name: str | None = None) -> Tensor:
        """New shape after the batch axis, which stays; one entry may be -1 where the others are known."""
        filled = self._filled(x, shape, name or "reshape") if -1 in shape or _known(x) else list(shape)
        return self.emit("Reshape", [x, np.array([0, *filled], np.int64)], [x.shape[0], *filled], x.dtype, name)

    def _filled(self, x: Tensor, shape: Sequence[int], name: str) -> list[int]:
        count = int(np.prod(x.shape[1:]))
        known = int(np.prod([length for length in shape if length != -1]))
        filled = [count // known if length == -1 else int(length) for length in shape]
        if int(np.prod(filled)) != count:
            raise ModelError(f"{self._full_name(name)}: cannot reshape {tuple(x.shape[1:])} to {tuple(shape)}")
        return filled

    def transpose(self, x: Tensor, order: Sequence[int], name: str | None = None) -> Tensor:
        """Permute the axes."""
        return self.emit("Transpose", [x], [x.shape[axis] for axis in order], x.dtype, name, perm=list(order))

    def split(self, x: Tensor, sizes: Sequence[int], axis: int, name: str | None = None) -> list[Tensor]:
        """Parts of these lengths along an axis."""
        if sum(sizes) != x.shape[axis]:
            raise ModelError(f"{self._full_name(name or 'split')}: cannot cut {x.shape[axis]} into {list(sizes)}")
        shapes = [[*x.shape[:axis], size, *x.shape[axis + 1 :]] for size in sizes]
        ends = np.array(sizes, np.int64)
        return self.emit_many("Split", [x, ends], shapes, [x.dtype] * len(sizes), name, axis=axis)

    def columns(self, x: Tensor, axis: int = 2, name: str | None = None) -> list[Tensor]:
        """[B, N, c] -> c tensors [B, N, 1]; with axis 1, [B, c, N] -> c tensors [B, 1, N]."""
        return self.split(x, [1] * x.shape[axis], axis, name)

    def slice(
        self, x: Tensor, axis: int, start: int, stop: int, name: str | None = None, step: int | None = None
    ) -> Tensor:
        """`x[start:stop:step]` along an axis."""
        length = len(range(*slice(start, stop, step).indices(x.shape[axis])))
        shape = [*x.shape[:axis], length, *x.shape[axis + 1 :]]
        ends = [np.array([value], np.int64) for value in (start, stop, axis, step) if value is not None]
        return self.emit("Slice", [x, *ends], shape, x.dtype, name)

    def concat(self, xs: Sequence[Tensor], axis: int, name: str | None = None) -> Tensor:
        """Join along an axis."""
        shapes = [list(x.shape) for x in xs]
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
            listed = ", ".join(str(tuple(shape[1:])) for shape in shapes)
            raise ModelError(f"{self._full_name(name or 'concat')}: cannot join shapes {listed} along axis {axis}")
        joined = [*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]]
        return self.emit("Concat", xs, joined, xs[0].dtype, name, axis=axis)

    def pad_end(self, x: Tensor, axis: int, count: int, name: str | None = None) -> Tensor:
        """`count` zeros after the end of a float tensor's axis; `x` itself if that is none."""
        if count <= 0:
            return x
        after = [count if number == axis else 0 for number in range(len(x.shape))]
        return self.pad(x, [0] * len(after), after, 0.0, name)

    def matmul(self, a: Tensor, b: Operand, name: str | None = None) -> Tensor:
        """Product of the last two axes, batch by batch."""
        return self.emit("MatMul", [a, b], [*a.shape[:-1], b.shape[-1]], a.dtype, name)

    def arange(self, count: int, dtype: npt.DTypeLike = np.int64, name: str | None = None) -> Tensor:
        """0, 1, ..., count - 1, made at run time so that the file stays small."""
        ends = [np.array(value, dtype) for value in (0, count, 1)]
        return self.emit("Range", ends, [count], dtype, name)

    def loop(
        self, trips: int, state: Sequence[Tensor], body: Callable[[Emitter, list[Tensor]], Sequence[Tensor]], name: str
    ) -> list[Tensor]:
        """A Loop over `state` that ends when the body says so, after `trips` rounds at the latest.

        Args:
            trips: upper limit of the rounds.
            state: initial values.
            body: (emitter of the body, [round, *state]) -> [whether to go on, *new state]. It may use tensors of this
                graph, but no constant of it.
            name: of the node, and prefix of the body's names.
        """
        scope = self._full_name(name)
        inner = gs.Graph(opset=self.graph.opset, name=scope, import_domains=self.graph.import_domains)
        entries: list[tuple[str, npt.DTypeLike]] = [("round", np.int64), ("go", np.bool_)]
        heads = [gs.Variable(f"{scope}/{label}", dtype=np.dtype(kind), shape=[]) for label, kind in entries]
        values = [
            gs.Variable(f"{scope}/state{index}", dtype=x.dtype, shape=list(x.shape)) for index, x in enumerate(state)
        ]
        inner.inputs = [*heads, *values]
        inner.outputs = list(body(Emitter(inner, scope), [heads[0], *values]))
        inputs = [np.array(trips, np.int64), np.array(True), *state]
        shapes, dtypes = [x.shape for x in state], [x.dtype for x in state]
        return self.emit_many("Loop", inputs, shapes, dtypes, name, body=inner)


def _known(x: Tensor) -> bool:
    return all(isinstance(length, (int, np.integer)) for length in x.shape[1:])
