"""Graphs of older opsets are brought to a current one."""

from __future__ import annotations

import onnx
import onnx_graphsurgeon as gs

from ..errors import UnsupportedError
from .session import first_line

OPSET = 17
"""What graphs of older opsets are brought to."""


def raise_opset(graph: gs.Graph, where: str) -> gs.Graph:
    """The same graph in opset 17; nodes of other domains (plugins) stay as they are.

    Args:
        graph: of an older opset.
        where: the file's name, for the error.

    Raises:
        UnsupportedError: ONNX cannot convert it.
    """
    try:
        return gs.import_onnx(onnx.version_converter.convert_version(gs.export_onnx(graph), OPSET))
    except Exception as error:  # the converter raises RuntimeError and types of its own without a common base
        raise UnsupportedError(
            f"{where} is written in opset {graph.opset}, which cannot be raised to {OPSET} ({first_line(error)}); export "
            f"it again with opset {OPSET}"
        ) from error
