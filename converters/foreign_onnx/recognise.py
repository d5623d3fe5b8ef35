"""Whose export a file is and how its outputs are laid out, by evidence: NMS plugin, the user's word, metadata, arithmetic.

What none of these tells is refused with what was seen. Whatever is taken here has still to stand its `proof`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_graphsurgeon as gs

from ...contract.choices import TASKS, OnnxLayout, Task
from ...contract.meta import Preprocess
from ...contract.properties import literal
from ...graph.attributes import number_attribute
from ..vocabulary.ops import Tensor
from .arithmetic import YOLOX_INPUT, by_arithmetic
from .export import STATE_IT, Export
from .layouts import YOLOX_STRIDES, Kind, Layout, extra_values
from .picture_input import PLUGIN, axes

STRETCHED = Preprocess(resize="stretch")
"""Pictures of RT-DETR in Ultralytics (`models/rtdetr/predict.py`)."""
DAMO_INPUT = Preprocess(resize="stretch", scale=255.0)
"""Pictures of DAMO-YOLO (`damo/config/augmentations.py`: no mean, no deviation, keep_ratio False)."""

Recogniser = Callable[[Export], Layout]


def recognise(export: Export) -> Layout:
    """How the outputs are laid out.

    Raises:
        UnsupportedError: it cannot be told, or the evidence contradicts itself.
    """
    plugin = next((node for node in export.graph.nodes if node.op == PLUGIN), None)
    if plugin is not None:
        return _plugin(export, plugin)
    if export.stated:
        return _STATED[export.stated](export)
    if "task" in export.properties:
        return _ultralytics(export)
    if export.by_yolov5 and export.outputs(2) and not export.outputs(3):
        return _yolov5_classifier(export)
    return _without_task(export)


def _plugin(export: Export, node: gs.Node) -> Layout:
    """What goes into the plugin: boxes [B, A, 4] or [B, A, 1, 4], scores [B, A, C] (TensorRT's plugin/efficientNMSPlugin)."""
    boxes, scores = node.inputs[:2]
    for tensor, tail in ((boxes, (4,)), (scores, None)):
        lengths = tuple((tensor.shape or ())[1:])
        lengths = lengths[:1] + lengths[2:] if tail and len(lengths) == 3 and lengths[1] == 1 else lengths
        if (
            len(lengths) != 2
            or not all(isinstance(length, int) for length in lengths)
            or tail not in (None, lengths[1:])
        ):
            raise export.refuse(
                f"{tensor.name} {axes(tensor.shape)}, which enters {node.name}, is not {'[B, A, 4]' if tail else '[B, A, C]'}"
            )
    if len(node.inputs) > 2:
        raise export.refuse(f"{node.name} decodes boxes from anchors; export the model without --end2end")
    classes = int(scores.shape[2])
    export.check_names(classes)
    return Layout(
        "pair",
        "detect",
        classes,
        (boxes, scores),
        centred=number_attribute(node, "box_coding", 0) == 1,
        activated=not number_attribute(node, "score_activation", 0),
        given_to_plugin=True,
        exporter="an end-to-end export with EfficientNMS_TRT",
    )


def _ultralytics(export: Export) -> Layout:
    """By the metadata, checked against the shapes."""
    task = export.properties["task"]
    if task not in TASKS:
        raise export.refuse(f"the metadata says that the task is {task!r}; known are {', '.join(TASKS)}")
    classes = len(export.names)
    if task == "classify":
        probabilities = _required(export, 2, "[B, classes]")
        export.check_names(probabilities.shape[1])
        preprocess = _classifier_input(export)
        return Layout("probs", task, classes, (probabilities,), exporter="Ultralytics", preprocess=preprocess)
    if _is_rtdetr(export.properties):
        return _rtdetr(export)
    kpt_shape = _keypoint_shape(export) if task == "pose" else None
    protos = (_required(export, 4, "[B, masks, h, w]"),) if task == "segment" else ()
    masks = protos[0].shape[1] if protos else 0
    extra = extra_values(task, kpt_shape, masks)
    values = _only(
        export, [tensor for tensor in export.outputs(3) if _ultralytics_kind(export, tensor, classes, extra)]
    )
    if values is None:
        raise export.refuse(
            f"a {task} model of {classes} classes and {extra} further values an anchor gives "
            f"[B, {4 + classes + extra}, anchors] or [B, rows, {6 + extra}]; correct --names, or export the file again"
        )
    kind = _ultralytics_kind(export, values, classes, extra) or "columns"
    return Layout(kind, task, classes, (values, *protos), kpt_shape, masks, exporter="Ultralytics")


def _ultralytics_kind(export: Export, values: Tensor, classes: int, extra: int) -> Kind | None:
    """Columns of all anchors, or the final rows of an NMS-free head (of which early exports' metadata says nothing)."""
    _, second, third = values.shape
    columns, final = second == 4 + classes + extra, third == 6 + extra
    if final and (not columns or export.properties.get("end2end") == "True"):
        if "'nms': True" in export.properties.get("args", ""):
            raise export.refuse("they come from NMS in the graph; export without nms=True and add NMS with --end2end")
        return "final"
    return "columns" if columns else None


def _is_rtdetr(properties: Mapping[str, str]) -> bool:
    """Whether the metadata names RT-DETR's decoder, or the model's description does (before there was a `head`)."""
    return properties.get("head") == "RTDETRDecoder" or "rtdetr" in properties.get("description", "").lower()


def _rtdetr(export: Export) -> Layout:
    """RT-DETR as Ultralytics exports it: [B, queries, 4 + C]."""
    values = _required(export, 3, "[B, queries, 4 + classes]")
    classes = values.shape[2] - 4
    export.check_names(classes)
    return Layout("queries", "detect", classes, (values,), exporter="Ultralytics' RT-DETR", preprocess=STRETCHED)


def _yolov5_classifier(export: Export) -> Layout:
    logits = _required(export, 2, "[B, classes]")
    export.check_names(logits.shape[1])
    preprocess = _classifier_input(export)
    return Layout("logits", "classify", logits.shape[1], (logits,), exporter="YOLOv5", preprocess=preprocess)


def _classifier_input(export: Export) -> Preprocess:
    """A square input is cropped from the middle, any other is filled by stretching."""
    return Preprocess(resize="crop" if export.size[0] == export.size[1] else "stretch")


def _without_task(export: Export) -> Layout:
    """By the arithmetic of the graph's end; by names and stride of YOLOv5's exporter where that cannot be tried."""
    if not export.outputs(3):
        raise export.refuse(
            "expected boxes of three axes; these may be undecoded feature maps, so export with the decode in the graph "
            "(YOLOv7: --grid, YOLOv5: without --train), or convert the .pt or .cfg itself"
        )
    found, reasons = [], []
    for tensor in export.outputs(3):
        layout, reason = by_arithmetic(export, tensor)
        layout = layout or (_by_names(export, tensor) if "could be tried" in reason else None)
        found += [layout] if layout else []
        reasons += [reason] if reason and not layout else []
    if not found:
        if any(tensor.shape[2] == 4 for tensor in export.outputs(3)) and len(reasons) == 2:
            reasons = [
                "boxes and scores lie apart, as DAMO-YOLO and YOLO-NAS write them, and which it is cannot be told"
            ]
        raise export.refuse(f"{'; '.join(dict.fromkeys(reasons))}; {STATE_IT}; or convert the original weights")
    layout = found[0] if len(found) == 1 else _dual(export, found)
    export.check_names(layout.classes)
    return layout


def _by_names(export: Export, values: Tensor) -> Layout | None:
    """Rows or columns by the number of class names that YOLOv5's exporter wrote."""
    if not export.by_yolov5 or not export.names:
        return None
    _, second, third = values.shape
    protos, classes = export.prototypes(), len(export.names)
    masks = protos.shape[1] if protos is not None else 0
    outputs = (values, protos) if protos is not None else (values,)
    for kind, anchors, width, first in (("rows", second, third, 5), ("columns", third, second, 4)):
        if export.levels(anchors) and width == first + classes + masks:
            taken: Kind = "rows" if kind == "rows" else "columns"
            task: Task = "segment" if masks else "detect"
            return Layout(taken, task, classes, outputs, masks=masks, exporter="YOLOv5's exporter")
    return None


def _dual(export: Export, found: list[Layout]) -> Layout:
    """WongKinYiu's YOLOv9 writes its auxiliary branch first, the main one second (`models/yolo.py`, DualDDetect)."""
    same = {(layout.kind, layout.task, layout.classes, layout.anchors) for layout in found}
    if export.by_yolov5 and len(found) == 2 and len(same) == 1 and found[0].kind == "columns":
        return _dual_of(found[1].outputs[0], found[1].classes)
    raise export.refuse(
        f"{len(found)} outputs would fit, and nothing in the file says which is the model; keep one of them, or state "
        f"--onnx-layout yolov9-dual where the second is"
    )


def _dual_of(values: Tensor, classes: int) -> Layout:
    return Layout(
        "columns", "detect", classes, (values,), exporter="WongKinYiu's YOLOv9, of which the main branch is kept"
    )


def _stated_dense(kind: Kind, exporter: str) -> Recogniser:
    """Rows with objectness or columns without, and mask coefficients where there are prototypes."""

    def layout(export: Export) -> Layout:
        values, protos = _stated_values(export), export.prototypes()
        masks = protos.shape[1] if protos is not None else 0
        classes = (values.shape[2] - 5 if kind == "rows" else values.shape[1] - 4) - masks
        export.check_names(classes)
        outputs = (values, protos) if protos is not None else (values,)
        return Layout(kind, "segment" if masks else "detect", classes, outputs, masks=masks, exporter=exporter)

    return layout


def _stated_dual(export: Export) -> Layout:
    outputs = export.outputs(3)
    if len(outputs) != 2 or outputs[0].shape != outputs[1].shape:
        raise export.refuse("--onnx-layout yolov9-dual expects two outputs [B, 4 + classes, anchors]")
    classes = outputs[1].shape[1] - 4
    export.check_names(classes)
    return _dual_of(outputs[1], classes)


def _stated_yolov10(export: Export) -> Layout:
    """Rows of corners, score and class; how many classes there are, only the names tell."""
    values = _stated_values(export)
    if values.shape[2] != 6 or not export.names:
        raise export.refuse("--onnx-layout yolov10 expects [B, rows, 6], and the class names with --names FILE")
    return Layout("final", "detect", len(export.names), (values,), exporter="YOLOv10 (as stated)")


def _stated_yolox(export: Export) -> Layout:
    """Decoded where the graph computes an exponential of sizes, else not."""
    values = _stated_values(export)
    classes = values.shape[2] - 5
    export.check_names(classes)
    cells = sum((export.size[0] // step) * (export.size[1] // step) for step in YOLOX_STRIDES)
    if values.shape[1] != cells:
        raise export.refuse(f"YOLOX has {cells} boxes for an input of {export.size[0]}x{export.size[1]}")
    decoded = any(node.op == "Exp" for node in export.graph.nodes)
    kind: Kind = "rows" if decoded else "yolox"
    return Layout(kind, "detect", classes, (values,), exporter="YOLOX (as stated)", preprocess=YOLOX_INPUT)


def _stated_values(export: Export) -> Tensor:
    outputs = export.outputs(3)
    if len(outputs) != 1:
        raise export.refuse(
            f"--onnx-layout {export.stated} is one output of three axes (prototypes of masks have four), here are {len(outputs)}"
        )
    return outputs[0]


def _stated_pair(exporter: str, preprocess: Preprocess) -> Recogniser:
    """Corners in pixels [B, A, 4] and scores [B, A, C], in whatever order."""

    def layout(export: Export) -> Layout:
        outputs = export.outputs(3)
        boxes = [tensor for tensor in outputs if tensor.shape[2] == 4]
        if len(outputs) != 2 or len(boxes) != 1 or outputs[0].shape[1] != outputs[1].shape[1]:
            raise export.refuse(f"--onnx-layout {export.stated} expects [B, A, 4] and [B, A, classes], classes not 4")
        scores = next(tensor for tensor in outputs if tensor is not boxes[0])
        export.check_names(scores.shape[2])
        pair = (boxes[0], scores)
        return Layout("pair", "detect", scores.shape[2], pair, exporter=exporter, preprocess=preprocess)

    return layout


_STATED: Mapping[OnnxLayout, Recogniser] = {
    "yolov5": _stated_dense("rows", "YOLOv5 (as stated)"),
    "yolov8": _stated_dense("columns", "YOLOv8 (as stated)"),
    "yolov9-dual": _stated_dual,
    "yolov10": _stated_yolov10,
    "yolox": _stated_yolox,
    "rtdetr": _rtdetr,
    "damo-yolo": _stated_pair("DAMO-YOLO (as stated)", DAMO_INPUT),
    "yolo-nas": _stated_pair("YOLO-NAS (as stated)", Preprocess()),
}


def _required(export: Export, rank: int, what: str) -> Tensor:
    outputs = export.outputs(rank)
    if not outputs:
        raise export.refuse(f"expected {what} of a model whose metadata says {export.properties.get('task', 'YOLOv5')}")
    return outputs[0]


def _only(export: Export, outputs: list[Tensor]) -> Tensor | None:
    """The one output that fits, None where none does."""
    if len(outputs) > 1:
        raise export.refuse(f"{len(outputs)} outputs would fit, and nothing in the file says which is the model")
    return outputs[0] if outputs else None


def _keypoint_shape(export: Export) -> tuple[int, int]:
    value = literal(export.properties.get("kpt_shape", "None"), str(export.path))
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return value[0], value[1]
    raise export.refuse("the metadata of a pose model must say kpt_shape; export it again")
