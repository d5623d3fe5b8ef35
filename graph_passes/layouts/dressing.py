"""The pass that dresses a graph's outputs, and what puts them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_graphsurgeon as gs

from ...contract.choices import Layout
from ...contract.meta import ModelMeta
from ...contract.outputs import contract_outputs
from ...errors import ModelError
from ...graph.emitter import Emitter, Tensor
from ..model import Pass
from . import check_layout, dressing_of


def dressed(layout: Layout | None) -> Pass | None:
    """The pass that dresses the outputs of a graph as it is."""
    if layout is None:
        return None
    return lambda model: model.with_meta(apply_layout(model.graph, model.meta, layout))


def apply_layout(graph: gs.Graph, meta: ModelMeta, layout: Layout) -> ModelMeta:
    """Dress the outputs of a graph in place, raw heads or `separate` end-to-end rows, and return its metadata.

    Raises:
        ModelError: the outputs are not those that the metadata promises.
        UnsupportedError: the layout cannot hold this model's outputs.
    """
    check_layout(meta, layout)
    outputs = _by_name(graph, meta)
    if not (meta.end2end or dressing_of(layout).heads):
        return meta
    return dress(graph, meta, outputs, layout)


def dress(graph: gs.Graph, meta: ModelMeta, outputs: Mapping[str, Tensor], layout: Layout) -> ModelMeta:
    """Make `outputs`, by their names in the contract, the graph's outputs in this layout, in place.

    Args:
        graph: holds the outputs.
        meta: with its NMS settings where they are rows.
        outputs: and for a segment model's rows also `det_coeffs` [B, K, M] and `protos`.
        layout: the dressing.
    """
    _finish(graph, dressing_of(layout).dress(Emitter(graph, "/layout"), meta, outputs))
    return replace(meta, layout=layout)


def _by_name(graph: gs.Graph, meta: ModelMeta) -> dict[str, Tensor]:
    """The graph's outputs under the names of the contract."""
    outputs = {tensor.name: tensor for tensor in graph.outputs}
    missing = [spec.name for spec in contract_outputs(meta) if spec.name not in outputs]
    if missing:
        raise ModelError(
            f"the graph has the outputs {', '.join(outputs)} but lacks {', '.join(missing)}; only raw heads and the "
            "layout separate can be dressed anew, convert the weights again"
        )
    return outputs


def _finish(graph: gs.Graph, outputs: Mapping[str, Tensor]) -> None:
    """Make these the graph's outputs under these names, and drop what nothing needs any more."""
    tensors = graph.tensors()
    for name in outputs:
        if name in tensors:
            tensors[name].name = f"{name}:undressed"
    for name, tensor in outputs.items():
        tensor.name = name
    graph.outputs = list(outputs.values())
    graph.cleanup(remove_unused_graph_inputs=False)
