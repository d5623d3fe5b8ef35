"""What rounding did to a network: how far its heads are off, and how much of its detections is gone.

The loss of detections is continuous, so that a few pictures tell layers apart: with s the scores of the float network above the
threshold (0.25: a score of 0.26 counts 0.01, so that nothing jumps where an object comes or goes), q those of the rounded one, 0
where an object is not found,

    lost = 1 - sum min(s, q) / sum max(s, q)        0 unchanged .. 1 nothing in common

which is the distance of Ruzicka (weighted Jaccard) of the two sets of scores. A classifier's scores are its probabilities.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....contract.nms import Suppression
from ....engines.pictures.detections import Detections
from ....engines.pictures.predictor import Predictor
from ....graph.weights import Array
from ..judging.compare import matched_scores
from ..judging.heads import head_error, head_tensors
from ..pictures import PictureReader
from ..session import open_session


@dataclass(frozen=True)
class Damage:
    """What rounding did.

    Attributes:
        error: NMSE of the heads, 0 is unchanged.
        lost: of the detections, 0..1.
    """

    error: float
    lost: float


@dataclass(frozen=True)
class Seen:
    """What a network computed of one picture.

    Attributes:
        heads: what its final layers write.
        found: detections.
        least: the score that all of them are above.
    """

    heads: list[Array]
    found: Detections
    least: float


class _Tapped:
    """A runtime that also keeps what the final layers wrote in its last run."""

    gpu_seconds = None

    def __init__(self, graph: gs.Graph, meta: ModelMeta) -> None:
        self.name, self.meta = "onnxruntime CPU", meta
        self._input = graph.inputs[0].name
        self._outputs, self._heads = [tensor.name for tensor in graph.outputs], head_tensors(graph)
        self._session = open_session(graph, list(dict.fromkeys([*self._outputs, *self._heads])))
        self.heads: list[Array] = []

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        names = [output.name for output in self._session.get_outputs()]
        values = dict(zip(names, self._session.run(names, {self._input: images}), strict=True))
        self.heads = [values[name] for name in self._heads]
        return {name: values[name] for name in self._outputs if outputs is None or name in outputs}

    def close(self) -> None:
        """The session goes with its last user."""


def look(graph: gs.Graph, meta: ModelMeta, pictures: Sequence[Array]) -> Iterator[Seen]:
    """What a network computes of pictures uint8 [H, W, 3], one after the other."""
    runtime = _Tapped(graph, meta)
    predictor = Predictor(runtime)
    for picture in pictures:
        (found,) = predictor([picture])
        yield Seen(runtime.heads, found, predictor.suppression.conf_thres)


def damage(exact: Sequence[Seen], rounded: Iterable[Seen]) -> Damage:
    """Of the same pictures, by the float network and by the rounded one."""
    pairs = list(zip(exact, rounded, strict=True))
    common, whole = np.sum([_scores(one, other) for one, other in pairs], axis=0)
    error = head_error([one.heads for one, _ in pairs], [other.heads for _, other in pairs])
    return Damage(error, 1 - float(common / whole) if whole else 0.0)


def _scores(exact: Seen, rounded: Seen) -> tuple[float, float]:
    """sum min(s, q) and sum max(s, q) of one picture."""
    one, other = exact.found, rounded.found
    if one.probs is not None and other.probs is not None:
        pair = one.probs, other.probs
        return float(np.minimum(*pair).sum()), float(np.maximum(*pair).sum())
    both = np.array(list(matched_scores(one, other)), np.float64).reshape(-1, 2) - exact.least
    alone = float((one.scores - exact.least).sum() + (other.scores - exact.least).sum() - both.sum())
    return float(both.min(axis=1).sum()), float(both.max(axis=1).sum()) + alone


def readable(meta: ModelMeta, files: Sequence[Path], count: int) -> list[Array]:
    """The first pictures that can be read, uint8 [H, W, 3]."""
    return [picture for _, picture in zip(range(count), PictureReader(meta).pictures(files), strict=False)]
