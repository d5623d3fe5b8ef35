"""How far the student's heads are from the teacher's, mostly where the teacher sees something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_graphsurgeon as gs
import torch

from ....contract.meta import ModelMeta
from ....converters.vocabulary.ops import Tensor
from ....graph_passes.precision.body import is_trained
from ....graph_passes.precision.qdq.layers import final_layers

BACKGROUND = 0.05
"""Weight of a place where the teacher sees nothing, beside 1 where it is sure."""
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
        level = [layer for node in level for layer in _layers_before(node)]
    return list(found)


def _layers_before(node: gs.Node) -> list[gs.Node]:
    """The convolutions whose activated output a layer reads directly."""
    tensor = node.inputs[0]
    for _ in range(2):
        if not tensor.inputs:
            return []
        producer = tensor.inputs[0]
        if is_trained(producer):
            return [producer] if producer.op == "Conv" else []
        tensor = producer.inputs[0]
    producer = tensor.inputs[0] if tensor.inputs else None
    return [producer] if producer is not None and is_trained(producer) and producer.op == "Conv" else []


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


def distance(
    student: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    teacher: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    seen: Mapping[tuple[int, int], Tensor],
) -> Tensor:
    """Mean of the heads' errors, weighted by what the teacher sees, plus mean of the features' errors.

    Every error is relative to the variance of the teacher's values, so that all layers count alike.

    Args:
        student: features and heads (final convolutions' outputs [B, C, h, w]) by layer.
        teacher: the same of the float network.
        seen: from `certainty`.
    """
    features = [(student[0][name] - t).square().mean() / _variance(t) for name, t in teacher[0].items()]
    heads = [_head(student[1][name], t, seen) for name, t in teacher[1].items()]
    return torch.stack(heads).mean() + torch.stack(features).mean()


def _head(s: Tensor, t: Tensor, seen: Mapping[tuple[int, int], Tensor]) -> Tensor:
    error = (s - t).square()
    probability = seen.get((t.shape[2], t.shape[3]))
    if probability is None:
        return error.mean() / _variance(t)
    weight = BACKGROUND + probability
    return (weight * error).mean() / (weight.mean() * _variance(t))


def _variance(t: Tensor) -> Tensor:
    return t.var().clamp_min(1e-12)
