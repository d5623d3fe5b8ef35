"""`[maxpool]`, `[local_avgpool]` and `[avgpool]` (parser.c, parse_maxpool; maxpool_layer.c, forward_maxpool_layer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import ModelError
from ....graph.shapes import Pads, conv_size
from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec
from ..values import stride


@dataclass(frozen=True)
class Pool(Spec):
    """The maximum or the mean of a window; `padding` is the sum of both sides, stride is vertical, horizontal."""

    average: bool
    size: int
    stride: tuple[int, int]
    padding: int

    def output(self, place: Place) -> Shape:
        if self.padding // 2 >= self.size:
            raise ModelError(
                f"padding={self.padding} puts whole windows outside the picture; choose one below {2 * self.size}"
            )
        channels, height, width = place.shapes[0]
        return channels, self._length(0, height), self._length(1, width)

    def _length(self, axis: int, length: int) -> int:
        return conv_size(length, self.size, self.stride[axis], self.padding, 0)

    def pads(self, height: int, width: int) -> Pads:
        """floor(padding / 2) before, and after whatever the last window needs."""
        before = self.padding // 2
        bottom, right = (
            max(0, (self._length(axis, n) - 1) * self.stride[axis] + self.size - n - before)
            for axis, n in enumerate((height, width))
        )
        return before, before, bottom, right

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        _, height, width = ops.shape(inputs[0])
        pool = ops.avg_pool if self.average else ops.max_pool
        return pool(inputs[0], (self.size, self.size), self.stride, self.pads(height, width))


@dataclass(frozen=True)
class GlobalMean(Spec):
    """`[avgpool]`: the mean of each channel."""

    def output(self, place: Place) -> Shape:
        return place.shapes[0][0], 1, 1

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        return ops.global_avg_pool(inputs[0])


def _parse(average: bool, section: Section) -> Pool:
    size = section.integer("size", section.integer("stride", 1, 1), 1, 1024)
    return Pool(average, size, stride(section), section.integer("padding", size - 1))


TYPES = (
    SectionType(
        names=("maxpool", "max"),
        parse=lambda section, index: _parse(False, section),
        keys="size stride stride_x stride_y padding out_channels",
        refused=("maxpool_depth", "antialiasing", "maxpool_zero_nonmax"),
    ),
    SectionType(
        names=("local_avgpool", "local_avg"),
        parse=lambda section, index: _parse(True, section),
        keys="size stride stride_x stride_y padding",
    ),
    SectionType(names=("avgpool", "avg"), parse=lambda section, index: GlobalMean()),
)
