"""Integer operators of ONNX Runtime are refused for targets that do not read them."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from ...contract.target import Target
from ...errors import UnsupportedError
from ...graph.integers import integer_operators
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
    """Raise UnsupportedError where a graph holds them and the target is TensorRT of any kind."""
    found = integer_operators(graph)
    if found and target.library:
        raise UnsupportedError(
            f"the graph computes with ONNX Runtime's integer operators ({', '.join(found)}), which --target {target} does "
            f"not read; convert the float model (the .pt, or the ONNX before it was quantised) and quantise it for "
            f"TensorRT, or keep this file for --target onnxruntime"
        )
