"""The contracts between converters, graph passes and everything that runs a model: outputs and metadata.

A converter ends in the *raw heads* of its task (`raw_outputs`), a graph with `--end2end` in the rows of detections
(`end2end_outputs`), and both carry a `ModelMeta` in the ONNX file's `metadata_props`. Nothing downstream looks at a file name.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import InputError

SCHEMA = 1
"""Version of the JSON under the metadata key `trtzoo`."""

TASKS = ("detect", "pose", "segment", "obb", "classify")
INPUT = "images"


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the network's input, float32 0..1.

    Attributes:
        resize: "letterbox" keeps the aspect and pads around the centred picture; "stretch" does not; "crop" is a
            classifier's: the shorter side to the input's size, then the centre.
        pad: value of the padding, 0..1 (114/255; DarkNet's letter_box: 0.5).
        colour: channel order of the input, "rgb", "bgr" or "gray".
    """

    resize: str = "letterbox"
    pad: float = 114 / 255
    colour: str = "rgb"


@dataclass(frozen=True)
class NmsSettings:
    """How an end-to-end graph suppresses boxes (DESIGN: NMS routes).

    Attributes:
        route: which pass did it: "plain", "efficient", "efficient-idx", "onnx" or "none".
        iou_thres: a box goes when its IoU with a kept one of its class is greater.
        conf_thres: only scores greater than this are candidates.
        topk_all: K, rows of the result an image.
        candidates: M, the best (anchor, class) pairs that enter the suppression.
        multi_label: every (anchor, class) pair may be a candidate, not only an anchor's best class.
        class_agnostic: boxes of different classes suppress each other too.
    """

    route: str = "auto"
    iou_thres: float = 0.45
    conf_thres: float = 0.25
    topk_all: int = 100
    candidates: int = 1000
    multi_label: bool = False
    class_agnostic: bool = False


@dataclass(frozen=True)
class ModelMeta:
    """What a model is: everything that running, drawing or bundling it needs to know.

    Attributes:
        family: "darknet", "yolov5", "yolov5-pose", "ultralytics" or "onnx".
        task: one of `TASKS`.
        names: class names, in the order of the score columns.
        strides: of the detection levels, in network-input pixels, in the order of the anchors.
        imgsz: height, width of the input.
        batch: fixed batch size, None when it is symbolic.
        channels: of the input.
        kpt_shape: (points, values a point) of a pose model.
        nms_free: the head gives one box an object (one-to-one heads of v10 and 26).
        head: "one2one" or "one2many" where the file has both, else None.
        multi_label: what the family's own framework does by default.
        preprocess: how pictures become input.
        input_dtype: "float32" or "float16" for values of 0..1, "uint8" for 0..255.
        input_layout: "chw" or "hwc".
        source: name of the file it was converted from.
        source_sha256: of that file (DarkNet: of the weights).
        precision: "fp32", "fp16" or "int8".
        nms: settings of the graph's NMS, None for raw heads.
        layout: "raw", or how end-to-end rows are dressed: "separate", "flat", "deepstream", "ultralytics".
        extra: further facts a family wants kept, JSON values.
    """

    family: str
    task: str
    names: tuple[str, ...]
    strides: tuple[int, ...]
    imgsz: tuple[int, int]
    batch: int | None = 1
    channels: int = 3
    kpt_shape: tuple[int, int] | None = None
    nms_free: bool = False
    head: str | None = None
    multi_label: bool = False
    preprocess: Preprocess = Preprocess()
    input_dtype: str = "float32"
    input_layout: str = "chw"
    source: str = ""
    source_sha256: str = ""
    precision: str = "fp32"
    nms: NmsSettings | None = None
    layout: str = "raw"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end2end(self) -> bool:
        """Whether the graph ends in detections instead of raw heads."""
        return self.nms is not None

    def with_nms(self, nms: NmsSettings, layout: str = "separate") -> ModelMeta:
        """The metadata of the same model with NMS in its graph."""
        return replace(self, nms=nms, layout=layout)


