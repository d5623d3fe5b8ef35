"""What a user may say about the graph passes; each is checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..contract.choices import AXIS_ORDERS, FRAME_COLOURS, LAYOUTS, AxisOrder, FrameColour, Layout
from ..contract.nms import NmsSettings, check_ranges
from ..contract.target import Target, parse_target
from ..errors import InputError, UnsupportedError
from ..files import StrPath


@dataclass(frozen=True)
class EndToEnd:
    """NMS in the graph.

    Attributes:
        settings: route, thresholds and limits.
        runtime_thresholds: make the thresholds inputs of the graph.
        class_thresholds: higher score thresholds of single classes, by name.

    Raises:
        InputError: a threshold out of range.
    """

    settings: NmsSettings = NmsSettings()
    runtime_thresholds: bool = False
    class_thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.class_thresholds.items():
            if not 0 <= value < 1:
                raise InputError(f"threshold {value} of class {name!r} is out of range; choose 0 to below 1")


@dataclass(frozen=True)
class NewThresholds:
    """Other thresholds for an ONNX file that is end to end already; None leaves one as it is.

    Raises:
        InputError: a threshold is out of range.
    """

    conf_thres: float | None = None
    iou_thres: float | None = None

    def __post_init__(self) -> None:
        check_ranges(self.conf_thres, self.iou_thres)


@dataclass(frozen=True)
class Half:
    """FP16 in the graph.

    Attributes:
        half_io: the input becomes float16 too.
        pictures: a picture, folder or pattern to run first; layers that overflow half precision on them stay in single.
    """

    half_io: bool = False
    pictures: StrPath | None = None


@dataclass(frozen=True)
class Uint8Input:
    """Pictures as cameras give them: `axes` "hwc" or "chw", `colour` "bgr" or "rgb"."""

    axes: AxisOrder = "hwc"
    colour: FrameColour = "bgr"

    def __post_init__(self) -> None:
        if self.axes not in AXIS_ORDERS or self.colour not in FRAME_COLOURS:
            raise InputError(
                f"--uint8-input {self.axes}-{self.colour} is not known; choose {' or '.join(AXIS_ORDERS)} and bgr or rgb"
            )


@dataclass(frozen=True, kw_only=True)
class PassSettings:
    """Everything that the passes can be told; None leaves the graph as it is.

    Attributes:
        target: what the graph is for, as `contract.target.parse_target` reads it.
        end2end: NMS in the graph; None leaves the raw heads.
        layout: dressing of the outputs; None is the contract's own.
        thresholds: of an ONNX file that is end to end already.
        half: FP16 in the graph; None leaves single precision.
        uint8_input: pictures as the input; None leaves float32, 0..1.
        simplify: run onnxsim over a graph that another exporter wrote.

    Raises:
        InputError: two settings that exclude each other, or no such layout or target.
        UnsupportedError: what the target cannot feed, or one that is too old.
    """

    target: str = "onnxruntime"
    end2end: EndToEnd | None = None
    layout: Layout | None = None
    thresholds: NewThresholds | None = None
    half: Half | None = None
    uint8_input: Uint8Input | None = None
    simplify: bool = False

    def __post_init__(self) -> None:
        if self.layout not in (None, *LAYOUTS):
            raise InputError(f"--layout {self.layout} is not known; choose {', '.join(LAYOUTS)}")
        if self.end2end and self.thresholds:
            raise InputError(
                "new thresholds are for a file that is end to end already; give those of --end2end in its settings"
            )
        if self.uint8_input and self.half and self.half.half_io:
            raise InputError("--uint8-input and --half-io exclude each other")
        _refuse_for_deepstream(self)

    @property
    def parsed_target(self) -> Target:
        """The target, read."""
        return parse_target(self.target)


def _refuse_for_deepstream(settings: PassSettings) -> None:
    """Raise UnsupportedError for what DeepStream's nvinfer element cannot feed.

    It writes float32 pictures into an input buffer that is as large as the input's own type, and gives no other input
    (nvdsinfer_context_impl.cpp: InferPreprocessor::transform, initNonImageInputLayers).
    """
    wanted, half = settings.end2end, settings.half
    if settings.parsed_target.kind != "deepstream":
        return
    overrun = "nvinfer always writes float32 pictures, beyond the end of a {} input"
    for flag, given, why in (
        ("--uint8-input", settings.uint8_input, overrun.format("uint8")),
        ("--half-io", half and half.half_io, overrun.format("float16")),
        ("--runtime-thresholds", wanted and wanted.runtime_thresholds, "nvinfer gives no input but the pictures"),
    ):
        if given:
            raise UnsupportedError(f"{flag} with --target {settings.target}: {why}; leave it out")
