"""Graphs for INT8 tests, small enough to count by hand."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
from small_graphs import Array, Line

from trtzoo.contract.meta import ModelMeta
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.points import Points

ONES: dict[str, Array] = {"w": np.ones((4, 4, 1, 1), np.float32), "w8": np.ones((4, 8, 1, 1), np.float32)}


def conv(source: str, name: str, weights: str = "w") -> list[Line]:
    """Conv . SiLU as an exporter writes it; the result is `name`, the convolution `name`c."""
    return [
        ("Conv", [source, weights], [f"{name}c"]),
        ("Sigmoid", [f"{name}c"], [f"{name}s"]),
        ("Mul", [f"{name}c", f"{name}s"], [name]),
    ]


CHAIN: list[Line] = [*conv("x", "a"), *conv("a", "b"), ("Conv", ["b", "w"], ["out"])]
"""Two body layers and a final one."""


def rounded_graph(graph: gs.Graph, meta: ModelMeta, points: Points, numbers: Quantisation) -> gs.Graph:
    """A copy of a float graph with its quantised layers rounded by these numbers."""
    copy = graph.copy()
    to_int8(copy, meta, points, numbers)
    return copy
