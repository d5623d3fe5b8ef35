"""Route `plain`: exact greedy NMS in standard operators, a block of candidates at a time.

    candidates in order  | kept so far (at most K) |   block of 256   |   not looked at yet   |
    S[j, i] = 1 where i (kept, or earlier in the block) overlaps j of the same class
    keep <- relu(alive - S @ [kept, keep]), until keep no longer changes; then the block's survivors join the kept ones

Greedy NMS keeps a candidate exactly when none of the kept ones before it suppresses it. After t steps the first t
candidates of a block are right whatever `keep` began with, so a `keep` that a step leaves alone is the greedy answer.
Nothing but one Loop is needed: a round does a few steps, and an image whose block has settled moves on to its next one.
The loop ends when every image has K survivors or no candidate left, so a picture with few objects costs one block, and
a crowded one (N / 256 blocks at most) compares with the K kept boxes instead of with all N: N x (K + 256) overlaps
instead of N x N. All shapes are static.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....contract.nms import GraphNms
from ....graph.emitter import Emitter, Tensor
from ...thresholds import threshold_constants
from ..candidates import Candidates, Survivors, best_candidates
from ..overlap import box_columns, box_iou
from ..raw_heads import Heads
from ..rotated import prob_iou, rotated_columns

BLOCK = 256
"""Candidates that are looked at together: on a CPU 64 to 256 cost the same, on a GPU every further round costs."""
STEPS = 4
"""Steps towards the fixed point in a round; chains of suppressions are seldom longer."""

Suppresses = Callable[[Emitter, list[Tensor], list[Tensor]], Tensor]
"""Feature columns [B, n, 1] of some boxes, feature columns [B, 1, m] of others -> bool [B, n, m]: too much overlap."""


@dataclass(frozen=True)
class Problem:
    """N boxes in descending order of score, and who suppresses whom.

    Attributes:
        features: a float32 tensor [B, N, F] of what `suppresses` needs of each box.
        classes: int64 [B, N] where only boxes of the same class suppress each other, else None.
        valid: float32 [B, N], 1 for a candidate, 0 for none; the candidates come first.
        suppresses: whether two boxes overlap too much.
        rows: so many survivors are wanted, at most N.
    """

    features: Tensor
    classes: Tensor | None
    valid: Tensor
    suppresses: Suppresses
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
class Fixed:
    """What every round reads, made once before the loop.

    Attributes:
        table: float32 [B, N + block, T]: features, class where it matters, valid, position; zeros past the end.
        valid: float32 [B, N + block], 1 for a candidate.
        offsets: int64 [block], 0, 1, ...
        weights: float32 [K + block], falling: the first of equal flags has the greatest.
        earlier: float32 [block, K + block], 1 where the column's box comes before the row's.
    """

    table: Tensor
    valid: Tensor
    offsets: Tensor
    weights: Tensor
    earlier: Tensor


@dataclass(frozen=True)
class State:
    """What a round changes.

    Attributes:
        start: int64 [B, 1], where the block begins.
        keep: float32 [B, block, 1], the estimate of who survives in it.
        kept: float32 [B, K, T], the table's rows of the survivors so far.
        used: float32 [B, K, 1], 1 for the entries in use; they come first.
    """

    start: Tensor
    keep: Tensor
    kept: Tensor
    used: Tensor


def survivors(emit: Emitter, heads: Heads, settings: GraphNms) -> Survivors:
    """The first K survivors of each image, in order."""
    thresholds = threshold_constants(emit, settings)
    candidates = best_candidates(emit, heads, settings.candidates, settings.multi_label)
    boxes = emit.gather_rows(heads.boxes, candidates.anchors, "candidate_boxes")
    features = emit.concat((rotated_columns if heads.rotated else box_columns)(emit, boxes), 2, "features")
    by_class = heads.classes > 1 and not settings.class_agnostic
    valid = emit.cast(emit.binary("Greater", candidates.scores, thresholds.conf), np.float32, "valid")
    iou_thres = readable_in_loop(emit, thresholds.iou, valid)
    overlap = prob_iou if heads.rotated else box_iou

    def suppresses(inner: Emitter, rows: list[Tensor], others: list[Tensor]) -> Tensor:
        return inner.binary("Greater", overlap(inner, rows, others), iou_thres, "suppresses")

    rows = min(settings.topk_all, int(valid.shape[1]))
    problem = Problem(features, candidates.classes if by_class else None, valid, suppresses, rows)
    return chosen(emit, candidates, *greedy(emit, problem))


def chosen(emit: Emitter, candidates: Candidates, ranks: Tensor, used: Tensor) -> Survivors:
    """The candidates at `ranks` [B, K] with a score of 0 where not `used`, bool [B, K]."""
    scores, anchors, classes = (
        emit.gather_elements(x, ranks) for x in (candidates.scores, candidates.anchors, candidates.classes)
    )
    return Survivors(emit.where(used, scores, np.array(0, np.float32), "survivors"), anchors, classes, in_order=True)


def readable_in_loop(emit: Emitter, constant: Tensor, batched: Tensor) -> Tensor:
    """A constant [1] as float32 [B, 1, 1] that a loop's body may read, B taken from `batched` [B, N]."""
    first = emit.slice(batched, 1, 0, 1)
    return emit.binary("Add", emit.unsqueeze(emit.binary("Sub", first, first), 2), constant, "threshold")


