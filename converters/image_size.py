"""Input sizes that a network with strided levels can take."""

from __future__ import annotations

from ..errors import ModelError


def check_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return `size` (height, width) if both are multiples of `stride`, the network's largest.

    Raises:
        ModelError: naming the nearest sizes that are.
    """
    if all(length > 0 and length % stride == 0 for length in size):
        return size
    height, width = (max(round_up(length, stride), stride) for length in size)
    smaller = [max(length // stride, 1) * stride for length in size]
    raise ModelError(
        f"an input of {size[0]}x{size[1]} (height x width) does not fit this model: both must be multiples of its "
        f"largest stride {stride}; the next are --img-size {smaller[0]} {smaller[1]} and --img-size {height} {width}"
    )


def round_up(length: int, stride: int) -> int:
    """The next multiple of `stride`, as the trainers of these families do with their own sizes."""
    return -(-length // stride) * stride
