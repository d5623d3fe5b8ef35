"""Greedy NMS beside fast NMS, by accuracy on labelled pictures.

    python benchmarks/nms/fast.py [--pictures 150] [--model yolov8n.pt]

Ultralytics suppresses oriented boxes by fast NMS. No oriented model with labelled pictures is at hand, so an upright one stands
for it: its boxes are suppressed as oriented ones of angle 0 by ProbIoU, and as upright ones by IoU, by either rule. AP is COCO's
(score > 0.001, 300 rows); precision and recall are at score > 0.25, IoU 0.5. Pictures and labels are those of ../shared/coco.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

from trtzoo import NmsSettings, Predictor, open_runtime
from trtzoo.console import track
from trtzoo.engines.pictures.detections import Detections
from trtzoo.engines.pictures.nms import select
from trtzoo.graph.weights import Array

SHARED = Path(__file__).resolve().parents[3] / "shared"
RULES = tuple(product(("ProbIoU", "IoU"), (0.45, 0.7), (False, True)))
"""Overlap, threshold, and whether it is fast NMS."""


def oriented(boxes: Array) -> Array:
    """Boxes [N, 4] as oriented ones of angle 0, [N, 5]."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.column_stack([centre, size, np.zeros(len(boxes), np.float32)])


def results(predictor: Predictor, file: Path, image: int) -> Iterator[list[dict]]:
    """COCO results of one picture by each rule."""
    prepared = predictor.prepare(file)
    heads = predictor.runtime.infer(prepared.image[None])
    boxes, scores = heads["boxes"][0], heads["scores"][0]
    place = prepared.placement
    for overlap, threshold, fast in RULES:
        settings = replace(predictor.suppression, iou_thres=threshold, fast=fast)
        anchors, classes = select(oriented(boxes) if overlap == "ProbIoU" else boxes, scores, settings)
        corners = place.clip(place.to_picture(boxes[anchors].reshape(-1, 2, 2)).reshape(-1, 4))
        found = Detections(place.size, corners, scores[anchors, classes], classes, names=predictor.names)
        yield found.to_coco(image)


def judged(truth: COCO, found: list[dict], threshold: float | None = None) -> COCOeval:
    """COCO's judge of results above a threshold."""
    kept = [one for one in found if threshold is None or one["score"] > threshold]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, truth.loadRes(kept), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def precision_and_recall(judge: COCOeval) -> tuple[float, float]:
    """Of all results and labels together, at IoU 0.5."""
    images = [image for image in judge.evalImgs if image and image["aRng"] == judge.params.areaRng[0]]
    hits = sum(int((image["dtMatches"][0] > 0).sum()) for image in images)
    found = sum(len(image["dtIds"]) for image in images)
    return hits / found, hits / sum(int((np.array(image["gtIgnore"]) == 0).sum()) for image in images)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--model", default="yolov8n.pt", help="a file of ../shared/weights with COCO's classes")
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(SHARED / "coco" / "annotations" / "instances.json"))
    settings = NmsSettings(conf_thres=0.001, topk_all=300, candidates=30000, multi_label=False)
    found: list[list[dict]] = [[] for _ in RULES]
    images = truth.getImgIds()[: options.pictures]
    with Predictor(open_runtime(SHARED / "weights" / options.model), settings) as predictor:
        for image in track(images, len(images), "detecting"):
            file = SHARED / "coco" / "images" / truth.loadImgs(image)[0]["file_name"]
            for kept, more in zip(found, results(predictor, file, image), strict=True):
                kept.extend(more)
    table = Table("overlap", "threshold", "rule", "AP", "AP50", "precision", "recall", title=options.model)
    for (overlap, threshold, fast), kept in zip(RULES, found, strict=True):
        judge, (precision, recall) = judged(truth, kept), precision_and_recall(judged(truth, kept, 0.25))
        figures = (judge.stats[0], judge.stats[1], precision, recall)
        table.add_row(overlap, f"{threshold}", "fast" if fast else "greedy", *(f"{value:.4f}" for value in figures))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
