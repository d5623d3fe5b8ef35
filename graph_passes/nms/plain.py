"""Route `plain`: exact greedy NMS in standard operators, a block of candidates at a time.

    candidates in order  | kept so far (at most K) |   block of 128   |   not looked at yet   |
    S[j, i] = 1 where i (kept, or earlier in the block) overlaps j of the same class
    keep <- relu(alive - S @ [kept, keep]), until keep no longer changes; then the block's survivors join the kept ones

Greedy NMS keeps a candidate exactly when none of the kept ones before it suppresses it. After t steps the first t
candidates of a block are right whatever `keep` began with, so a `keep` that a step leaves alone is the greedy answer.
Nothing but one Loop is needed: a round does a few steps, and an image whose block has settled moves on to its next one.
The loop ends when every image has K survivors or no candidate left, so a picture with few objects costs one block, and
a crowded one (N / 128 blocks at most) compares with the K kept boxes instead of with all N: N x (K + 128) overlaps
instead of N x N. All shapes are static.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...converters.heads import NmsSettings
from ..emitter import Emitter, Tensor
from ..thresholds import threshold_constants
from .candidates import Candidates, best_candidates
from .heads import Heads
from .overlap import box_features, box_iou
from .rotated import prob_iou, rotated_features

BLOCK = 128
"""Candidates that are looked at together; 64 to 256 cost the same."""
STEPS = 4
"""Steps towards the fixed point in a round; chains of suppressions are seldom longer."""


Suppresses = Callable[[Emitter, list[Tensor], list[Tensor]], Tensor]
"""Columns [B, n, 1] of some boxes' features, columns [B, 1, m] of others' -> bool [B, n, m]: too much overlap."""


@dataclass(frozen=True)
class Problem:
    """N boxes in descending order of score, and who suppresses whom.

    Attributes:
        features: float32 [B, N, F] of each box; the last column is its class if `by_class`.
        valid: float32 [B, N], 1 for a candidate, 0 for none; the candidates come first.
        suppresses: whether two boxes overlap too much, by their features without the class.
        by_class: whether only boxes of the same class suppress each other.
        rows: so many survivors are wanted.
    """

    features: Tensor
    valid: Tensor
    suppresses: Suppresses
    by_class: bool
    rows: int

    @property
    def count(self) -> int:
        """N."""
        return int(self.valid.shape[1])

    @property
    def block(self) -> int:
        """Boxes that are looked at together."""
        return min(BLOCK, self.count)


@dataclass(frozen=True)
class State:
    """What a round changes.

    Attributes:
        start: int64 [B, 1], where the block begins.
        keep: float32 [B, block, 1], the estimate of who survives in it.
        kept: float32 [B, K, F], features of the survivors so far.
        ranks: int64 [B, K], their positions among the candidates.
        used: float32 [B, K, 1], 1 for the entries in use; they come first.
    """

    start: Tensor
    keep: Tensor
    kept: Tensor
    ranks: Tensor
    used: Tensor


def plain(emit: Emitter, heads: Heads, settings: NmsSettings) -> Candidates:
    """The first K survivors of each image, scores 0 where there are fewer."""
    thresholds = threshold_constants(emit, settings)
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label)
    boxes = emit.gather_rows(heads.boxes, candidates.anchors, "candidate_boxes")
    features = rotated_features(emit, boxes) if heads.rotated else box_features(emit, boxes)
    by_class = heads.classes > 1 and not settings.class_agnostic
    if by_class:
        features = with_class(emit, features, candidates.classes)
    valid = emit.cast(emit.binary("Greater", candidates.scores, thresholds.conf), np.float32, "valid")
    iou_thres = readable_in_loop(emit, thresholds.iou, valid)
    overlap = prob_iou if heads.rotated else box_iou

    def suppresses(inner: Emitter, rows: list[Tensor], others: list[Tensor]) -> Tensor:
        return inner.binary("Greater", overlap(inner, rows, others), iou_thres, "suppresses")

    rows = min(settings.topk_all, int(valid.shape[1]))
    ranks, used = greedy(emit, Problem(features, valid, suppresses, by_class, rows))
    scores, anchors, classes = (
        emit.gather_elements(x, ranks) for x in (candidates.scores, candidates.anchors, candidates.classes)
    )
    return Candidates(emit.where(used, scores, np.array(0, np.float32), "survivors"), anchors, classes)


def readable_in_loop(emit: Emitter, constant: Tensor, batched: Tensor) -> Tensor:
    """A constant [1] as float32 [B, 1, 1] that a loop's body may read, B taken from `batched` [B, N]."""
    first = emit.slice(batched, 1, 0, 1)
    return emit.binary("Add", emit.unsqueeze(emit.binary("Sub", first, first), 2), constant, "threshold")


def with_class(emit: Emitter, features: Tensor, classes: Tensor) -> Tensor:
    """Features [B, N, F] with the class [B, N] as one more column; float32 is exact for any number of classes."""
    return emit.concat([features, emit.unsqueeze(emit.cast(classes, np.float32), 2)], 2, "features_and_class")


