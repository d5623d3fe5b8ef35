"""Shapes of what operators make, worked out without running them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import ModelError

Shape = Sequence[int | str]
"""Lengths of the axes; a str is a free one."""

Pads = tuple[int, int, int, int]
"""Padding in pixels: top, left, bottom, right."""


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling moves over a map.

    Attributes:
        stride: vertical, horizontal.
        pads: top, left, bottom, right.
        dilation: vertical, horizontal.
        groups: of the channels.
    """

    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def shrunk(self, size: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """Height and width of the output on a map of `size`.

        Raises:
            ModelError: nothing would be left.
        """
        return [conv_size(*end) for end in self._ends(size, kernel)]

    def grown(self, size: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """Height and width of the output of a transposed convolution."""
        return [
            (n - 1) * step - before - after + spread * (k - 1) + 1
            for n, k, step, before, after, spread in self._ends(size, kernel)
        ]

    def _ends(self, size: Sequence[int], kernel: Sequence[int]) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Length, kernel, stride, padding before and after, dilation of each axis."""
        return zip(size, kernel, self.stride, self.pads[:2], self.pads[2:], self.dilation, strict=True)


def conv_size(length: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> int:
    """Output length of a convolution or pooling along one axis: floor((in + pads - dilated kernel) / stride) + 1.

    Raises:
        ModelError: nothing would be left.
    """
    size = (length + before + after - dilation * (kernel - 1) - 1) // stride + 1
    if size < 1:
        raise ModelError(
            f"a window of {kernel} (dilation {dilation}) does not fit into {length} pixels; choose a larger --img-size"
        )
    return size


def broadcast(a: Sequence[int | str], b: Sequence[int | str]) -> list[int | str]:
    """The shape of two broadcast tensors; a free axis meets itself or 1."""
    rank = max(len(a), len(b))
    pairs = zip([1] * (rank - len(a)) + list(a), [1] * (rank - len(b)) + list(b), strict=True)
    joined = []
    for left, right in pairs:
        if left != right and 1 not in (left, right):
            raise ValueError(f"shapes {list(a)} and {list(b)} do not fit")
        joined.append(right if left == 1 else left)
    return joined
