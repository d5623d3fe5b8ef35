"""Which found objects are right: each takes the labelled one that it overlaps most, best score first."""

from __future__ import annotations

import numpy as np

from ....graph.weights import Array

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which an object counts as found: COCO's ten."""


def match(overlaps: Array, labelled: Array, found: Array, thresholds: Array = THRESHOLDS) -> Array:
    """Which found objects are right at each threshold.

    Going down the scores, each takes the free labelled object of its class that it overlaps most, if that reaches the threshold
    (the rule of COCO and of the YOLO frameworks' validators).

    Args:
        overlaps: [M, N] of M labelled and N found objects, the found ones by falling score.
        labelled: classes [M].
        found: classes [N].
        thresholds: [T].

    Returns:
        bool [N, T].
    """
    right = np.zeros((len(found), len(thresholds)), bool)
    if not len(labelled):
        return right
    overlaps = np.where(labelled[:, None] == found[None], overlaps, 0.0)
    taken = np.zeros((len(labelled), len(thresholds)), bool)
    every = np.arange(len(thresholds))
    for row in np.flatnonzero((overlaps >= thresholds.min()).any(axis=0)):
        free = np.where(taken, 0.0, overlaps[:, row, None])
        best = free.argmax(axis=0)
        right[row] = free[best, every] >= thresholds
        taken[best, every] |= right[row]
    return right


def voc_match(overlaps: Array, labelled: Array, found: Array, ignored: Array, threshold: float = 0.5) -> Array:
    """Right (1), wrong (0) or not counted (-1) for each found object, as DOTA's and VOC's development kits decide.

    Going down the scores, each is held against the labelled object of its class that it overlaps most, free or not: above the
    threshold the first is right, any further one wrong.

    Args:
        overlaps: [M, N] of M labelled and N found objects, the found ones by falling score.
        labelled: classes [M].
        found: classes [N].
        ignored: bool [M], labelled objects that count neither way (DOTA's "difficult").
        threshold: overlaps must be more.

    Returns:
        int8 [N].
    """
    result = np.zeros(len(found), np.int8)
    overlaps = np.where(labelled[:, None] == found[None], overlaps, 0.0)
    taken = np.zeros(len(labelled), bool)
    for row in np.flatnonzero((overlaps > threshold).any(axis=0)):
        best = overlaps[:, row].argmax()
        result[row] = -1 if ignored[best] else not taken[best]
        taken[best] = True
    return result


def confusions(
    overlaps: Array, labelled: Array, found: Array, scores: Array, classes: int, conf: float = 0.25, iou: float = 0.45
) -> Array:
    """Counts [C + 1, C + 1] of what (row) was found where something (column) is labelled; the last of each is nothing.

    Matching is that of `match`, but regardless of the class; thresholds are those that the YOLO frameworks draw it with.

    Args:
        overlaps: [M, N] of M labelled and N found objects.
        labelled: classes [M].
        found: classes [N].
        scores: [N].
        classes: C.
        conf: found objects must score more.
        iou: overlaps must be more.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    left = np.array(overlaps, float)
    missed, rows = np.ones(len(labelled), bool), np.flatnonzero(scores > conf)
    for row in rows[np.argsort(-scores[rows], kind="stable")]:
        best = left[:, row].argmax() if len(labelled) else -1
        if best >= 0 and left[best, row] > iou:
            counts[found[row], labelled[best]] += 1
            left[best], missed[best] = 0, False
        else:
            counts[found[row], classes] += 1
    counts[classes, :classes] += np.bincount(labelled[missed], minlength=classes)
    return counts
