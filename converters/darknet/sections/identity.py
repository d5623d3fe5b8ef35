"""`[dropout]`, `[empty]` and `[silence]`: layers that only training uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...vocabulary.ops import Ops, Tensor
from ..layer import Arrays, Place, SectionType, Shape, Spec


@dataclass(frozen=True)
class Identity(Spec):
    """What goes in comes out."""

    def output(self, place: Place) -> Shape:
        return place.shapes[0]

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        return inputs[0]


TYPES = (
    SectionType(
        names=("dropout",),
        parse=lambda section, index: Identity(),
        ignored="probability dropblock dropblock_size_rel dropblock_size_abs",
    ),
    SectionType(names=("empty", "silence"), parse=lambda section, index: Identity()),
)
