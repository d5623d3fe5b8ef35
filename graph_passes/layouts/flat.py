"""Layout `flat`: one tensor.

output [B, K, 6 + extras]: box, score, class, then angle | keypoints | mask pixels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec
from ...errors import ModelError
from ...graph.weights import Array
from .base import Dressing, for_rows
from .columns import joined, parted, width

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor


def _dress(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"output": joined(emit, meta, outputs, "det_masks" if meta.task == "segment" else None)}


def _specs(meta: ModelMeta) -> Sequence[TensorSpec]:
    return [TensorSpec("output", "float32", ("B", meta.nms.topk_all if meta.nms else 0, width(meta, 6)))]


def _undress(image: Mapping[str, Array], meta: ModelMeta) -> dict[str, Array]:
    rows, extras = parted(image["output"], meta)
    return rows | ({"det_masks": _masks(extras, meta)} if meta.task == "segment" else {})


def _masks(pixels: Array, meta: ModelMeta) -> Array:
    """Masks [N, h, w] from rows [N, h * w]; prototypes have the aspect of the input."""
    height, across = meta.imgsz
    stride = (height * across / pixels.shape[1]) ** 0.5
    size = round(height / stride), round(across / stride)
    if size[0] * size[1] != pixels.shape[1]:
        raise ModelError(
            f"{pixels.shape[1]} mask pixels do not divide into a picture of the aspect {height}x{across}; convert the "
            "model with --layout separate"
        )
    return pixels.reshape(len(pixels), *size)


DRESSING = Dressing(for_rows, _dress, _specs, _undress)
