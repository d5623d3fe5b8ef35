"""What ONNX Runtime's quantisation leaves in a graph is refused for targets that do not read it."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from ...contract.target import Target
from ...errors import UnsupportedError
from ...graph.integers import integer_operators, unread_pairs
from ..model import Model, Pass


def refused(target: Target) -> Pass | None:
    """The pass that refuses them for the target, and leaves the graph as it is."""
    if not target.library:
        return None

    def step(model: Model) -> Model:
        refuse_integer_operators(model.graph, target)
        return model

    return step


def refuse_integer_operators(graph: gs.Graph, target: Target) -> None:
    """Raise UnsupportedError where a graph holds them, or pairs of that kind, and the target is TensorRT of any kind."""
    if not target.library:
        return
    found = integer_operators(graph)
    if found:
        raise UnsupportedError(
            f"the graph computes with ONNX Runtime's integer operators ({', '.join(found)}), which --target {target} does "
            f"not read; convert the float model (the .pt, or the ONNX before it was quantised) and quantise it for "
            f"TensorRT, or keep this file for --target onnxruntime"
        )
    if pairs := unread_pairs(graph):
        raise UnsupportedError(
            f"the graph is quantised as ONNX Runtime does it by default ({', '.join(pairs)}), which --target {target} does not "
            f"read; convert the float model with --int8, or quantise it with ActivationSymmetric, WeightSymmetric and "
            f"QuantizeBias=False, or keep this file for --target onnxruntime"
        )
