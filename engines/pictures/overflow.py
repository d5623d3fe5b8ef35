"""Layers whose values do not fit into half precision, found by running real pictures through the network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from ...graph.editor import GraphEditor
from ...graph.session import open_session
from ...graph.weights import Array
from ...graph.writer import write_onnx
from ...graph_passes.precision.body import find_body
from ...graph_passes.precision.half import LIMIT
from ...graph_passes.precision.tensor_types import infer_types


def find_overflow(graph: gs.Graph, pictures: Iterable[Array], limit: float = LIMIT) -> dict[str, str]:
    """The nodes of the body that read or write a value beyond `limit`, for `half.to_half(keep_fp32=...)`.

    The graph runs in single precision on ONNX Runtime, with the greatest magnitude of every tensor of the body as its
    outputs, so that no feature map has to be kept.

    Args:
        graph: with one input; is not changed.
        pictures: as the input takes them, [B, C, H, W].
        limit: of half precision, 65504.

    Returns:
        Name of each such node -> why it has to stay in single.
    """
    probe = graph.copy()
    infer_types(probe)
    body = find_body(probe)
    watched = _watch(probe, body)
    peaks = _peaks(probe, watched, pictures)
    reasons = {
        name: f"{name} reaches {peak:.6g}, beyond {limit:.6g}" for name, peak in peaks.items() if not peak <= limit
    }
    return _touching(body, reasons)


def _watch(graph: gs.Graph, body: Sequence[gs.Node]) -> list[str]:
    """Make the greatest magnitude of each float tensor of the body the graph's outputs; returns the tensors' names."""
    editor = GraphEditor(graph)
    tensors = [tensor for node in body for tensor in node.outputs if tensor.dtype == np.float32]
    graph.outputs = []
    for tensor in tensors:
        kind = [tensor.dtype]
        magnitude = editor.node("Abs", [tensor], f"{tensor.name}/abs", shapes=[tensor.shape], dtypes=kind)
        attrs = {"keepdims": 0}
        graph.outputs += editor.node(
            "ReduceMax", magnitude, f"{tensor.name}/peak", shapes=[[]], dtypes=kind, attrs=attrs
        )
    graph.cleanup(remove_unused_graph_inputs=True)
    return [tensor.name for tensor in tensors]


def _peaks(graph: gs.Graph, watched: Sequence[str], pictures: Iterable[Array]) -> dict[str, float]:
    """Greatest magnitude of each watched tensor over all pictures; infinite where it is not a number."""
    peaks = np.zeros(len(watched))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        write_onnx(graph, {}, path)
        session = open_session(path)
        for picture in pictures:
            found = np.array(session.run(None, {graph.inputs[0].name: picture}), np.float64)
            peaks = np.maximum(peaks, np.where(np.isnan(found), np.inf, found))
    return dict(zip(watched, peaks.tolist(), strict=True))


def _touching(body: Sequence[gs.Node], reasons: Mapping[str, str]) -> dict[str, str]:
    """The nodes that write or read one of these tensors: a reader would get infinity from its Cast to half."""
    touched = [(node.name, tensor.name) for node in body for tensor in (*node.outputs, *node.inputs)]
    return {node: reasons[tensor] for node, tensor in reversed(touched) if tensor in reasons}