@dataclass(frozen=True)
class TensorSpec:
    """Name, numpy type name and shape of a graph's input or output; a str in the shape is a free axis."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def input_spec(meta: ModelMeta) -> TensorSpec:
    """`images` float32 [B, channels, H, W], or what a graph pass made of it: another type, or [B, H, W, channels]."""
    image = (*meta.imgsz, meta.channels) if meta.input_layout == "hwc" else (meta.channels, *meta.imgsz)
    return TensorSpec(INPUT, meta.input_dtype, (_batch(meta), *image))


def raw_outputs(
    meta: ModelMeta, anchors: int | str = "A", masks: tuple[int | str, ...] = ("M", "h", "w")
) -> tuple[TensorSpec, ...]:
    """The raw heads of the model's task, in order.

    Args:
        meta: the model.
        anchors: A, boxes before NMS.
        masks: M mask coefficients, prototype height and width of a segment model.
    """
    batch, classes = _batch(meta), len(meta.names)
    if meta.task == "classify":
        return (TensorSpec("probs", "float32", (batch, classes)),)
    specs = [
        TensorSpec("boxes", "float32", (batch, anchors, 5 if meta.task == "obb" else 4)),
        TensorSpec("scores", "float32", (batch, anchors, classes)),
    ]
    if meta.task == "pose":
        specs.append(TensorSpec("keypoints", "float32", (batch, anchors, *(meta.kpt_shape or ("P", "D")))))
    if meta.task == "segment":
        specs.append(TensorSpec("mask_coeffs", "float32", (batch, anchors, masks[0])))
        specs.append(TensorSpec("protos", "float32", (batch, *masks)))
    return tuple(specs)


def end2end_outputs(meta: ModelMeta, mask_size: tuple[int | str, int | str] = ("h", "w")) -> tuple[TensorSpec, ...]:
    """The outputs of an end-to-end graph in the `separate` layout, in order; K rows an image.

    Args:
        meta: the model, with `nms` set.
        mask_size: prototype height and width of a segment model.
    """
    batch, rows = _batch(meta), meta.nms.topk_all if meta.nms else 0
    specs = [
        TensorSpec("num_dets", "int32", (batch, 1)),
        TensorSpec("det_boxes", "float32", (batch, rows, 5 if meta.task == "obb" else 4)),
        TensorSpec("det_scores", "float32", (batch, rows)),
        TensorSpec("det_classes", "int32", (batch, rows)),
    ]
    if meta.task == "pose":
        specs.append(TensorSpec("det_kpts", "float32", (batch, rows, *(meta.kpt_shape or ("P", "D")))))
    if meta.task == "segment":
        specs.append(TensorSpec("det_masks", "float32", (batch, rows, *mask_size)))
    return tuple(specs)


def to_properties(meta: ModelMeta) -> dict[str, str]:
    """The ONNX `metadata_props` of a model: the keys that Ultralytics writes, and all of `meta` as JSON under `trtzoo`."""
    properties = {
        "description": f"{meta.family} {meta.task} model converted by trtzoo",
        "task": meta.task,
        "names": str(dict(enumerate(meta.names))),
        "stride": str(max(meta.strides, default=32)),
        "imgsz": str(list(meta.imgsz)),
        "batch": str(meta.batch or 1),
        "channels": str(meta.channels),
        "end2end": str(meta.nms_free and meta.end2end and meta.layout == "ultralytics"),
        "args": str(
            {
                "batch": meta.batch or 1,
                "half": meta.precision == "fp16",
                "dynamic": meta.batch is None,
                "nms": meta.end2end,
            }
        ),
    }
    if meta.kpt_shape:
        properties["kpt_shape"] = str(list(meta.kpt_shape))
    document = asdict(meta) | {"schema": SCHEMA, "extra": dict(meta.extra)}
    return properties | {"trtzoo": json.dumps(document, ensure_ascii=False)}


def from_properties(properties: Mapping[str, str], where: str) -> ModelMeta:
    """Read the metadata back from an ONNX file's properties.

    Args:
        properties: of the file.
        where: the file's name, for the error.

    Raises:
        InputError: the file was not written by trtzoo, or by a later one.
    """
    if "trtzoo" not in properties:
        raise InputError(f"{where} carries no trtzoo metadata; run `trtzoo convert {where}` on it first")
    try:
        document = json.loads(properties["trtzoo"])
        schema = document.pop("schema")
        if schema > SCHEMA:
            raise InputError(
                f"{where} was written by a later trtzoo (metadata schema {schema}, this one reads {SCHEMA}); upgrade trtzoo"
            )
        return _from_document(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: its trtzoo metadata is damaged ({error}); convert the model again") from error


def literal(text: str, where: str) -> Any:
    """A Python literal of foreign metadata (`names`, `imgsz`, ...), evaluated without running anything.

    Raises:
        InputError: it is no literal.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: cannot read the metadata value {text[:80]!r}") from error


def _from_document(document: dict[str, Any]) -> ModelMeta:
    pairs = {key: tuple(document[key]) for key in ("names", "strides", "imgsz")}
    return ModelMeta(
        **document
        | pairs
        | {
            "kpt_shape": tuple(document["kpt_shape"]) if document["kpt_shape"] else None,
            "preprocess": Preprocess(**document["preprocess"]),
            "nms": NmsSettings(**document["nms"]) if document["nms"] else None,
        }
    )


def _batch(meta: ModelMeta) -> int | str:
    return "batch" if meta.batch is None else meta.batch
