"""A layout recognised by what the end of the graph computes (`response`): boxes at their cells, scores of 0, 1/2 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...contract.choices import Task
from ...contract.meta import Preprocess
from ...graph.weights import Array
from ..vocabulary.ops import Tensor
from .export import Export
from .layouts import YOLOX_STRIDES, Kind, Layout, grid
from .response import FAR, Response, respond

YOLOX_INPUT = Preprocess(colour="bgr", anchor="topleft", scale=255.0)
"""YOLOX's own pictures (`yolox/data/data_augment.py`, preproc)."""

Boxes = Literal["decoded", "yolox", "undecoded"]
Column = Literal["score", "one", "raw", "value"]


@dataclass(frozen=True)
class _Seen:
    """What was seen of an output: its layout, or why it has none that is known."""

    layout: Layout | None = None
    reason: str = ""


def by_arithmetic(export: Export, output: Tensor) -> tuple[Layout | None, str]:
    """The layout of an output [B, n, m], else None and what was seen instead."""
    response = respond(export.graph, output)
    if response is None:
        return None, f"{output.name} does not come from convolutions in a way that its decode could be tried"
    _, second, third = output.shape
    reasons = []
    for anchors, kind, seen in ((second, "rows", response), (third, "columns", response.transposed)):
        if export.levels(anchors):
            found = _layout(export, output, "rows" if kind == "rows" else "columns", seen)
            if found.layout:
                return found.layout, ""
            reasons.append(found.reason)
    return None, "; ".join(reasons) or (
        f"neither {second} nor {third} is a YOLO's number of boxes for an input of {export.size[0]}x{export.size[1]}"
    )


def _layout(export: Export, output: Tensor, kind: Kind, response: Response) -> _Seen:
    """The layout of anchors [A, values]."""
    columns = [_column(response, index) for index in range(response.zero.shape[1])]
    boxes = _boxes(export, response)
    if boxes is None:
        return _Seen(
            reason=f"the first four values of a box are {_boxes_seen(columns)}, not a centre at its cell and a size"
        )
    first = 4
    if kind == "rows":
        if len(columns) < 6 or columns[4] not in ("score", "one"):
            return _Seen(reason="the fifth value is no objectness of 0..1")
        first = 5
    classes = _leading_scores(columns[first:])
    rest = columns[first + classes :]
    if boxes != "decoded" and (rest or kind == "columns"):
        return _Seen(reason=f"values {first + classes} to {len(columns) - 1} of a box are no scores of 0..1")
    if not classes:
        return _Seen(reason=f"value {first} of a box, where the classes should begin, is no score of 0..1")
    if boxes != "decoded":
        code: Kind = "rows" if boxes == "yolox" else "yolox"
        name = "YOLOX" if boxes == "yolox" else "YOLOX before its decode"
        return _Seen(Layout(code, "detect", classes, (output,), exporter=name, preprocess=YOLOX_INPUT))
    plain = Layout(kind, "detect", classes, (output,), exporter=_EXPORTERS[kind])
    return _with_rest(export, plain, rest) if rest else _Seen(plain)


_EXPORTERS = {"rows": "YOLOv5, YOLOv6 or YOLOv7", "columns": "an anchor-free YOLO (YOLOv8, YOLOv9, ...)"}


def _with_rest(export: Export, layout: Layout, rest: Sequence[Column]) -> _Seen:
    """What follows the classes: mask coefficients where there are prototypes, or keypoints."""
    protos = export.prototypes()
    if protos is not None and set(rest) == {"raw"} and protos.shape[1] == len(rest):
        outputs = (*layout.outputs, protos)
        return _Seen(replace(layout, task=_SEGMENT, outputs=outputs, masks=len(rest)))
    points = len(rest) // 3
    if list(rest) == ["value", "value", "score"] * points:
        return _Seen(replace(layout, task=_POSE, kpt_shape=(points, 3)))
    if layout.kind == "columns" and set(rest) == {"value"} and len(rest) % 2 == 0:
        return _Seen(replace(layout, task=_POSE, kpt_shape=(len(rest) // 2, 2)))
    return _Seen(reason=f"the last {len(rest)} values of a box are neither scores, keypoints nor mask coefficients")


_SEGMENT: Task = "segment"
_POSE: Task = "pose"


def _leading_scores(columns: Sequence[Column]) -> int:
    return next((index for index, kind in enumerate(columns) if kind != "score"), len(columns))


def _column(response: Response, index: int) -> Column:
    """What a column holds: a score, a constant one, a value of the maps as it is, or something that was computed."""
    zero, one, high, low = (values[:, index] for values in (response.zero, response.one, response.high, response.low))
    if _near(zero, 0.5, 0.05) and _near(high, 1, 0.05) and _near(low, 0, 0.05):
        return "score"
    if all(_near(values, 1, 1e-3) for values in (zero, one, high, low)):
        return "one"
    if _near(zero, 0, 1e-3) and _near(one, 1, 1e-2) and _near(high, FAR, 0.1) and _near(low, -FAR, 0.1):
        return "raw"
    return "value"


def _near(values: Array, wanted: float, within: float) -> bool:
    return bool((np.abs(values - wanted) <= within).all())


def _boxes(export: Export, response: Response) -> Boxes | None:
    """How the boxes are coded, told by where they lie for maps of zeros and ones."""
    strides = export.levels(len(response.zero))
    cells, steps = (values[0] for values in grid(export.size, strides))
    anchors = len(response.zero) // len(cells)
    if anchors == 1 and strides == YOLOX_STRIDES:
        if all(_column(response, index) == "raw" for index in range(4)) and _in_order(export, response):
            return "undecoded"
        at_cells = np.allclose(response.zero[:, :4], np.hstack([cells * steps, steps, steps]), atol=0.05)
        grown = np.hstack([(cells + 1) * steps, np.e * steps, np.e * steps])
        if at_cells and np.allclose(response.one[:, :4], grown, rtol=1e-2, atol=0.1):
            return "yolox"
    centres = np.repeat((cells + 0.5) * steps, anchors, axis=0)
    found, sizes = response.zero[:, :2], response.zero[:, 2:4]
    same = np.allclose(_sorted(found), _sorted(centres), atol=0.05 * strides[0])
    few_sizes = len(np.unique(np.round(sizes, 1), axis=0)) <= len(strides) * anchors
    return "decoded" if same and few_sizes and (sizes >= 0).all() else None


def _in_order(export: Export, response: Response) -> bool:
    """Whether undecoded rows are the cells of each level, line by line."""
    height, width = export.size
    counts = [(height // step) * (width // step) for step in YOLOX_STRIDES]
    numbers = np.concatenate([np.arange(count) for count in counts])
    return bool(np.allclose(response.cell[:, :4], numbers[:, None], rtol=1e-3))


def _sorted(points: Array) -> Array:
    order = np.lexsort(np.round(points, 1).T)
    ordered: Array = points[order]
    return ordered


def _boxes_seen(columns: Sequence[Column]) -> str:
    kinds = set(columns[:4])
    if kinds == {"score"}:
        return "sigmoids that are not decoded"
    if kinds == {"raw"}:
        return "values that are not decoded"
    return "something else"