def greedy(emit: Emitter, problem: Problem) -> tuple[Tensor, Tensor]:
    """The first survivors in order: int64 [B, rows], their position among the N boxes, and bool [B, rows], in use."""
    start = _initial(emit, problem)
    rounds = problem.count + -(-problem.count // problem.block)

    def body(inner: Emitter, values: list[Tensor]) -> list[Tensor]:
        new = _round(inner, problem, State(*values[1:]))
        return [_unfinished(inner, problem, new), new.start, new.keep, new.kept, new.ranks, new.used]

    end = State(*emit.loop(rounds, [start.start, start.keep, start.kept, start.ranks, start.used], body, "greedy"))
    return end.ranks, emit.binary("Greater", emit.squeeze(end.used, 2), np.array(0.5, np.float32), "survives")


def _initial(emit: Emitter, problem: Problem) -> State:
    """Nothing kept, the first block, all of it presumed to survive."""
    first = emit.slice(problem.valid, 1, 0, 1)
    zero = emit.binary("Sub", first, first, "zero")
    start, cube = emit.cast(zero, np.int64, "start"), emit.unsqueeze(zero, 2)

    def filled(value: float, length: int, width: int) -> Tensor:
        return emit.binary("Add", cube, np.full((1, length, width), value, np.float32))

    kept = filled(0, problem.rows, problem.features.shape[2])
    ranks = emit.binary("Add", start, np.zeros((1, problem.rows), np.int64))
    return State(start, filled(1, problem.block, 1), kept, ranks, filled(0, problem.rows, 1))


def _round(emit: Emitter, problem: Problem, state: State) -> State:
    """Some steps on each image's block; where they have settled, its survivors are kept and the next block is up."""
    position = emit.binary("Add", state.start, emit.arange(problem.block), "position")
    ranks = emit.binary("Min", position, np.array(problem.count - 1, np.int64), "ranks")
    features = emit.concat([state.kept, emit.gather_rows(problem.features, ranks)], 1, "kept_and_block")
    alive = emit.unsqueeze(_valid_at(emit, problem, position), 2, "alive")
    hit_by = _suppression(emit, problem, features)
    keep = before = state.keep
    for _ in range(STEPS):
        hits = emit.matmul(hit_by, emit.concat([state.used, keep], 1), "hits")
        before, keep = keep, emit.unary("Relu", emit.binary("Sub", alive, hits), "keep")
    change = emit.reduce("ReduceMax", emit.unary("Abs", emit.binary("Sub", keep, before)), 1)
    settled = emit.binary("Sub", np.array(1, np.float32), change, "settled")
    flags = emit.concat([state.used, emit.binary("Mul", keep, settled)], 1)
    kept, all_ranks, used = _first_flagged(emit, flags, features, emit.concat([state.ranks, ranks], 1), problem.rows)
    advance = emit.binary("Mul", emit.cast(emit.squeeze(settled, 2), np.int64), np.array(problem.block, np.int64))
    start = emit.binary("Add", state.start, advance, "start")
    return State(start, emit.binary("Max", keep, settled, "estimate"), kept, all_ranks, used)


def _suppression(emit: Emitter, problem: Problem, features: Tensor) -> Tensor:
    """Float32 [B, block, K + block]: 1 where a kept or earlier box (column) would suppress one of the block (row)."""
    total = problem.rows + problem.block
    rows = emit.columns(emit.slice(features, 1, problem.rows, total))
    others = emit.columns(emit.transpose(features, [0, 2, 1]), axis=1)
    width = len(rows) - problem.by_class
    hit = problem.suppresses(emit, rows[:width], others[:width])
    column = emit.unsqueeze(emit.arange(total, np.float32), 0)
    row = emit.unsqueeze(emit.slice(emit.arange(total, np.float32), 0, problem.rows, total), 1)
    hit = emit.binary("And", hit, emit.binary("Less", column, row, "earlier"))
    if problem.by_class:
        hit = emit.binary("And", hit, emit.binary("Equal", rows[-1], others[-1], "same_class"))
    return emit.cast(hit, np.float32, "hit_by")


def _first_flagged(
    emit: Emitter, flags: Tensor, features: Tensor, ranks: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The features, ranks and flags of the first `count` entries whose flag is 1; others fill up at the end."""
    total = int(flags.shape[1])
    flat = emit.squeeze(flags, 2)
    order = emit.binary("Sub", np.array(total, np.float32), emit.arange(total, np.float32))
    place = emit.topk(emit.binary("Mul", flat, order), count, name="first_flagged")[1]
    used = emit.unsqueeze(emit.gather_elements(flat, place), 2, "used")
    return emit.gather_rows(features, place, "kept"), emit.gather_elements(ranks, place, "kept_ranks"), used


def _unfinished(emit: Emitter, problem: Problem, state: State) -> Tensor:
    """Whether some image has a free row and a candidate left: a boolean scalar."""
    last = emit.squeeze(emit.slice(state.used, 1, problem.rows - 1, problem.rows), 2)
    free = emit.binary("Sub", np.array(1, np.float32), last)
    return emit.any(emit.binary("Mul", free, _valid_at(emit, problem, state.start)), "unfinished")


def _valid_at(emit: Emitter, problem: Problem, position: Tensor) -> Tensor:
    """Float32 [B, n]: 1 where there is a candidate above the threshold at `position` [B, n], 0 past the end."""
    inside = emit.cast(emit.binary("Less", position, np.array(problem.count, np.int64)), np.float32)
    ranks = emit.binary("Min", position, np.array(problem.count - 1, np.int64))
    return emit.binary("Mul", emit.gather_elements(problem.valid, ranks), inside)