def greedy(emit: Emitter, problem: Problem) -> tuple[Tensor, Tensor]:
    """The first survivors in order: int64 [B, rows], their position among the N boxes, and bool [B, rows], in use."""
    fixed = _fixed(emit, problem)
    width = int(fixed.table.shape[2])
    start = _initial(emit, problem, width)
    rounds = problem.count + -(-problem.count // problem.block)

    def body(inner: Emitter, values: list[Tensor]) -> list[Tensor]:
        new = _round(inner, problem, fixed, State(*values[1:]))
        return [_unfinished(inner, fixed, new), new.start, new.keep, new.kept, new.used]

    end = State(*emit.loop(rounds, [start.start, start.keep, start.kept, start.used], body, "greedy"))
    ranks = emit.cast(emit.squeeze(emit.slice(end.kept, 2, width - 1, width), 2), np.int64, "ranks")
    return ranks, emit.binary("Greater", emit.squeeze(end.used, 2), np.array(0.5, np.float32), "survives")


def _fixed(emit: Emitter, problem: Problem) -> Fixed:
    """The tables of the loop; index patterns are made by Range, so that the file stays small."""
    total = problem.rows + problem.block
    order = emit.arange(total, np.float32, "order")
    row = emit.unsqueeze(emit.slice(order, 0, problem.rows, total), 1)
    return Fixed(
        table=_table(emit, problem),
        valid=emit.pad_end(problem.valid, 1, problem.block, "valid_and_none"),
        offsets=emit.arange(problem.block, name="offsets"),
        weights=emit.binary("Sub", np.array(total, np.float32), order, "weights"),
        earlier=emit.cast(emit.binary("Less", emit.unsqueeze(order, 0), row), np.float32, "earlier"),
    )


def _table(emit: Emitter, problem: Problem) -> Tensor:
    """Float32 [B, N + block, T]; positions and classes are exact in float32 up to 2^24."""
    zero = emit.binary("Sub", problem.valid, problem.valid)
    position = emit.binary("Add", zero, emit.arange(problem.count, np.float32), "position")
    labels = [] if problem.classes is None else [emit.cast(problem.classes, np.float32)]
    columns = [emit.unsqueeze(x, 2) for x in (*labels, problem.valid, position)]
    return emit.pad_end(emit.concat([problem.features, *columns], 2), 1, problem.block, "table")


def _initial(emit: Emitter, problem: Problem, width: int) -> State:
    """Nothing kept, the first block, all of it presumed to survive."""
    first = emit.slice(problem.valid, 1, 0, 1)
    zero = emit.binary("Sub", first, first, "zero")
    cube = emit.unsqueeze(zero, 2)

    def filled(value: float, length: int, depth: int) -> Tensor:
        return emit.binary("Add", cube, np.full((1, length, depth), value, np.float32))

    kept, used = filled(0, problem.rows, width), filled(0, problem.rows, 1)
    return State(emit.cast(zero, np.int64, "start"), filled(1, problem.block, 1), kept, used)


def _round(emit: Emitter, problem: Problem, fixed: Fixed, state: State) -> State:
    """Some steps on each image's block; where they have settled, its survivors are kept and the next block is up."""
    block = emit.gather_rows(fixed.table, emit.binary("Add", state.start, fixed.offsets), "block")
    rows, both = emit.columns(block), emit.concat([state.kept, block], 1, "kept_and_block")
    others = emit.columns(emit.transpose(both, [0, 2, 1]), axis=1)
    hit_by = emit.where(_overlaps(emit, problem, rows, others), fixed.earlier, np.array(0, np.float32), "hit_by")
    keep = before = state.keep
    for _ in range(STEPS):
        hits = emit.matmul(hit_by, emit.concat([state.used, keep], 1), "hits")
        before, keep = keep, emit.unary("Relu", emit.binary("Sub", rows[-2], hits), "keep")
    same = emit.cast(emit.binary("Equal", keep, before), np.float32)
    settled = emit.reduce("ReduceMin", same, 1, name="settled")
    flags = emit.concat([state.used, emit.binary("Mul", keep, settled)], 1, "flags")
    kept, used = _first_flagged(emit, flags, both, fixed.weights, problem.rows)
    return State(_advanced(emit, problem, state, settled), emit.binary("Max", keep, settled, "estimate"), kept, used)


def _overlaps(emit: Emitter, problem: Problem, rows: list[Tensor], others: list[Tensor]) -> Tensor:
    """Bool [B, block, K + block]: whether a box of the block and another one suppress each other."""
    width = int(problem.features.shape[2])
    hit = problem.suppresses(emit, rows[:width], others[:width])
    if problem.classes is not None:
        hit = emit.binary("And", hit, emit.binary("Equal", rows[width], others[width], "same_class"))
    return hit


def _first_flagged(emit: Emitter, flags: Tensor, table: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The rows of `table` [B, n, T] whose flag [B, n, 1] is 1, the first `count` of them, and flags [B, count, 1]."""
    height, place = emit.topk(emit.binary("Mul", emit.squeeze(flags, 2), weights), count, name="first_flagged")
    used = emit.unsqueeze(emit.binary("Min", height, np.array(1, np.float32)), 2, "used")
    return emit.gather_rows(table, place, "kept"), used


def _advanced(emit: Emitter, problem: Problem, state: State, settled: Tensor) -> Tensor:
    """Int64 [B, 1]: the next block's start where this one has settled, not past the end."""
    step = emit.binary("Mul", emit.cast(emit.squeeze(settled, 2), np.int64), np.array(problem.block, np.int64))
    return emit.binary("Min", emit.binary("Add", state.start, step), np.array(problem.count, np.int64), "next_start")


def _unfinished(emit: Emitter, fixed: Fixed, state: State) -> Tensor:
    """Whether some image has a free row and a candidate left: a boolean scalar."""
    rows = int(state.used.shape[1])
    last = emit.squeeze(emit.slice(state.used, 1, rows - 1, rows), 2)
    more = emit.binary("Sub", emit.gather_elements(fixed.valid, state.start), last)
    return emit.any(more, "unfinished")
