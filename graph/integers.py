"""ONNX Runtime's own quantisation, as far as no version of TensorRT reads it.

TensorRT reads pairs of QuantizeLinear and DequantizeLinear, if their zero points are 0 and no bias is quantised, and no
integer operators.
They are ONNX's ConvInteger, MatMulInteger, DynamicQuantizeLinear, QLinearConv and QLinearMatMul, and those of com.microsoft;
absent from the operators that onnx-tensorrt lists in `docs/operators.md`.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from .skeleton import weight_of

_OPERATORS = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")


def integer_operators(graph: gs.Graph) -> list[str]:
    """The kinds of such nodes in a graph, sorted."""
    return sorted({node.op for node in graph.nodes if node.op in _OPERATORS or node.op.startswith("QLinear")})


def unread_pairs(graph: gs.Graph) -> list[str]:
    """What TensorRT does not read about a graph's quantise/dequantise pairs, a phrase each."""
    found = set()
    for node in graph.nodes:
        if node.op not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if node.op == "DequantizeLinear" and node.inputs[0].dtype == np.int32:
            found.add("biases in int32")
        zero = node.inputs[2] if len(node.inputs) > 2 else None
        if isinstance(zero, gs.Constant) and np.any(weight_of(zero).load()):
            found.add("zero points other than 0")
    return sorted(found)
