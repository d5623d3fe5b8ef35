"""Writing a graph in a few lines, as an exporter without manners would, and running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
import onnxruntime as ort

from trtzoo.graph.editor import GraphEditor
from trtzoo.graph.skeleton import load_all
from trtzoo.graph.weights import Weight

Array = npt.NDArray[Any]
Line = tuple[Any, ...]
"""Operator, inputs, outputs, and attributes if there are any."""


def foreign_graph(
    lines: Sequence[Line],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    weights: Mapping[str, Array],
    opset: int = 17,
) -> gs.Graph:
    """A graph without a word about types or shapes between its inputs and its outputs.

    Args:
        lines: the nodes, each named after its first output.
        inputs: name -> shape; float32.
        outputs: names.
        weights: initializers.
        opset: of the ONNX.
    """
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [make(op, ins, outs, name=outs[0], **dict(*more)) for op, ins, outs, *more in lines]
    graph = onnx.helper.make_graph(
        nodes, "foreign", [value(name, 1, shape) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    model.ir_version = 8
    inferred = onnx.shape_inference.infer_shapes(model)
    del model.graph.output[:]
    model.graph.output.extend(inferred.graph.output)
    return gs.import_onnx(model)


def scaled_graph(weight: Weight | Array) -> gs.Graph:
    """images [B, 4] * weight [4]."""
    x = gs.Variable("images", dtype=np.float32, shape=["batch", 4])
    graph = gs.Graph(inputs=[x], opset=17)
    editor = GraphEditor(graph)
    factor = editor.constant("factor", weight)
    out = editor.node("Mul", [x, factor], "/mul", shapes=[["batch", 4]], dtypes=[np.float32])
    graph.outputs = out
    return graph


def run(graph: gs.Graph, feed: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a graph on ONNX Runtime, which checks that the types fit."""
    model = load_all(graph, {})
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(feed)), strict=True))


def names(nodes: Sequence[gs.Node]) -> set[str]:
    return {node.name for node in nodes}
