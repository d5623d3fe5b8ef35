"""Detections of two models on the same pictures, object by object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...engines.pictures.detections import Detections
from ...graph.weights import Array
from ..validation.metrics.overlaps import box_iou, rotated_iou
from .outputs import in_words
from .results import DetectionDifference, Fault, Rule

SAME = 0.5
"""Least IoU of two boxes of one object."""
MARGIN = 0.05
"""An object may be this much below the rule's score in the other model, whose difference of scores then says so."""


@dataclass
class _Seen:
    """What was counted so far."""

    reference: int = 0
    candidate: int = 0
    lost: int = 0
    extra: int = 0
    ious: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    pixels: list[float] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    classes: set[tuple[int, int]] = field(default_factory=set)
    places: list[tuple[Array, Array]] = field(default_factory=list)


def compare_detections(
    pairs: Sequence[tuple[Detections, Detections]], rule: Rule, task: str
) -> tuple[DetectionDifference, list[Fault]]:
    """Compare what the reference and the candidate found on each picture.

    Args:
        pairs: reference and candidate, a picture each.
        rule: what may differ.
        task: of the models.
    """
    seen = _Seen()
    for first, second in pairs:
        if task == "classify":
            _classify(seen, first, second)
        else:
            _match(seen, first, second, rule)
    lost = seen.lost + seen.extra
    worst_iou, worst_score = min(seen.ious, default=1.0), max(seen.scores, default=0.0)
    worst_pixels = max(seen.pixels, default=0.0) if task == "pose" else None
    worst_mask = min(seen.masks, default=1.0) if task == "segment" else None
    passed = (
        lost <= rule.lost * (seen.reference + seen.candidate)
        and min(worst_iou, 1.0 if worst_mask is None else worst_mask) >= rule.iou
        and worst_score <= rule.score
        and (worst_pixels or 0.0) <= rule.pixels
    )
    difference = DetectionDifference(
        seen.reference,
        seen.candidate,
        len(seen.ious),
        seen.lost,
        seen.extra,
        worst_iou,
        float(np.mean(seen.ious)) if seen.ious else 1.0,
        worst_score,
        worst_pixels,
        worst_mask,
        passed,
    )
    return difference, [] if passed else list(_explain(seen, difference, rule))


def _classify(seen: _Seen, first: Detections, second: Detections) -> None:
    if first.probs is None or second.probs is None:
        return
    best = int(first.probs.argmax()), int(second.probs.argmax())
    seen.reference += 1
    seen.candidate += 1
    seen.classes.add(best)
    seen.scores.append(float(np.abs(first.probs - second.probs).max()))
    if best[0] == best[1]:
        seen.ious.append(1.0)
    else:
        seen.lost += 1
        seen.extra += 1


def _match(seen: _Seen, first: Detections, second: Detections, rule: Rule) -> None:
    """Every object above the score has to have a partner among all of the other model, near the score and above."""
    near = [_countable(found, rule.above - MARGIN) for found in (first, second)]
    overlaps = (rotated_iou if first.oriented else box_iou)(near[0].boxes.astype(float), near[1].boxes.astype(float))
    same = overlaps * (near[0].classes[:, None] == near[1].classes[None])
    pairs = list(_best_pairs(same))
    counted = [found.scores > rule.above for found in near]
    partners = [{pair[side] for pair in pairs} for side in (0, 1)]
    seen.reference += int(counted[0].sum())
    seen.candidate += int(counted[1].sum())
    seen.lost += sum(int(row) not in partners[0] for row in np.flatnonzero(counted[0]))
    seen.extra += sum(int(row) not in partners[1] for row in np.flatnonzero(counted[1]))
    for row, column in pairs:
        if counted[0][row] or counted[1][column]:
            _measure(seen, near[0][row], near[1][column], float(overlaps[row, column]))
    for row, column in _best_pairs(overlaps):
        if counted[0][row] and counted[1][column]:
            seen.classes.add((int(near[0].classes[row]), int(near[1].classes[column])))


