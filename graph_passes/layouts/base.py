"""What a layout is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec
from ...graph.weights import Array

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor


@dataclass(frozen=True)
class Dressing:
    """One layout. Outputs "of the contract" are raw heads or rows, by their names in `contract.outputs`.

    Attributes:
        obstacle: why it cannot hold a model's outputs, to be read after "--layout NAME: ", or None.
        dress: outputs of the contract -> outputs of the layout, by name and in order; a segment model's rows come with
            `det_coeffs` [B, K, M] and `protos` too, unless they were finished before.
        specs: the outputs of the layout.
        undress: the inverse of `dress` for one image in numpy, as `layouts.undressed` describes it.
        heads: whether it dresses raw heads, too; else they stay as they are where there is no obstacle.
    """

    obstacle: Callable[[ModelMeta], str | None]
    dress: Callable[[Emitter, ModelMeta, Mapping[str, Tensor]], dict[str, Tensor]]
    specs: Callable[[ModelMeta], Sequence[TensorSpec]]
    undress: Callable[[Mapping[str, Array], ModelMeta], Mapping[str, Array]]
    heads: bool = False


def for_rows(meta: ModelMeta) -> str | None:
    """The obstacle of a layout that has no form for raw heads."""
    return None if meta.end2end or meta.task == "classify" else "it is for rows of detections; add --end2end"
