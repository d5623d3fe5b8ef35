"""Route `plain`: exact greedy NMS in standard operators, a block of candidates at a time.

    candidates in order  | kept so far (at most K) |   block of 128   |   not looked at yet   |
    S[j, i] = 1 where i (kept, or earlier in the block) overlaps j of the same class
    keep <- relu(alive - S @ [kept, keep]), until keep no longer changes; then the block's survivors join the kept ones

Greedy NMS keeps a candidate exactly when none of the kept ones before it suppresses it. After t steps the first t
candidates of a block are right whatever `keep` began with, so a `keep` that a step does not change is the greedy answer.
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
from ..thresholds import Thresholds
from .candidates import Candidates
from .heads import Heads
from .overlap import box_features, box_iou

BLOCK = 128
"""Candidates that are looked at together; 64 to 256 cost the same."""
STEPS = 4
"""Steps towards the fixed point in a round; chains of suppressions are seldom longer."""


@dataclass(frozen=True)
class Problem:
    """What the loop reads.

    Attributes:
        features: float32 [B, N, F] of each candidate; the last column is its class if `by_class`.
        valid: float32 [B, N], 1 where the score is above the threshold.
        iou_thres: float32 [1].
        by_class: whether only boxes of the same class suppress each other.
        overlap: of two lists of feature columns.
        block: candidates in a block.
        rows: K.
    """

    features: Tensor
    valid: Tensor
    iou_thres: Tensor
    by_class: bool
    overlap: Callable[[Emitter, list[Tensor], list[Tensor]], Tensor]
    block: int
    rows: int

    @property
    def count(self) -> int:
        """N."""
        return int(self.valid.shape[1])


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


def greedy(
    emit: Emitter, heads: Heads, candidates: Candidates, settings: NmsSettings, thresholds: Thresholds
) -> tuple[Candidates, Tensor]:
    """The first K survivors [B, K] in order, and float32 [B, K], 1 for the entries in use."""
    problem = _problem(emit, heads, candidates, settings, thresholds)
    state = _initial(emit, problem, candidates)
    rounds = problem.count + -(-problem.count // problem.block)

    def body(inner: Emitter, values: list[Tensor]) -> list[Tensor]:
        new = _round(inner, problem, State(*values[1:]))
        return [_unfinished(inner, problem, new), new.start, new.keep, new.kept, new.ranks, new.used]

    state = State(*emit.loop(rounds, [state.start, state.keep, state.kept, state.ranks, state.used], body, "greedy"))
    chosen = (emit.gather_elements(x, state.ranks) for x in (candidates.scores, candidates.anchors, candidates.classes))
    return Candidates(*chosen), emit.squeeze(state.used, 2, "survives")


def _problem(
    emit: Emitter, heads: Heads, candidates: Candidates, settings: NmsSettings, thresholds: Thresholds
) -> Problem:
    features = box_features(emit, emit.gather_rows(heads.boxes, candidates.anchors, "candidate_boxes"))
    by_class = heads.classes > 1 and not settings.class_agnostic
    if by_class:
        label = emit.unsqueeze(emit.cast(candidates.classes, np.float32), 2)
        features = emit.concat([features, label], 2, "features_and_class")
    valid = emit.cast(emit.binary("Greater", candidates.scores, thresholds.conf), np.float32, "valid")
    iou_thres = emit.emit("Identity", [thresholds.iou], [1], np.float32, "iou_thres")
    block = min(BLOCK, int(valid.shape[1]))
    return Problem(features, valid, iou_thres, by_class, box_iou, block, settings.topk_all)


def _initial(emit: Emitter, problem: Problem, candidates: Candidates) -> State:
    """Nothing kept, the first block, all of it presumed to survive."""
    first = emit.slice(candidates.anchors, 1, 0, 1)
    start = emit.binary("Sub", first, first, "start")
    zero = emit.unsqueeze(emit.cast(start, np.float32), 2)

    def filled(value: float, length: int, width: int) -> Tensor:
        return emit.binary("Add", zero, np.full((1, length, width), value, np.float32))

    kept = filled(0, problem.rows, problem.features.shape[2])
    ranks = emit.binary("Add", start, np.zeros((1, problem.rows), np.int64))
    return State(start, filled(1, problem.block, 1), kept, ranks, filled(0, problem.rows, 1))


def _round(emit: Emitter, problem: Problem, state: State) -> State:
    """Some steps on each image's block; where they have settled, its survivors are kept and the next block is up."""
    position = emit.binary("Add", state.start, emit.arange(problem.block), "position")
    ranks = emit.binary("Min", position, np.array(problem.count - 1, np.int64), "ranks")
    features = emit.concat([state.kept, emit.gather_rows(problem.features, ranks)], 1, "kept_and_block")
    alive = emit.unsqueeze(_valid_at(emit, problem, position), 2, "alive")
    suppresses = _suppression(emit, problem, features)
    keep = before = state.keep
    for _ in range(STEPS):
        hits = emit.matmul(suppresses, emit.concat([state.used, keep], 1), "hits")
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
    hit = emit.binary("Greater", problem.overlap(emit, rows[:width], others[:width]), problem.iou_thres, "overlaps")
    column = emit.unsqueeze(emit.arange(total, np.float32), 0)
    row = emit.unsqueeze(emit.binary("Add", emit.arange(problem.block, np.float32), np.array(problem.rows, np.float32)), 1)
    hit = emit.binary("And", hit, emit.binary("Less", column, row, "earlier"))
    if problem.by_class:
        hit = emit.binary("And", hit, emit.binary("Equal", rows[-1], others[-1], "same_class"))
    return emit.cast(hit, np.float32, "suppresses")


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
