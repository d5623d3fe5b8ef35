"""`trtzoo build`: an ONNX file becomes an engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..flags import gpu_number, positive, require
from ..int8_flags import add_int8, idle_int8, int8_settings
from ..registry import Command

if TYPE_CHECKING:
    from ...engines.plans.settings import BuildSettings

EXAMPLES = """
  trtzoo build yolov8n.onnx --target tensorrt-rtx --compute-capability 8.6 8.9 12.0
  trtzoo build yolov8n.onnx --max-batch 16 --workspace 4
  trtzoo build yolov8n.onnx --int8 --calib-path pictures/
  trtzoo build yolov8n.onnx --print-trtexec --target tensorrt:8.6
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="any ONNX file, a YOLO or not")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.engine", help="engine to write (default: ./STEM.engine)"
    )
    parser.add_argument(
        "--target",
        default="tensorrt",
        metavar="WHAT",
        help="tensorrt or tensorrt-rtx, with a version: that of the installed library, tensorrt:10.3 (default: tensorrt)",
    )
    parser.add_argument("--force", action="store_true", help="build even if the engine is up to date")
    parser.add_argument("--no-verify", action="store_true", help="do not hold the engine against the contract")
    parser.add_argument(
        "--print-trtexec", action="store_true", help="print the trtexec line for the target instead of building"
    )
    batch = parser.add_argument_group("batch, for a graph whose batch is free")
    batch.add_argument("--min-batch", type=positive, default=1, metavar="N", help="least (default: 1)")
    batch.add_argument("--opt-batch", type=positive, metavar="N", help="tuned for (default: the least)")
    batch.add_argument("--max-batch", type=positive, metavar="N", help="greatest (default: 8)")
    tuning = parser.add_argument_group("builder")
    tuning.add_argument("--workspace", type=float, metavar="GIB", help="limit of the scratch memory (default: all)")
    tuning.add_argument("--opt-level", type=int, metavar="0-5", help="effort (default: the library's, 3)")
    tuning.add_argument(
        "--timing-cache",
        type=Path,
        metavar="DIR",
        help="folder that keeps kernel timings (default: the user's cache folder)",
    )
    tuning.add_argument("--no-timing-cache", action="store_true", help="keep no kernel timings")
    tuning.add_argument(
        "--version-compatible", action="store_true", help="the engine also runs on later TensorRT versions"
    )
    tuning.add_argument(
        "--hardware-compatible", action="store_true", help="the engine also runs on other GPUs from Ampere on"
    )
    tuning.add_argument(
        "--compute-capability",
        nargs="+",
        default=[],
        metavar="X.Y",
        help="GPUs of a TensorRT-RTX engine (default: every one from Ampere on)",
    )
    tuning.add_argument("--device", type=gpu_number, default=0, metavar="N", help="GPU that builds (default: 0)")
    add_int8(parser)
    tuning.add_argument("--verbose", action="store_true", help="show everything that the library says")


def _run(options: argparse.Namespace) -> None:
    from ... import console
    from ...engines.build.builder import build

    output = options.output or Path(f"{options.model.stem}.engine")
    if idle := idle_int8(options):
        console.note(f"{idle}: without effect, for want of --int8")
    if options.print_trtexec:
        _print_trtexec(options, output)
        return
    settings = _build_settings(options)
    model = _quantised(options, output) if options.int8 else options.model
    with console.progress("building") as report:
        manifest = build(
            model, output, settings, report, force=options.force, note=console.say, verify=not options.no_verify
        )
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.items()))
    seconds = f"{sum(manifest.seconds.values()):.1f} s"
    size = f"{manifest.plan_bytes / 2**20:.1f} MiB"
    print(f"{output}: {manifest.target} {manifest.version}, {size}, layers: {layers or 'unknown'}, {seconds}")


def _quantised(options: argparse.Namespace, output: Path) -> Path:
    """The model's INT8 form, written beside the engine."""
    from ... import console
    from ...pipeline import ConvertSettings, convert

    path = output.with_name(f"{output.stem}.int8.onnx")
    with console.progress("calibrating") as report:
        done = convert(options.model, path, ConvertSettings(int8=int8_settings(options)), report)
    for note in done.notes:
        console.note(note)
    return path


def _print_trtexec(options: argparse.Namespace, output: Path) -> None:
    from dataclasses import replace

    from ... import console
    from ...contract.target import parse_target
    from ...engines.build.record import model_meta
    from ...engines.build.trtexec import trtexec_line

    version = parse_target(options.target).tensorrt
    if version is None:
        require(
            options,
            False,
            f"--print-trtexec is for TensorRT, not {options.target}; name a version, such as --target tensorrt:8.6",
        )
        return
    if ":" not in options.target:
        console.note(f"this is the line for TensorRT {version[0]}.{version[1]}; name another as --target tensorrt:8.6")
    settings = replace(_build_settings(options), timing_cache=options.timing_cache)
    print(trtexec_line(options.model, output, version, settings, model_meta(options.model)))


def _build_settings(options: argparse.Namespace) -> BuildSettings:
    from ...contract.target import parse_target
    from ...engines.build.timing_cache import default_folder
    from ...engines.plans.settings import BuildSettings

    default = default_folder() if parse_target(options.target).library == "tensorrt" else None
    folder = None if options.no_timing_cache else options.timing_cache or default
    return BuildSettings(
        target=options.target,
        min_batch=options.min_batch,
        opt_batch=options.opt_batch or options.min_batch,
        max_batch=options.max_batch or max(8, options.opt_batch or 1, options.min_batch),
        workspace_gib=options.workspace,
        opt_level=options.opt_level,
        timing_cache=folder,
        version_compatible=options.version_compatible,
        hardware_compatible=options.hardware_compatible,
        compute_capabilities=tuple(options.compute_capability),
        device=options.device,
        verbose=options.verbose,
    )


COMMAND = Command("build", "build a TensorRT or TensorRT-RTX engine from an ONNX file", EXAMPLES, _add_flags, _run)
