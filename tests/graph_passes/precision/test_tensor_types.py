"""Types follow from the operators' definitions: compared with ONNX's own inference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_graphs import foreign_graph
from tiny_models import tiny_detector

from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.precision.tensor_types import infer_types

LINES = [
    ("Shape", ["x"], ["shape"]),
    ("Gather", ["shape", "i"], ["batch"]),
    ("Cast", ["batch"], ["f"], {"to": onnx.TensorProto.FLOAT}),
    ("Greater", ["x", "zero"], ["mask"]),
    ("Where", ["mask", "x", "zero"], ["chosen"]),
    ("TopK", ["chosen", "k"], ["best", "which"], {"axis": 3}),
    ("ArgMax", ["best"], ["first"]),
    ("ConstantOfShape", ["shape"], ["zeros"]),
    ("ConstantOfShape", ["shape"], ["ones"], {"value": onnx.helper.make_tensor("v", onnx.TensorProto.INT64, [1], [1])}),
    ("Cast", ["x"], ["h"], {"to": onnx.TensorProto.FLOAT16}),
    ("Relu", ["h"], ["hr"]),
    ("Resize", ["x", "", "scales"], ["big"]),
    ("Range", ["start", "end", "step"], ["range"]),
    ("NonZero", ["x"], ["places"]),
]
WEIGHTS = {
    "i": np.array(0), "zero": np.zeros((), np.float32), "k": np.array([2]), "scales": np.ones(4, np.float32),
    "start": np.array(0, np.int32), "end": np.array(4, np.int32), "step": np.array(1, np.int32),
}  # fmt: skip


def test_same_as_onnx() -> None:
    outputs = [name for _, _, outs, *_ in LINES for name in outs]
    graph = foreign_graph(LINES, {"x": [2, 3, 4, 5]}, outputs, WEIGHTS)
    kinds = {tensor.name: tensor.dtype for tensor in graph.outputs}
    for node in graph.nodes:
        for tensor in node.outputs:
            tensor.dtype = None
    infer_types(graph)
    assert {tensor.name: tensor.dtype for tensor in graph.outputs} == kinds


def test_known_types_stay() -> None:
    graph, _ = tiny_detector()
    before = load_all(graph, {}).SerializeToString()
    infer_types(graph)
    assert load_all(graph, {}).SerializeToString() == before


def test_constant_nodes_become_constants() -> None:
    value = onnx.numpy_helper.from_array(np.float32(2.0))
    graph = foreign_graph(
        [("Constant", [], ["two"], {"value": value}), ("Mul", ["x", "two"], ["y"])], {"x": [2]}, ["y"], {}
    )
    infer_types(graph)
    assert [node.op for node in graph.nodes] == ["Mul"]
    assert graph.nodes[0].inputs[1].values == np.float32(2.0)


@pytest.mark.parametrize("op", ["Unheard", "EfficientNMS_TRT"])
def test_behind_unknown_operators_types_stay_unknown(op: str) -> None:
    graph = foreign_graph([("Relu", ["x"], ["a"])], {"x": [2]}, ["a"], {})
    node = graph.nodes[0]
    node.op = op
    node.outputs[0].dtype = None
    infer_types(graph)
    assert node.outputs[0].dtype is None
