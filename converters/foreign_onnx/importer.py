"""ONNX files that others exported: recognised by metadata and structure, and given the raw heads of trtzoo's own files.

    file -> a fixed picture, known shapes -> whose export, which layout -> surgery -> proof -> raw heads
            picture_input                    recognise, arithmetic         layouts    proof

Ultralytics writes what its model is into the metadata; YOLOv5 writes class names and stride; YOLOv7 and others write
nothing, so that their outputs are told by what their decode computes. What cannot be told is refused, never guessed, and
what was told is tried on noise before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from ...contract.choices import Precision
from ...contract.meta import ModelMeta
from ...contract.properties import from_properties, literal
from ...errors import InputError, UnsupportedError
from ...files import require_file, sha256_of
from ...graph.editor import GraphEditor
from ...graph.integers import integer_operators
from ...graph.skeleton import read_onnx
from ..names import numbered_names, read_names, readable_names
from ..options import ReadOptions
from ..yolov5.tasks import MEAN, STD
from .export import Export, describe_outputs
from .layouts import GraphOps, Layout, raw_heads
from .picture_input import other_size, prepare, stride
from .picture_range import as_the_graph_takes_them
from .proof import prove
from .recognise import recognise

_OTHER_NMS = ("NonMaxSuppression", "BatchedNMS_TRT", "BatchedNMSDynamic_TRT", "EfficientNMS_ONNX_TRT")


def read(path: Path, options: ReadOptions) -> tuple[gs.Graph, ModelMeta, tuple[str, ...]]:
    """Read an ONNX file: one of trtzoo's own as it is, a foreign one with raw heads in place of its outputs.

    The file's batch stays, fixed or free. A free picture size is fixed by `options.img_size`, else by the metadata.

    Returns:
        The graph, its metadata, and notes for the user.

    Raises:
        InputError: no ONNX file, or options that contradict it.
        UnsupportedError: its outputs cannot be interpreted; the message says what was seen and what would help.
    """
    if options.weights:
        raise InputError(f"{path} holds its weights itself; --weights {options.weights} goes with a DarkNet .cfg")
    graph, properties = read_onnx(path)
    if "trtzoo" in properties:
        return graph, _own_meta(path, properties, options), ()
    if options.head:
        raise InputError(f"{path} holds the one head that it was exported with; leave --head {options.head} out")
    _refuse_nms(path, graph)
    graph, notes = prepare(path, graph, properties, options.img_size)
    names, seen = _names(path, properties, options), describe_outputs(graph)
    export = Export(path, graph, properties, names, options.onnx_layout, seen)
    layout = recognise(export)
    layout = replace(layout, preprocess=as_the_graph_takes_them(graph, layout.preprocess))
    ops = GraphOps(graph, graph.inputs[0].shape[0])
    heads = raw_heads(ops, layout)
    if layout.kind == "logits":
        _normalise_input(graph)
    graph = ops.finish(heads)
    meta = _meta(export, layout)
    return graph, meta, (*notes, *prove(export, graph, layout), *_name_notes(export), _summary(meta, layout))


def _own_meta(path: Path, properties: Mapping[str, str], options: ReadOptions) -> ModelMeta:
    """The metadata of a file that trtzoo wrote."""
    meta = from_properties(properties, str(path))
    if options.img_size and options.img_size != meta.imgsz:
        raise other_size(path, meta.imgsz, options.img_size)
    if options.head or options.onnx_layout:
        flag = "--onnx-layout" if options.onnx_layout else "--head"
        raise InputError(f"{path} was written by trtzoo and says what it is; leave {flag} out")
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


def _name_notes(export: Export) -> tuple[str, ...]:
    """What is to be said where classes have no names."""
    if export.names:
        return ()
    return ("no class names in the file, so they are class0, class1, ...; give them with --names",)


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


def _meta(export: Export, layout: Layout) -> ModelMeta:
    batch = export.graph.inputs[0].shape[0]
    largest = stride(export.path, export.properties)
    return ModelMeta(
        family="onnx",
        task=layout.task,
        names=readable_names(export.names or numbered_names(layout.classes)),
        strides=_strides(export, layout, largest),
        imgsz=export.size,
        batch=batch if isinstance(batch, int) else None,
        channels=export.graph.inputs[0].shape[1],
        kpt_shape=layout.kpt_shape,
        nms_free=layout.nms_free,
        iou_thres=0.7 if layout.exporter == "Ultralytics" else 0.45,
        preprocess=layout.preprocess,
        source=export.path.name,
        source_sha256=sha256_of(export.path),
        precision=_precision(export.graph),
        extra={"exporter": layout.exporter, "exported_as": layout.kind},
    )


def _strides(export: Export, layout: Layout, largest: int) -> tuple[int, ...]:
    """Of the levels, where the number of boxes tells them; the few rows of an NMS-free head do not."""
    if layout.task == "classify":
        return ()
    return (() if layout.nms_free else export.levels(layout.anchors)) or (largest,)


def _precision(graph: gs.Graph) -> Precision:
    """What the graph computes in: "int8" with quantised tensors, "fp16" with half-precision weights, else "fp32"."""
    if any(node.op == "QuantizeLinear" for node in graph.nodes) or integer_operators(graph):
        return "int8"
    half = any(isinstance(tensor, gs.Constant) and tensor.dtype == np.float16 for tensor in graph.tensors().values())
    return "fp16" if half else "fp32"


def _summary(meta: ModelMeta, layout: Layout) -> str:
    """What was recognised, a sentence for the user."""
    classes = "1 class" if layout.classes == 1 else f"{layout.classes} classes"
    keypoints = f", {layout.kpt_shape[0]} keypoints" if layout.kpt_shape else ""
    colour = f", pictures {meta.preprocess.colour} of 0..255" if meta.preprocess.scale == 255 else ""
    return f"recognised as {layout.exporter}: {meta.task}, {classes}{keypoints}{colour}"
