"""Integer operators of ONNX Runtime's own quantisation; no version of TensorRT reads them (it reads QuantizeLinear pairs).

They are ONNX's ConvInteger, MatMulInteger, DynamicQuantizeLinear, QLinearConv and QLinearMatMul, and those of com.microsoft;
absent from the operators that onnx-tensorrt lists in `docs/operators.md`.
"""

from __future__ import annotations

import onnx_graphsurgeon as gs

_OPERATORS = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")


def integer_operators(graph: gs.Graph) -> list[str]:
    """The kinds of such nodes in a graph, sorted."""
    return sorted({node.op for node in graph.nodes if node.op in _OPERATORS or node.op.startswith("QLinear")})
