"""One model over a dataset: picture after picture, nothing large kept."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...data.datasets.truth import Dataset, Sample
from ...engines.pictures.detections import Detections
from ...engines.pictures.sources import read_picture
from ...engines.runtimes.base import Runtime
from ...graph.weights import Array
from ..stages import Looked, look, prepare_as_validators
from .judge import Judge
from .metrics.coco_library import CocoLibrary
from .metrics.prototype_masks import MaskGrid, found_on_grid
from .records import JsonList, TruthRecords, finding_records
from .results import Speed

CANDIDATES = 30000
"""(anchor, class) pairs that enter the NMS in an evaluation, as in the YOLO frameworks."""

Item = TypeVar("Item")
Track = Callable[[Iterable[Item], int, str], Iterator[Item]]
"""Shows progress: items, how many, what is done."""


@dataclass(frozen=True)
class ValSettings:
    """How models are evaluated.

    Attributes:
        conf_thres: least score.
        iou_thres: of the NMS.
        topk_all: most findings a picture.
        multi_label: None takes every class of a box, as the YOLO frameworks' validators and DarkNet do.
        class_agnostic: boxes of different classes suppress each other.
        fast_nms: suppress oriented boxes behind raw heads as Ultralytics does (True) or greedily (False); None does what the
            model's own framework does.
        batch: pictures in a run, where the model leaves that free.
        limit: look at the first pictures only.
        plots: draw curves and the confusion matrix.
        draws: of the bootstrap that compares models.
    """

    conf_thres: float = 0.001
    iou_thres: float = 0.7
    topk_all: int = 300
    multi_label: bool | None = None
    class_agnostic: bool = False
    fast_nms: bool | None = None
    batch: int = 1
    limit: int | None = None
    plots: bool = True
    draws: int = 500


@dataclass
class Run:
    """What is known of a model after some pictures.

    Attributes:
        judge: the matches.
        truth: the labels as COCO records.
        pictures: how many were looked at.
        interrupted: by Ctrl-C.
        speed: by stage.
    """

    judge: Judge
    truth: TruthRecords
    pictures: int = 0
    interrupted: bool = False
    speed: Speed = Speed(0, 0, 0, 0, 0)


def suppression_for(meta: ModelMeta, wanted: ValSettings) -> tuple[Suppression, tuple[str, ...]]:
    """How a model's findings are made, and notes where its graph does not do as wanted."""
    multi_label = True if wanted.multi_label is None else wanted.multi_label
    ours = Suppression(
        iou_thres=wanted.iou_thres,
        conf_thres=wanted.conf_thres,
        topk_all=wanted.topk_all,
        candidates=CANDIDATES,
        multi_label=multi_label and len(meta.names) > 1,
        class_agnostic=wanted.class_agnostic,
    )
    notes = []
    if meta.head == "one2one":
        notes.append(
            "measured with its one-to-one head, as it is converted by default; Ultralytics' validator (8.4.190) takes the "
            "other one unless it is told nms=False, so compare that with --head one2many"
        )
    if meta.nms is None:
        return ours, tuple(notes)
    if meta.task == "obb":
        notes.append("its graph suppresses greedily, where Ultralytics' validator uses fast NMS")
    free = bool(meta.extra.get("runtime_thresholds"))
    kept = replace(meta.nms, conf_thres=ours.conf_thres, iou_thres=ours.iou_thres) if free else meta.nms
    if not free and (meta.nms.conf_thres > ours.conf_thres or meta.nms.iou_thres != ours.iou_thres):
        notes.append(
            f"its graph keeps scores above {meta.nms.conf_thres:g} and suppresses at IoU {meta.nms.iou_thres:g}, not at the "
            f"evaluation's {ours.conf_thres:g} and {ours.iou_thres:g}; figures are of the graph as it is deployed; "
            f"for the graph's own loss convert it with --conf-thres {ours.conf_thres:g} --iou-thres {ours.iou_thres:g} "
            f"--topk-all {ours.topk_all}"
        )
    if meta.nms.topk_all < ours.topk_all:
        notes.append(f"its graph gives at most {meta.nms.topk_all} findings a picture, not {ours.topk_all}")
    return kept, tuple(notes)


def suppresses_fast(meta: ModelMeta, wanted: ValSettings) -> bool:
    """Whether oriented boxes go when they overlap any better one, even one that went itself."""
    if meta.task != "obb" or meta.end2end:
        return False
    return meta.family == "ultralytics" if wanted.fast_nms is None else wanted.fast_nms


