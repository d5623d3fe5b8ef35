"""Layout `deepstream`: what the parser that ships with DeepStream reads (NvDsInferParseYoloV5CustomBatchedNMSTLT).

num_dets int32, det_boxes, det_scores, det_classes float32, in this order
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec, contract_outputs, end2end_outputs
from .base import Dressing, for_rows

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor

ROWS = 200
"""What the parser reads of a picture's rows."""


def _obstacle(meta: ModelMeta) -> str | None:
    if not meta.end2end:
        return for_rows(meta)
    if meta.task != "detect":
        return (
            f"DeepStream's own parser reads boxes only, not the rest of a {meta.task} model; use --layout separate or flat with "
            "a parser of your own"
        )
    if meta.nms and meta.nms.topk_all > ROWS:
        return f"DeepStream's own parser reads at most {ROWS} rows, not {meta.nms.topk_all}; use --topk-all {ROWS}"
    return None


def _dress(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    dressed = {spec.name: outputs[spec.name] for spec in end2end_outputs(meta)}
    return dressed | {"det_classes": emit.cast(dressed["det_classes"], np.float32, "classes_as_float")}


def _specs(meta: ModelMeta) -> Sequence[TensorSpec]:
    return [replace(spec, dtype="float32") if spec.name == "det_classes" else spec for spec in contract_outputs(meta)]


DRESSING = Dressing(_obstacle, _dress, _specs, undress=lambda image, meta: image)
