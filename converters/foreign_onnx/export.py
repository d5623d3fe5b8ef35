"""A foreign file, prepared: its graph, its metadata, and what the user says about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_graphsurgeon as gs

from ...contract.choices import ONNX_LAYOUTS, OnnxLayout
from ...errors import UnsupportedError
from ..vocabulary.ops import Tensor
from .picture_input import axes

STATE_IT = f"--onnx-layout states the layout, where you know it: {', '.join(ONNX_LAYOUTS)}"

_LEVELS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32), (8, 16), (8, 16, 32, 64, 128))
"""Strides of the published models."""

_MOST_ANCHORS = 9


@dataclass(frozen=True)
class Export:
    """A foreign file.

    Attributes:
        path: of the file.
        graph: with one picture of fixed size, and outputs of known shape.
        properties: its metadata.
        names: class names from `--names` or the metadata, empty where neither has them.
        stated: the layout that the user states.
        seen: names and shapes of the outputs as the file has them, for errors.
    """

    path: Path
    graph: gs.Graph
    properties: Mapping[str, str]
    names: tuple[str, ...]
    stated: OnnxLayout | None = None
    seen: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Height, width of the input."""
        _, _, height, width = self.graph.inputs[0].shape
        return height, width

    @property
    def by_yolov5(self) -> bool:
        """Whether the metadata is what YOLOv5's exporter and its descendants write: names and stride, no task."""
        return "names" in self.properties and "stride" in self.properties and "task" not in self.properties

    def outputs(self, rank: int) -> list[Tensor]:
        """The outputs of this many axes, of which the first is the batch."""
        batch = self.graph.inputs[0].shape[0]
        return [tensor for tensor in self.graph.outputs if len(tensor.shape) == rank and tensor.shape[0] == batch]

    def prototypes(self) -> Tensor | None:
        """The output that looks like mask prototypes: a map finer than that of the smallest stride, 8."""
        height, _ = self.size
        return next((tensor for tensor in self.outputs(4) if tensor.shape[2] * 8 > height), None)

    def levels(self, anchors: int) -> tuple[int, ...]:
        """The strides of a published model that has so many boxes for this input; empty where none has."""
        for strides in _LEVELS:
            if all(length % max(strides) == 0 for length in self.size):
                cells = sum(math.prod(length // step for length in self.size) for step in strides)
                if anchors % cells == 0 and anchors // cells <= _MOST_ANCHORS:
                    return strides
        return ()

    def check_names(self, classes: int) -> None:
        """Raise UnsupportedError where there is no class, or another number of names is given."""
        if classes < 1 or (self.names and len(self.names) != classes):
            raise self.refuse(f"they have {classes} classes, but {len(self.names)} names are given; correct --names")

    def refuse(self, reason: str) -> UnsupportedError:
        """The error that the outputs cannot be interpreted: what was seen, and why that does not suffice."""
        return UnsupportedError(f"{self.path}: cannot interpret its outputs ({self.seen}): {reason}")


def describe_outputs(graph: gs.Graph) -> str:
    """Names and shapes of a graph's outputs."""
    return ", ".join(f"{tensor.name} {axes(tensor.shape)}" for tensor in graph.outputs)