def run_model(
    runtime: Runtime,
    dataset: Dataset,
    settings: Suppression,
    wanted: ValSettings,
    library: CocoLibrary,
    predictions: JsonList,
    track: Track[Any],
) -> Run:
    """Look at every picture; Ctrl-C ends it with what was done so far.

    Raises:
        InputError: a picture or its labels cannot be read.
    """
    meta = runtime.meta
    run = Run(Judge(meta.task, len(dataset.names), dataset.spread, library.masks), TruthRecords(dataset))
    number_of = dataset.number_of(meta.names, runtime.meta.source or "the model")
    clock, start = Clock(), time.perf_counter()
    step = meta.batch or wanted.batch
    settings = replace(settings, fast=suppresses_fast(meta, wanted))
    try:
        for chunk in chunks(track(dataset.samples, len(dataset.samples), "evaluating"), step):
            pictures = [read_picture(sample.path) for sample in chunk]
            looked = look(runtime, pictures, settings, prepare_as_validators)
            begin = time.perf_counter()
            for number, sample in enumerate(chunk):
                known = _known(looked.found[number], number_of, wanted)
                grid = _grid(looked, number, known, meta) if meta.task == "segment" else None
                _take(run, dataset, sample, looked.found[number][known], grid, number_of, library, predictions)
                run.pictures += 1
            clock.add(looked.seconds, time.perf_counter() - begin, len(chunk))
    except KeyboardInterrupt:
        run.interrupted = True
    run.speed = clock.speed(time.perf_counter() - start)
    return run


def peak_rss_mib() -> float:
    """Most memory that this process had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def chunks(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    """The samples in lists of `size`."""
    while chunk := list(islice(samples, size)):
        yield chunk


def _known(found: Detections, number_of: Array, wanted: ValSettings) -> Array:
    """Numbers of the findings of classes that the dataset has, above the threshold, best first, at most as many as wanted."""
    keep = (number_of[found.classes] >= 0) & (found.scores > wanted.conf_thres)
    order = np.flatnonzero(keep)
    best: Array = order[np.argsort(-found.scores[order], kind="stable")][: wanted.topk_all]
    return best


def _grid(looked: Looked, number: int, known: Array, meta: ModelMeta) -> MaskGrid | None:
    """The masks of a picture's findings at the resolution of the prototypes."""
    rows = looked.rows[number]
    if rows.masks is None:
        return None
    masks = found_on_grid(rows.masks[known], rows.boxes[known], meta.imgsz)
    return MaskGrid(masks, meta.imgsz, looked.placements[number])


def _take(
    run: Run,
    dataset: Dataset,
    sample: Sample,
    found: Detections,
    grid: MaskGrid | None,
    number_of: Array,
    library: CocoLibrary,
    predictions: JsonList,
) -> None:
    truth = sample.truth(found.size) if sample.truth else None
    if truth is None:
        return
    coded = _coded(found, library.masks)
    classes = number_of[found.classes]
    predictions.write(finding_records(sample, found, [dataset.categories[number] for number in classes], coded))
    run.truth.add(sample, found.size, truth)
    run.judge.add(truth, found, classes, grid)


def _coded(found: Detections, masks: Any) -> Sequence[Any]:
    if found.masks is None or not len(found):
        return ()
    coded = masks.encode(np.asfortranarray(found.masks.transpose(1, 2, 0).astype(np.uint8)))
    return [{**record, "counts": _text(record["counts"])} for record in coded]


def _text(counts: str | bytes) -> str:
    return counts.decode() if isinstance(counts, bytes) else counts


class Clock:
    """Seconds of each stage; the first run, which warms everything up, is left out where there are more."""

    def __init__(self) -> None:
        self._first: tuple[list[float], int] | None = None
        self._sums, self._count = [0.0] * 4, 0

    def add(self, stages: Sequence[float], evaluation: float, pictures: int) -> None:
        seconds = [*stages, evaluation]
        if self._first is None:
            self._first = seconds, pictures
            return
        self._sums = [before + more for before, more in zip(self._sums, seconds, strict=True)]
        self._count += pictures

    def speed(self, seconds: float) -> Speed:
        sums, count = (self._sums, self._count) if self._count else self._first or ([0.0] * 4, 1)
        preprocess, inference, postprocess, evaluation = (round(1000 * value / count, 3) for value in sums)
        return Speed(preprocess, inference, postprocess, evaluation, round(seconds, 3))
