"""The types of a graph's tensors, for graphs of exporters that do not write them down.

Every operator of the ONNX standard says which of its inputs and outputs have the same type; that is enough to carry
types from the inputs and the constants to everything else, without running shape inference over the weights.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

_BY_ATTRIBUTE = {"Cast": "to"} | dict.fromkeys(("EyeLike", "RandomNormal", "RandomUniform", "Multinomial"), "dtype")


def infer_types(graph: gs.Graph) -> None:
    """Give every tensor whose type follows from the inputs its numpy type, in place.

    Constant nodes become constants first. Behind operators of other domains, types that the file does not say stay
    unknown.
    """
    inline_constants(graph)
    graph.toposort()
    for node in graph.nodes:
        for index, tensor in enumerate(node.outputs):
            if tensor.dtype is None:
                tensor.dtype = _output_type(node, index, graph.opset)


def inline_constants(graph: gs.Graph) -> None:
    """Turn Constant nodes into constant tensors, in place."""
    for node in [node for node in graph.nodes if node.op == "Constant" and "value" in node.attrs]:
        tensor = node.outputs[0]
        if tensor not in graph.outputs:
            values = node.attrs["value"]
            node.outputs.clear()
            tensor.to_constant(values.values if hasattr(values, "values") else np.asarray(values))
            graph.nodes.remove(node)


@cache
def schema_of(op: str, domain: str, opset: int) -> Any:
    """The standard's description of an operator, None for one that is not of the standard."""
    if domain not in ("", "ai.onnx"):
        return None
    try:
        return onnx.defs.get_schema(op, max_inclusive_version=opset, domain="")
    except onnx.defs.SchemaError:
        return None


def node_schema(node: gs.Node, opset: int) -> Any:
    """The standard's description of a node's operator, or None."""
    return schema_of(node.op, node.domain or "", opset)


def formal_type(formals: Any, index: int) -> str:
    """The type of a schema's input or output number `index`: a variable as "T", or a fixed one as "tensor(int64)"."""
    if not formals:
        return ""
    return str(formals[min(index, len(formals) - 1)].type_str)


def _output_type(node: gs.Node, index: int, opset: int) -> Any:
    if node.op in _BY_ATTRIBUTE and _BY_ATTRIBUTE[node.op] in node.attrs:
        return _numpy_type(node.attrs[_BY_ATTRIBUTE[node.op]])
    if node.op == "ConstantOfShape":
        value = node.attrs.get("value")
        return np.dtype(np.float32) if value is None else np.dtype(value.dtype)
    subgraphs = list(node.attrs.values())
    for graph in subgraphs:
        if isinstance(graph, gs.Graph):
            infer_types(graph)
            outputs = graph.outputs[1:] if node.op == "Loop" else graph.outputs
            return outputs[index].dtype if index < len(outputs) else None
    schema = node_schema(node, opset)
    if schema is None:
        return None
    return _bound_type(node, formal_type(schema.outputs, index), schema)


def _bound_type(node: gs.Node, variable: str, schema: Any) -> Any:
    """What a type variable stands for at this node."""
    for position, tensor in enumerate(node.inputs):
        if tensor.dtype is not None and formal_type(schema.inputs, position) == variable:
            return np.dtype(tensor.dtype)
    entries = (entry for entry in schema.type_constraints if entry.type_param_str == variable)
    allowed = next((entry.allowed_type_strs for entry in entries), None)
    single = variable if allowed is None else (allowed[0] if len(allowed) == 1 else "")
    name = single[7:-1] if single.startswith("tensor(") else ""
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name)) if name else None


def _numpy_type(kind: Any) -> Any:
    """A type as graphsurgeon gives attributes: ONNX's number, or already numpy's type."""
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind) if isinstance(kind, int) else kind)
