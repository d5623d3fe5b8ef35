"""Standard ONNX operators as method calls that know shape and type of what they make; NMS is written in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from .onnx_graph import GraphEditor, Shape
from .weights import Array

Tensor = Any
"""A graphsurgeon tensor with known shape (a str is a free axis) and type."""

Operand = Any
"""A tensor or a numpy array, which becomes a constant."""

_COMPARISONS = ("Less", "Greater", "GreaterOrEqual", "LessOrEqual", "Equal")
_AXES_BY_INPUT = {"ReduceSum": 13, "ReduceMax": 18, "ReduceMin": 18}
"""From which opset a reduction takes its axes as an input instead of an attribute."""


class Emitter:
    """Appends nodes under a name prefix.

    Args:
        graph: gets the nodes; a Loop's body is a graph of its own.
        scope: prefix of the nodes' names, such as `/nms`.
    """

    def __init__(self, graph: gs.Graph, scope: str) -> None:
        self.graph = graph
        self.scope = scope
        self._editor = GraphEditor(graph)

    def constant(self, name: str, values: Array) -> Tensor:
        """A constant of exactly this name."""
        return self._editor.constant(name, values)

    def emit(
        self,
        op: str,
        inputs: Sequence[Operand],
        shape: Shape,
        dtype: npt.DTypeLike,
        name: str | None = None,
        domain: str | None = None,
        **attrs: Any,
    ) -> Tensor:
        """Append a node with one output."""
        return self._nodes(op, inputs, [shape], [dtype], name, domain, attrs)[0]

    def emit_many(
        self,
        op: str,
        inputs: Sequence[Operand],
        shapes: Sequence[Shape],
        dtypes: Sequence[npt.DTypeLike],
        name: str | None = None,
        domain: str | None = None,
        **attrs: Any,
    ) -> list[Tensor]:
        """Append a node with an output for each shape."""
        return self._nodes(op, inputs, shapes, dtypes, name, domain, attrs)

    def _nodes(
        self,
        op: str,
        inputs: Sequence[Operand],
        shapes: Sequence[Shape],
        dtypes: Sequence[npt.DTypeLike],
        name: str | None,
        domain: str | None,
        attrs: dict[str, Any],
    ) -> list[Tensor]:
        full = f"{self.scope}/{name or op.lower()}"
        lists = [list(shape) for shape in shapes]
        return self._editor.node(op, inputs, full, shapes=lists, dtypes=dtypes, domain=domain, attrs=attrs)

    def binary(self, op: str, a: Operand, b: Operand, name: str | None = None) -> Tensor:
        """Arithmetic, comparison or logic of each pair of values, broadcast as numpy does."""
        dtype = np.bool_ if op in _COMPARISONS else (a if isinstance(a, gs.Tensor) else b).dtype
        return self.emit(op, [a, b], broadcast(a.shape, b.shape), dtype, name)

    def unary(self, op: str, x: Tensor, name: str | None = None) -> Tensor:
        """A function of each value."""
        return self.emit(op, [x], x.shape, x.dtype, name)

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

    def reduce(self, op: str, x: Tensor, axis: int, keep: bool = True, name: str | None = None) -> Tensor:
        """ReduceMax, ReduceMin or ReduceSum over one axis, which stays with length 1 if `keep`."""
        shape = [*x.shape[:axis], *([1] if keep else []), *x.shape[axis + 1 :]]
        if self.graph.opset >= _AXES_BY_INPUT[op]:
            return self.emit(op, [x, np.array([axis], np.int64)], shape, x.dtype, name, keepdims=int(keep))
        return self.emit(op, [x], shape, x.dtype, name, keepdims=int(keep), axes=[axis])

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

    def unsqueeze(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """A new axis of length 1."""
        shape = [*x.shape[:axis], 1, *x.shape[axis:]]
        return self.emit("Unsqueeze", [x, np.array([axis], np.int64)], shape, x.dtype, name)

    def squeeze(self, x: Tensor, axis: int, name: str | None = None) -> Tensor:
        """Without an axis of length 1."""
        shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
        return self.emit("Squeeze", [x, np.array([axis], np.int64)], shape, x.dtype, name)

    def reshape(self, x: Tensor, shape: Sequence[int], name: str | None = None) -> Tensor:
        """New shape after the batch axis, which stays."""
        target = np.array([0, *shape], np.int64)
        return self.emit("Reshape", [x, target], [x.shape[0], *shape], x.dtype, name)

    def transpose(self, x: Tensor, order: Sequence[int], name: str | None = None) -> Tensor:
        """Permute the axes."""
        return self.emit("Transpose", [x], [x.shape[axis] for axis in order], x.dtype, name, perm=list(order))

    def columns(self, x: Tensor, axis: int = 2, name: str | None = None) -> list[Tensor]:
        """[B, N, c] -> c tensors [B, N, 1]; with axis 1, [B, c, N] -> c tensors [B, 1, N]."""
        count = x.shape[axis]
        shape = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
        sizes = np.ones(count, np.int64)
        return self.emit_many("Split", [x, sizes], [shape] * count, [x.dtype] * count, name, axis=axis)

    def slice(self, x: Tensor, axis: int, start: int, stop: int, name: str | None = None) -> Tensor:
        """`x[start:stop]` along an axis."""
        shape = [*x.shape[:axis], stop - start, *x.shape[axis + 1 :]]
        ends = [np.array([value], np.int64) for value in (start, stop, axis)]
        return self.emit("Slice", [x, *ends], shape, x.dtype, name)

    def concat(self, xs: Sequence[Tensor], axis: int, name: str | None = None) -> Tensor:
        """Join along an axis."""
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.emit("Concat", xs, shape, xs[0].dtype, name, axis=axis)

    def pad_end(self, x: Tensor, axis: int, count: int, name: str | None = None) -> Tensor:
        """`count` zeros after the end of a float tensor's axis; `x` itself if that is none."""
        if count <= 0:
            return x
        pads = np.zeros((2, len(x.shape)), np.int64)
        pads[1, axis] = count
        shape = [*x.shape[:axis], x.shape[axis] + count, *x.shape[axis + 1 :]]
        return self.emit("Pad", [x, pads.reshape(-1), np.zeros((), x.dtype)], shape, x.dtype, name)

    def matmul(self, a: Tensor, b: Tensor, name: str | None = None) -> Tensor:
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
        scope = f"{self.scope}/{name}"
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


def broadcast(a: Sequence[int | str], b: Sequence[int | str]) -> list[int | str]:
    """The shape of two broadcast tensors; a free axis meets itself or 1."""
    rank = max(len(a), len(b))
    pairs = zip([1] * (rank - len(a)) + list(a), [1] * (rank - len(b)) + list(b), strict=True)
    joined = []
    for left, right in pairs:
        if left != right and 1 not in (left, right):
            raise ValueError(f"shapes {list(a)} and {list(b)} do not fit")
        joined.append(right if left == 1 else left)
    return joined
