"""Shapes that inference cannot tell are measured: the graph is run once, up to the tensors in question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs

from .session import run_once
from .skeleton import load_all


def measure(graph: gs.Graph, tensors: Sequence[gs.Variable]) -> None:
    """Set shape and type of tensors of one picture each, in place; their first axis is the batch of the graph's first input.

    Args:
        graph: with inputs of known shape but for the batch; nodes that ONNX Runtime lacks may only come after `tensors`.
        tensors: of the graph.

    Raises:
        Exception: ONNX Runtime's own, which have no public base.
    """
    part = graph.copy()
    by_name = part.tensors()
    part.outputs = [by_name[tensor.name] for tensor in tensors]
    for tensor in part.outputs:
        tensor.shape, tensor.dtype = None, tensor.dtype or np.dtype(np.float32)
    part.cleanup()
    model = load_all(part, {})
    for value in model.graph.output:
        value.ClearField("type")
    inputs = {
        tensor.name: np.zeros([axis if isinstance(axis, int) else 1 for axis in tensor.shape], tensor.dtype)
        for tensor in part.inputs
    }
    found = run_once(model.SerializeToString(), inputs)
    batch = graph.inputs[0].shape[0]
    for tensor in tensors:
        values = found[tensor.name]
        tensor.shape, tensor.dtype = [batch, *values.shape[1:]], values.dtype
