"""The input side of a foreign graph: a current opset, one float32 picture of fixed size, shapes that are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ...contract.choices import OPSETS
from ...contract.outputs import INPUT
from ...contract.properties import literal
from ...errors import InputError, UnsupportedError
from ...graph.measure import measure
from ...graph.opset import OPSET, raise_opset
from ...graph.session import first_line
from ...graph.skeleton import BATCH
from ..image_size import check_size

PLUGIN = "EfficientNMS_TRT"
"""TensorRT's NMS, whose inputs are raw heads."""

DEFAULT_STRIDE = 32

_WARNINGS, _FATAL = 2, 4


def prepare(
    path: Path, graph: gs.Graph, properties: Mapping[str, str], img_size: tuple[int, int] | None
) -> tuple[gs.Graph, tuple[str, ...]]:
    """Bring a foreign graph into the form that surgery needs.

    Args:
        path: of the file, for errors.
        graph: as it was read.
        properties: the file's metadata.
        img_size: height and width that the user wants.

    Returns:
        A graph with the one input `images` float32 [B, channels, height, width], of which only the batch may be free,
        and outputs of known shape; and notes for the user.

    Raises:
        InputError: the size is missing, or not the one that the file was exported for.
        ModelError: the size does not fit the stride.
        UnsupportedError: another kind of input, or a graph whose shapes stay unknown.
    """
    notes: tuple[str, ...] = ()
    if graph.opset < OPSETS.start:
        notes = (f"opset {graph.opset} was raised to {OPSET}",)
        graph = raise_opset(graph, str(path))
    _read_numbers(graph)
    picture = _picture(path, graph)
    if _fix_size(path, picture, properties, img_size):
        graph = _with_known_shapes(graph)
    elif any(tensor.shape is None for node in graph.nodes if node.op == PLUGIN for tensor in node.inputs):
        graph = _inferred(graph)
    graph = _folded(graph)
    _take_float32(graph)
    _measure_unknown(path, graph)
    for output in graph.outputs:
        output.shape = _known_axes(path, output, graph.inputs[0].shape[0])
    return graph, notes


def other_size(path: Path, own: tuple[int, int], wanted: tuple[int, int]) -> InputError:
    """The error that an ONNX file cannot take another picture size."""
    return InputError(
        f"{path} was exported for {own[0]}x{own[1]} (height x width), which an ONNX file keeps; leave --img-size out, "
        f"or export it again for {wanted[0]}x{wanted[1]}"
    )


def axes(shape: Any) -> str:
    """A shape for a message: [1, 3, ?, 640]."""
    return "[" + ", ".join(str(length) if length not in (None, "") else "?" for length in shape or ()) + "]"


def _read_numbers(graph: gs.Graph) -> None:
    """Axes whose lengths are spelled as names, "100", become numbers: the --end2end exporters of YOLOv6 and YOLOv7 do so."""
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.shape is not None:
            tensor.shape = [int(axis) if isinstance(axis, str) and axis.isdecimal() else axis for axis in tensor.shape]


def _picture(path: Path, graph: gs.Graph) -> gs.Variable:
    """The one input, [B, channels, height, width] in float32 or float16."""
    graph.inputs = [tensor for tensor in graph.inputs if isinstance(tensor, gs.Variable)]
    seen = ", ".join(f"{tensor.name} {np.dtype(tensor.dtype)} {axes(tensor.shape)}" for tensor in graph.inputs)
    if len(graph.inputs) == 1 and len(graph.inputs[0].shape or ()) == 4:
        picture = graph.inputs[0]
        if picture.dtype in (np.float32, np.float16) and picture.shape[1] in (1, 3, 4):
            return picture
    raise UnsupportedError(
        f"{path} takes {seen or 'no input'}; expected one picture [B, channels, height, width] in float32 or float16"
    )


def _fix_size(
    path: Path, picture: gs.Variable, properties: Mapping[str, str], img_size: tuple[int, int] | None
) -> bool:
    """Set height and width of the picture where they are free; say whether they were."""
    batch, channels, height, width = picture.shape
    if _is_fixed(height) and _is_fixed(width):
        if img_size and (height, width) != img_size:
            raise other_size(path, (height, width), img_size)
        chosen = (height, width)
    else:
        chosen = check_size(img_size or _metadata_size(path, properties), stride(path, properties))
    picture.shape = [batch if _is_fixed(batch) else BATCH, channels, *chosen]
    return chosen != (height, width)


