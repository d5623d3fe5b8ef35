"""`trtzoo convert`: weights become ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ....contract.choices import FAMILIES
from ...conversion_flags import add_conversion, conversion_settings
from ...flags import add_json, add_reading, require
from ...registry import Command

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
    add_json(parser)
    add_reading(parser, (*FAMILIES, "torch"))
    module = parser.add_argument_group("any PyTorch module (--family torch; runs the code that you name)")
    module.add_argument(
        "--model", dest="spec", metavar="PACKAGE.MODULE:FACTORY", help="a function that makes the module"
    )
    module.add_argument("--input", metavar="1x3x352x416", help="shape of its input")
    add_conversion(parser)
    parser.add_argument(
        "--target",
        metavar="WHAT",
        help="what the graph is for: onnxruntime, tensorrt:10.3, tensorrt:11, tensorrt-rtx, deepstream:7.1, ... "
        "(default: onnxruntime)",
    )


def _run(options: argparse.Namespace) -> None:
    from .... import console

    with console.notes_kept(options.json) as notes:
        if options.family == "torch":
            line, values = _convert_module(options)
        else:
            line, values = _convert(options)
    if options.json:
        console.document("trtzoo.convert", {**values, "notes": notes})
    else:
        print(line)


def _convert(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Convert a file of a known family; returns what is said about it, and the same for a program."""
    from .... import console
    from ....pipeline import convert

    require(options, options.model is not None, "MODEL is missing: the .cfg, .pt or .onnx to convert")
    require(options, not (options.spec or options.input), "--model and --input go with --family torch")
    output = options.output or Path(f"{options.model.stem}.onnx")
    batch = None if options.dynamic else options.batch_size or 1
    settings = conversion_settings(options, options.target or "onnxruntime", batch)
    with console.progress("converting") as report:
        done = convert(options.model, output, settings, report)
    for note in done.notes:
        console.note(note)
    if options.target and not done.meta.end2end:
        console.note("--target: checked, but raw heads are the same for every target; NMS in the graph is --end2end")
    values = done.document()
    size = values["bytes"] / 2**20
    line = f"{done.path}: {done.meta.family} {done.meta.task}, {done.nodes} nodes, {size:.1f} MiB, {done.seconds:.2f} s"
    return line, values


def _convert_module(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Convert any PyTorch module; returns as `_convert`."""
    from .... import console
    from ....converters.torch_module import export_module
    from ....files import printable
    from ....graph_passes.simplify import simplify_onnx

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
    line = f"{done.path}: {done.nodes} nodes, {outputs}; within {done.difference:.1e} of the module"
    shapes = {name: list(shape) for name, shape in done.outputs.items()}
    values = {"path": printable(done.path), "nodes": done.nodes, "outputs": shapes, "difference": done.difference}
    return line, values


def _shape(text: str) -> tuple[int, ...]:
    from ....errors import InputError

    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--input {text}: give the shape as 1x3x352x416")
    return tuple(int(part) for part in parts)


COMMAND = Command("convert", "turn weights into ONNX", EXAMPLES, _add_flags, _run)
