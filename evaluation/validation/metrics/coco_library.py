"""COCO's own evaluation, by faster-coco-eval or, where that is missing, pycocotools; both keep COCO's rule to the last digit."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingDependencyError
from ....graph.weights import Array

BOX_LABELS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
POINT_LABELS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
TYPES = {"box": "bbox", "mask": "segm", "keypoints": "keypoints"}


@dataclass(frozen=True)
class CocoLibrary:
    """One of the two libraries, which have the same interface.

    Attributes:
        name: with its version.
        coco: class of annotations.
        evaluation: class of an evaluation.
        masks: module of run-length masks.
    """

    name: str
    coco: Any
    evaluation: Any
    masks: Any


@dataclass(frozen=True)
class CocoFigures:
    """COCO's figures.

    Attributes:
        figures: by COCO's names, AP, AP50, ...; -1 where there is nothing to measure, as COCO gives it.
        by_category: AP of each labelled category.
    """

    figures: dict[str, float]
    by_category: dict[int, float]


def coco_library() -> CocoLibrary:
    """The library that is installed.

    Raises:
        MissingDependencyError: neither is.
    """
    with contextlib.suppress(ImportError):
        import faster_coco_eval

        core = "faster_coco_eval.core"
        coco, masks = (importlib.import_module(f"{core}.{name}") for name in ("coco", "mask"))
        evaluation = importlib.import_module(f"{core}.faster_eval_api").COCOeval_faster
        return CocoLibrary(f"faster-coco-eval {faster_coco_eval.__version__}", coco.COCO, evaluation, masks)
    with contextlib.suppress(ImportError):
        from importlib.metadata import version

        importlib.import_module("pycocotools")

        coco, evaluation, masks = (
            importlib.import_module(f"pycocotools.{name}") for name in ("coco", "cocoeval", "mask")
        )
        return CocoLibrary(f"pycocotools {version('pycocotools')}", coco.COCO, evaluation.COCOeval, masks)
    raise MissingDependencyError("val measures with faster-coco-eval or pycocotools: pip install 'trtzoo[val]'")


def coco_figures(
    library: CocoLibrary, truth: Path, predictions: Path, metric: str, sigmas: Sequence[float] | None = None
) -> CocoFigures:
    """Evaluate a file of results against a file of annotations.

    Args:
        library: that evaluates.
        truth: COCO annotations; only the pictures in it count.
        predictions: COCO results of the same pictures.
        metric: "box", "mask" or "keypoints".
        sigmas: [P] of another skeleton than COCO's.
    """
    labels = POINT_LABELS if metric == "keypoints" else BOX_LABELS
    records = json.loads(predictions.read_bytes())
    if not records:
        return CocoFigures(dict.fromkeys(labels, 0.0), {})
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = library.coco(str(truth))
        evaluation = library.evaluation(annotations, annotations.loadRes(records), TYPES[metric])
        if sigmas is not None and metric == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        if sigmas is not None and metric == "keypoints" and len(sigmas) != 17:
            return CocoFigures(_keypoint_means(evaluation), _by_category(evaluation))
        evaluation.summarize()
    figures = {label: float(value) for label, value in zip(labels, evaluation.stats, strict=False)}
    return CocoFigures(figures, _by_category(evaluation))


def _keypoint_means(evaluation: Any) -> dict[str, float]:
    """AP and AR of a skeleton for which the library has no summary of its own."""
    precision, recall = np.array(evaluation.eval["precision"]), np.array(evaluation.eval["recall"])
    return {
        "AP": _mean(precision[:, :, :, 0, -1]),
        "AP50": _mean(precision[0, :, :, 0, -1]),
        "AP75": _mean(precision[5, :, :, 0, -1]),
        "AR": _mean(recall[:, :, 0, -1]),
    }


def _by_category(evaluation: Any) -> dict[int, float]:
    """AP over overlaps, for all sizes of objects, of each category that is labelled."""
    precision = np.array(evaluation.eval["precision"])[:, :, :, 0, -1]
    values = {int(number): _mean(precision[:, :, row]) for row, number in enumerate(evaluation.params.catIds)}
    return {number: value for number, value in values.items() if value >= 0}


def _mean(values: Array) -> float:
    there = values[values > -1]
    return float(there.mean()) if there.size else -1.0


def run_lengths(masks: Any, segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """A label's mask, polygons or run lengths, as compressed run lengths.

    Args:
        masks: the library's module.
        segmentation: as COCO writes it.
        size: height, width of the picture.
    """
    height, width = size
    if isinstance(segmentation, Mapping):
        counts = segmentation["counts"]
        coded: dict[str, Any] = (
            masks.frPyObjects(dict(segmentation), height, width) if isinstance(counts, list) else dict(segmentation)
        )
        return coded
    merged: dict[str, Any] = masks.merge(masks.frPyObjects(segmentation, height, width))
    return merged
