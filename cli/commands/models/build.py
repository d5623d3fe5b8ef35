"""`trtzoo build`: weights or an ONNX file become an engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...conversion_flags import add_conversion, check_flags, conversion_settings, tell_idle, wants_conversion
from ...flags import add_json, add_reading, dashed, gpu_number, positive, require
from ...registry import Command

if TYPE_CHECKING:
    from ....engines.plans.settings import BuildSettings, Range
    from ....pipeline import Built, ConvertSettings

EXAMPLES = """
  trtzoo build yolov8n.pt --end2end --half
  trtzoo build yolov8n.onnx --target tensorrt-rtx --compute-capability 8.6 8.9 12.0
  trtzoo build yolov8n.onnx --max-batch 16 --workspace 4
  trtzoo build yolov8n.onnx --int8 --calib-path pictures/
  trtzoo build yolov8n.onnx --print-trtexec --target tensorrt:8.6
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a .cfg or .pt, which is converted first, or any .onnx"
    )
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
    parser.add_argument(
        "--no-onnx",
        action="store_true",
        help="do not keep the ONNX file of the conversion, which stands beside the engine",
    )
    parser.add_argument(
        "--print-trtexec", action="store_true", help="print the trtexec line for the target instead of building"
    )
    add_json(parser)
    batch = parser.add_argument_group("batch, for a graph whose batch is free (these free that of weights)")
    batch.add_argument("--min-batch", type=positive, metavar="N", help="least (default: 1)")
    batch.add_argument("--opt-batch", type=positive, metavar="N", help="tuned for (default: the least)")
    batch.add_argument("--max-batch", type=positive, metavar="N", help="greatest (default: 8)")
    batch.add_argument(
        "--shapes",
        type=_input_range,
        nargs="+",
        default=[],
        metavar="NAME:MIN,OPT,MAX",
        help="ranges of inputs with other free axes, such as images:1x3x320x320,1x3x640x640,4x3x640x640 (one shape: fixed)",
    )
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
        "--no-tf32", action="store_true", help="multiply FP32 layers in full FP32 (default: TF32, as the library does)"
    )
    tuning.add_argument(
        "--without-tactics",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="sources of kernels to leave out, such as CUDNN CUBLAS, which saves memory (default: none)",
    )
    tuning.add_argument(
        "--compute-capability",
        nargs="+",
        default=[],
        metavar="X.Y",
        help="GPUs of a TensorRT-RTX engine (default: every one from Ampere on)",
    )
    tuning.add_argument("--device", type=gpu_number, default=0, metavar="N", help="GPU that builds (default: 0)")
    add_reading(parser)
    add_conversion(parser)


def _input_range(text: str) -> tuple[str, Range]:
    from ....engines.build.profiles import read_range
    from ....errors import InputError

    try:
        return read_range(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--shapes ")) from error


def _run(options: argparse.Namespace) -> None:
    from .... import console

    require(
        options, not (options.json and options.print_trtexec), "--print-trtexec prints a line, no JSON; leave one out"
    )
    check_flags(options)
    output = options.output or Path(f"{options.model.stem}.engine")
    with console.notes_kept(options.json) as notes:
        settings, conversion = _build_settings(options), _conversion(options)
        if options.print_trtexec:
            _print_trtexec(options, output, settings, conversion)
            return
        done = _build(options, output, settings, conversion)
    if options.json:
        console.document("trtzoo.build", {**done.document(), "notes": notes})
        return
    manifest = done.manifest
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.items()))
    seconds = f"{sum(manifest.seconds.values()):.1f} s"
    size = f"{manifest.plan_bytes / 2**20:.1f} MiB"
    print(f"{output}: {manifest.target} {manifest.version}, {size}, layers: {layers or 'unknown'}, {seconds}")


def _build(
    options: argparse.Namespace, output: Path, settings: BuildSettings, conversion: ConvertSettings | None
) -> Built:
    from .... import console
    from ....pipeline import build

    with console.progress("building") as report:
        return build(
            options.model, output, settings, conversion, keep_onnx=not options.no_onnx, force=options.force,
            verify=not options.no_verify, note=console.note, heard=console.detail, progress=report,
        )  # fmt: skip


def _conversion(options: argparse.Namespace) -> ConvertSettings | None:
    """How the model becomes ONNX; None for an ONNX file that is built as it is."""
    from ....converters import recognise
    from ....pipeline import graph_target

    ranges = [flag for flag in ("min_batch", "opt_batch", "max_batch") if getattr(options, flag)]
    require(
        options,
        not (options.batch_size and ranges),
        f"--batch-size fixes the batch, {', '.join(map(dashed, ranges))} leaves it free; give one of them",
    )
    if not wants_conversion(options) and recognise(options.model) in ("onnx", "engine"):
        tell_idle(options)
        return None
    batch = None if options.dynamic or ranges else options.batch_size or 1
    return conversion_settings(options, graph_target(options.target), batch)


def _print_trtexec(
    options: argparse.Namespace, output: Path, settings: BuildSettings, conversion: ConvertSettings | None
) -> None:
    from dataclasses import replace

    from .... import console
    from ....contract.target import parse_target
    from ....engines.build.record import model_meta
    from ....engines.build.trtexec import trtexec_line

    version = parse_target(options.target).tensorrt
    if version is None:
        require(
            options,
            False,
            f"--print-trtexec is for TensorRT, not {options.target}; name a version, such as --target tensorrt:8.6",
        )
        return
    require(options, not options.no_onnx, "--print-trtexec prints a line for the ONNX file; leave --no-onnx out")
    if ":" not in options.target:
        console.note(f"this is the line for TensorRT {version[0]}.{version[1]}; name another as --target tensorrt:8.6")
    onnx = _converted(options.model, output, conversion) if conversion else options.model
    settings = replace(settings, timing_cache=options.timing_cache, verbose=options.verbose)
    print(trtexec_line(onnx, output, version, settings, model_meta(onnx)))


def _converted(model: Path, output: Path, conversion: ConvertSettings) -> Path:
    """The ONNX file that the line is for."""
    from .... import console
    from ....pipeline import convert, onnx_path

    path = onnx_path(model, output, conversion)
    with console.progress("converting") as report:
        done = convert(model, path, conversion, report)
    for note in (*done.notes, f"wrote {path}, which the line reads"):
        console.note(note)
    return path


def _build_settings(options: argparse.Namespace) -> BuildSettings:
    from .... import console
    from ....contract.target import parse_target
    from ....engines.build.timing_cache import default_folder
    from ....engines.plans.settings import BuildSettings

    default = default_folder() if parse_target(options.target).library == "tensorrt" else None
    least = options.min_batch or 1
    folder = None if options.no_timing_cache else options.timing_cache or default
    return BuildSettings(
        target=options.target,
        min_batch=least,
        opt_batch=options.opt_batch or least,
        max_batch=options.max_batch or max(8, options.opt_batch or 1, least),
        shapes=dict(options.shapes),
        workspace_gib=options.workspace,
        opt_level=options.opt_level,
        timing_cache=folder,
        version_compatible=options.version_compatible,
        hardware_compatible=options.hardware_compatible,
        tf32=not options.no_tf32,
        without_tactics=tuple(options.without_tactics),
        compute_capabilities=tuple(options.compute_capability),
        device=options.device,
        verbose=console.wants_details(),
    )


COMMAND = Command("build", "build a TensorRT or TensorRT-RTX engine from weights or ONNX", EXAMPLES, _add_flags, _run)
