"""`[scale_channels]` and `[sam]`: another layer multiplied by the previous one (scale_channels_layer.c, sam_layer.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...vocabulary.ops import Ops, Tensor
from ..activations import activate
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec
from ..values import activation, references


@dataclass(frozen=True)
class Scale(Spec):
    """Layer `layer` times the previous one, which has a value a pixel and channel (sam), a channel, or a pixel (scale_wh)."""

    layer: int
    kind: str
    activation: str

    def sources(self, previous: int) -> tuple[int, ...]:
        return (previous, self.layer)

    def output(self, place: Place) -> Shape:
        previous, source = place.shapes
        wanted = {"sam": source, "scale_channels": (source[0], 1, 1), "scale_wh": (1, *source[1:])}[self.kind]
        if previous != wanted:
            raise place.section.error(
                f"needs a previous layer of shape {wanted}, but it is {previous}; check from={self.layer}", "from"
            )
        return source

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        return activate(ops, ops.mul(inputs[1], inputs[0]), self.activation)


def _parse(kind: str, section: Section, index: int) -> Scale:
    return Scale(references(section, "from", index)[0], kind, activation(section, "linear"))


TYPES = (
    SectionType(
        names=("scale_channels",),
        parse=lambda section, index: _parse(
            "scale_wh" if section.flag("scale_wh") else "scale_channels", section, index
        ),
        keys="from scale_wh activation",
    ),
    SectionType(
        names=("sam",), parse=lambda section, index: _parse("sam", section, index), keys="from activation"
    ),
)  # fmt: skip
