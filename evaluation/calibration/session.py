"""A graph in ONNX Runtime with any of its tensors as outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_graphsurgeon as gs

from ...errors import InputError
from ...graph import session
from ...graph.writer import write_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(graph: gs.Graph, outputs: Sequence[str]) -> InferenceSession:
    """A CPU session that computes these tensors of a graph, and nothing that they do not need.

    Args:
        graph: is not changed.
        outputs: names of tensors.

    Raises:
        InputError: ONNX Runtime does not take the graph.
    """
    part = graph.copy()
    tensors = part.tensors()
    part.outputs = [tensors[name] for name in outputs]
    return session_of(part.cleanup(remove_unused_graph_inputs=True))


def session_of(graph: gs.Graph) -> InferenceSession:
    """A CPU session of a whole graph.

    Raises:
        InputError: ONNX Runtime does not take the graph.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_onnx(graph, {}, path)
        try:
            return session.open_session(path)
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InputError(
                f"ONNX Runtime cannot run the graph: {session.first_line(error)}; `trtzoo lower` replaces TensorRT "
                "plugins, calibrate the model without them"
            ) from error
