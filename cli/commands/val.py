"""`trtzoo val`: mAP of models on labelled pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.choices import BACKENDS
from ..flags import add_reading, add_thresholds, device, positive, read_options
from ..registry import Command

if TYPE_CHECKING:
    from ...contract.choices import Backend
    from ...evaluation.validation.results import Comparison, ModelResults, ValResults
    from ...evaluation.validation.run import ValSettings

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
    from ... import console
    from ...data.datasets.load import load_dataset
    from ...evaluation.subjects import subjects_of
    from ...evaluation.validation.validate import validate

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
    from ...evaluation.validation.run import ValSettings

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
    from ... import console

    if len(done.models) == 1 and done.models[0].classes:
        _show_classes(done.models[0])
    columns = ["model", "runtime", "precision", "NMS", "metric", "mAP50-95", "mAP50", "COCO AP", "P", "R"]
    columns += ["ms pre / net / post"]
    rows = [row for model in done.models for row in _rows(model)]
    if done.models and done.models[0].accuracy:
        columns[4:10] = ["top-1", "top-5"]
    console.table("", columns, rows)
    if done.comparisons:
        _show_comparisons(done)


def _rows(model: ModelResults) -> list[list[str]]:
    facts, speed = model.model, model.speed
    first = [facts.label, facts.runtime, facts.precision, facts.nms]
    last = [f"{speed.preprocess:.1f} / {speed.inference:.1f} / {speed.postprocess:.1f}"]
    if model.accuracy:
        return [[*first, _share(model.accuracy.top1), _share(model.accuracy.top5), *last]]
    rows = []
    for metric, one in model.metrics.items():
        ours = _shares((one.map, one.map50))
        official = "" if one.coco.get("AP") is None else _share(one.coco["AP"])
        rows.append([*first, metric, *ours, official, *_shares((one.precision, one.recall)), *last])
        if one.dota is not None:
            rows.append([*first, "box, DOTA", "", _share(one.dota), "", "", "", *last])
    return rows


def _show_classes(model: ModelResults) -> None:
    from ... import console

    metrics = list(model.metrics)
    columns = ["class", "objects", *(f"{metric} {name}" for metric in metrics for name in ("mAP50-95", "mAP50"))]
    rows = [
        [one.name, str(one.objects), *(_share(table[metric]) for metric in metrics for table in (one.map, one.map50))]
        for one in model.classes
    ]
    console.table(model.model.label, columns, rows)


def _show_comparisons(done: ValResults) -> None:
    from ... import console

    rows = [
        [
            one.model,
            one.metric,
            f"{one.difference:+.4f}",
            f"{one.low:+.4f} .. {one.high:+.4f}",
            _verdict(one, done.data.pictures),
        ]
        for one in done.comparisons
    ]
    level = f"{done.comparisons[0].level:.0%} interval"
    console.table(f"against {done.comparisons[0].against}", ["model", "metric", "difference", level, ""], rows)


def _verdict(one: Comparison, pictures: int) -> str:
    if one.difference == one.low == one.high == 0:
        return "the same"
    if one.low > 0 or one.high < 0:
        return "better" if one.low > 0 else "worse"
    return f"not resolved by {pictures} picture{'s' if pictures != 1 else ''}"


def _shares(values: Sequence[float]) -> list[str]:
    return [_share(value) for value in values]


def _share(value: float) -> str:
    return f"{value:.4f}"


COMMAND = Command("val", "measure models on labelled pictures: mAP, per class, speed", EXAMPLES, _add_flags, _run)
