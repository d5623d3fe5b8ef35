"""`trtzoo val`: mAP of models on labelled pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ....contract.choices import BACKENDS
from ...flags import add_reading, add_thresholds, device, positive, read_options
from ...registry import Command

if TYPE_CHECKING:
    from ....contract.choices import Backend
    from ....evaluation.validation.results import ValResults
    from ....evaluation.validation.run import ValSettings

EXAMPLES = """
  trtzoo val yolov8n.pt --data coco8.yaml
  trtzoo val yolov8n.pt yolov8n-half.onnx yolov8n-int8.engine --half --data instances_val2017.json --images val2017
  trtzoo val yolov8n-obb.onnx --data dota8.yaml -o results
  trtzoo val yolov8n-cls.pt --data imagenet10 --names classes.txt
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="a .cfg, .pt, .onnx, .engine or triton://"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DATA",
        help="a data yaml, COCO JSON, a folder with a JSON file a picture; for a classifier a folder a class",
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the pictures of JSON labels")
    parser.add_argument("--split", default="val", metavar="NAME", help="part of a data yaml (default: val)")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N pictures only")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("val"),
        metavar="DIR",
        help="folder for val.json, COCO results and plots (default: ./val)",
    )
    parser.add_argument("--backend", choices=BACKENDS, help="what runs the models (default: what fits each file)")
    parser.add_argument("--device", type=device, default="cpu", metavar="cpu|N", help="cpu, or a GPU (default: cpu)")
    parser.add_argument("--half", action="store_true", help="run each .cfg and .pt through torch, in FP32 and in FP16")
    parser.add_argument("--batch-size", type=positive, default=1, metavar="N", help="pictures a run (default: 1)")
    parser.add_argument("--draws", type=positive, default=500, metavar="N", help="of the bootstrap (default: 500)")
    parser.add_argument("--no-plots", action="store_true", help="draw no curves and confusion matrices")
    add_reading(parser)
    group = parser.add_argument_group("findings (for evaluation; an end-to-end graph keeps its own thresholds)")
    add_thresholds(group, "0.001", "0.7", "300")
    group.add_argument(
        "--fast-nms",
        action=argparse.BooleanOptionalAction,
        help="suppress oriented boxes as Ultralytics does, or greedily as trtzoo's graphs (default: as the model's framework)",
    )


def _run(options: argparse.Namespace) -> int | None:
    from .... import console
    from ....data.datasets.load import load_dataset
    from ....evaluation.subjects import subjects_of
    from ....evaluation.validation.validate import validate

    backend: Backend | None = options.backend or ("torch" if options.half else None)
    done = validate(
        subjects_of(options.models, backend, options.device, read_options(options), options.half),
        lambda task: load_dataset(options.data, task, options.images, options.split),
        options.data,
        _settings(options),
        options.output,
        console.track,
        console.note,
    )
    for model in done.models:
        for note in model.notes:
            console.note(f"{model.model.label}: {note}")
    _show(done)
    print(f"{done.data.pictures} pictures, {done.data.objects} objects, by {done.library}; see {options.output}")
    if done.partial:
        console.say(f"interrupted: {options.output} holds the figures of the {done.data.pictures} pictures looked at")
        return 130
    return None


def _settings(options: argparse.Namespace) -> ValSettings:
    from ....evaluation.validation.run import ValSettings

    given = {name: getattr(options, name) for name in ("conf_thres", "iou_thres", "topk_all", "multi_label")}
    return ValSettings(
        **{name: value for name, value in given.items() if value is not None},
        class_agnostic=options.class_agnostic,
        fast_nms=options.fast_nms,
        batch=options.batch_size,
        limit=options.limit,
        plots=not options.no_plots,
        draws=options.draws,
    )


def _show(done: ValResults) -> None:
    from .... import console
    from ....evaluation.validation.tables import classes_table, comparisons_table, models_table

    shown = [models_table(done), comparisons_table(done)]
    if len(done.models) == 1 and done.models[0].classes:
        shown.insert(0, classes_table(done.models[0]))
    for table in shown:
        if table:
            console.table(table.title, table.columns, table.rows)


COMMAND = Command("val", "measure models on labelled pictures: mAP, per class, speed", EXAMPLES, _add_flags, _run)
