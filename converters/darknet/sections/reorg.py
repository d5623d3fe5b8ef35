"""`[reorg3d]`: pixels to channels; `[reorg]`: DarkNet's own older order of the same numbers (blas.c, reorg_cpu)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import UnsupportedError
from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec


@dataclass(frozen=True)
class Reorg(Spec):
    """`true_order` tells [reorg3d] from [reorg], which is depth to space read back as if it had not moved anything."""

    stride: int
    true_order: bool
    reverse: bool

    def output(self, place: Place) -> Shape:
        channels, height, width = place.shapes[0]
        square = self.stride**2
        if channels % square and (self.reverse or not self.true_order):
            raise place.section.error(
                f"stride={self.stride} needs a multiple of {square} channels, not {channels}", "stride"
            )
        if self.reverse:
            return channels // square, height * self.stride, width * self.stride
        if height % self.stride or width % self.stride:
            raise place.section.error(
                f"stride={self.stride} does not divide a {height}x{width} map; choose another --img-size", "stride"
            )
        return channels * square, height // self.stride, width // self.stride

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        step = self.stride
        channels, height, width = ops.shape(inputs[0])
        if self.reverse:
            blocks = ops.reshape(inputs[0], (step, step, channels // step**2, height, width), "blocks")
            grown = (channels // step**2, height * step, width * step)
            return ops.reshape(ops.transpose(blocks, (0, 3, 4, 1, 5, 2), "order"), grown)
        if self.true_order:
            blocks = ops.reshape(inputs[0], (channels, height // step, step, width // step, step), "blocks")
        else:
            blocks = ops.reshape(inputs[0], (channels // step**2, height, step, width, step), "blocks")
        shrunk = (channels * step**2, height // step, width // step)
        return ops.reshape(ops.transpose(blocks, (0, 3, 5, 1, 2, 4), "order"), shrunk)


def parse(section: Section, index: int) -> Reorg:
    reorg = Reorg(section.integer("stride", 1, 1, 64), section.name == "reorg3d", section.flag("reverse"))
    if reorg.reverse and reorg.true_order:
        raise UnsupportedError(f"{section.where('reverse')} reverse=1 is not supported in [reorg3d]")
    return reorg


TYPES = (SectionType(names=("reorg", "reorg3d"), parse=parse, keys="stride reverse"),)
