"""A camera's frames as the input: uint8, either channel order, either order of axes; the graph makes of them what it wants.

    images (uint8 [B,H,W,C]) . Cast . Transpose . Gather(2,1,0) . Mul(1/255) . network

Cast comes first: TensorRT takes uint8 at the border of a network only to cast it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from ..contract.choices import AxisOrder, Colour
from ..contract.meta import ModelMeta
from ..errors import UnsupportedError
from ..graph.editor import GraphEditor
from .model import Model, Pass
from .settings import Uint8Input


def taken(wanted: Uint8Input | None) -> Pass | None:
    """The pass that lets the graph take frames."""
    if wanted is None:
        return None

    def step(model: Model) -> Model:
        return model.with_meta(to_uint8_input(model.graph, model.meta, wanted.axes, wanted.colour))

    return step


def to_uint8_input(graph: gs.Graph, meta: ModelMeta, axes: AxisOrder = "hwc", colour: Colour = "bgr") -> ModelMeta:
    """Let a graph take pictures as cameras and decoders give them, in place.

    Args:
        graph: with one input [B, C, H, W], values 0..1.
        meta: of the graph.
        axes: "hwc" for an input [B, H, W, C], "chw" for [B, C, H, W].
        colour: channel order of the pictures, "bgr" or "rgb"; of no meaning for one channel.

    Returns:
        The metadata: type and layout of the input, and its channel order in `preprocess`.

    Raises:
        UnsupportedError: the graph's input is not a float picture.
    """
    tensor = _float_picture(graph)
    batch, channels, height, width = tensor.shape
    if channels == 1:
        colour = meta.preprocess.colour
    elif channels != 3 and colour != meta.preprocess.colour:
        raise UnsupportedError(f"--uint8-input {colour}: an input of {channels} channels has no colour order to change")
    shape = [batch, height, width, channels] if axes == "hwc" else [batch, channels, height, width]
    frames = gs.Variable(tensor.name, np.dtype(np.uint8), shape)
    tensor.name = f"{tensor.name}/float"
    graph.inputs = [frames if entry is tensor else entry for entry in graph.inputs]
    _prepare(graph, frames, tensor, axes, meta.preprocess.scale, swap=colour != meta.preprocess.colour)
    return replace(
        meta,
        preprocess=replace(meta.preprocess, colour=colour),
        input_dtype="uint8",
        input_axes=axes,
    )


def _float_picture(graph: gs.Graph) -> gs.Variable:
    """The one input that is a float picture; others may be there (thresholds)."""
    pictures = [tensor for tensor in graph.inputs if tensor.shape is not None and len(tensor.shape) == 4]
    if len(pictures) == 1 and pictures[0].dtype in (np.float32, np.float16):
        return pictures[0]
    seen = ", ".join(f"{tensor.name} {tensor.dtype}{tensor.shape}" for tensor in graph.inputs)
    raise UnsupportedError(f"--uint8-input needs one input [B, C, H, W] of floats; this graph has {seen}")


def _prepare(
    graph: gs.Graph, frames: gs.Variable, target: gs.Variable, axes: AxisOrder, white: float, swap: bool
) -> None:
    """Nodes from the frames to the network's own input."""
    editor, kind = GraphEditor(graph), target.dtype
    shape = list(frames.shape)
    x = editor.node("Cast", [frames], "/input/cast", shapes=[shape], dtypes=[kind], attrs={"to": kind.type})[0]
    if axes == "hwc":
        shape = list(target.shape)
        attrs = {"perm": [0, 3, 1, 2]}
        x = editor.node("Transpose", [x], "/input/transpose", shapes=[shape], dtypes=[kind], attrs=attrs)[0]
    if swap:
        order = np.array([2, 1, 0], np.int64)
        x = editor.node("Gather", [x, order], "/input/colour", shapes=[shape], dtypes=[kind], attrs={"axis": 1})[0]
    scale = np.array(white / 255, kind)
    node = gs.Node("Mul", editor.unique("/input/scale"), inputs=[x, editor.constant("/input/scale.1", scale)])
    graph.nodes.append(node)
    node.outputs.append(target)
