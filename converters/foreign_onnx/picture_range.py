"""What pictures a graph takes, by what it does to them before its first layer: what white becomes, and the first channel.

picture -> Gather (channels turned), Mul (1 / 255), Sub (mean), Slice and Concat (space to depth) ... -> first layer
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import Colour
from ...contract.meta import Preprocess
from ...graph.session import run_once
from ...graph.skeleton import load_all
from ...graph.weights import Array

BYTES_BELOW = 0.1
"""Where white, 1, becomes less than this before the first layer, the graph divides by 255 or by a deviation in that unit."""

_BEFORE = {
    "Cast", "Mul", "Div", "Sub", "Add", "Gather", "Slice", "Split", "Concat", "Transpose", "Reshape", "Identity",
    "Unsqueeze", "Squeeze", "SpaceToDepth",
}  # fmt: skip
_TURNED: dict[Colour, Colour] = {"rgb": "bgr", "bgr": "rgb", "gray": "gray"}


def as_the_graph_takes_them(graph: gs.Graph, usual: Preprocess) -> Preprocess:
    """The preprocessing of a family, less what the graph does itself (the exporters of YOLOv6 and YOLO-NAS can put it in).

    Args:
        graph: its first input is the picture [B, C, H, W].
        usual: what the family's networks expect at their first layer.
    """
    entering = _first_layer_input(graph)
    if entering is None:
        return usual
    _, channels, *_ = graph.inputs[0].shape
    black, white, first = (_constant_picture(channels, fill) for fill in ([], range(channels), [0]))
    dark, bright, one = (_seen(graph, entering, picture) for picture in (black, white, first))
    if dark is None or bright is None or one is None:
        return usual
    gain = np.abs(bright - dark).max()
    moved = np.flatnonzero(np.abs(one - dark) > gain / 2)
    scale = 255.0 if 0 < gain < BYTES_BELOW else usual.scale
    turned = channels == 3 and len(moved) > 0 and moved[0] % 3 == 2
    return replace(usual, scale=scale, colour=_TURNED[usual.colour] if turned else usual.colour)


def _first_layer_input(graph: gs.Graph) -> gs.Variable | None:
    """The tensor of the picture's values that enters the first layer; None where nothing stands before that."""
    tensor = graph.inputs[0]
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        tensor = waiting.pop(0)
        for node in tensor.outputs:
            if node.op not in _BEFORE and node.op != "Shape":
                return None if tensor is graph.inputs[0] else tensor
            if node.op != "Shape" and id(node) not in seen:
                seen.add(id(node))
                waiting.extend(node.outputs)
    return None


def _constant_picture(channels: int, filled: list[int] | range) -> Array:
    values = np.zeros((1, channels, 1, 1), np.float32)
    values[:, list(filled)] = 1
    return values


def _seen(graph: gs.Graph, entering: gs.Variable, picture: Array) -> Array | None:
    """The mean of each channel that enters the first layer; None where that part does not run alone, or has other axes."""
    part = graph.copy()
    source, target = part.inputs[0], part.tensors()[entering.name]
    target.dtype, target.shape = target.dtype or source.dtype, None
    part.outputs = [target]
    model = load_all(part.cleanup(), {})
    model.graph.output[0].ClearField("type")
    batch, _, *size = source.shape
    image = np.broadcast_to(picture, (batch if isinstance(batch, int) else 1, picture.shape[1], *size))
    try:
        values = run_once(model.SerializeToString(), {source.name: np.ascontiguousarray(image, source.dtype)})[
            target.name
        ]
    except Exception:  # ONNX Runtime's own errors have no public base
        return None
    means: Array = values[0].astype(np.float64).mean(axis=(1, 2)) if values.ndim == 4 else np.zeros(0)
    return means if means.size else None
