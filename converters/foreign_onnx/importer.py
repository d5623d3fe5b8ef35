"""ONNX files that others exported: recognised by metadata and structure, and given the raw heads of trtzoo's own files.

    file -> a fixed picture, known shapes -> whose export, which layout -> surgery      -> raw heads
            onnx_input                       recognise                     onnx_layouts

Ultralytics writes what its model is into the metadata; YOLOv5 writes class names and stride; YOLOv7 and others write
nothing, so that their outputs are told by their shapes. What cannot be told is asked for or refused, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import TASKS, Precision
from ...contract.meta import ModelMeta, Preprocess
from ...contract.properties import from_properties, literal
from ...errors import InputError, UnsupportedError
from ...files import require_file, sha256_of
from ...graph.editor import GraphEditor
from ...graph.skeleton import read_onnx
from ..names import numbered_names, read_names
from ..options import ReadOptions
from ..vocabulary.ops import Tensor
from ..yolov5.tasks import MEAN, STD
from .layouts import GraphOps, Layout, extra_values, raw_heads
from .picture_input import PLUGIN, axes, other_size, prepare, stride

_LEVELS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32), (8, 16), (8, 16, 32, 64, 128))
"""Strides of the published models."""

_MOST_ANCHORS = 9
_OTHER_NMS = ("NonMaxSuppression", "BatchedNMS_TRT", "BatchedNMSDynamic_TRT", "EfficientNMS_ONNX_TRT")


@dataclass(frozen=True)
class _Export:
    """A foreign file, prepared.

    Attributes:
        path: of the file.
        graph: with one picture of fixed size, and outputs of known shape.
        properties: its metadata.
        names: class names from `--names` or the metadata, empty where neither has them.
    """

    path: Path
    graph: gs.Graph
    properties: Mapping[str, str]
    names: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height, width of the input."""
        _, _, height, width = self.graph.inputs[0].shape
        return height, width

    def output(self, rank: int) -> Tensor | None:
        """The first output of this many axes."""
        return next((tensor for tensor in self.graph.outputs if len(tensor.shape) == rank), None)

    def prototypes(self) -> Tensor | None:
        """The output that looks like mask prototypes: a map finer than that of the smallest stride, 8."""
        height, _ = self.size
        maps = (tensor for tensor in self.graph.outputs if len(tensor.shape) == 4)
        return next((tensor for tensor in maps if tensor.shape[2] * 8 > height), None)

    def refuse(self, reason: str) -> UnsupportedError:
        """The error that the outputs cannot be interpreted: what was seen, and why that does not suffice."""
        seen = ", ".join(f"{tensor.name} {axes(tensor.shape)}" for tensor in self.graph.outputs)
        return UnsupportedError(f"{self.path}: cannot interpret its outputs ({seen}): {reason}")


def read(path: Path, options: ReadOptions) -> tuple[gs.Graph, ModelMeta, tuple[str, ...]]:
    """Read an ONNX file: one of trtzoo's own as it is, a foreign one with raw heads in place of its outputs.

    The file's batch stays, fixed or free. A free picture size is fixed by `options.img_size`, else by the metadata.

    Returns:
        The graph, its metadata, and notes for the user.

    Raises:
        InputError: no ONNX file, or options that contradict it.
        UnsupportedError: its outputs cannot be interpreted; the message says what was seen and what would help.
    """
    graph, properties = read_onnx(path)
    if "trtzoo" in properties:
        return graph, _own_meta(path, properties, options), ()
    if options.head:
        raise InputError(f"{path} holds the one head that it was exported with; leave --head {options.head} out")
    _refuse_nms(path, graph)
    graph, notes = prepare(path, graph, properties, options.img_size)
    export = _Export(path, graph, properties, _names(path, properties, options))
    layout, exporter = _recognise(export)
    ops = GraphOps(graph, graph.inputs[0].shape[0])
    heads = raw_heads(ops, layout)
    if layout.kind == "logits":
        _normalise_input(graph)
    meta = _meta(export, layout, exporter)
    return ops.finish(heads), meta, (*notes, _summary(meta, layout, exporter))


