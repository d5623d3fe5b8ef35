"""`trtzoo detect`: a model over pictures and videos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.choices import BACKENDS
from ..flags import add_reading, add_thresholds, dashed, device, nms_settings, read_options
from ..registry import Command

if TYPE_CHECKING:
    from ...contract.meta import ModelMeta

EXAMPLES = """
  trtzoo detect yolov3-tiny.onnx dog.jpg
  trtzoo detect yolov3-tiny.cfg 'pictures/*.jpg' --names coco.names -o results
  trtzoo detect yolov3-tiny.onnx street.mp4 --conf-thres 0.5
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
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
        type=device,
        default="cpu",
        metavar="cpu|N",
        help="cpu, or the number of a GPU (default: cpu; an engine: 0)",
    )
    add_reading(parser)
    add_thresholds(
        parser.add_argument_group(
            "NMS behind raw heads (an end-to-end graph keeps its own; a higher --conf-thres filters its rows)"
        ),
    )


def _run(options: argparse.Namespace) -> None:
    from ... import console
    from ...engines.pictures.detect import detect
    from ...engines.pictures.predictor import Predictor
    from ...engines.pictures.sources import find_sources
    from ...engines.runtimes.open import open_runtime

    sources = find_sources(options.source)
    runtime = open_runtime(options.model, options.backend, options.device, read_options(options), console.note)
    _check_finished(options, runtime.meta)
    done = detect(Predictor(runtime, nms_settings(options)), sources, options.output, str(options.model), console.track)
    pictures = f"{done.pictures} picture{'s' if done.pictures > 1 else ''}"
    what = f"classified {pictures}" if runtime.meta.task == "classify" else f"{done.objects} objects in {pictures}"
    speed = f"{1000 * done.seconds / max(done.pictures, 1):.1f} ms a picture on {runtime.name}"
    print(f"{what}, {speed}; see {done.folder}")


def _check_finished(options: argparse.Namespace, meta: ModelMeta) -> None:
    """Refuse flags that the NMS of an end-to-end graph would ignore.

    Raises:
        InputError: naming the flag.
    """
    from ...errors import InputError

    if not meta.nms or meta.extra.get("runtime_thresholds"):
        return
    fixed = [flag for flag in ("iou_thres", "topk_all", "multi_label") if getattr(options, flag) is not None]
    if options.conf_thres is not None and options.conf_thres < meta.nms.conf_thres:
        fixed.append("conf_thres")
    if fixed or options.class_agnostic:
        flags = ", ".join(map(dashed, fixed)) or "--class-agnostic"
        raise InputError(
            f"{options.model} has its NMS in the graph (score > {meta.nms.conf_thres}, IoU {meta.nms.iou_thres}), which {flags} "
            f"cannot change here; run `trtzoo convert {options.model} --conf-thres X --iou-thres X`, or detect with the raw model"
        )


COMMAND = Command("detect", "run a model on pictures, folders, patterns or videos", EXAMPLES, _add_flags, _run)
