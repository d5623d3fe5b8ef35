"""Which (anchor, class) pairs enter the suppression: the M best, in order.

    scores [B, A, C] -> best class an anchor -> TopK(M)                                  single-label
    scores [B, A, C] -> max an anchor -> TopK(M) -> sort -> gather -> TopK(M) of M x C    multi-label

The second form is exact, ties included, and never sorts all A x C scores: a pair among the M best belongs to an anchor
whose maximum is among the M best maxima, because each better anchor has a pair of its own in front of it. The anchors
are put back into ascending order first, so that equal scores resolve to the lower anchor, then to the lower class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...graph.emitter import Emitter, Tensor
from .raw_heads import Heads


@dataclass(frozen=True)
class Candidates:
    """N <= M candidates an image, in descending order of score.

    Attributes:
        scores: float32 [B, N].
        anchors: int64 [B, N].
        classes: int64 [B, N].
    """

    scores: Tensor
    anchors: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Survivors(Candidates):
    """The candidates after suppression: those that are gone have a score of 0.

    Attributes:
        in_order: those that are left come first, in descending order of score.
    """

    in_order: bool = False


Gather = Callable[[Tensor, Tensor], Tensor]
"""[B, A, ...] at [B, N] -> [B, N, ...]."""


def best_candidates(
    emit: Emitter, heads: Heads, count: int, multi_label: bool, gather: Gather | None = None
) -> Candidates:
    """The `count` best pairs, whatever their score; equal scores by lower anchor, then lower class.

    `gather` picks the scores of the best anchors: by default `emit.gather_rows`, the fastest on a CPU; `emit.take_rows` where a
    CUDA graph of ONNX Runtime is to hold it.
    """
    gather = gather or emit.gather_rows
    if multi_label and heads.classes > 1:
        return _best_pairs(emit, heads, count, gather)
    return _best_anchors(emit, heads, count, gather)


def _best_anchors(emit: Emitter, heads: Heads, count: int, gather: Gather) -> Candidates:
    """Each anchor with its best class."""
    scores, anchors = emit.topk(_maxima(emit, heads), min(count, heads.anchors), name="candidates")
    if heads.classes == 1:
        return Candidates(scores, anchors, emit.binary("Sub", anchors, anchors, "classes"))
    return Candidates(scores, anchors, emit.argmax(gather(heads.scores, anchors), 2, "classes"))


def _best_pairs(emit: Emitter, heads: Heads, count: int, gather: Gather) -> Candidates:
    """Every class of every anchor."""
    rows = _ascending(emit, emit.topk(_maxima(emit, heads), min(count, heads.anchors), name="best_anchors")[1])
    pairs = rows.shape[1] * heads.classes
    flat = emit.reshape(gather(heads.scores, rows), [pairs])
    scores, position = emit.topk(flat, min(count, pairs), name="candidates")
    classes = np.array(heads.classes, np.int64)
    row = emit.binary("Div", position, classes, "row")
    anchors = emit.gather_elements(rows, row, "anchors")
    return Candidates(scores, anchors, emit.binary("Sub", position, emit.binary("Mul", row, classes), "classes"))


def _maxima(emit: Emitter, heads: Heads) -> Tensor:
    """The best score of each anchor, [B, A]."""
    if heads.classes == 1:
        return emit.squeeze(heads.scores, 2, "maxima")
    return emit.reduce("ReduceMax", heads.scores, 2, keep=False, name="maxima")


def _ascending(emit: Emitter, indices: Tensor) -> Tensor:
    """Sort indices [B, N]; as float32, which every TopK takes and which is exact up to 2^24 anchors."""
    floats = emit.cast(indices, np.float32)
    return emit.cast(emit.topk(floats, indices.shape[1], largest=False, name="ascending")[0], np.int64)
