"""The command line: it parses, calls, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import TrtZooError

if TYPE_CHECKING:
    from .contract.meta import ModelMeta
    from .contract.nms import NmsSettings
    from .converters.options import ReadOptions
    from .engines.plans.settings import BuildSettings
    from .pipeline import ConvertSettings

Command = Callable[[argparse.Namespace], None]

# Spelled out here, since the modules that define them import ONNX and `--help` must not.
LAYOUTS = ("separate", "flat", "deepstream", "ultralytics")
ROUTES = ("auto", "plain", "efficient", "efficient-idx", "onnx", "none")
BACKENDS = ("onnxruntime", "torch", "tensorrt", "tensorrt-rtx")
FAMILIES = ("darknet", "yolov5", "yolov5-pose", "ultralytics", "onnx")
"""Families that are recognised; `convert --family torch` takes a module that the user names instead of a file."""

DESCRIPTION = "YOLO weights of any family become end-to-end ONNX and TensorRT engines, without PyTorch."
EXAMPLES = {
    None: """
  trtzoo convert yolov3-tiny.cfg                          yolov3-tiny.onnx with raw heads
  trtzoo convert yolov3-tiny.cfg --end2end                ... with NMS in the graph
  trtzoo detect yolov3-tiny.onnx pictures/ -o results     annotated pictures and detections.json
  trtzoo inspect yolov3-tiny.cfg                          what is this file?
""",
    "convert": """
  trtzoo convert yolov4.cfg --weights yolov4_best.weights --names coco.names
  trtzoo convert yolov4.cfg --img-size 480 640 --dynamic -o yolov4.onnx
  trtzoo convert yolov8n-pose.pt --end2end --target tensorrt:10.3
  trtzoo convert yolov8n.pt --end2end --layout deepstream --target deepstream:7.1
  trtzoo convert yolov8n.pt --end2end --half --half-pictures pictures/ --uint8-input
  trtzoo convert exported-elsewhere.onnx --end2end --simplify -o mine.onnx
  trtzoo convert --family torch --model package.module:factory --weights w.pt --input 1x3x352x416
  trtzoo convert yolov8n-end2end.onnx --conf-thres 0.4 -o stricter.onnx
""",
    "build": """
  trtzoo build yolov8n.onnx --target tensorrt-rtx --compute-capability 8.6 8.9 12.0
  trtzoo build yolov8n.onnx --max-batch 16 --workspace 4
  trtzoo build yolov8n.onnx --print-trtexec --target tensorrt:8.6
""",
    "lower": """
  trtzoo lower with-plugin.onnx -o for-onnxruntime.onnx
""",
    "detect": """
  trtzoo detect yolov3-tiny.onnx dog.jpg
  trtzoo detect yolov3-tiny.cfg 'pictures/*.jpg' --names coco.names -o results
  trtzoo detect yolov3-tiny.onnx street.mp4 --conf-thres 0.5
""",
    "inspect": """
  trtzoo inspect yolov4.cfg
  trtzoo inspect yolov4.weights
  trtzoo inspect yolov4.onnx --json
