"""The closed sets of names that settings, metadata and the command line choose from, each as a type and as a tuple."""

from __future__ import annotations

from typing import Literal, get_args

Task = Literal["detect", "pose", "segment", "obb", "classify"]
TASKS: tuple[Task, ...] = get_args(Task)

Family = Literal["darknet", "yolov5", "yolov5-pose", "yolov7", "yolov9", "ultralytics", "onnx"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""Families that are recognised from a file's content."""

HeadChoice = Literal["one2one", "one2many"]
HEADS: tuple[HeadChoice, ...] = get_args(HeadChoice)
"""Heads of models that have both: one box an object, or many that suppress each other."""

OnnxLayout = Literal["yolov5", "yolov8", "yolov9-dual", "yolov10", "yolox", "rtdetr", "damo-yolo", "yolo-nas"]
ONNX_LAYOUTS: tuple[OnnxLayout, ...] = get_args(OnnxLayout)
"""How another exporter laid out the outputs of an ONNX file, where the file does not tell."""

Resize = Literal["letterbox", "stretch", "crop"]
Colour = Literal["rgb", "bgr", "gray"]
Anchor = Literal["centre", "topleft"]
"""Where a letterboxed picture lies in the input."""

Sampling = Literal["linear", "darknet"]
"""Where the pixels of a resized picture are taken from: between centres as OpenCV does, or from corner to corner as DarkNet does."""

FrameColour = Literal["bgr", "rgb"]
FRAME_COLOURS: tuple[FrameColour, ...] = get_args(FrameColour)
"""Channel orders of a uint8 input."""

OPSETS = range(14, 21)
"""ONNX opsets that a graph of ours is valid in: HardSwish came with 14, TensorRT 8.6 reads up to 17, current runtimes to 20."""

AxisOrder = Literal["chw", "hwc"]
AXIS_ORDERS: tuple[AxisOrder, ...] = get_args(AxisOrder)
"""Orders of a picture's axes in the input: channels first or last."""

InputType = Literal["float32", "float16", "uint8"]
Precision = Literal["fp32", "fp16", "int8"]

Arithmetic = Literal["fp16", "fp32", "fp64"]
"""What torch computes in; fp64 is a reference without rounding noise."""

Route = Literal["plain", "static", "efficient", "efficient-idx", "onnx", "none"]
ROUTES: tuple[Route, ...] = get_args(Route)
"""Ways of NMS in a graph."""

RouteChoice = Literal["auto", Route]
ROUTE_CHOICES: tuple[RouteChoice, ...] = get_args(RouteChoice)
"""What the user may ask for: a route, or the one that fits the target best."""

Layout = Literal["separate", "flat", "deepstream", "ultralytics"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""Dressings of a graph's outputs."""
OutputLayout = Literal["raw", Layout]
"""A layout, or the raw heads as the contract has them."""

TargetKind = Literal["tensorrt-rtx", "tensorrt", "onnxruntime", "deepstream"]
TARGET_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
"""What a graph is made for."""

EngineTarget = Literal["tensorrt", "tensorrt-rtx"]
ENGINE_TARGETS: tuple[EngineTarget, ...] = get_args(EngineTarget)
"""Libraries that build engines."""

Backend = Literal["onnxruntime", "torch", "tensorrt", "tensorrt-rtx"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
"""What runs a model."""
