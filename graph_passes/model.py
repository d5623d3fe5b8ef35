"""What a graph pass takes and gives: a graph with everything that is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.meta import ModelMeta
from ..contract.properties import to_properties
from ..files import sha256_of

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs

    from .precision.int8 import Int8Numbers


@dataclass(frozen=True)
class Model:
    """A graph on its way through the passes, which change it in place.

    Attributes:
        graph: skeleton and lazy weights.
        meta: what it is now.
        where: the file that it was read from, for messages.
        notes: what the user should know, a sentence each.
        weights_file: hashed into the metadata when the model is written, unless the metadata has a hash already.
        keep_fp32: nodes that half precision leaves alone, and why.
        int8: the numbers that INT8 pairs get.
    """

    graph: gs.Graph
    meta: ModelMeta
    where: str = "the model"
    notes: tuple[str, ...] = ()
    weights_file: Path | None = None
    keep_fp32: Mapping[str, str] = field(default_factory=dict)
    int8: Int8Numbers | None = None

    def with_meta(self, meta: ModelMeta, *notes: str) -> Model:
        """The model after a pass changed its graph, and what the user should know of it."""
        return replace(self, meta=meta, notes=(*self.notes, *notes))

    def noted(self, *notes: str) -> Model:
        """The model with more to say."""
        return replace(self, notes=(*self.notes, *notes))

    def properties(self) -> Mapping[str, str]:
        """The metadata to write."""
        meta = self.meta
        if self.weights_file and not meta.source_sha256:
            meta = replace(meta, source_sha256=sha256_of(self.weights_file))
        return to_properties(meta)


Pass = Callable[[Model], Model]
"""A step from one model to the next; the graph in it may be the same one, changed."""