def _own_meta(path: Path, properties: Mapping[str, str], options: ReadOptions) -> ModelMeta:
    """The metadata of a file that trtzoo wrote."""
    meta = from_properties(properties, str(path))
    if options.img_size and options.img_size != meta.imgsz:
        raise other_size(path, meta.imgsz, options.img_size)
    return replace(meta, names=read_names(options.names, len(meta.names))) if options.names else meta


def _refuse_nms(path: Path, graph: gs.Graph) -> None:
    found = next((node for node in graph.nodes if node.op in _OTHER_NMS), None)
    if found:
        raise UnsupportedError(
            f"{path} has NMS in its graph already ({found.op} {found.name}), which hides the boxes before it; export "
            f"it without (Ultralytics: no nms=True; YOLOv7: no --end2end) and add NMS here, with --end2end"
        )


def _names(path: Path, properties: Mapping[str, str], options: ReadOptions) -> tuple[str, ...]:
    """Class names from the user's file, else from the metadata: a dict by number, or a list."""
    if options.names:
        text = require_file(options.names, "class names, one a line").read_text("utf-8-sig", "replace")
        return read_names(options.names, len(text.rstrip().splitlines()))
    given = literal(properties["names"], str(path)) if "names" in properties else {}
    table = dict(enumerate(given)) if isinstance(given, (list, tuple)) else given if isinstance(given, dict) else {}
    if sorted(table) != list(range(len(table))):
        raise InputError(f"{path}: its metadata does not number the class names from 0 up; give them with --names FILE")
    return tuple(str(table[number]) for number in range(len(table)))


def _recognise(export: _Export) -> tuple[Layout, str]:
    """How the outputs are laid out, and whose export this is.

    Raises:
        UnsupportedError: it cannot be told.
    """
    plugin = next((node for node in export.graph.nodes if node.op == PLUGIN), None)
    if plugin is not None:
        return _plugin(export, plugin), "an end-to-end export with EfficientNMS_TRT"
    if "task" in export.properties:
        return _ultralytics(export), "Ultralytics"
    by_yolov5 = "names" in export.properties and "stride" in export.properties
    if by_yolov5 and export.output(2) is not None and export.output(3) is None:
        return _yolov5_classifier(export), "YOLOv5"
    return _without_task(export), "YOLOv5" if by_yolov5 else "a YOLO exporter that writes no metadata"


def _plugin(export: _Export, node: gs.Node) -> Layout:
    """What goes into the plugin: boxes [B, A, 4] and scores [B, A, C] (TensorRT's plugin/efficientNMSPlugin)."""
    boxes, scores = node.inputs[:2]
    for tensor in (boxes, scores):
        if len(tensor.shape or ()) != 3 or not all(isinstance(length, int) for length in tensor.shape[1:]):
            raise export.refuse(f"{tensor.name} {axes(tensor.shape)}, which enters {node.name}, is not [B, A, n]")
    if len(node.inputs) > 2:
        raise export.refuse(f"{node.name} decodes boxes from anchors; export the model without --end2end")
    classes = int(scores.shape[2])
    _check_names(export, classes)
    centred, activated = node.attrs.get("box_coding", 0) == 1, not node.attrs.get("score_activation", 0)
    return Layout("plugin", "detect", classes, (boxes, scores), centred=centred, activated=activated)


def _ultralytics(export: _Export) -> Layout:
    """By the metadata, checked against the shapes."""
    task = export.properties["task"]
    if task not in TASKS:
        raise export.refuse(f"the metadata says that the task is {task!r}; known are {', '.join(TASKS)}")
    classes = len(export.names)
    if task == "classify":
        probabilities = _required(export, 2, "[B, classes]")
        _check_names(export, probabilities.shape[1])
        return Layout("probs", task, classes, (probabilities,))
    values = _required(export, 3, "[B, values, anchors]")
    kpt_shape = _keypoint_shape(export) if task == "pose" else None
    protos = (_required(export, 4, "[B, masks, h, w]"),) if task == "segment" else ()
    masks = protos[0].shape[1] if protos else 0
    extra = extra_values(task, kpt_shape, masks)
    kind = _ultralytics_kind(export, values, classes, extra)
    return Layout(kind, task, classes, (values, *protos), kpt_shape, masks)


