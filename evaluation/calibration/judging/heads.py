"""How far the quantised network's heads are from the float ones'.

NMSE: mean squared error of what the final layers write, over its variance in the float network; 0 is unchanged, 1 is as good as
a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_graphsurgeon as gs

from ....graph.weights import Array
from ....graph_passes.precision.qdq.layers import final_layers
from ..session import open_session


def head_tensors(graph: gs.Graph) -> list[str]:
    """What the final layers write, sorted by name."""
    return sorted(node.outputs[0].name for node in final_layers(graph))


def head_outputs(graph: gs.Graph, images: Iterable[Array]) -> list[list[Array]]:
    """What the final layers write, for each picture an array a layer."""
    names, source = head_tensors(graph), graph.inputs[0].name
    session = open_session(graph, names)
    return [session.run(names, {source: image}) for image in images]


def head_error(exact: Sequence[Sequence[Array]], rounded: Sequence[Sequence[Array]]) -> float:
    """NMSE over all pictures, the mean of the final layers."""
    return float(np.mean(errors_by_layer(exact, rounded)))


def errors_by_layer(exact: Sequence[Sequence[Array]], rounded: Sequence[Sequence[Array]]) -> list[float]:
    """NMSE of each final layer over all pictures."""
    errors = []
    for layer in range(len(exact[0])):
        y = np.stack([outputs[layer] for outputs in exact])
        q = np.stack([outputs[layer] for outputs in rounded])
        errors.append(float(np.square(y - q).mean(dtype=np.float64) / (y.var(dtype=np.float64) or 1.0)))
    return errors
