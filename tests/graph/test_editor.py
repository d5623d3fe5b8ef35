"""Names in a graph."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from trtzoo.graph.editor import GraphEditor


def test_names_are_unique():
    graph = gs.Graph(opset=17)
    editor = GraphEditor(graph)
    x = gs.Variable("x", dtype=np.float32, shape=[1])
    first, second = (editor.node("Relu", [x], "/relu", shapes=[[1]], dtypes=[np.float32])[0] for _ in range(2))
    assert [node.name for node in graph.nodes] == ["/relu", "/relu_1"]
    assert first.name != second.name
