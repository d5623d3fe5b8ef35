"""INT8 as two passes: the float graph is measured before anything is added to it, and gets its pairs when all is there.

read -> measure -> NMS, layout -> quantise/dequantise pairs -> half
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..model import Model, Pass
from .qdq.insert import Quantisation, to_int8
from .qdq.points import Points


@dataclass(frozen=True)
class Int8Numbers:
    """Where and with what numbers a graph is quantised.

    Attributes:
        points: the nodes and tensors.
        numbers: ranges, scales and biases.
        notes: what the user should know of how they were found, a sentence each.
    """

    points: Points
    numbers: Quantisation
    notes: tuple[str, ...] = ()


FindNumbers = Callable[[Model], Int8Numbers]
"""A float model -> its INT8 numbers; runs pictures, so a room above brings it."""


def measured(find: FindNumbers | None) -> Pass | None:
    """The pass that finds the numbers of the float graph and remembers them."""
    return None if find is None else lambda model: replace(model, int8=find(model))


def quantised(find: FindNumbers | None) -> Pass | None:
    """The pass that puts the pairs in."""
    return None if find is None else _with_pairs


def _with_pairs(model: Model) -> Model:
    found = model.int8
    if found is None:
        raise ValueError("the INT8 numbers are measured by an earlier pass")
    meta, report = to_int8(model.graph, model.meta, found.points, found.numbers)
    return model.with_meta(meta, *report.notes(), *found.notes)
