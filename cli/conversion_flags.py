"""The flags that say how a model becomes ONNX, which `convert` and `build` share, and the settings they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..contract.choices import AXIS_ORDERS, FRAME_COLOURS, LAYOUTS
from .flags import add_nms, dashed, given_nms, nms_settings, positive, read_options, require
from .int8_flags import INT8_FLAGS, add_int8, int8_settings

if TYPE_CHECKING:
    from ..pipeline import ConvertSettings

NEEDED = {
    "half": ("half_io", "half_pictures"),
    "int8": INT8_FLAGS,
    "uint8_input": ("input_layout", "input_colour"),
}
"""Flags that do nothing without another one, which is told; those of the NMS are wrong usage without --end2end."""

CHANGES = (
    "weights", "names", "img_size", "head", "family", "onnx_layout", "batch_size", "dynamic", "opset", "layout", "simplify",
    "half", "int8", "uint8_input", "end2end", "conf_thres", "iou_thres",
)  # fmt: skip
"""Flags for which an ONNX file is converted before it is built; the others only go along with these."""


def add_conversion(parser: argparse.ArgumentParser) -> None:
    """The flags of `conversion_settings`, besides those that say how the model is read."""
    parser.add_argument("--batch-size", type=positive, metavar="N", help="fixed batch size (default: 1)")
    parser.add_argument("--dynamic", action="store_true", help="leave the batch size free")
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="ONNX opset, 14 to 20 (default: 17; with --int8 --half 19, but for TensorRT 8)",
    )
    parser.add_argument("--layout", choices=LAYOUTS, help="dressing of the outputs (default: separate tensors)")
    parser.add_argument("--simplify", action="store_true", help="run onnxsim over a graph that another exporter wrote")
    parser.add_argument("--no-verify", action="store_true", help="do not run the written file once to check it")
    _add_precision(parser)
    add_int8(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    end2end.add_argument("--end2end", action="store_true", help="end in detections instead of raw heads")
    add_nms(end2end)
    end2end.add_argument("--runtime-thresholds", action="store_true", help="make the thresholds inputs of the graph")


def _add_precision(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("precision and input")
    group.add_argument("--half", action="store_true", help="FP16 in the graph; decode, NMS and outputs stay FP32")
    group.add_argument("--half-io", action="store_true", help="FP16 input too (with --half)")
    group.add_argument(
        "--half-pictures",
        metavar="SOURCE",
        help="pictures to run first: layers that overflow FP16 on them stay FP32 (with --half)",
    )
    group.add_argument(
        "--uint8-input", action="store_true", help="take pictures as cameras give them, normalised in the graph"
    )
    group.add_argument("--input-layout", choices=AXIS_ORDERS, help="layout of a uint8 input (default: hwc)")
    group.add_argument("--input-colour", choices=FRAME_COLOURS, help="channel order of a uint8 input (default: bgr)")


def wants_conversion(options: argparse.Namespace) -> bool:
    """Whether a flag was given that changes the graph."""
    return any(getattr(options, flag) not in (None, False) for flag in CHANGES)


def conversion_settings(options: argparse.Namespace, target: str, batch: int | None) -> ConvertSettings:
    """What the user asked for.

    Args:
        options: the flags.
        target: what the graph is for.
        batch: of the graph, None leaves it free.
    """
    check_flags(options)
    settings = _settings(options, target, batch)
    tell_idle(options)
    return settings


def _settings(options: argparse.Namespace, target: str, batch: int | None) -> ConvertSettings:
    from ..graph_passes.settings import EndToEnd, Half, NewThresholds, Uint8Input
    from ..pipeline import ConvertSettings

    classes = dict(options.class_thres)
    wanted = EndToEnd(nms_settings(options), options.runtime_thresholds, classes)
    given = options.conf_thres is not None or options.iou_thres is not None
    changed = given and not options.end2end and options.model.suffix.lower() == ".onnx"
    return ConvertSettings(
        target=target,
        read=read_options(options),
        batch=batch,
        opset=options.opset,
        end2end=wanted if options.end2end else None,
        layout=options.layout,
        thresholds=NewThresholds(options.conf_thres, options.iou_thres) if changed else None,
        int8=int8_settings(options) if options.int8 else None,
        half=Half(options.half_io, options.half_pictures) if options.half else None,
        uint8_input=Uint8Input(options.input_layout or "hwc", options.input_colour or "bgr")
        if options.uint8_input
        else None,
        simplify=options.simplify,
        verify=not options.no_verify,
    )


def check_flags(options: argparse.Namespace) -> None:
    """Refuse flags that contradict each other, or that cannot be meant: before anything is said or done."""
    alone = [] if options.end2end else given_nms(options)
    require(options, not alone, f"{', '.join(alone)} without --end2end: the NMS of a graph is made with --end2end")
    require(options, not (options.uint8_input and options.half_io), "--uint8-input and --half-io exclude each other")


def tell_idle(options: argparse.Namespace) -> None:
    """Say which flags do nothing."""
    from .. import console

    idle = {needed: [flag for flag in flags if getattr(options, flag)] for needed, flags in NEEDED.items()}
    if options.model.suffix.lower() != ".onnx":
        idle["end2end"] = [flag for flag in ("conf_thres", "iou_thres") if getattr(options, flag) is not None]
    for needed, flags in idle.items():
        if flags and not getattr(options, needed):
            console.note(f"{', '.join(map(dashed, flags))}: without effect, for want of {dashed(needed)}")
    if options.dynamic and options.batch_size:
        console.note("--batch-size: without effect, since --dynamic leaves the batch free")
