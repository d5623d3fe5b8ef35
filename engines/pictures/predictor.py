"""Pictures in, detections out, on any runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...contract.nms import NmsSettings
from ...contract.outputs import input_spec
from ...graph.weights import Array
from ..runtimes.base import Runtime
from .detections import Detections
from .postprocess import decode
from .preprocess import prepare


class Predictor:
    """A runtime with the preprocessing and decoding that its model's metadata asks for.

    Args:
        runtime: a loaded model.
        settings: of the NMS behind raw heads. An end-to-end graph keeps its own, unless it takes its thresholds as inputs,
            but a higher `conf_thres` still filters its rows.
    """

    def __init__(self, runtime: Runtime, settings: NmsSettings = NmsSettings()) -> None:
        self.runtime = runtime
        self.meta = runtime.meta
        self.suppression = runtime.meta.suppression(settings)

    @property
    def batch(self) -> int:
        """How many pictures go into one run: the model's batch, 1 where it is free."""
        return self.meta.batch or 1

    def __call__(self, pictures: Sequence[Array]) -> list[Detections]:
        """Detect in pictures uint8 [H, W, 3] (blue, green, red); a fixed batch is filled up with black."""
        step = self.meta.batch or max(1, len(pictures))
        chunks = [pictures[start : start + step] for start in range(0, len(pictures), step)]
        return [detections for chunk in chunks for detections in self._chunk(chunk, step)]

    def _chunk(self, pictures: Sequence[Array], size: int) -> list[Detections]:
        prepared = [prepare(picture, self.meta) for picture in pictures]
        spec = input_spec(self.meta)
        images = np.zeros((size, *(int(axis) for axis in spec.shape[1:])), spec.dtype)
        for row, (image, _) in enumerate(prepared):
            images[row] = image
        outputs = self.runtime.infer(images, self.suppression)
        placed = enumerate(placement for _, placement in prepared)
        found = [decode(outputs, row, placement, self.meta, self.suppression) for row, placement in placed]
        return [_above(detections, self.suppression.conf_thres) for detections in found]


def _above(found: Detections, threshold: float) -> Detections:
    """The detections whose score is greater than the threshold."""
    keep = found.scores > threshold
    if keep.all():
        return found
    return found[keep]