def _countable(found: Detections, above: float) -> Detections:
    """Objects above a score, but none of less than a pixel: what lies outside of the picture is clipped to nothing."""
    sides = found.boxes[:, 2:4] if found.oriented else found.boxes[:, 2:] - found.boxes[:, :2]
    return found[(found.scores > above) & (sides.prod(axis=1) >= 1)]


def _best_pairs(overlaps: Array) -> Iterator[tuple[int, int]]:
    """Rows and columns of the greatest overlaps, each used once."""
    rows, columns = set[int](), set[int]()
    for place in np.argsort(-overlaps, axis=None, kind="stable"):
        row, column = (int(number) for number in np.unravel_index(place, overlaps.shape))
        if overlaps[row, column] < SAME:
            return
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            yield row, column


def _measure(seen: _Seen, one: Detections, other: Detections, iou: float) -> None:
    """Two records of one object."""
    seen.ious.append(iou)
    seen.scores.append(float(abs(one.scores[0] - other.scores[0])))
    if one.keypoints is not None and other.keypoints is not None:
        points = one.keypoints[0, :, :2].astype(float), other.keypoints[0, :, :2].astype(float)
        seen.pixels.append(float(np.linalg.norm(points[0] - points[1], axis=1).max(initial=0)))
        seen.places.append(points)
    if one.masks is not None and other.masks is not None:
        union = (one.masks[0] | other.masks[0]).sum()
        seen.masks.append(float((one.masks[0] & other.masks[0]).sum() / union) if union else 1.0)


def _explain(seen: _Seen, difference: DetectionDifference, rule: Rule) -> Iterator[Fault]:
    order = _keypoint_order(seen, rule)
    mapping = dict(seen.classes)
    if len(mapping) == len(seen.classes) and any(here != there for here, there in mapping.items()):
        shifts = {there - here for here, there in mapping.items()}
        told = ", ".join(
            f"class {here} is found as {there}" for here, there in sorted(mapping.items()) if here != there
        )
        told = f"all classes are shifted by {shifts.pop()}" if len(shifts) == 1 and len(mapping) > 1 else told
        yield Fault("detections", f"the same objects are of other classes: {told}")
    elif difference.lost + difference.extra > rule.lost * (difference.reference + difference.candidate):
        yield Fault(
            "detections",
            f"{difference.lost} of {difference.reference} objects above {rule.above:g} are not found again, "
            f"{difference.extra} of {difference.candidate} are new",
        )
    if order:
        yield Fault("detections", f"keypoints are in another order: {in_words(order, 'keypoint')}")
    elif (difference.worst_pixels or 0) > rule.pixels:
        yield Fault(
            "detections", f"a keypoint is {difference.worst_pixels:.2f} pixels off, {rule.pixels:g} are allowed"
        )
    worst = min(difference.worst_iou, 1.0 if difference.worst_mask is None else difference.worst_mask)
    if worst < rule.iou:
        yield Fault("detections", f"an object's IoU with itself is {worst:.3f}, at least {rule.iou:g} is wanted")
    if difference.worst_score > rule.score:
        yield Fault("detections", f"a score is {difference.worst_score:.4f} off, {rule.score:g} is allowed")


def _keypoint_order(seen: _Seen, rule: Rule) -> list[int] | None:
    """Where the candidate has each keypoint, if that is all that is wrong with them."""
    if not seen.places:
        return None
    first, second = (np.stack([pair[side] for pair in seen.places]) for side in (0, 1))
    distances = np.linalg.norm(first[:, :, None] - second[:, None], axis=3).max(axis=0)
    order = [int(number) for number in distances.argmin(axis=1)]
    if order == list(range(len(order))) or sorted(order) != list(range(len(order))):
        return None
    return order if distances.min(axis=1).max() <= rule.pixels else None