""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 an error that was explained, 2 wrong usage.
    """
    options = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.command(options)
        sys.stdout.flush()
    except TrtZooError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was left half written")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail("the reader of the output went away")
    except MemoryError:
        return _fail("out of memory; choose a smaller model, batch or --img-size")
    except Exception as error:
        if os.environ.get("TRTZOO_DEBUG"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {error}; set TRTZOO_DEBUG=1 for the traceback and report it")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _parser(argparse.ArgumentParser, None, prog="trtzoo", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"trtzoo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_convert(commands)
    _add_detect(commands)
    _add_inspect(commands)
    _add_build(commands)
    _add_lower(commands)
    return parser


def _parser(
    make: Callable[..., argparse.ArgumentParser], command: str | None, **settings: Any
) -> argparse.ArgumentParser:
    epilog = f"examples:{EXAMPLES[command].rstrip()}" if command in EXAMPLES else None
    return make(formatter_class=argparse.RawDescriptionHelpFormatter, epilog=epilog, allow_abbrev=False, **settings)


def _command(commands: Any, name: str, run: Command, text: str) -> argparse.ArgumentParser:
    parser = _parser(lambda **settings: commands.add_parser(name, **settings), name, help=text, description=text)
    parser.set_defaults(command=run, usage_error=parser.error)
    return parser


def _add_convert(commands: Any) -> None:
    parser = _command(commands, "convert", _convert, "turn weights into ONNX")
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a DarkNet .cfg, a PyTorch .pt or an .onnx"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.onnx", help="file to write (default: ./STEM.onnx)")
    _add_reading(parser, (*FAMILIES, "torch"))
    module = parser.add_argument_group("any PyTorch module (--family torch; runs the code that you name)")
    module.add_argument(
        "--model", dest="spec", metavar="PACKAGE.MODULE:FACTORY", help="a function that makes the module"
    )
    module.add_argument("--input", metavar="1x3x352x416", help="shape of its input")
    parser.add_argument("--batch-size", type=_positive, metavar="N", help="fixed batch size (default: 1)")
    parser.add_argument("--dynamic", action="store_true", help="leave the batch size free")
    parser.add_argument("--opset", type=int, default=17, metavar="N", help="ONNX opset, 14 to 20 (default: 17)")
    parser.add_argument("--layout", choices=LAYOUTS, help="dressing of the outputs (default: separate tensors)")
    parser.add_argument("--simplify", action="store_true", help="run onnxsim over a graph that another exporter wrote")
    parser.add_argument("--no-verify", action="store_true", help="do not run the written file once to check it")
    _add_precision(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    end2end.add_argument("--end2end", action="store_true", help="end in detections instead of raw heads")
    end2end.add_argument("--nms", choices=ROUTES, help="how boxes are suppressed (default: auto)")
    end2end.add_argument(
        "--target",
        metavar="WHAT",
        help="what the graph is for: onnxruntime, tensorrt:10.3, tensorrt:11, tensorrt-rtx, deepstream:7.1, ... "
        "(default: onnxruntime)",
    )
    end2end.add_argument(
        "--nms-candidates",
        type=_positive,
        metavar="M",
        help="best (anchor, class) pairs that enter the NMS, at most 3840 (default: 1000; 3840 where K is 1000 or more)",
    )
    _add_thresholds(end2end, "0.25", "0.45", "100")
    end2end.add_argument("--runtime-thresholds", action="store_true", help="make the thresholds inputs of the graph")
    end2end.add_argument(
        "--class-thres",
        type=_class_threshold,
        nargs="+",
        default=[],
        metavar="NAME=X",
        help="least scores of single classes",
    )


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
    group.add_argument("--input-layout", choices=("hwc", "chw"), help="layout of a uint8 input (default: hwc)")
    group.add_argument("--input-colour", choices=("bgr", "rgb"), help="channel order of a uint8 input (default: bgr)")


def _add_build(commands: Any) -> None:
    parser = _command(commands, "build", _build, "build a TensorRT or TensorRT-RTX engine from an ONNX file")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="any ONNX file, a YOLO or not")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.engine", help="engine to write (default: ./STEM.engine)"
    )
    parser.add_argument(
        "--target",
        default="tensorrt",
        metavar="WHAT",
        help="tensorrt or tensorrt-rtx; with --print-trtexec a version: tensorrt:8.6 (default: tensorrt)",
    )
    parser.add_argument("--force", action="store_true", help="build even if the engine is up to date")
    parser.add_argument("--no-verify", action="store_true", help="do not hold the engine against the contract")
    parser.add_argument(
        "--print-trtexec", action="store_true", help="print the trtexec line for the target instead of building"
    )
    batch = parser.add_argument_group("batch, for a graph whose batch is free")
    batch.add_argument("--min-batch", type=_positive, default=1, metavar="N", help="least (default: 1)")
    batch.add_argument("--opt-batch", type=_positive, metavar="N", help="tuned for (default: the least)")
    batch.add_argument("--max-batch", type=_positive, metavar="N", help="greatest (default: 8)")
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
    tuning.add_argument("--device", type=_gpu_number, default=0, metavar="N", help="GPU that builds (default: 0)")
    tuning.add_argument("--verbose", action="store_true", help="show everything that the library says")


def _add_lower(commands: Any) -> None:
    parser = _command(commands, "lower", _lower, "replace TensorRT plugins in an ONNX file by standard operators")
    parser.add_argument("model", type=Path, metavar="IN.onnx", help="an ONNX file with EfficientNMS plugins")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="file to write")
    parser.add_argument("--no-verify", action="store_true", help="do not run the written file once to check it")


def _add_detect(commands: Any) -> None:
    parser = _command(commands, "detect", _detect, "run a model on pictures, folders, patterns or videos")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .pt, .onnx or .engine")
    parser.add_argument("source", metavar="SOURCE", help="a picture, a folder, a quoted pattern or a video")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("detections"),
        metavar="DIR",
        help="folder for annotated pictures and detections.json (default: ./detections)",
    )
    parser.add_argument("--backend", choices=BACKENDS, help="what runs the model (default: what fits the file)")
    parser.add_argument(
        "--device",
        type=_device,
        default="cpu",
        metavar="cpu|N",
        help="cpu, or the number of a GPU (default: cpu; an engine: 0)",
    )
    _add_reading(parser)
    _add_thresholds(
        parser.add_argument_group(
            "NMS behind raw heads (an end-to-end graph keeps its own; a higher --conf-thres filters its rows)"
        ),
        "0.25",
        "0.45",
        "100",
    )


def _add_inspect(commands: Any) -> None:
    parser = _command(commands, "inspect", _inspect, "say what a model file is")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .weights, .pt, .onnx or .engine")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--layers", action="store_true", help="list the layers")
    _add_reading(parser)


def _add_reading(parser: argparse.ArgumentParser, families: Sequence[str] = FAMILIES) -> None:
    group = parser.add_argument_group("reading the model")
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="DarkNet weights (default: STEM.weights beside the cfg)"
    )
    group.add_argument(
        "--names", type=Path, metavar="FILE", help="class names, one a line (default: STEM.names beside the cfg)"
    )
    group.add_argument(
        "--img-size",
        type=_positive,
        nargs="+",
        metavar="N",
        help="input size: one number, or height and width (default: the model's own)",
    )
    group.add_argument(
        "--head", choices=("one2one", "one2many"), help="head of a model that has both (default: one2one)"
    )
    group.add_argument("--family", choices=families, help="family, where it is not recognised")


def _add_thresholds(group: Any, conf: str, iou: str, topk: str) -> None:
    group.add_argument("--conf-thres", type=float, metavar="X", help=f"least score, exclusive (default: {conf})")
    group.add_argument(
        "--iou-thres", type=float, metavar="X", help=f"greatest IoU of two boxes of a class (default: {iou})"
    )
    group.add_argument("--topk-all", type=_positive, metavar="K", help=f"most detections a picture (default: {topk})")
    labels = group.add_mutually_exclusive_group()
    labels.add_argument(
        "--single-label",
        action="store_false",
        dest="multi_label",
        default=None,
        help="one class a box (default: what the family's own framework does)",
    )
    labels.add_argument(
        "--multi-label",
        action="store_true",
        dest="multi_label",
        default=None,
        help="every class of a box above the threshold",
    )
    group.add_argument("--class-agnostic", action="store_true", help="boxes of different classes suppress each other")


def _convert(options: argparse.Namespace) -> None:
    from . import console
    from .pipeline import convert

    if options.family == "torch":
        _convert_module(options)
        return
    _require(options, options.model is not None, "MODEL is missing: the .cfg, .pt or .onnx to convert")
    _require(options, not (options.spec or options.input), "--model and --input go with --family torch")
    output = options.output or Path(f"{options.model.stem}.onnx")
    done = convert(options.model, output, _convert_settings(options))
    for note in done.notes:
        console.say(f"note: {note}")
    size = done.path.stat().st_size / 2**20
    print(f"{done.path}: {done.meta.family} {done.meta.task}, {done.nodes} nodes, {size:.1f} MiB, {done.seconds:.2f} s")


def _convert_module(options: argparse.Namespace) -> None:
    from . import console
    from .converters.torch_module import export_module
    from .pipeline import simplify_model

    _require(
        options,
        bool(options.spec and options.input),
        "--family torch needs --model package.module:factory and --input 1x3x352x416",
    )
    _require(
        options,
        not options.end2end,
        "--end2end needs a known family: convert the ONNX that --family torch writes in a second step",
    )
    output = options.output or Path(f"{options.spec.rpartition(':')[2]}.onnx")
    done = export_module(
        options.spec, options.weights, _shape(options.input), options.opset, output,
        dynamic=options.dynamic, simplify=simplify_model if options.simplify else None,
    )  # fmt: skip
    for note in done.notes:
        console.say(f"note: {note}")
    outputs = ", ".join(f"{name} {list(shape)}" for name, shape in done.outputs.items())
    print(f"{done.path}: {done.nodes} nodes, {outputs}; within {done.difference:.1e} of the module")


def _shape(text: str) -> tuple[int, ...]:
    from .errors import InputError

    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--input {text}: give the shape as 1x3x352x416")
    return tuple(int(part) for part in parts)


def _convert_settings(options: argparse.Namespace) -> ConvertSettings:
    from .contract.nms import NmsSettings
    from .pipeline import ConvertSettings, EndToEnd, Half, Uint8Input

    _check_flags(options)
    nms = _changed(NmsSettings(route=options.nms or "auto", candidates=_candidates(options)), options)
    classes = dict(options.class_thres)
    target = options.target or "onnxruntime"
    wanted = EndToEnd(nms, target, options.multi_label, options.runtime_thresholds, classes)
    return ConvertSettings(
        read=_read_options(options),
        batch=None if options.dynamic else options.batch_size or 1,
        opset=options.opset,
        end2end=wanted if options.end2end else None,
        layout=options.layout,
        conf_thres=options.conf_thres,
        iou_thres=options.iou_thres,
        half=Half(options.half_io, options.half_pictures) if options.half else None,
        uint8_input=Uint8Input(options.input_layout or "hwc", options.input_colour or "bgr")
        if options.uint8_input
        else None,
        simplify=options.simplify,
        verify=not options.no_verify,
    )


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
    "uint8_input": ("input_layout", "input_colour"),
}
"""Flags that mean nothing without another one."""


def _check_flags(options: argparse.Namespace) -> None:
    """Say which flags do nothing, and refuse two that contradict each other."""
    from . import console

    idle = {needed: [flag for flag in flags if getattr(options, flag)] for needed, flags in NEEDED.items()}
    if options.multi_label is False:
        idle["end2end"].append("multi_label")
    if options.model.suffix.lower() != ".onnx":
        idle["end2end"] += [flag for flag in ("conf_thres", "iou_thres") if getattr(options, flag) is not None]
    for needed, flags in idle.items():
        if flags and not getattr(options, needed):
            console.say(f"note: {', '.join(map(_dashed, flags))}: without effect, for want of {_dashed(needed)}")
    if options.dynamic and options.batch_size:
        console.say("note: --batch-size: without effect, since --dynamic leaves the batch free")
    _require(options, not (options.uint8_input and options.half_io), "--uint8-input and --half-io exclude each other")


def _dashed(flag: str) -> str:
    """A flag as the user types it."""
    if flag == "multi_label":
        return "--single-label or --multi-label"
    return f"--{flag.replace('_', '-')}"


def _candidates(options: argparse.Namespace) -> int:
    """M, which must leave the NMS something to choose K rows from."""
    return getattr(options, "nms_candidates", None) or (3840 if (options.topk_all or 0) >= 1000 else 1000)


def _changed(settings: NmsSettings, options: argparse.Namespace) -> NmsSettings:
    """The settings with what the user gave."""
    from dataclasses import replace

    given = {key: getattr(options, key) for key in ("conf_thres", "iou_thres", "topk_all", "multi_label")}
    changes = {key: value for key, value in given.items() if value is not None}
    return replace(settings, **changes, class_agnostic=options.class_agnostic or settings.class_agnostic)


def _require(options: argparse.Namespace, condition: object, message: str) -> None:
    """Wrong usage, exit code 2, where flags do not go together."""
    if not condition:
        options.usage_error(message)


def _build(options: argparse.Namespace) -> None:
    from . import console
    from .engines.build.builder import build

    output = options.output or Path(f"{options.model.stem}.engine")
    if options.print_trtexec:
        _print_trtexec(options, output)
        return
    settings = _build_settings(options, options.target)
    with console.progress("building") as report:
        manifest = build(
            options.model, output, settings, report, force=options.force, note=console.say, verify=not options.no_verify
        )
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.items()))
    seconds = f"{sum(manifest.seconds.values()):.1f} s"
    size = f"{manifest.plan_bytes / 2**20:.1f} MiB"
    print(f"{output}: {manifest.target} {manifest.version}, {size}, layers: {layers or 'unknown'}, {seconds}")


def _print_trtexec(options: argparse.Namespace, output: Path) -> None:
    from dataclasses import replace

    from . import console
    from .contract.target import parse_target
    from .engines.build.record import model_meta
    from .engines.build.trtexec import trtexec_line

    version = parse_target(options.target).tensorrt
    if version is None:
        _require(
            options,
            False,
            f"--print-trtexec is for TensorRT, not {options.target}; name a version, such as --target tensorrt:8.6",
        )
        return
    if ":" not in options.target:
        console.say(
            f"note: this is the line for TensorRT {version[0]}.{version[1]}; name another as --target tensorrt:8.6"
        )
    settings = replace(_build_settings(options, "tensorrt"), timing_cache=options.timing_cache)
    print(trtexec_line(options.model, output, version, settings, model_meta(options.model)))


def _build_settings(options: argparse.Namespace, target: str) -> BuildSettings:
    from .engines.build.timing_cache import default_folder
    from .engines.plans.settings import BuildSettings

    default = default_folder() if target == "tensorrt" else None
    folder = None if options.no_timing_cache else options.timing_cache or default
    return BuildSettings(
        target=target,
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


def _lower(options: argparse.Namespace) -> None:
    from .pipeline import lower

    replaced = lower(options.model, options.output, not options.no_verify)
    print(f"{options.output}: {', '.join(replaced) if replaced else 'held no plugin; copied as it is'}")


def _detect(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from .engines.pictures.detect import detect
    from .engines.pictures.predictor import Predictor, default_settings
    from .engines.pictures.sources import find_sources
    from .engines.runtimes.open import open_runtime

    sources = find_sources(options.source)
    runtime = open_runtime(options.model, options.backend, options.device, _read_options(options))
    _check_finished(options, runtime.meta)
    settings = _changed(default_settings(runtime.meta), options)
    settings = settings if runtime.meta.end2end else replace(settings, candidates=_candidates(options))
    done = detect(Predictor(runtime, settings), sources, options.output, str(options.model))
    pictures = f"{done.pictures} picture{'s' if done.pictures > 1 else ''}"
    what = f"classified {pictures}" if runtime.meta.task == "classify" else f"{done.objects} objects in {pictures}"
    speed = f"{1000 * done.seconds / max(done.pictures, 1):.1f} ms a picture on {runtime.name}"
    print(f"{what}, {speed}; see {done.folder}")


def _check_finished(options: argparse.Namespace, meta: ModelMeta) -> None:
    """Refuse flags that the NMS of an end-to-end graph would ignore.

    Raises:
        InputError: naming the flag.
    """
    from .errors import InputError

    if not meta.nms or meta.extra.get("runtime_thresholds"):
        return
    fixed = [flag for flag in ("iou_thres", "topk_all", "multi_label") if getattr(options, flag) is not None]
    if options.conf_thres is not None and options.conf_thres < meta.nms.conf_thres:
        fixed.append("conf_thres")
    if fixed or options.class_agnostic:
        flags = ", ".join(map(_dashed, fixed)) or "--class-agnostic"
        raise InputError(
            f"{options.model} has its NMS in the graph (score > {meta.nms.conf_thres}, IoU {meta.nms.iou_thres}), which {flags} "
            f"cannot change here; run `trtzoo convert {options.model} --conf-thres X --iou-thres X`, or detect with the raw model"
        )


def _inspect(options: argparse.Namespace) -> None:
    import json

    from . import console
    from .inspection import inspect

    found = inspect(options.model, _read_options(options))
    if options.json:
        print(json.dumps(found.document(), indent=1, ensure_ascii=False))
        return
    console.table("", ["", options.model.name], [[key, value] for key, value in found.facts.items()])
    if options.layers:
        print("\n".join(found.layers or ("the file does not say what layers it has",)))


def _read_options(options: argparse.Namespace) -> ReadOptions:
    from .converters.options import ReadOptions

    return ReadOptions(options.weights, options.names, _image_size(options.img_size), options.family, options.head)


def _image_size(numbers: Sequence[int] | None) -> tuple[int, int] | None:
    from .errors import InputError

    if not numbers:
        return None
    if len(numbers) > 2 or max(numbers) > 16384:
        raise InputError(
            f"--img-size {' '.join(map(str, numbers))}: give one number, or height and width, of at most 16384"
        )
    return numbers[0], numbers[-1]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        hint = "; put MODEL before --img-size" if Path(text).suffix else ""
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number{hint}")
    return int(text)


def _class_threshold(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        equals = ""
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text} is no NAME=X, such as person=0.5")
    return name, number


def _device(text: str) -> str:
    if text in ("cpu", "cuda"):
        return text
    number = text.removeprefix("cuda:")
    if not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is neither cpu nor the number of a GPU")
    return f"cuda:{number}"


def _gpu_number(text: str) -> int:
    number = _device(text).partition(":")[2]
    if not number:
        raise argparse.ArgumentTypeError(f"{text} is not the number of a GPU")
    return int(number)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
