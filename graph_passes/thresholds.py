"""The thresholds of an end-to-end graph: two constants of known names that can be changed, or made graph inputs.

Every route compares with the constants `nms.conf_thres` and `nms.iou_thres`; a plugin has them in its attributes too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_graphsurgeon as gs

from ..contract.meta import ModelMeta
from ..contract.nms import GraphNms
from ..contract.outputs import THRESHOLD_ROWS
from ..contract.target import Target
from ..errors import ModelError, UnsupportedError
from ..graph.emitter import Emitter, Tensor
from ..graph.skeleton import Input
from .model import Model, Pass
from .settings import EndToEnd, NewThresholds

CONF, IOU = "nms.conf_thres", "nms.iou_thres"
"""Names of the constants, float32 [1]."""
CONF_INPUT, IOU_INPUT = "conf_thres", "iou_thres"
"""Names of the graph inputs that `runtime_thresholds` makes of them, float32 [B, 1]."""
PLUGIN_CONF, PLUGIN_IOU = "plugin.score_threshold", "plugin.iou_threshold"
"""Names of the constants that a lowered plugin's attributes become, float32 [1]."""
PLUGIN_ATTRIBUTES = {CONF: "score_threshold", IOU: "iou_threshold"}
SMALLEST_PLUGIN_IOU = float(np.finfo(np.float32).tiny)
"""The plugins suppress at an IoU equal to the threshold, so 0 would let boxes go that do not touch."""
RUNTIME = "runtime_thresholds"
"""Key of `ModelMeta.extra` that says that the thresholds are inputs."""


@dataclass(frozen=True)
class Thresholds:
    """Float32 [1] each: only scores greater than `conf` are candidates; IoU greater than `iou` suppresses."""

    conf: Tensor
    iou: Tensor


def conf_constant(emit: Emitter, settings: GraphNms) -> Tensor:
    """The score threshold that a route compares with, float32 [1]."""
    return emit.constant(CONF, np.array([settings.conf_thres], np.float32))


def threshold_constants(emit: Emitter, settings: GraphNms) -> Thresholds:
    """Both constants, for a route that compares overlaps itself."""
    return Thresholds(conf_constant(emit, settings), emit.constant(IOU, np.array([settings.iou_thres], np.float32)))


def plugin_iou(iou_thres: float) -> float:
    """The IoU threshold as an attribute of a plugin."""
    return max(float(iou_thres), SMALLEST_PLUGIN_IOU)


def changed(wanted: NewThresholds | None) -> Pass | None:
    """The pass that gives a finished graph other thresholds."""
    if wanted is None:
        return None

    def change(model: Model) -> Model:
        return model.with_meta(set_thresholds(model.graph, model.meta, wanted.conf_thres, wanted.iou_thres))

    return change


def made_inputs(wanted: EndToEnd | None, target: Target) -> Pass | None:
    """The pass that makes inputs of the thresholds; with defaults where the target takes them."""
    if wanted is None or not wanted.runtime_thresholds:
        return None
    defaults = target.kind == "onnxruntime"

    def make(model: Model) -> Model:
        return model.with_meta(runtime_thresholds(model.graph, model.meta, defaults=defaults))

    return make


def set_thresholds(
    graph: gs.Graph, meta: ModelMeta, conf_thres: float | None = None, iou_thres: float | None = None
) -> ModelMeta:
    """Change the thresholds of an end-to-end graph in place, and return its metadata with them.

    Args:
        graph: made by `add_nms`, in any layout, lowered or not.
        meta: of the graph.
        conf_thres: the new score threshold, None to leave it.
        iou_thres: the new IoU threshold, None to leave it.

    Raises:
        InputError: a threshold is out of range.
        UnsupportedError: raw heads, thresholds that are graph inputs, or an IoU threshold where nothing is suppressed.
        ModelError: the graph does not hold the thresholds that its metadata promises.
    """
    settings = _changeable(meta)
    new = replace(
        settings,
        conf_thres=settings.conf_thres if conf_thres is None else conf_thres,
        iou_thres=settings.iou_thres if iou_thres is None else iou_thres,
    )
    if iou_thres is not None and settings.route == "none":
        raise UnsupportedError("--iou-thres has no meaning for an NMS-free head; only --conf-thres can be changed")
    if conf_thres is not None:
        _set(graph, CONF, conf_thres)
    if iou_thres is not None:
        _set(graph, IOU, iou_thres)
    return replace(meta, nms=new)


