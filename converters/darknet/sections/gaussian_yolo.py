"""`[Gaussian_yolo]`: a head that doubts its coordinates (gaussian_yolo_layer.c, get_gaussian_yolo_box and _detections)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..decode import TRAINING_KEYS, Constants, Head, centre, classes_of, corners, half_size, masked_anchors, nms_kind_of
from ..layer import SectionType

_POINTS = ("left_top", "right_bottom")


@dataclass(frozen=True)
class GaussianYolo(Head):
    """Like yolo, with an uncertainty beside each coordinate; x, y are the box's `point`: its center or one of two corners."""

    point: str

    VALUES: ClassVar[int] = 9
    """Of an anchor, apart from the classes: x, ux, y, uy, w, uw, h, uh, objectness."""

    def decode(self, ops: Ops, rows: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
        """Score is class * objectness * (1 - mean of the four uncertainties)."""
        x, ux, y, uy, w, uw, h, uh, objectness, classes = ops.split(rows, (1,) * 9 + (self.classes,), 2, "values")
        half = half_size(ops, ops.concat([w, h], 2, "wh"), constants)
        middle = centre(ops, ops.sigmoid(ops.concat([x, y], 2, "xy"), "xy"), constants)
        if self.point in _POINTS:
            middle = (ops.add if self.point == "left_top" else ops.sub)(middle, half, "centre")
        uncertainties = ops.sigmoid(ops.concat([ux, uy, uw, uh], 2, "uncertainties"), "uncertainty")
        certainty = ops.sub(1.0, ops.reduce("mean", uncertainties, (2,), "doubt"), "certainty")
        certain = ops.mul(ops.sigmoid(objectness, "objectness"), certainty, "certain")
        return corners(ops, middle, half), ops.mul(ops.sigmoid(classes, "classes"), certain, "scores")


def parse(section: Section, index: int) -> GaussianYolo:
    point = section.text("yolo_point", "center")
    return GaussianYolo(
        anchors=masked_anchors(section),
        classes=classes_of(section),
        scale_x_y=section.number("scale_x_y", 1.0),
        nms_kind=nms_kind_of(section),
        point=point if point in _POINTS else "center",
    )


TYPES = (
    SectionType(
        names=("Gaussian_yolo",),
        parse=parse,
        keys="mask anchors classes num scale_x_y yolo_point",
        ignored=TRAINING_KEYS,
    ),
)
