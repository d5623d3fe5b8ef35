"""AP of records in COCO's form: against the labels, and against what the FP32 model found."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accuracy import ANNOTATIONS, PICTURES, WITH_MASKS, Subject
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

RESAMPLES, TEACHER = 100, 0.25


def pictures(subject: Subject) -> list[Path]:
    """Those that a subject is judged on."""
    if subject.metric == "segm":
        return sorted(PICTURES / Path(line.strip()).with_suffix(".jpg").name for line in WITH_MASKS.read_text().split())
    return sorted(PICTURES.glob("*.jpg"))


def labels(subject: Subject) -> COCO:
    """The truth of the data set."""
    name = "person_keypoints" if subject.metric == "keypoints" else "instances"
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(ANNOTATIONS / f"{name}.json"))


def taught(truth: COCO, records: Sequence[dict], metric: str) -> COCO:
    """What the FP32 model found as the truth."""
    annotations = []
    for number, record in enumerate((entry for entry in records if entry["score"] > TEACHER), 1):
        entry = {key: copy.copy(value) for key, value in record.items() if key != "score"}
        entry |= {"id": number, "iscrowd": 0, "area": record["bbox"][2] * record["bbox"][3]}
        if metric == "keypoints":
            entry["keypoints"] = [2 if place % 3 == 2 else value for place, value in enumerate(record["keypoints"])]
            entry["num_keypoints"] = len(record["keypoints"]) // 3
        annotations.append(entry)
    data = {"images": truth.dataset["images"], "annotations": annotations, "categories": truth.dataset["categories"]}
    with contextlib.redirect_stdout(io.StringIO()):
        teacher = COCO()
        teacher.dataset = data
        teacher.createIndex()
    return teacher


class Judge:
    """AP over IoU (or OKS) .50 to .95 of records, also over pictures drawn with replacement."""

    def __init__(self, truth: COCO, records: Sequence[dict], metric: str, images: Sequence[int]) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(list(records))), metric)
            self._evaluation.params.imgIds = list(images)
            self._evaluation.params.maxDets = [20 if metric == "keypoints" else 100]
            self._evaluation.params.areaRng, self._evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            self._evaluation.evaluate()
        self._found = list(self._evaluation.evalImgs)

    def ap(self, drawn: Sequence[int] | None = None) -> float:
        """Over all pictures, or those of these positions."""
        count = len(self._evaluation.params.imgIds)
        chosen = range(count) if drawn is None else drawn
        classes = len(self._found) // count
        self._evaluation.evalImgs = [
            self._found[kind * count + picture] for kind in range(classes) for picture in chosen
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            self._evaluation.accumulate()
        precision = self._evaluation.eval["precision"]
        return float(precision[precision > -1].mean())


def draws(count: int) -> list[np.ndarray]:
    """Positions of pictures drawn with replacement, always the same ones, so that any two models can be paired."""
    random = np.random.default_rng(0)
    return [random.integers(0, count, count) for _ in range(RESAMPLES)]
