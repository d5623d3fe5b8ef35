"""`[route]`: channels of several layers, one after the other (route_layer.c). `[route_lhalf]` is the first half of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...vocabulary.ops import Ops, Tensor
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec
from ..values import references


@dataclass(frozen=True)
class Route(Spec):
    """Channels of several layers joined, each cut to its `group_id`-th of `groups` parts."""

    layers: tuple[int, ...]
    groups: int
    group_id: int

    def sources(self, previous: int) -> tuple[int, ...]:
        return self.layers

    def output(self, place: Place) -> Shape:
        place.same_size("layers")
        for number, (channels, _, _) in zip(self.layers, place.shapes, strict=True):
            if channels % self.groups:
                raise place.section.error(
                    f"groups={self.groups} does not divide the {channels} channels of layer {number}", "groups"
                )
        return sum(shape[0] // self.groups for shape in place.shapes), place.shapes[0][1], place.shapes[0][2]

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        return ops.concat(inputs if self.groups == 1 else [self._part(ops, x) for x in inputs])

    def _part(self, ops: Ops, x: Tensor) -> Tensor:
        length = ops.shape(x)[0] // self.groups
        return ops.slice(x, 1, self.group_id * length, (self.group_id + 1) * length, name="group")


def parse(section: Section, index: int) -> Route:
    groups = section.integer("groups", 1, 1)
    group_id = section.integer("group_id", 0)
    if group_id >= groups:
        raise section.error(f"group_id={group_id} does not exist among groups={groups}; it counts from 0", "group_id")
    return Route(references(section, "layers", index), groups, group_id)


TYPES = (
    SectionType(names=("route",), parse=parse, keys="layers groups group_id"),
    SectionType(
        names=("route_lhalf",),
        parse=lambda section, index: Route(references(section, "layers", index), 2, 0),
        keys="layers",
    ),
)
