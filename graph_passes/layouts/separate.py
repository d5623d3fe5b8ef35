"""Layout `separate`: the contract's own outputs.

num_dets, det_boxes, det_scores, det_classes (+ det_kpts | det_masks)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...contract.meta import ModelMeta
from ...contract.outputs import contract_outputs, end2end_outputs
from .base import Dressing

if TYPE_CHECKING:
    from ...graph.emitter import Emitter, Tensor


def _dress(emit: Emitter, meta: ModelMeta, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {spec.name: outputs[spec.name] for spec in end2end_outputs(meta)}


DRESSING = Dressing(obstacle=lambda meta: None, dress=_dress, specs=contract_outputs, undress=lambda image, meta: image)
