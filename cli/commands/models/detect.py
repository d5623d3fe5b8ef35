"""`trtzoo detect`: a model over pictures and videos."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ....contract.choices import BACKENDS
from ...flags import add_reading, add_thresholds, dashed, device, nms_settings, positive, read_options, require
from ...registry import Command

if TYPE_CHECKING:
    from ....contract.meta import ModelMeta
    from ....engines.pictures.detect import Summary, Wanted

EXAMPLES = """
  trtzoo detect yolov3-tiny.onnx dog.jpg
  trtzoo detect yolov3-tiny.cfg 'pictures/*.jpg' --names coco.names -o results
  trtzoo detect yolov3-tiny.onnx street.mp4 --conf-thres 0.5
  trtzoo detect yolov8n.onnx pictures/ more.jpg -r --classes car truck --save-txt --no-images
  trtzoo detect yolov8n.onnx rtsp://camera.local/stream
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .pt, .onnx or .engine")
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="pictures, videos, folders, quoted patterns, a .txt with one a line, the number of a camera, or an address "
        "(http, https, rtsp)",
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="look into the folders of a folder too")
    parser.add_argument("--backend", choices=BACKENDS, help="what runs the model (default: what fits the file)")
    parser.add_argument(
        "--device",
        type=device,
        default="cpu",
        metavar="cpu|N",
        help="cpu, or the number of a GPU (default: cpu; an engine: 0)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="pictures a run, where the model leaves that free (default: 1 on a CPU, 8 on a GPU)",
    )
    _add_output(parser.add_argument_group("output"))
    add_reading(parser)
    thresholds = parser.add_argument_group(
        "NMS behind raw heads (an end-to-end graph keeps its own; a higher --conf-thres filters its rows)"
    )
    add_thresholds(thresholds)
    thresholds.add_argument(
        "--fast-nms",
        action="store_true",
        help="a box goes when it overlaps any better one, even one that went itself, as Ultralytics suppresses oriented boxes",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("detections"),
        metavar="DIR",
        help="folder for annotated pictures, detections.jsonl and detections.json (default: ./detections)",
    )
    group.add_argument("--classes", nargs="+", metavar="NAME", help="keep only these classes, by name or number")
    group.add_argument("--no-images", action="store_true", help="write no annotated pictures")
    group.add_argument(
        "--no-masks",
        action="store_true",
        help="of a segment model only the boxes; a server then sends no masks, 10 MB a picture",
    )
    group.add_argument("--line-width", type=positive, metavar="PIXELS", help="of boxes (default: suits the picture)")
    group.add_argument("--hide-labels", action="store_true", help="draw boxes without class and score")
    group.add_argument("--save-txt", action="store_true", help="write labels/*.txt in YOLO's form")
    group.add_argument("--save-conf", action="store_true", help="... with the score at the end of each line")
    group.add_argument("--save-coco", action="store_true", help="write coco.json, results as pycocotools reads them")
    group.add_argument("--save-crops", action="store_true", help="write each object as a picture, crops/CLASS/*.jpg")


def _run(options: argparse.Namespace) -> int:
    _silence_opencv()
    from .... import console
    from ....engines.pictures.ahead import shares
    from ....engines.pictures.detect import detect
    from ....engines.pictures.predictor import Predictor
    from ....engines.pictures.sources import find_all
    from ....engines.runtimes.open import open_runtime

    idle = options.no_images and (options.line_width or options.hide_labels)
    require(options, not idle, "--line-width and --hide-labels are for pictures, which --no-images leaves out")
    sources = find_all(options.sources, options.recursive, options.output)
    live = any(not source.frames for source in sources)
    workers, threads = shares(0 if live else sum(source.frames for source in sources) // (options.batch_size or 1))
    read = read_options(options)
    runtime = open_runtime(options.model, options.backend, options.device, read, console.note, threads=threads)
    with Predictor(runtime, nms_settings(options), options.batch_size, not options.no_masks) as predictor:
        wanted = _wanted(options, runtime.meta)
        if runtime.name != "onnxruntime CPU":  # a GPU, a server or torch has one queue
            workers = 1
        model = str(options.model)
        done = detect(predictor, sources, options.output, model, wanted, console.track, console.note, workers)
    print(_sentence(done, runtime.meta.task, runtime.name))
    return 3 if done.skipped else 0


def _silence_opencv() -> None:
    """What cannot be read is named once, by us; what libraries print about it besides helps nobody."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def _wanted(options: argparse.Namespace, meta: ModelMeta) -> Wanted:
    """What is to be written.

    Raises:
        InputError: something that needs objects, which a classifier does not find; or no such class.
    """
    from ....contract.classes import class_numbers
    from ....engines.pictures.detect import Wanted
    from ....engines.pictures.drawing import Style
    from ....errors import InputError

    needs_objects = [flag for flag in ("classes", "save_coco", "save_crops") if getattr(options, flag)]
    if meta.task == "classify" and needs_objects:
        raise InputError(f"{dashed(needs_objects[0])} is about objects, but this model classifies whole pictures")
    return Wanted(
        images=not options.no_images,
        style=Style(options.line_width, not options.hide_labels),
        text=options.save_txt,
        text_scores=options.save_conf,
        coco=options.save_coco,
        crops=options.save_crops,
        classes=class_numbers(options.classes, meta.names) if options.classes else None,
    )


def _sentence(done: Summary, task: str, runtime: str) -> str:
    from ....files import printable

    pictures = f"{done.pictures} picture{'s' if done.pictures > 1 else ''}"
    what = f"classified {pictures}" if task == "classify" else f"{done.objects} objects in {pictures}"
    skipped = f", {done.skipped} skipped" if done.skipped else ""
    speed = f"{1000 * done.seconds / done.pictures:.1f} ms a picture on {runtime}"
    return f"{what}{skipped}, {speed}; see {printable(done.folder)}"


COMMAND = Command("detect", "run a model on pictures, folders, videos, cameras or streams", EXAMPLES, _add_flags, _run)
