"""The raw heads of a graph, found by their contract names, and the checks that they keep the contract."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_graphsurgeon as gs

from ...contract.meta import ModelMeta
from ...contract.outputs import raw_outputs
from ...errors import ModelError
from ...graph.emitter import Tensor


@dataclass(frozen=True)
class Heads:
    """The raw heads of the contract (`contract.outputs.raw_outputs`); those a task does not have are None.

    Attributes:
        boxes: [B, A, 4] x1, y1, x2, y2, or [B, A, 5] cx, cy, w, h, angle; network-input pixels and radians.
        scores: [B, A, C].
        keypoints: [B, A, P, D].
        mask_coeffs: [B, A, M].
        protos: [B, M, h, w].
    """

    boxes: Tensor
    scores: Tensor
    keypoints: Tensor | None = None
    mask_coeffs: Tensor | None = None
    protos: Tensor | None = None

    @property
    def batch(self) -> int | str:
        """B, a number or the name of the free axis."""
        batch: int | str = self.boxes.shape[0]
        return batch

    @property
    def anchors(self) -> int:
        """A."""
        return int(self.boxes.shape[1])

    @property
    def classes(self) -> int:
        """C."""
        return int(self.scores.shape[2])

    @property
    def rotated(self) -> bool:
        """Whether the boxes carry an angle."""
        return bool(self.boxes.shape[2] == 5)


def find_heads(graph: gs.Graph, meta: ModelMeta) -> Heads:
    """The raw heads of a detect, pose, segment or obb graph.

    Raises:
        ModelError: an output is missing, has a free axis besides the batch, or does not fit the others.
    """
    outputs = {tensor.name: tensor for tensor in graph.outputs}
    names = [spec.name for spec in raw_outputs(meta)]
    missing = [name for name in names if name not in outputs]
    if missing:
        raise ModelError(
            f"the graph has the outputs {', '.join(outputs)} but lacks {', '.join(missing)} of the raw heads of a "
            f"{meta.task} model; NMS can only be added to raw heads, convert the weights again without --end2end"
        )
    heads = Heads(**{name: outputs[name] for name in names})
    _check(heads, meta)
    return heads


def _check(heads: Heads, meta: ModelMeta) -> None:
    """Compare the shapes with the contract."""
    for spec in raw_outputs(meta):
        tensor = getattr(heads, spec.name)
        shape = tensor.shape
        if shape is None or len(shape) != len(spec.shape) or not all(isinstance(n, int) for n in shape[1:]):
            raise ModelError(
                f"output {spec.name} has shape {shape}, expected {list(spec.shape)} with only the batch free; "
                "run shape inference or export with fixed height and width"
            )
        fixed = [
            (is_, should) for is_, should in zip(shape[1:], spec.shape[1:], strict=True) if isinstance(should, int)
        ]
        if any(is_ != should for is_, should in fixed):
            raise ModelError(f"output {spec.name} has shape {list(shape)}, expected {list(spec.shape)} by the metadata")
    lengths = {
        heads.anchors,
        *(x.shape[1] for x in (heads.scores, heads.keypoints, heads.mask_coeffs) if x is not None),
    }
    if len(lengths) > 1:
        raise ModelError(f"the raw heads disagree about the number of anchors: {sorted(lengths)}")
