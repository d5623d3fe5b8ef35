"""Average precision from which found objects are right, by the YOLO frameworks' rule and by DOTA's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ....graph.weights import Array

RECALLS = np.linspace(0, 1, 101)
"""Points of the recall axis at which precision is averaged (COCO's 101)."""
CONFIDENCES = np.linspace(0, 1, 1000)
"""Points of the confidence axis at which the F1 score is looked for."""
TINY = 1e-16


@dataclass(frozen=True)
class Matches:
    """Everything that was found on some pictures, and how much there was to find.

    Attributes:
        right: bool [N, T] at each overlap threshold.
        scores: float32 [N].
        classes: [N].
        pictures: [N], which picture each was found on.
        labelled: classes [M] of the labelled objects.
        labelled_pictures: [M], which picture each is on.
    """

    right: Array
    scores: Array
    classes: Array
    pictures: Array
    labelled: Array
    labelled_pictures: Array


@dataclass(frozen=True)
class Curves:
    """Of one class at the lowest overlap threshold.

    Attributes:
        ap: [T] average precision at each threshold.
        precision: [1000] at each of `CONFIDENCES`.
        recall: [1000] likewise.
        precision_at_recall: [101] envelope of the precision at each of `RECALLS`.
    """

    ap: Array
    precision: Array
    recall: Array
    precision_at_recall: Array


@dataclass(frozen=True)
class Summary:
    """Means over the classes that are labelled, at the confidence of the best mean F1 score.

    Attributes:
        map: mean average precision over overlaps .50 to .95.
        map50: at .50.
        map75: at .75.
        precision: at `confidence`.
        recall: at `confidence`.
        f1: at `confidence`.
        confidence: where the smoothed mean F1 score is highest.
    """

    map: float
    map50: float
    map75: float
    precision: float
    recall: float
    f1: float
    confidence: float


def curves_by_class(matches: Matches) -> dict[int, Curves]:
    """Of each class that is labelled."""
    order = np.argsort(-matches.scores, kind="stable")
    right, scores, classes = matches.right[order], matches.scores[order], matches.classes[order]
    numbers, counts = np.unique(matches.labelled, return_counts=True)
    return {
        int(number): _curves(right[classes == number], scores[classes == number], int(count))
        for number, count in zip(numbers, counts, strict=True)
    }


def _curves(right: Array, scores: Array, labelled: int) -> Curves:
    """Of one class; `right` bool [N, T] and `scores` [N] by falling score."""
    if not len(right):
        return Curves(np.zeros(right.shape[1]), np.zeros(1000), np.zeros(1000), np.zeros(101))
    hits = right.cumsum(axis=0)
    recall = hits / (labelled + TINY)
    precision = hits / np.arange(1, len(right) + 1)[:, None]
    envelopes = [envelope(recall[:, column], precision[:, column]) for column in range(right.shape[1])]
    return Curves(
        _area(np.stack(envelopes)),
        np.interp(-CONFIDENCES, -scores, precision[:, 0], left=1),
        np.interp(-CONFIDENCES, -scores, recall[:, 0], left=0),
        envelopes[0],
    )


def _area(lines: Array) -> Array:
    """Under lines [T, 101] over `RECALLS`, by the trapezoidal rule."""
    areas: Array = (lines.sum(axis=1) - (lines[:, 0] + lines[:, -1]) / 2) / (len(RECALLS) - 1)
    return areas


def envelope(recall: Array, precision: Array) -> Array:
    """The best precision [101] at each recall or more: interpolated, falling to 0 after the last recall reached."""
    steps = np.concatenate([[0.0], recall, [recall[-1], 1.0]])
    heights = np.concatenate([[1.0], precision, [0.0, 0.0]])
    best = np.maximum.accumulate(heights[::-1])[::-1]
    line: Array = np.interp(RECALLS, steps, best)
    return line


def summarise(curves: Mapping[int, Curves]) -> Summary:
    """The mean over the classes; zeros where nothing is labelled."""
    if not curves:
        return Summary(0, 0, 0, 0, 0, 0, 0)
    ap = np.stack([curve.ap for curve in curves.values()])
    precision, recall = (
        np.stack([getattr(curve, name) for curve in curves.values()]) for name in ("precision", "recall")
    )
    f1 = 2 * precision * recall / (precision + recall + TINY)
    best = int(smooth(f1.mean(axis=0)).argmax())
    means = (float(ap.mean()), float(ap[:, 0].mean()), float(ap[:, 5].mean()))
    at_best = (float(precision[:, best].mean()), float(recall[:, best].mean()), float(f1[:, best].mean()))
    return Summary(*means, *at_best, float(CONFIDENCES[best]))


def smooth(values: Array, share: float = 0.1) -> Array:
    """A running mean over `share` of the values, the ends continued."""
    width = round(len(values) * share * 2) // 2 + 1
    padded = np.pad(values, width // 2, mode="edge")
    means: Array = np.convolve(padded, np.ones(width) / width, mode="valid")
    return means


def voc_average_precision(right: Array, scores: Array, labelled: int) -> float:
    """Average precision as DOTA's and VOC 2007's development kits define it: the mean of the best precision at 11 recalls.

    Args:
        right: bool [N].
        scores: [N].
        labelled: how many objects there are.
    """
    hits = right[np.argsort(-scores, kind="stable")].cumsum()
    recall, precision = hits / max(labelled, 1), hits / np.arange(1, len(hits) + 1)
    steps = np.linspace(0, 1, 11)
    return float(np.mean([precision[recall >= step].max(initial=0.0) for step in steps]))
