"""FP32 against INT8 on pictures that were not calibrated with: which detections both find, and how their scores moved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....contract.progress import Progress, silent
from ....contract.properties import to_properties
from ....engines.pictures.detections import Detections
from ....engines.pictures.nms import overlaps
from ....engines.pictures.predictor import Predictor
from ....engines.runtimes.onnxruntime import OnnxRuntime
from ....graph.weights import Array
from ....graph.writer import write_onnx
from ..pictures import PictureReader, how_many
from ..progress import Clock

SAME = 0.5
"""Two boxes of a class with at least this IoU are the same object."""
LEAST_MATCHED, MOST_SHIFT = 0.9, 0.03
"""Below and above these the user is warned. Detections near the score threshold come and go, so not all match."""
SIGMAS = 2.0
"""So many standard errors beyond these limits, for a dozen detections prove nothing."""


@dataclass(frozen=True)
class Comparison:
    """What changed on some pictures.

    Attributes:
        pictures: how many.
        reference: detections of the float model (a classifier: pictures).
        matched: of these, found by both (a classifier: the same best class).
        extra: detections of the INT8 model alone.
        shift: mean of INT8 score - FP32 score over the matched.
        shift_error: its standard error; infinite for fewer than two.
    """

    pictures: int
    reference: int
    matched: int
    extra: int
    shift: float
    shift_error: float

    @property
    def share(self) -> float:
        """Matched detections of all that either model found, 0..1; 1 where there are none."""
        return self.matched / (self.reference + self.extra) if self.reference + self.extra else 1.0

    @property
    def bad(self) -> bool:
        """Whether to warn: the limits are passed by more than chance."""
        moved = abs(self.shift) - SIGMAS * self.shift_error > MOST_SHIFT
        return moved or _upper_limit(self.share, self.reference + self.extra) < LEAST_MATCHED

    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        found = (
            f"INT8 against FP32 on {how_many(self.pictures)} not calibrated with: {self.matched} of {self.reference} detections "
            f"matched, {self.extra} new, scores {self.shift:+.3f} on average"
        )
        advice = (
            "INT8: that is a great difference; calibrate with more pictures of the kind that the model will see, try "
            "--calib-method lp, or `trtzoo calibrate --analyse` for layers to --int8-exclude"
        )
        return (found, advice) if self.bad else (found,)


def compare_models(
    exact: tuple[gs.Graph, ModelMeta],
    rounded: tuple[gs.Graph, ModelMeta],
    files: Sequence[Path],
    progress: Progress = silent,
) -> Comparison:
    """Run two models, each a graph and its metadata, on the same pictures; those that cannot be read are left out."""
    models = [_predictor(*model) for model in (exact, rounded)]
    found: list[list[Detections]] = [[], []]
    clock = Clock(len(files), "comparing", "pictures", progress)
    for picture in PictureReader(exact[1]).pictures(files):
        for rows, predictor in zip(found, models, strict=True):
            rows += predictor([picture])
        clock.advance()
    return compare(*found)


def _predictor(graph: gs.Graph, meta: ModelMeta) -> Predictor:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(graph, to_properties(meta), path)
        return Predictor(OnnxRuntime(path))


def compare(exact: Sequence[Detections], rounded: Sequence[Detections]) -> Comparison:
    """Compare what two models found on the same pictures, in their order."""
    pairs = list(zip(exact, rounded, strict=True))
    scores = [pair for one, other in pairs for pair in matched_scores(one, other)]
    reference, found = (sum(map(_count, side)) for side in (exact, rounded))
    shifts = np.array([after - before for before, after in scores])
    shift = float(shifts.mean()) if len(shifts) else 0.0
    error = float(shifts.std(ddof=1) / np.sqrt(len(shifts))) if len(shifts) > 1 else np.inf
    return Comparison(len(pairs), reference, len(scores), found - len(scores), shift, error)


def _upper_limit(share: float, count: int) -> float:
    """The upper end of a share's score interval (Wilson 1927), 1 where nothing was counted."""
    if not count:
        return 1.0
    z = SIGMAS**2 / count
    return float((share + z / 2 + np.sqrt(z * share * (1 - share) + z**2 / 4)) / (1 + z))


def _count(found: Detections) -> int:
    return len(found) if found.probs is None else 1


def matched_scores(exact: Detections, rounded: Detections) -> Iterable[tuple[float, float]]:
    """Scores before and after of each detection that both have; the best scores choose first."""
    if exact.probs is not None and rounded.probs is not None:
        best = int(exact.probs.argmax())
        return [(float(exact.probs[best]), float(rounded.probs[best]))] if best == int(rounded.probs.argmax()) else []
    free = np.ones(len(rounded), bool)
    matched = []
    for row in np.argsort(-exact.scores, kind="stable"):
        rivals = np.flatnonzero(free & (rounded.classes == exact.classes[row]))
        if not len(rivals):
            continue
        likeness = _overlap(exact.boxes[row], rounded.boxes[rivals])
        best = int(likeness.argmax())
        if likeness[best] >= SAME:
            free[rivals[best]] = False
            matched.append((float(exact.scores[row]), float(rounded.scores[rivals[best]])))
    return matched


def _overlap(box: Array, others: Array) -> Array:
    """The overlap of a box with each of the others [N, 4] or oriented [N, 5]."""
    return overlaps(np.concatenate([box[None], others]))(0)[1:]
