"""What a model is: the metadata that travels in the file from the converter to everything that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import InputError
from .choices import (
    Anchor,
    AxisOrder,
    Colour,
    Family,
    HeadChoice,
    InputType,
    Layout,
    OutputLayout,
    Precision,
    Resize,
    Route,
    Sampling,
    Task,
)
from .nms import CONF_THRES, STEPS, TOPK_ALL, GraphNms, NmsSettings, Suppression, usual_candidates


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the network's input.

    Attributes:
        resize: "letterbox" keeps the aspect and pads; "stretch" does not; "crop" is a classifier's: the shorter side to
            the input's size, then the centre.
        pad: value of the padding as a share of white, 0..1 (114/255; DarkNet's letter_box: 0.5).
        colour: channel order of the input, "rgb", "bgr" or "gray".
        anchor: "centre" pads a letterboxed picture on both sides, "topleft" (YOLOX) right and below.
        scale: value of white in a float input: 1, or 255 (YOLOX, DAMO-YOLO); what a uint8 pixel is multiplied with is
            scale / 255.
        sampling: both bilinear. "linear" takes pixel x of the input from (x + 0.5) * W / w - 0.5 in the picture, as OpenCV and
            most others do; "darknet" from x * (W - 1) / (w - 1).
    """

    resize: Resize = "letterbox"
    pad: float = 114 / 255
    colour: Colour = "rgb"
    anchor: Anchor = "centre"
    scale: float = 1.0
    sampling: Sampling = "linear"


@dataclass(frozen=True)
class ModelMeta:
    """What a model is: everything that running, drawing or bundling it needs to know.

    Attributes:
        family: "darknet", "yolov5", "yolov5-pose", "yolov7", "yolov9", "ultralytics" or "onnx".
        task: one of `choices.TASKS`.
        names: class names, in the order of the score columns.
        strides: of the detection levels, in network-input pixels, in the order of the anchors.
        imgsz: height, width of the input.
        batch: fixed batch size, None when it is symbolic.
        channels: of the input.
        kpt_shape: (points, values a point) of a pose model.
        nms_free: the head gives one box an object (one-to-one heads of v10 and 26).
        head: "one2one" or "one2many" where the file has both, else None.
        multi_label: what the family's own framework does by default.
        iou_thres: the family's own framework's default.
        preprocess: how pictures become input.
        input_dtype: "float32" or "float16" for values of 0..`preprocess.scale`, "uint8" for 0..255.
        input_axes: "chw" or "hwc".
        source: name of the file it was converted from.
        source_sha256: of that file (DarkNet: of the weights).
        precision: "fp32", "fp16" or "int8".
        nms: the graph's NMS, None for raw heads.
        layout: "raw", or how end-to-end rows are dressed: "separate", "flat", "deepstream", "ultralytics".
        extra: further facts a family wants kept, JSON values.
    """

    family: Family
    task: Task
    names: tuple[str, ...]
    strides: tuple[int, ...]
    imgsz: tuple[int, int]
    batch: int | None = 1
    channels: int = 3
    kpt_shape: tuple[int, int] | None = None
    nms_free: bool = False
    head: HeadChoice | None = None
    multi_label: bool = False
    iou_thres: float = 0.45
    preprocess: Preprocess = Preprocess()
    input_dtype: InputType = "float32"
    input_axes: AxisOrder = "chw"
    source: str = ""
    source_sha256: str = ""
    precision: Precision = "fp32"
    nms: GraphNms | None = None
    layout: OutputLayout = "raw"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end2end(self) -> bool:
        """Whether the graph ends in detections instead of raw heads."""
        return self.nms is not None

    def with_nms(self, nms: GraphNms, layout: Layout = "separate") -> ModelMeta:
        """The metadata of the same model with NMS in its graph."""
        return replace(self, nms=nms, layout=layout)

    def suppression(self, settings: NmsSettings) -> Suppression:
        """How the model's boxes are suppressed: as the settings say, else as its graph does, else as its framework does."""
        if self.nms:
            return replace(self.nms, **settings.given())
        rows = settings.topk_all or TOPK_ALL
        candidates = usual_candidates(rows, settings.route)
        framework = Suppression(self.iou_thres, CONF_THRES, rows, candidates, self.multi_label, class_agnostic=False)
        return replace(framework, **settings.given())

    def graph_nms(self, settings: NmsSettings, route: Route) -> GraphNms:
        """The NMS that a graph of this model gets by these settings, whose route has been chosen.

        Raises:
            InputError: a rule that the route does not have.
        """
        settled = self.suppression(replace(settings, route=route))
        if settled.fast and (route, settings.steps) != ("static", 1):
            raise InputError(
                "fast NMS in a graph is --nms static with --nms-steps 1; choose that, or leave it to greedy NMS"
            )
        return GraphNms(**asdict(settled), route=route, steps=settings.steps or STEPS if route == "static" else None)
