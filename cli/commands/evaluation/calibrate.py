"""`trtzoo calibrate`: pictures become the ranges of a model's INT8 form."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...analyse_flags import add_analysis, idle_analysis, run_analysis
from ...flags import add_reading, read_options, require
from ...int8_flags import add_calibration, int8_settings
from ...registry import Command

EXAMPLES = """
  trtzoo calibrate yolov8n.onnx --calib-path pictures/
  trtzoo calibrate yolov8n.pt --calib-path pictures/ -o ranges.json     for convert --int8 --int8-ranges ranges.json
  trtzoo calibrate yolov8n.onnx --calib-path pictures/ --calib-method lp --trt-cache yolov8n.calib
  trtzoo calibrate yolov8n.onnx --calib-path pictures/ --analyse --max-drop 0.08
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx in floats, or a .cfg or .pt")
    parser.add_argument(
        "-o",
        "--output",
        dest="ranges_output",
        type=Path,
        metavar="FILE.json",
        help="file for the ranges, which `convert --int8-ranges` reads (default: one in the cache folder)",
    )
    add_calibration(parser.add_argument_group("calibration"))
    add_analysis(parser)
    add_reading(parser)
    export = parser.add_argument_group("for TensorRT's own INT8, without Q/DQ")
    export.add_argument(
        "--trt-cache",
        type=Path,
        metavar="FILE",
        help="write a calibration cache for trtexec --int8 --calib=FILE as well",
    )
    export.add_argument(
        "--target", default="tensorrt:8.6", metavar="tensorrt:X.Y", help="... of this release (default: 8.6)"
    )


def _run(options: argparse.Namespace) -> int | None:
    from .... import console
    from ....evaluation.calibration.quantise import export_tensorrt_cache, quantise
    from ....pipeline import ConvertSettings, read_model

    require(
        options, options.calib_path, "--calib-path is missing: a folder of pictures like those that the model will see"
    )
    if idle := idle_analysis(options):
        console.note(f"{idle}: without effect, for want of --analyse")
    settings = int8_settings(options)
    require(
        options,
        options.recover != "distill",
        "--recover distill is for `convert --int8`, which writes what was trained",
    )
    model = read_model(options.model, ConvertSettings(read=read_options(options)))
    with console.progress("calibrating") as report:
        found = quantise(model.graph, model.meta, options.model.stem, settings, report)
        for note in found.notes:
            console.note(note)
        calibration = found.calibration
        print(
            f"{calibration.cache}: {len(calibration.numbers.thresholds)} ranges for {len(calibration.points.layers)} layers"
        )
        if options.trt_cache:
            count = export_tensorrt_cache(
                model.graph, model.meta, calibration, settings, options.trt_cache, options.target, report
            )
            print(f"{options.trt_cache}: {count} scales for {options.target}")
        if options.analyse:
            run_analysis(options, model, calibration, settings, report)
    return 3 if calibration.unreadable else None


COMMAND = Command("calibrate", "find the ranges of a model's INT8 form", EXAMPLES, _add_flags, _run)
