"""A half graph as a GPU computes it, on a CPU.

ONNX Runtime has few half kernels for CPUs: it computes in single and leaves out the casts in between, so nothing but the
weights is rounded (measured: 2048 + 1 - 2048 in half gives 1 there, and 0 on every GPU). Here every value that is half
in the graph is rounded to half, while the sums inside a layer are kept in single, as tensor cores keep them.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from trtzoo.graph.editor import GraphEditor
from trtzoo.graph.skeleton import weight_of
from trtzoo.graph_passes.precision.tensor_types import infer_types


def rounded(graph: gs.Graph) -> gs.Graph:
    """A graph in single precision that rounds to half wherever `graph` holds half; `graph` itself is used up."""
    infer_types(graph)
    editor = GraphEditor(graph)
    for tensor in list(graph.tensors().values()):
        if isinstance(tensor, gs.Constant) and tensor.dtype == np.float16:
            tensor.values = weight_of(tensor).load().astype(np.float32)
    for node in list(graph.nodes):
        if node.op == "Cast" and node.outputs[0].dtype == np.float16:
            node.attrs["to"] = np.float32
        for index, tensor in enumerate(node.outputs):
            if tensor.dtype == np.float16:
                _round(editor, node, index, tensor)
    for tensor in graph.inputs:
        if tensor.dtype == np.float16:
            tensor.dtype = np.dtype(np.float32)
    return graph


def _round(editor: GraphEditor, node: gs.Node, index: int, tensor: gs.Variable) -> None:
    """Cast the output to half and back; what reads it reads the result."""
    exact = gs.Variable(editor.unique(f"{tensor.name}/exact"), np.dtype(np.float32), tensor.shape)
    node.outputs[index] = exact
    shapes = [tensor.shape]
    half = editor.node(
        "Cast", [exact], f"{tensor.name}/round", shapes=shapes, dtypes=[np.float16], attrs={"to": np.float16}
    )
    back = gs.Node("Cast", editor.unique(f"{tensor.name}/back"), {"to": np.float32}, half, [tensor])
    tensor.dtype = np.dtype(np.float32)
    editor.graph.nodes.append(back)
