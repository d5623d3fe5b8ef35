"""An array that is known by shape and type now and computed when somebody needs its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DType = np.dtype[Any]


@dataclass(frozen=True)
class Weight:
    """A lazy array. `load()` computes it anew at each call; nothing keeps it.

    Attributes:
        shape: of the array that `load` returns.
        dtype: of that array.
        load: returns the values; may read a file.
        blocks: yields the same values piece by piece along the first axis, for writing a large weight without ever having
            it in memory as a whole.
    """

    shape: tuple[int, ...]
    dtype: DType
    load: Callable[[], Array]
    blocks: Callable[[], Iterator[Array]] | None = None

    @staticmethod
    def of(array: Array) -> Weight:
        """A weight that is in memory already."""
        return Weight(array.shape, array.dtype, lambda: array)

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def stream(self) -> Iterator[Array]:
        """The values in pieces whose bytes, one after the other, are those of the whole."""
        return iter((self.load(),)) if self.blocks is None else self.blocks()

    def map(self, function: Callable[[Array], Array], dtype: npt.DTypeLike | None = None) -> Weight:
        """The weight that `function` makes of this one: same shape, and same type unless `dtype` names another."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        return Weight(self.shape, kind, lambda: function(self.load()).astype(kind, copy=False))

    def as_float32(self) -> Weight:
        """The same values in single precision."""
        return self if self.dtype == np.float32 else self.map(lambda array: array, np.float32)
