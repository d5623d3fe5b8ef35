"""The inputs and outputs of an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineTensor:
    """An input or output of an engine.

    Attributes:
        name: of the tensor.
        mode: "input" or "output".
        dtype: numpy's name of its type.
        shape: -1 is a free axis.
        profile: least, most frequent and greatest shape of an input with free axes, else empty.
    """

    name: str
    mode: str
    dtype: str
    shape: tuple[int, ...]
    profile: tuple[tuple[int, ...], ...] = ()
