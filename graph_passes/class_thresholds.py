"""Score thresholds of single classes: scores that are not above their class's threshold become 0 before NMS.

    scores [B, A, C] . Greater(thresholds [C]) . Where(scores, 0)

Every NMS route then works as before; a class needs no threshold of its own below the common one. Where an anchor has one
label, it is the best class that passes its threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from ..contract.classes import unknown_class
from ..contract.meta import ModelMeta
from ..errors import UnsupportedError
from ..graph.emitter import Emitter
from .model import Model, Pass
from .settings import EndToEnd

KEY = "class_thresholds"
"""Key of `ModelMeta.extra` that holds them, by class name."""


def filtered(wanted: EndToEnd | None) -> Pass | None:
    """The pass that filters the raw scores."""
    if wanted is None or not wanted.class_thresholds:
        return None

    def step(model: Model) -> Model:
        idle = _idle(wanted.class_thresholds, model.meta.suppression(wanted.settings).conf_thres)
        return model.with_meta(set_class_thresholds(model.graph, model.meta, wanted.class_thresholds), *idle)

    return step


def _idle(of_classes: Mapping[str, float], of_all: float) -> tuple[str, ...]:
    """What to say of classes whose own threshold is below that of all, which keeps their lower scores out anyway."""
    idle = [f"{name}={value:g}" for name, value in of_classes.items() if value < of_all]
    if not idle:
        return ()
    return (f"--class-thres {' '.join(idle)} has no effect below --conf-thres {of_all:g}; lower --conf-thres too",)


def set_class_thresholds(graph: gs.Graph, meta: ModelMeta, thresholds: Mapping[str, float]) -> ModelMeta:
    """Filter the raw scores of `graph` in place, before `add_nms`, and return its metadata.

    Args:
        graph: ends in raw heads.
        meta: of the graph.
        thresholds: by class name, each 0 to below 1; classes that are not named pass all scores.

    Raises:
        InputError: a class that the model does not have.
        UnsupportedError: the graph has no raw scores.
    """
    _check(meta, thresholds)
    scores = next((tensor for tensor in graph.outputs if tensor.name == "scores"), None)
    if scores is None:
        raise UnsupportedError(
            "thresholds of single classes are put in front of NMS; convert the weights again with them"
        )
    emit = Emitter(graph, "/class_thresholds")
    least = np.array([thresholds.get(name, -np.inf) for name in meta.names], np.float32)
    passed = emit.where(emit.binary("Greater", scores, least, "passes"), scores, np.array(0, np.float32), "passed")
    scores.name, passed.name = "all_scores", "scores"
    graph.outputs = [passed if tensor is scores else tensor for tensor in graph.outputs]
    return replace(meta, extra={**meta.extra, KEY: dict(thresholds)})


def _check(meta: ModelMeta, thresholds: Mapping[str, float]) -> None:
    for name in thresholds:
        if name not in meta.names:
            raise unknown_class(name, meta.names)
