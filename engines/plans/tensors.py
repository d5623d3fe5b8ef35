"""The inputs and outputs of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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

    @staticmethod
    def from_document(entry: Mapping[str, Any]) -> EngineTensor:
        """The tensor that a JSON object describes."""
        profile = tuple(tuple(shape) for shape in entry["profile"])
        return EngineTensor(entry["name"], entry["mode"], entry["dtype"], tuple(entry["shape"]), profile)
