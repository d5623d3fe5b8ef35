"""What `verify` found as tables and in words."""

from __future__ import annotations

from ..tables import Table
from .results import VerifyResults


def outputs_table(done: VerifyResults) -> Table | None:
    """A row for each output; None where the outputs are not of one kind."""
    if not done.outputs:
        return None
    rows = [
        [
            one.name,
            f"{one.largest:.3g}",
            f"{one.mean:.3g}",
            f"{one.cosine:.7f}",
            f"{one.scale:.4g}",
            "" if one.passed else "too much",
        ]
        for one in done.outputs
    ]
    return Table("", ["output", "largest error", "mean error", "cosine", "largest value", ""], rows)


def detections_table(done: VerifyResults) -> Table:
    """What both models found."""
    found = done.detections
    rows = [
        ["prepared inputs, largest difference (white is 1)", f"{done.input_difference:.2g}"],
        ["objects of the reference / the candidate", f"{found.reference} / {found.candidate}"],
        ["found / lost / extra", f"{found.found} / {found.lost} / {found.extra}"],
        ["IoU, worst / mean", f"{found.worst_iou:.4f} / {found.mean_iou:.4f}"],
        ["score, largest difference", f"{found.worst_score:.5f}"],
    ]
    if found.worst_pixels is not None:
        rows.append(["keypoint, largest distance in pixels", f"{found.worst_pixels:.3f}"])
    if found.worst_mask is not None:
        rows.append(["mask IoU, worst", f"{found.worst_mask:.4f}"])
    count = len(done.pictures)
    return Table("", ["", f"{count} picture{'s' if count != 1 else ''}, rule {done.rule}"], rows)


def verdict(done: VerifyResults) -> str:
    """The models and the result in a line."""
    count = len(done.faults)
    result = "the same, within the rule" if done.passed else f"not the same ({count} fault{'s' if count != 1 else ''})"
    candidate, reference = done.candidate, done.reference
    return f"{candidate.label} ({candidate.runtime}) against {reference.label} ({reference.runtime}): {result}"
