"""An ONNX file without TensorRT's plugins."""

from __future__ import annotations

from pathlib import Path

from ..contract.properties import from_properties
from ..files import StrPath
from .conversion import check_output, write_model


def lower(model: StrPath, output: StrPath, verify: bool = True) -> list[str]:
    """Replace the TensorRT plugins of an ONNX file by the same semantics in standard operators.

    Args:
        model: an ONNX file, of trtzoo or another exporter.
        output: the file to write.
        verify: run the written file once and check its outputs, where it is trtzoo's.

    Returns:
        What was replaced, a phrase each.

    Raises:
        TrtZooError: the file cannot be read or written.
    """
    from ..graph.opset import raise_opset
    from ..graph.skeleton import read_onnx
    from ..graph_passes.lower import OLDEST_OPSET
    from ..graph_passes.lower import lower as lower_graph

    model, output = Path(model), Path(output)
    check_output(model, output)
    graph, properties = read_onnx(model)
    if graph.opset < OLDEST_OPSET:
        graph = raise_opset(graph, str(model))
    meta = from_properties(properties, str(model)) if "trtzoo" in properties else None
    replaced = lower_graph(graph, meta)
    write_model(graph, properties, output, meta if verify else None)
    return replaced