def _ultralytics_kind(export: _Export, values: Tensor, classes: int, extra: int) -> str:
    """Columns of all anchors, or the final rows of an NMS-free head (of which early exports' metadata says nothing)."""
    _, second, third = values.shape
    columns, final = second == 4 + classes + extra, third == 6 + extra
    if final and (not columns or export.properties.get("end2end") == "True"):
        if "'nms': True" in export.properties.get("args", ""):
            raise export.refuse("they come from NMS in the graph; export without nms=True and add NMS with --end2end")
        return "final"
    if columns:
        return "columns"
    raise export.refuse(
        f"a {export.properties['task']} model of {classes} classes and {extra} further values an anchor gives "
        f"[B, {4 + classes + extra}, anchors] or [B, rows, {6 + extra}]; correct --names, or export the file again"
    )


def _yolov5_classifier(export: _Export) -> Layout:
    logits = _required(export, 2, "[B, classes]")
    _check_names(export, logits.shape[1])
    return Layout("logits", "classify", logits.shape[1], (logits,))


def _without_task(export: _Export) -> Layout:
    """By the shapes alone: rows of YOLOv5 and YOLOv7; columns only where the class names tell how many classes."""
    values = export.output(3)
    if values is None:
        raise export.refuse(
            "expected boxes of three axes; these may be undecoded feature maps, so export with the decode in the graph "
            "(YOLOv7: --grid, YOLOv5: without --train), or convert the .pt or .cfg itself"
        )
    _, second, third = values.shape
    if _levels(second, export.size):
        return _row_layout(export, values)
    if _levels(third, export.size) and export.names:
        return _column_layout(export, values)
    if _levels(third, export.size):
        raise export.refuse(f"nothing says how the {second} values divide; give the class names with --names FILE")
    raise export.refuse(
        f"neither {second} nor {third} is a YOLO's number of boxes for an input of {export.size[0]}x{export.size[1]}; "
        f"convert the .pt or .cfg itself"
    )