def runtime_thresholds(graph: gs.Graph, meta: ModelMeta, defaults: bool = True) -> ModelMeta:
    """Make the thresholds inputs of the graph: `conf_thres` and, where boxes suppress each other, `iou_thres`.

    Both are float32 [B, 1], a row an image, so that requests of different thresholds can share a batch; where the batch is free, one row
    serves all images too.

    Args:
        graph: end to end, in any layout.
        meta: of the graph; it keeps the former values as a suggestion.
        defaults: the inputs may be left out and are then the former values. TensorRT takes an input with a default for a
            constant, so its graphs need False.

    Raises:
        UnsupportedError: raw heads, or a route whose operator has one threshold for all images.
    """
    settings = _changeable(meta)
    _refuse_shared(graph)
    pairs = [(CONF, CONF_INPUT)] if settings.route == "none" else [(CONF, CONF_INPUT), (IOU, IOU_INPUT)]
    for name, public in pairs:
        old = _constant(graph, name)
        if old is None:
            raise ModelError(f"the graph lacks the threshold {name}; convert the weights again")
        value = np.broadcast_to(np.asarray(old.values, np.float32), (meta.batch or 1, 1)).copy() if defaults else None
        fresh = Input(public, np.float32, (meta.batch or THRESHOLD_ROWS, 1), value)
        _replace(graph, old, fresh)
        graph.inputs.append(fresh)
    return replace(meta, extra={**meta.extra, RUNTIME: True})


def _refuse_shared(graph: gs.Graph) -> None:
    """Raise UnsupportedError where an operator takes one threshold for a whole batch."""
    shared = [node for node in graph.nodes if node.op == "NonMaxSuppression" or node.op.startswith("EfficientNMS")]
    if shared or _constant(graph, PLUGIN_CONF) is not None:
        op = shared[0].op if shared else "a lowered EfficientNMS plugin"
        raise UnsupportedError(
            f"--runtime-thresholds: {op} has one threshold for all images of a batch; use --nms plain or static"
        )


def _replace(graph: gs.Graph, old: gs.Constant, fresh: Input) -> None:
    """Let everything that reads the constant [1] read the input [B, 1], with as many axes as its other operand has."""
    emit = Emitter(graph, "/thresholds")
    for node in list(old.outputs):
        rank = max(len(tensor.shape) for tensor in node.inputs if tensor is not old)
        shaped: Tensor = fresh
        for axis in range(2, rank):
            shaped = emit.unsqueeze(shaped, axis, fresh.name)
        node.inputs = [shaped if tensor is old else tensor for tensor in node.inputs]


def _changeable(meta: ModelMeta) -> GraphNms:
    """The settings of a graph whose thresholds are in it."""
    if meta.nms is None:
        raise UnsupportedError("a model with raw heads has no thresholds; convert it with --end2end")
    if meta.extra.get(RUNTIME):
        raise UnsupportedError("this model's thresholds are graph inputs; give them when it runs")
    return meta.nms


def _set(graph: gs.Graph, name: str, value: float) -> None:
    """Write a threshold wherever it is kept."""
    found = [_constant(graph, name), _constant(graph, PLUGIN_CONF if name == CONF else PLUGIN_IOU)]
    constants, plugins = [constant for constant in found if constant is not None], _plugins(graph)
    if not constants and not plugins:
        raise ModelError(f"the graph lacks the threshold {name}; convert the weights again")
    for constant in constants:
        kept = plugin_iou(value) if constant.name == PLUGIN_IOU else value
        constant.values = np.array([kept], np.float32)
    for node in plugins:
        node.attrs[PLUGIN_ATTRIBUTES[name]] = plugin_iou(value) if name == IOU else float(value)


def _constant(graph: gs.Graph, name: str) -> gs.Constant | None:
    return next((x for node in graph.nodes for x in node.inputs if x.name == name and isinstance(x, gs.Constant)), None)


def _plugins(graph: gs.Graph) -> list[gs.Node]:
    return [node for node in graph.nodes if node.op.startswith("EfficientNMS")]
