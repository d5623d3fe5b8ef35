"""COCO's own evaluation, by faster-coco-eval or, where that is missing, pycocotools; both keep COCO's rule to the last digit."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingDependencyError
from ....graph.weights import Array
from .coco_findings import Findings

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
    """Evaluate a file of results against a file of annotations, some categories at a time: COCO's rule knows each by itself.

    Args:
        library: that evaluates.
        truth: COCO annotations; only the pictures in it count.
        predictions: COCO results of the same pictures, a record a line.
        metric: "box", "mask" or "keypoints".
        sigmas: [P] of another skeleton than COCO's.
    """
    import msgspec

    labels = POINT_LABELS if metric == "keypoints" else BOX_LABELS
    document = msgspec.json.decode(truth.read_bytes())
    with Findings(predictions) as findings, contextlib.redirect_stdout(io.StringIO()):
        if not len(findings):
            return CocoFigures(dict.fromkeys(labels, 0.0), {})
        tables = []
        for group in findings.groups(category["id"] for category in document["categories"]):
            with _no_search_for_garbage():
                tables.append(_evaluate(library, _part(document, group), findings.of(group), metric, sigmas))
    precision = np.concatenate([table.precision for table in tables], axis=2)
    recall = np.concatenate([table.recall for table in tables], axis=1)
    numbers = [number for table in tables for number in table.categories]
    means = {number: _mean(precision[:, :, row, 0, -1]) for row, number in enumerate(numbers)}
    figures = _point_figures(precision, recall) if metric == "keypoints" else _box_figures(precision, recall)
    return CocoFigures(figures, {number: value for number, value in means.items() if value >= 0})


@dataclass(frozen=True)
class _Tables:
    """What COCO's evaluation gives for some categories.

    Attributes:
        categories: [K] numbers.
        precision: [T, R, K, A, M] by overlap, recall, category, size of objects and most findings; -1 where nothing is labelled.
        recall: [T, K, A, M].
    """

    categories: list[int]
    precision: Array
    recall: Array


def _evaluate(
    library: CocoLibrary,
    truth: dict[str, Any],
    records: list[dict[str, Any]],
    metric: str,
    sigmas: Sequence[float] | None,
) -> _Tables:
    annotations = library.coco()
    annotations.dataset = truth
    annotations.createIndex()
    found = _boxes(library, truth, records) if metric == "box" else annotations.loadRes(records)
    evaluation = library.evaluation(annotations, found, TYPES[metric])
    if sigmas is not None and metric == "keypoints":
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    numbers = [int(number) for number in evaluation.params.catIds]
    return _Tables(numbers, np.array(evaluation.eval["precision"]), np.array(evaluation.eval["recall"]))


def _boxes(library: CocoLibrary, truth: dict[str, Any], records: list[dict[str, Any]]) -> Any:
    """What `loadRes` makes of boxes, but for outlines, which their evaluation does not look at."""
    for number, record in enumerate(records, start=1):
        *_, width, height = record["bbox"]
        record["id"], record["area"], record["iscrowd"] = number, width * height, 0
    found = library.coco()
    found.dataset = {"images": truth["images"], "annotations": records, "categories": truth["categories"]}
    found.createIndex()
    return found


@contextlib.contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """While thousands of small objects are made, Python looks through all of them again and again: a fifth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def _part(document: dict[str, Any], categories: Collection[int]) -> dict[str, Any]:
    """The annotations of some categories on all pictures."""
    return {
        "images": document["images"],
        "annotations": [one for one in document["annotations"] if one["category_id"] in categories],
        "categories": [one for one in document["categories"] if one["id"] in categories],
    }


def _box_figures(precision: Array, recall: Array) -> dict[str, float]:
    """COCO's twelve figures of boxes and masks: means over what is labelled, by overlap, size of objects and most findings."""
    by_precision = [precision[:, :, :, 0, 2], precision[0, :, :, 0, 2], precision[5, :, :, 0, 2]]
    by_precision += [precision[:, :, :, size, 2] for size in (1, 2, 3)]
    by_recall = [recall[:, :, 0, most] for most in (0, 1, 2)] + [recall[:, :, size, 2] for size in (1, 2, 3)]
    return dict(zip(BOX_LABELS, map(_mean, by_precision + by_recall), strict=True))


def _point_figures(precision: Array, recall: Array) -> dict[str, float]:
    """COCO's ten figures of keypoints, likewise."""
    by_precision = [precision[:, :, :, 0, 0], precision[0, :, :, 0, 0], precision[5, :, :, 0, 0]]
    by_precision += [precision[:, :, :, size, 0] for size in (1, 2)]
    by_recall = [recall[:, :, 0, 0], recall[0, :, 0, 0], recall[5, :, 0, 0], recall[:, :, 1, 0], recall[:, :, 2, 0]]
    return dict(zip(POINT_LABELS, map(_mean, by_precision + by_recall), strict=True))


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