def _row_layout(export: _Export, values: Tensor) -> Layout:
    """YOLOv5's and YOLOv7's rows: box, objectness, classes, then mask coefficients or keypoints."""
    protos, after_box = export.prototypes(), values.shape[2] - 5
    if protos is not None:
        masks = protos.shape[1]
        _check_names(export, after_box - masks)
        return Layout("rows", "segment", after_box - masks, (values, protos), masks=masks)
    if _decodes_keypoints(export.graph) and (after_box - 1) % 3 == 0 and len(export.names) in (0, 1):
        return Layout("rows", "pose", 1, (values,), kpt_shape=((after_box - 1) // 3, 3))
    _check_names(export, after_box)
    return Layout("rows", "detect", after_box, (values,))


def _decodes_keypoints(graph: gs.Graph) -> bool:
    """Whether the graph takes every third value: all x, y or visibilities, as YOLOv5-pose and YOLOv7-pose do."""
    steps = (node.inputs[4] for node in graph.nodes if node.op == "Slice" and len(node.inputs) > 4)
    return any(isinstance(step, gs.Constant) and step.values.reshape(-1).tolist() == [3] for step in steps)


def _column_layout(export: _Export, values: Tensor) -> Layout:
    """Ultralytics' columns in a file that lost its metadata."""
    classes, protos = len(export.names), export.prototypes()
    extra = values.shape[1] - 4 - classes
    masks = protos.shape[1] if protos is not None else 0
    if extra == masks:
        outputs = (values, protos) if protos is not None else (values,)
        return Layout("columns", "segment" if masks else "detect", classes, outputs, masks=masks)
    raise export.refuse(
        f"{values.shape[1]} values are not 4 + {classes} classes + {masks} mask coefficients; keypoints and angles are "
        f"only known from the exporter's metadata, so export the file again"
    )


def _required(export: _Export, rank: int, what: str) -> Tensor:
    tensor = export.output(rank)
    if tensor is None:
        raise export.refuse(f"expected {what} of a model whose metadata says {export.properties.get('task', 'YOLOv5')}")
    return tensor


def _check_names(export: _Export, classes: int) -> None:
    if classes < 1 or (export.names and len(export.names) != classes):
        raise export.refuse(f"they have {classes} classes, but {len(export.names)} names are given; correct --names")


def _keypoint_shape(export: _Export) -> tuple[int, int]:
    value = literal(export.properties.get("kpt_shape", "None"), str(export.path))
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return value[0], value[1]
    raise export.refuse("the metadata of a pose model must say kpt_shape; export it again")


def _levels(anchors: int, size: tuple[int, int]) -> tuple[int, ...]:
    """The strides of a published model that has so many boxes for pictures of this size; empty where none has."""
    for strides in _LEVELS:
        if all(length % max(strides) == 0 for length in size):
            cells = sum(math.prod(length // step for length in size) for step in strides)
            if anchors % cells == 0 and anchors // cells <= _MOST_ANCHORS:
                return strides
    return ()


def _normalise_input(graph: gs.Graph) -> None:
    """Put (x - mean) / std behind the input, as YOLOv5 does with a classifier's pictures outside of the graph."""
    picture = graph.inputs[0]
    readers = list(picture.outputs)
    factor = 1 / np.asarray(STD, np.float64).reshape(1, 3, 1, 1)
    offset = -np.asarray(MEAN, np.float64).reshape(1, 3, 1, 1) * factor
    editor = GraphEditor(graph)
    scaled, normalised = (
        gs.Variable(editor.unique(name), dtype=np.dtype(np.float32), shape=list(picture.shape))
        for name in ("/normalise:out", "/centre:out")
    )
    factors = editor.constant("/normalise.1", factor.astype(np.float32))
    offsets = editor.constant("/centre.1", offset.astype(np.float32))
    for reader in readers:
        reader.inputs = [normalised if tensor is picture else tensor for tensor in reader.inputs]
    graph.nodes[:0] = [
        gs.Node("Mul", "/normalise", inputs=[picture, factors], outputs=[scaled]),
        gs.Node("Add", "/centre", inputs=[scaled, offsets], outputs=[normalised]),
    ]


def _meta(export: _Export, layout: Layout, exporter: str) -> ModelMeta:
    batch = export.graph.inputs[0].shape[0]
    largest = stride(export.path, export.properties)
    anchors = layout.outputs[0].shape[2 if layout.kind == "columns" else 1]
    return ModelMeta(
        family="onnx",
        task=layout.task,
        names=export.names or numbered_names(layout.classes),
        strides=() if layout.task == "classify" else _levels(anchors, export.size) or (largest,),
        imgsz=export.size,
        batch=batch if isinstance(batch, int) else None,
        channels=export.graph.inputs[0].shape[1],
        kpt_shape=layout.kpt_shape,
        nms_free=layout.kind == "final",
        iou_thres=0.7 if exporter == "Ultralytics" else 0.45,
        preprocess=_preprocess(layout, export.size),
        source=export.path.name,
        source_sha256=sha256_of(export.path),
        precision=_precision(export.graph),
        extra={"exporter": exporter, "layout": layout.kind},
    )


def _preprocess(layout: Layout, size: tuple[int, int]) -> Preprocess:
    """Letterbox; a classifier's square input is cropped from the middle, any other is filled by stretching."""
    if layout.task != "classify":
        return Preprocess()
    return Preprocess(resize="crop" if size[0] == size[1] else "stretch")


def _precision(graph: gs.Graph) -> Precision:
    """What the graph computes in: "int8" with quantised tensors, "fp16" with half-precision weights, else "fp32"."""
    if any(node.op == "QuantizeLinear" for node in graph.nodes):
        return "int8"
    half = any(isinstance(tensor, gs.Constant) and tensor.dtype == np.float16 for tensor in graph.tensors().values())
    return "fp16" if half else "fp32"


def _summary(meta: ModelMeta, layout: Layout, exporter: str) -> str:
    """What was recognised, a sentence for the user."""
    classes = "1 class" if layout.classes == 1 else f"{layout.classes} classes"
    keypoints = f", {layout.kpt_shape[0]} keypoints" if layout.kpt_shape else ""
    return f"recognised as {exporter}: {meta.task}, {classes}{keypoints}"
