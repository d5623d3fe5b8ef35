"""mAP before and after: the framework on its own checkpoint's numbers, our raw graph with NMS behind it, our end-to-end graph.

    python benchmarks/accuracy.py [--models yolov8n yolo11n-pose ...] [--pictures 150]

Pictures and labels are those of ../shared/coco (150 of COCO val2017); its INDEX.md says what the original implementations
reach on them. Same settings as there: confidence 0.001, IoU 0.7, 300 detections, square letterbox, FP32, ONNX Runtime CPU; DarkNet
models: plain stretch, multi-label, score > 0.005, IoU 0.45. Use it to compare columns, never as COCO val mAP.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode
from rich.console import Console
from rich.table import Table

from trtzoo import ConvertSettings, Detections, EndToEnd, NmsSettings, Predictor, ReadOptions, convert, open_runtime
from trtzoo.console import track
from trtzoo.engines.pictures.sources import read_picture

SHARED = Path(__file__).resolve().parents[2] / "shared"
ANNOTATIONS, PICTURES, WEIGHTS = SHARED / "coco" / "annotations", SHARED / "coco" / "images", SHARED / "weights"
WITH_MASKS = SHARED / "coco" / "with_masks.txt"
"""The pictures whose labels have masks."""
COCO_IDS = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
"""COCO's category of each of the 80 classes."""


@dataclass(frozen=True)
class Subject:
    """A model and how it is judged.

    Attributes:
        file: in ../shared/weights.
        metric: of pycocotools, "bbox", "segm" or "keypoints".
        conf: score threshold.
        iou: threshold of the NMS.
        published: what ../shared/coco/INDEX.md gives for the original implementation.
    """

    file: str
    metric: str
    conf: float = 0.001
    iou: float = 0.7
    published: str = ""


SUBJECTS = {
    "yolov8n": Subject("yolov8n.pt", "bbox", published=".3936"),
    "yolov8n-seg": Subject("yolov8n-seg.pt", "bbox", published=".3846"),
    "yolov8n-seg-masks": Subject("yolov8n-seg.pt", "segm", published=".3152"),
    "yolo11n-pose": Subject("yolo11n-pose.pt", "keypoints", published=".5079"),
    "yolo26n": Subject("yolo26n.pt", "bbox", published=".4317"),
    "yolov5n": Subject("yolov5n_v6.0-era.pt", "bbox", published=".2860"),
    "yolov3-tiny": Subject("yolov3-tiny.cfg", "bbox", 0.005, 0.45, ".1402"),
    "yolo-fastest": Subject("yolo-fastest-1.1.cfg", "bbox", 0.005, 0.45, ".1429"),
}


def average_precision(truth: COCO, records: list[dict], metric: str, images: list[int]) -> float:
    """AP over IoU (or OKS) 0.50 to 0.95."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(records), metric)
        evaluation.params.imgIds = images
        evaluation.params.maxDets = [20] if metric == "keypoints" else [1, 10, 100]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def records_of(image: int, found: Detections) -> Iterable[dict]:
    """COCO's result records of one picture."""
    for row in range(len(found)):
        left, top, right, bottom = map(float, found.boxes[row])
        record = {
            "image_id": image,
            "category_id": COCO_IDS[int(found.classes[row])],
            "bbox": [left, top, right - left, bottom - top],
            "score": float(found.scores[row]),
        }
        if found.keypoints is not None:
            # As the framework's validation does it: inside the picture, and every point counts as given.
            places = np.clip(found.keypoints[row, :, :2], 0, np.array(found.size[::-1], np.float32))
            record["keypoints"] = np.column_stack([places, np.ones(len(places))]).reshape(-1).tolist()
        if found.masks is not None:
            record["segmentation"] = encode(np.asfortranarray(found.masks[row].astype(np.uint8)))
        yield record


def evaluate(predict: Callable[[list], list[Detections]], subject: Subject, count: int) -> float:
    """AP of a predictor over the first pictures."""
    name = "person_keypoints" if subject.metric == "keypoints" else "instances"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(ANNOTATIONS / f"{name}.json"))
    images = sorted(truth.getImgIds())
    if subject.metric == "segm":
        masked = set(WITH_MASKS.read_text().split())
        images = [image for image in images if truth.loadImgs(image)[0]["file_name"] in masked]
    images = images[:count]
    records = []
    for image in track(images, len(images), "evaluating"):
        [found] = predict([read_picture(PICTURES / truth.loadImgs(image)[0]["file_name"])])
        records += records_of(image, found)
    return average_precision(truth, records, subject.metric, images)


def predictors(subject: Subject, folder: Path) -> tuple[Predictor, Predictor]:
    """The raw graph with our numpy NMS behind it, and the end-to-end graph, at the same settings."""
    settings = NmsSettings(conf_thres=subject.conf, iou_thres=subject.iou, topk_all=300, candidates=3840)
    model, read = WEIGHTS / subject.file, ReadOptions()
    raw = open_runtime(convert(model, folder / "raw.onnx", ConvertSettings(read=read)).path)
    whole = open_runtime(
        convert(model, folder / "end2end.onnx", ConvertSettings(read=read, end2end=EndToEnd(settings))).path
    )
    behind = replace(settings, candidates=30000)
    return Predictor(raw, behind), Predictor(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="default: all")
    parser.add_argument("--pictures", type=int, default=150, help="how many (default: 150)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if not PICTURES.is_dir():
        raise SystemExit("the labelled pictures (../shared/coco) are not here: nothing to measure")
    table = Table(
        "model",
        "metric",
        "original (INDEX.md)",
        "raw + NMS",
        "end to end",
        "difference",
        title=f"AP on {options.pictures} pictures",
    )
    figures = {}
    for name in options.models:
        subject = SUBJECTS[name]
        with tempfile.TemporaryDirectory() as folder:
            raw, whole = (
                evaluate(predictor, subject, options.pictures) for predictor in predictors(subject, Path(folder))
            )
        figures[name] = {"raw": raw, "end2end": whole}
        table.add_row(name, subject.metric, subject.published, f"{raw:.4f}", f"{whole:.4f}", f"{whole - raw:+.4f}")
    Console(width=110).print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
