"""Dressings of a graph's outputs: the same rows, or raw heads, as separate tensors, as one, for DeepStream, for Ultralytics.

One file a layout, of its name in `contract.choices.Layout`, with a `DRESSING`: what fits into it, the operators that make it, what
comes out, and how it is read back. `dressing` is the pass. Nothing here imports ONNX, so that what runs models can read them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

from ...contract.choices import Layout
from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec, contract_outputs
from ...errors import UnsupportedError
from ...graph.weights import Array
from .base import Dressing


@cache
def dressing_of(layout: Layout) -> Dressing:
    """The layout of this name."""
    found: Dressing = import_module(f"{__name__}.{layout}").DRESSING
    return found


def check_layout(meta: ModelMeta, layout: Layout) -> None:
    """Raise UnsupportedError where `layout` cannot hold the model's outputs."""
    obstacle = dressing_of(layout).obstacle(meta)
    if obstacle:
        raise UnsupportedError(f"--layout {layout}: {obstacle}")


def expected_outputs(meta: ModelMeta) -> Sequence[TensorSpec]:
    """The outputs that the metadata promises, in order."""
    return contract_outputs(meta) if meta.layout == "raw" else dressing_of(meta.layout).specs(meta)


ONLY_MASKS = ("mask_coeffs", "protos", "det_masks", "output1")
"""Outputs that only masks are made of, whatever the layout."""


def wanted_outputs(meta: ModelMeta, masks: bool) -> tuple[str, ...] | None:
    """The outputs that detections are read from; None is all of them.

    Args:
        meta: of the model.
        masks: whether those of a segment model are wanted.
    """
    if masks or meta.task != "segment":
        return None
    return tuple(spec.name for spec in expected_outputs(meta) if spec.name not in ONLY_MASKS)


def undressed(image: Mapping[str, Array], meta: ModelMeta) -> Mapping[str, Array]:
    """The outputs of one image, without the batch axis, under the names of the contract.

    Args:
        image: as the model gives them, in full or without what only masks need (`wanted_outputs`).
        meta: of the model, which is no classifier.

    Returns:
        Raw heads (`contract.outputs.raw_outputs`) or rows (`end2end_outputs`); rows of a segment model in the layout `ultralytics`
        have `det_coeffs` [K, M] and `protos` [M, h, w] in place of `det_masks`.
    """
    return image if meta.layout == "raw" else dressing_of(meta.layout).undress(image, meta)
