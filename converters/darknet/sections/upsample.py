"""`[upsample]`: every pixel several times in both directions (upsample_layer.c; blas.c, upsample_cpu)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec


@dataclass(frozen=True)
class Upsample(Spec):
    """Every pixel `stride` times in both directions, multiplied by `scale`."""

    stride: int
    scale: float

    def output(self, place: Place) -> Shape:
        channels, height, width = place.shapes[0]
        return channels, height * self.stride, width * self.stride

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        grown = ops.resize_nearest(inputs[0], self.stride) if self.stride > 1 else inputs[0]
        return grown if self.scale == 1.0 else ops.mul(grown, self.scale, "scale")


def parse(section: Section, index: int) -> Upsample:
    return Upsample(section.integer("stride", 2, 1, 64), section.number("scale", 1.0))


TYPES = (SectionType(names=("upsample",), parse=parse, keys="stride scale"),)
