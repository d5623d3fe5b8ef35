"""Adds nodes and constants to a graph under names that nothing else has, with shape and type of all that is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from .shapes import Shape
from .skeleton import constant
from .weights import Array, Weight


class GraphEditor:
    """The names that are taken in a graph, and the one way to append a node to it."""

    def __init__(self, graph: gs.Graph) -> None:
        self.graph = graph
        self._taken = {node.name for node in graph.nodes} | set(graph.tensors())

    def unique(self, name: str) -> str:
        """`name`, or `name_1`, `name_2`, ... if it is taken."""
        candidate, count = name, 0
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate

    def constant(self, name: str, values: Weight | Array) -> gs.Constant:
        """A constant under a unique name."""
        return constant(self.unique(name), values)

    def node(
        self,
        op: str,
        inputs: Sequence[gs.Tensor | Array],
        name: str,
        *,
        shapes: Sequence[Shape | None],
        dtypes: Sequence[npt.DTypeLike],
        domain: str | None = None,
        attrs: Mapping[str, object] | None = None,
    ) -> list[gs.Variable]:
        """Append a node with one output for each entry of `shapes`; numpy inputs become constants named after the node."""
        name = self.unique(name)
        tensors = [
            item if isinstance(item, gs.Tensor) else self.constant(f"{name}.{position}", item)
            for position, item in enumerate(inputs)
        ]
        outputs = [
            gs.Variable(self.unique(f"{name}:{index}" if index else f"{name}:out"), dtype=np.dtype(dtype), shape=shape)
            for index, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
        ]
        self.graph.nodes.append(
            gs.Node(op=op, name=name, domain=domain, attrs=dict(attrs or {}), inputs=tensors, outputs=outputs)
        )
        return outputs
