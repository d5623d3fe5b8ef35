"""`trtzoo convert`: weights become ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.choices import AXIS_ORDERS, FAMILIES, FRAME_COLOURS, LAYOUTS, ROUTE_CHOICES
from ..flags import (
    add_class_thresholds,
    add_reading,
    add_thresholds,
    dashed,
    nms_settings,
    positive,
    read_options,
    require,
)
from ..int8_flags import INT8_FLAGS, add_int8, int8_settings
from ..registry import Command

if TYPE_CHECKING:
    from ...pipeline import ConvertSettings

NEEDED = {
    "end2end": (
        "nms",
        "target",
        "nms_candidates",
        "topk_all",
        "multi_label",
        "class_agnostic",
        "runtime_thresholds",
        "class_thres",
    ),
    "half": ("half_io", "half_pictures"),
    "int8": INT8_FLAGS,
    "uint8_input": ("input_layout", "input_colour"),
}
"""Flags that mean nothing without another one."""

EXAMPLES = """
  trtzoo convert yolov4.cfg --weights yolov4_best.weights --names coco.names
  trtzoo convert yolov4.cfg --img-size 480 640 --dynamic -o yolov4.onnx
  trtzoo convert yolov8n-pose.pt --end2end --target tensorrt:10.3
  trtzoo convert yolov8n.pt --end2end --layout deepstream --target deepstream:7.1
  trtzoo convert yolov8n.pt --end2end --half --half-pictures pictures/ --uint8-input
  trtzoo convert yolov8n.pt --int8 --calib-path pictures/ --half
  trtzoo convert exported-elsewhere.onnx --end2end --simplify -o mine.onnx
  trtzoo convert --family torch --model package.module:factory --weights w.pt --input 1x3x352x416
  trtzoo convert yolov8n-end2end.onnx --conf-thres 0.4 -o stricter.onnx
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a DarkNet .cfg, a PyTorch .pt or an .onnx"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.onnx", help="file to write (default: ./STEM.onnx)")
    add_reading(parser, (*FAMILIES, "torch"))
    module = parser.add_argument_group("any PyTorch module (--family torch; runs the code that you name)")
    module.add_argument(
        "--model", dest="spec", metavar="PACKAGE.MODULE:FACTORY", help="a function that makes the module"
    )
    module.add_argument("--input", metavar="1x3x352x416", help="shape of its input")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="fixed batch size (default: 1)")
    parser.add_argument("--dynamic", action="store_true", help="leave the batch size free")
    parser.add_argument(
        "--opset", type=int, metavar="N", help="ONNX opset, 14 to 20 (default: 17; with --int8 --half 19)"
    )
    parser.add_argument("--layout", choices=LAYOUTS, help="dressing of the outputs (default: separate tensors)")
    parser.add_argument("--simplify", action="store_true", help="run onnxsim over a graph that another exporter wrote")
    parser.add_argument("--no-verify", action="store_true", help="do not run the written file once to check it")
    _add_precision(parser)
    add_int8(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    end2end.add_argument("--end2end", action="store_true", help="end in detections instead of raw heads")
    end2end.add_argument("--nms", choices=ROUTE_CHOICES, help="how boxes are suppressed (default: auto)")
    end2end.add_argument(
        "--target",
        metavar="WHAT",
        help="what the graph is for: onnxruntime, tensorrt:10.3, tensorrt:11, tensorrt-rtx, deepstream:7.1, ... "
        "(default: onnxruntime)",
    )
    end2end.add_argument(
        "--nms-candidates",
        type=positive,
        metavar="M",
        help="best (anchor, class) pairs that enter the NMS, at most 3840 (default: 1000; 3840 where K is 1000 or more)",
    )
    add_thresholds(end2end)
    end2end.add_argument("--runtime-thresholds", action="store_true", help="make the thresholds inputs of the graph")
    add_class_thresholds(end2end)


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


def _run(options: argparse.Namespace) -> None:
    from ... import console
    from ...pipeline import convert

    if options.family == "torch":
        _convert_module(options)
        return
    require(options, options.model is not None, "MODEL is missing: the .cfg, .pt or .onnx to convert")
    require(options, not (options.spec or options.input), "--model and --input go with --family torch")
    output = options.output or Path(f"{options.model.stem}.onnx")
    with console.progress("converting") as report:
        done = convert(options.model, output, _convert_settings(options), report)
    for note in done.notes:
        console.note(note)
    size = done.path.stat().st_size / 2**20
    print(f"{done.path}: {done.meta.family} {done.meta.task}, {done.nodes} nodes, {size:.1f} MiB, {done.seconds:.2f} s")


def _convert_module(options: argparse.Namespace) -> None:
    from ... import console
    from ...converters.torch_module import export_module
    from ...graph_passes.simplify import simplify_onnx

    require(
        options,
        bool(options.spec and options.input),
        "--family torch needs --model package.module:factory and --input 1x3x352x416",
    )
    require(
        options,
        not options.end2end,
        "--end2end needs a known family: convert the ONNX that --family torch writes in a second step",
    )
    output = options.output or Path(f"{options.spec.rpartition(':')[2]}.onnx")
    done = export_module(
        options.spec, options.weights, _shape(options.input), options.opset or 17, output,
        dynamic=options.dynamic, simplify=simplify_onnx if options.simplify else None,
    )  # fmt: skip
    for note in done.notes:
        console.note(note)
    outputs = ", ".join(f"{name} {list(shape)}" for name, shape in done.outputs.items())
    print(f"{done.path}: {done.nodes} nodes, {outputs}; within {done.difference:.1e} of the module")


def _shape(text: str) -> tuple[int, ...]:
    from ...errors import InputError

    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--input {text}: give the shape as 1x3x352x416")
    return tuple(int(part) for part in parts)


def _convert_settings(options: argparse.Namespace) -> ConvertSettings:
    from ...graph_passes.settings import EndToEnd, Half, NewThresholds, Uint8Input
    from ...pipeline import ConvertSettings

    _check_flags(options)
    classes, target = dict(options.class_thres), options.target or "onnxruntime"
    wanted = EndToEnd(nms_settings(options), target, options.runtime_thresholds, classes)
    given = options.conf_thres is not None or options.iou_thres is not None
    changed = given and not options.end2end and options.model.suffix.lower() == ".onnx"
    return ConvertSettings(
        read=read_options(options),
        batch=None if options.dynamic else options.batch_size or 1,
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


def _check_flags(options: argparse.Namespace) -> None:
    """Say which flags do nothing, and refuse two that contradict each other."""
    from ... import console

    idle = {needed: [flag for flag in flags if getattr(options, flag)] for needed, flags in NEEDED.items()}
    if options.multi_label is False:
        idle["end2end"].append("multi_label")
    if options.model.suffix.lower() != ".onnx":
        idle["end2end"] += [flag for flag in ("conf_thres", "iou_thres") if getattr(options, flag) is not None]
    for needed, flags in idle.items():
        if flags and not getattr(options, needed):
            console.note(f"{', '.join(map(dashed, flags))}: without effect, for want of {dashed(needed)}")
    if options.dynamic and options.batch_size:
        console.note("--batch-size: without effect, since --dynamic leaves the batch free")
    require(options, not (options.uint8_input and options.half_io), "--uint8-input and --half-io exclude each other")


COMMAND = Command("convert", "turn weights into ONNX", EXAMPLES, _add_flags, _run)