def _is_fixed(length: Any) -> bool:
    return isinstance(length, int) and length > 0


def _metadata_size(path: Path, properties: Mapping[str, str]) -> tuple[int, int]:
    value = literal(properties["imgsz"], str(path)) if "imgsz" in properties else None
    pair = [value, value] if isinstance(value, int) else value
    if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(_is_fixed(length) for length in pair):
        return pair[0], pair[1]
    raise InputError(f"{path} takes pictures of any size, but a fixed one is needed: --img-size HEIGHT WIDTH")


def stride(path: Path, properties: Mapping[str, str]) -> int:
    """The largest stride that the metadata gives, else 32."""
    value = literal(properties["stride"], str(path)) if "stride" in properties else DEFAULT_STRIDE
    return value if isinstance(value, int) and value > 0 else DEFAULT_STRIDE


def _with_known_shapes(graph: gs.Graph) -> gs.Graph:
    """The graph after its picture size was fixed: shapes are inferred anew, what follows from them becomes constant.

    What a plugin gives keeps its shape: no inference knows it, and it does not depend on the picture.
    """
    for tensor in graph.tensors().values():
        by_plugin = any(node.op == PLUGIN for node in tensor.inputs)
        if isinstance(tensor, gs.Variable) and tensor is not graph.inputs[0] and not by_plugin:
            tensor.shape = None
    # Folding turns sizes into constants, from which inference then knows more shapes.
    for _ in range(2):
        graph = _folded(_inferred(graph))
    return _inferred(graph)


def _folded(graph: gs.Graph) -> gs.Graph:
    """Constants computed that follow from constants; both libraries that do it would print what they could not do."""
    import onnxruntime
    from onnx_graphsurgeon.logger import G_LOGGER

    told = G_LOGGER.severity
    onnxruntime.set_default_logger_severity(_FATAL)
    G_LOGGER.severity = G_LOGGER.CRITICAL
    try:
        return graph.fold_constants().cleanup()
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
        G_LOGGER.severity = told


def _inferred(graph: gs.Graph) -> gs.Graph:
    model = gs.export_onnx(graph, do_type_check=False)
    return gs.import_onnx(onnx.shape_inference.infer_shapes(model, data_prop=True))


def _take_float32(graph: gs.Graph) -> None:
    """Name the input `images`; behind a half-precision one goes a cast, so that the contract's float32 comes in."""
    picture = graph.inputs[0]
    other = graph.tensors().get(INPUT)
    if other is not None and other is not picture:
        other.name = f"{INPUT}_of_the_export"
    picture.name = INPUT
    if picture.dtype == np.float32:
        return
    picture.name = f"{INPUT}_half"
    single = gs.Variable(INPUT, dtype=np.dtype(np.float32), shape=list(picture.shape))
    to_half = {"to": int(onnx.TensorProto.FLOAT16)}
    graph.nodes.insert(0, gs.Node("Cast", "/images/half", to_half, [single], [picture]))
    graph.inputs = [single]


def _measure_unknown(path: Path, graph: gs.Graph) -> None:
    """Run the graph for the shapes of outputs, or of what enters the NMS plugin, that inference leaves open.

    Raises:
        UnsupportedError: it does not run.
    """
    entering = [tensor for node in graph.nodes if node.op == PLUGIN for tensor in node.inputs]
    unknown = [tensor for tensor in entering or graph.outputs if not _has_known_lengths(tensor)]
    try:
        if unknown:
            measure(graph, [tensor for tensor in unknown if isinstance(tensor, gs.Variable)])
    except Exception as error:  # ONNX Runtime's own errors have no public base
        raise UnsupportedError(
            f"{path}: its outputs have axes of unknown length, and it does not run here to tell them ({first_line(error)})"
        ) from error


def _has_known_lengths(tensor: gs.Tensor) -> bool:
    return tensor.shape is not None and len(tensor.shape) > 1 and all(map(_is_fixed, tensor.shape[1:]))


def _known_axes(path: Path, output: gs.Variable, batch: int | str) -> list[int | str]:
    """The output's shape, with the input's batch in front; another number stays there, it is no batch."""
    first, *lengths = list(output.shape or ()) or [batch]
    if not lengths or not all(_is_fixed(length) for length in lengths):
        raise UnsupportedError(
            f"{path}: the output {output.name} {axes(output.shape)} has axes of unknown length; export it with a fixed "
            f"input size"
        )
    return [first if _is_fixed(first) and _is_fixed(batch) else batch, *lengths]
