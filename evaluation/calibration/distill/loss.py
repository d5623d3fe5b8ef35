"""How far the student's heads are from the teacher's, mostly where the teacher sees something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs
import torch

from ....contract.meta import ModelMeta
from ....converters.vocabulary.ops import Tensor
from ....graph_passes.precision.qdq.layers import final_layers, layer_before

BACKGROUND = 0.05
"""Weight of a place where the teacher sees nothing, beside 1 where it is sure."""
LEAST_VARIANCE = 1e-12
DEPTH = 3
"""Features in front of so many layers, counted from the heads' ends, are compared too."""


def final_names(graph: gs.Graph) -> list[str]:
    """The final convolutions."""
    return [node.name for node in final_layers(graph) if node.op == "Conv"]


def feature_names(graph: gs.Graph, depth: int = DEPTH) -> list[str]:
    """The convolutions up to `depth` layers from the ends of the heads, whose inputs are compared."""
    found: dict[str, None] = {}
    level = [node for node in final_layers(graph) if node.op == "Conv"]
    for _ in range(depth):
        found |= dict.fromkeys(node.name for node in level)
        level = [layer for node in level if (layer := layer_before(node)) is not None]
    return list(found)


def certainty(scores: Tensor, meta: ModelMeta, size: Sequence[int]) -> dict[tuple[int, int], Tensor]:
    """The best class probability at each place of each level: (height, width) -> [B, 1, height, width].

    Args:
        scores: [B, A, C], level by level, each (anchor,) y, x.
        meta: its strides are those of the levels.
        size: height and width of the input.
    """
    levels = [(size[0] // stride, size[1] // stride) for stride in meta.strides]
    places = sum(height * width for height, width in levels)
    best, (anchors, rest) = scores.amax(dim=2), divmod(scores.shape[1], places)
    if rest:
        return {}
    parts = best.split([anchors * height * width for height, width in levels], dim=1)
    shaped = ((level, part.reshape(len(best), anchors, *level)) for level, part in zip(levels, parts, strict=True))
    return {level: part.amax(dim=1, keepdim=True) for level, part in shaped}


@dataclass(frozen=True)
class Values:
    """What is compared of a network: what some layers read, and what the final convolutions write, [B, C, h, w] by layer."""

    features: Mapping[str, Tensor]
    heads: Mapping[str, Tensor]


@dataclass(frozen=True)
class Spreads:
    """The variances of the teacher's values, so that all layers count alike; of many pictures, for a dull one has little."""

    features: Mapping[str, float]
    heads: Mapping[str, float]

    @staticmethod
    def of(pictures: Iterable[Values]) -> Spreads:
        """Of the values of several runs together."""
        runs = list(pictures)
        parts = ([run.features for run in runs], [run.heads for run in runs])
        features, heads = ({name: _variance([run[name] for run in part]) for name in part[0]} for part in parts)
        return Spreads(features, heads)


def _variance(parts: Sequence[Tensor]) -> float:
    count = sum(part.numel() for part in parts)
    mean = sum(float(part.sum(dtype=torch.float64)) for part in parts) / count
    squares = sum(float((part - mean).square().sum(dtype=torch.float64)) for part in parts)
    variance: float = squares / count
    return max(variance, LEAST_VARIANCE)


def distance(student: Values, teacher: Values, seen: Mapping[tuple[int, int], Tensor], spreads: Spreads) -> Tensor:
    """Mean of the heads' errors, weighted by what the teacher sees, plus mean of the features' errors.

    Args:
        student: of the network that learns.
        teacher: of the float network.
        seen: from `certainty`.
        spreads: every error is relative to them.
    """
    pairs = ((student.features[name], t, spreads.features[name]) for name, t in teacher.features.items())
    features = [(s - t).square().mean() / spread for s, t, spread in pairs]
    heads = [_head(student.heads[name], t, seen) / spreads.heads[name] for name, t in teacher.heads.items()]
    return torch.stack(heads).mean() + torch.stack(features).mean()


def _head(s: Tensor, t: Tensor, seen: Mapping[tuple[int, int], Tensor]) -> Tensor:
    error = (s - t).square()
    probability = seen.get((t.shape[2], t.shape[3]))
    if probability is None:
        return error.mean()
    weight = BACKGROUND + probability
    return (weight * error).mean() / weight.mean()
