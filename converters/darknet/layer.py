"""What every section offers: a record that knows its sources, its output's shape, its weights and its forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import InputError
from ...graph.weights import Weight
from ..vocabulary.ops import Ops, Tensor
from .cfg import Section
from .net import Net

Shape = tuple[int, int, int]
"""Channels, height, width."""

Arrays = Mapping[str, Weight]
"""A layer's arrays in the weights file, by name."""

_DOWN = 32
"""How much nearly every DarkNet detector shrinks its input."""


@dataclass(frozen=True)
class Place:
    """Where a layer stands: its section, the network's input, and the shapes of what it reads."""

    section: Section
    net: Net
    shapes: Sequence[Shape]

    def same_size(self, key: str) -> None:
        """Check that all maps that `key` joins have one height and width.

        Raises:
            InputError: they have not.
        """
        if len({shape[1:] for shape in self.shapes}) > 1:
            raise self._sizes_differ(key)

    def _sizes_differ(self, key: str) -> InputError:
        sizes = ", ".join(f"{height}x{width}" for _, height, width in self.shapes)
        net = self.net
        advice = f"check {key}="
        if net.height % _DOWN or net.width % _DOWN:
            advice += (
                f"; where it is right, the input of {net.height}x{net.width} does not fit this network: use multiples of "
                f"{_DOWN} for --img-size"
            )
        return self.section.error(f"joins feature maps of different sizes ({sizes}); {advice}", key)


class Spec(ABC):
    """A section as DarkNet understands it. Subclasses are frozen dataclasses."""

    def sources(self, previous: int) -> tuple[int, ...]:
        """The layers that it reads, by number; `previous` is the one before it."""
        return (previous,)

    @abstractmethod
    def output(self, place: Place) -> Shape:
        """The shape of what it makes.

        Raises:
            InputError, ModelError: it cannot work on what it reads.
        """

    def arrays(self, shapes: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Shape of each array that it has in the weights file, by name, in the file's order."""
        return {}

    @abstractmethod
    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        """Compute it: maps [B, C, H, W] of its sources -> [B, C, H, W]."""


@dataclass(frozen=True)
class SectionType:
    """A kind of section.

    Attributes:
        names: what it is called in a cfg, the usual name first.
        parse: reads a section of layer number n.
        keys: that shape the layer.
        ignored: keys that only training uses.
        refused: switches that would change what the layer computes, in a way that trtzoo does not; 0 is their default.
    """

    names: tuple[str, ...]
    parse: Callable[[Section, int], Spec]
    keys: str = ""
    ignored: str = ""
    refused: tuple[str, ...] = ()
