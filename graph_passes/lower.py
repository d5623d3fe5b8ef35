"""EfficientNMS plugin nodes become standard operators of the same semantics, so that a graph with them runs anywhere.

    EfficientNMS_TRT       boxes, scores -> num_detections, boxes, scores, classes
    EfficientNMS_ONNX_TRT  boxes, scores -> rows (image, class, box)

What the plugins do (NVIDIA's efficientNMSInference.cu): every (anchor, class) pair with a score >= the threshold is a
candidate, at most the 5000 best; a box goes when its IoU with a kept one of its class is >= the threshold. With a
score threshold below 0.007 nothing is filtered: lower scores become -32768 and come after the others, so the result
fills up with junk; that is reproduced. EfficientNMS_ONNX_TRT packs the rows of all images together, in an order that
changes from run to run (here: image by image), repeats the last row to the end, and writes -1 where no image has a
detection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ..contract.meta import ModelMeta
from ..errors import UnsupportedError
from ..graph.attributes import number_attribute
from ..graph.emitter import Emitter, Tensor
from ..graph.measure import measure
from ..graph.session import first_line
from ..graph.skeleton import BATCH, skeleton
from .nms.candidates import Survivors, best_candidates
from .nms.choose import DENSE_BELOW
from .nms.overlap import box_columns, box_iou
from .nms.raw_heads import Heads
from .nms.routes.plain import Problem, chosen, greedy, readable_in_loop
from .thresholds import PLUGIN_CONF, PLUGIN_IOU

MOST_PAIRS = 5000
JUNK = -32768.0
"""Score of what is below the threshold when nothing is filtered."""
OLDEST_OPSET = 13


@dataclass(frozen=True)
class Plugin:
    """A plugin node's inputs and attributes.

    Attributes:
        boxes: float32 [B, N, 4], x1, y1, x2, y2.
        scores: float32 [B, N, C]; logits if `activation`.
        score_threshold: in the terms of `scores`.
        iou_threshold: of the suppression.
        rows: K, an image.
        activation: the sigmoid is taken inside.
        class_agnostic: boxes of different classes suppress each other too.
        background: a class that is never reported, -1 for none.
        half: inputs and outputs are float16.
    """

    boxes: Tensor
    scores: Tensor
    score_threshold: float
    iou_threshold: float
    rows: int
    activation: bool = False
    class_agnostic: bool = False
    background: int = -1
    half: bool = False

    @property
    def dense(self) -> bool:
        """Whether nothing is filtered by score."""
        return self.score_threshold < (_logit(DENSE_BELOW) if self.activation else DENSE_BELOW)


def needs_lowering(graph: gs.Graph) -> bool:
    """Whether the graph holds a plugin node that `lower` replaces."""
    return any(node.op in LOWERINGS for node in graph.nodes)


def lower(graph: gs.Graph, meta: ModelMeta | None = None) -> list[str]:
    """Replace the EfficientNMS plugin nodes of a graph by standard operators, in place.

    Args:
        graph: of any origin; the nodes are known by their type, whatever domain they are in.
        meta: of the graph, where known: its batch size stands in for one that the graph does not name.

    Returns:
        What was replaced, a sentence each.

    Raises:
        UnsupportedError: a form of the plugin without an equivalent here, unknown shapes, or an opset below 13.
    """
    nodes = [node for node in graph.nodes if node.op in LOWERINGS]
    if nodes and graph.opset < OLDEST_OPSET:
        raise UnsupportedError(
            f"the graph has opset {graph.opset}, lowering needs {OLDEST_OPSET} or later; raise it first (graph.opset)"
        )
    for node in nodes:
        _replace(graph, node, meta)
    graph.cleanup(remove_unused_graph_inputs=False)
    return [f"{node.op} {node.name!r} became standard operators" for node in nodes]


def _replace(graph: gs.Graph, node: gs.Node, meta: ModelMeta | None) -> None:
    """Let the outputs of `node` come from standard operators."""
    emit = Emitter(graph, f"/lowered/{node.name.strip('/') or node.op}")
    results = LOWERINGS[node.op](emit, _plugin(emit, node, meta))
    old = list(node.outputs)
    node.outputs.clear()
    for tensor, result in zip(old, results, strict=True):
        producer = result.inputs[0]
        producer.outputs[producer.outputs.index(result)] = tensor
        tensor.shape, tensor.dtype = result.shape, result.dtype


def _plugin(emit: Emitter, node: gs.Node, meta: ModelMeta | None) -> Plugin:
    """Read a plugin node; boxes and scores become float32 corners and [B, N, C]."""
    if len(node.inputs) > 2:
        raise UnsupportedError(f"{node.op} {node.name!r} decodes boxes from anchors itself, which cannot be lowered")
    boxes, scores = _in_form(emit, node, meta)
    activation = bool(_number(node, "score_activation", default=0))
    threshold = _number(node, "score_threshold")
    return Plugin(
        boxes=_corners(emit, boxes, bool(_number(node, "box_coding", "center_point_box", default=0))),
        scores=scores,
        score_threshold=_logit(threshold) if activation else threshold,
        iou_threshold=_number(node, "iou_threshold"),
        rows=int(_number(node, "max_output_boxes", "max_output_boxes_per_class", default=0)),
        activation=activation,
        class_agnostic=bool(_number(node, "class_agnostic", default=0)),
        background=int(_number(node, "background_class", default=-1)),
        half=node.inputs[0].dtype == np.float16,
    )


def _number(node: gs.Node, *names: str, default: float | None = None) -> float:
    """The attribute under the first of these names that the node has."""
    given = next((name for name in names if name in node.attrs), None)
    if given is None and default is None:
        raise UnsupportedError(f"{node.op} {node.name!r} has no {names[0]}, which the plugin needs")
    return number_attribute(node, given or names[0], default or 0)


def _in_form(emit: Emitter, node: gs.Node, meta: ModelMeta | None) -> tuple[Tensor, Tensor]:
    """Boxes [B, N, 4] and scores [B, N, C], float32."""
    boxes, scores = (_with_shape(emit.graph, tensor, node, meta) for tensor in node.inputs)
    if len(boxes.shape) == 4 and boxes.shape[2] == 1:
        boxes = emit.squeeze(boxes, 2)
    if len(scores.shape) == 4 and scores.shape[3] == 1:
        scores = emit.squeeze(scores, 3)
    if len(boxes.shape) != 3 or len(scores.shape) != 3:
        raise UnsupportedError(
            f"{node.op} {node.name!r}: boxes {boxes.shape} and scores {scores.shape}; only one box an anchor can be "
            "lowered"
        )
    boxes, scores = (x if x.dtype == np.float32 else emit.cast(x, np.float32) for x in (boxes, scores))
    return boxes, scores


def _with_shape(graph: gs.Graph, tensor: Tensor, node: gs.Node, meta: ModelMeta | None) -> Tensor:
    """The tensor with its shape, inferred if the graph does not say it; only the batch may be free."""
    if not _known(tensor.shape):
        inferred = onnx.shape_inference.infer_shapes(skeleton(graph, {})).graph
        for info in (*inferred.value_info, *inferred.input):
            if info.name == tensor.name:
                kind = info.type.tensor_type
                tensor.shape = [axis.dim_value or axis.dim_param or None for axis in kind.shape.dim]
                tensor.dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if not _known(tensor.shape):
        _measure(graph, tensor, node)
    if not tensor.shape[0] or tensor.shape[0] == -1:
        tensor.shape = [(meta.batch if meta else None) or BATCH, *tensor.shape[1:]]
    return tensor


def _measure(graph: gs.Graph, tensor: gs.Variable, node: gs.Node) -> None:
    """Run the graph for the shape of what enters a plugin.

    Raises:
        UnsupportedError: its inputs are free in more than the batch, or it does not run.
    """
    where = f"{node.op} {node.name!r}: the shape of its input {tensor.name}"
    if not all(isinstance(axis, int) for item in graph.inputs for axis in (item.shape or [None, None])[1:]):
        raise UnsupportedError(f"{where} is {tensor.shape}; export the file with a fixed picture size")
    try:
        measure(graph, [tensor])
    except Exception as error:  # ONNX Runtime's own errors have no public base
        raise UnsupportedError(
            f"{where} cannot be told, for the graph does not run here ({first_line(error)})"
        ) from error


def _known(shape: list[int | str | None] | None) -> bool:
    return shape is not None and len(shape) > 2 and all(isinstance(n, int) and n > 0 for n in shape[1:])


def _corners(emit: Emitter, boxes: Tensor, centred: bool) -> Tensor:
    """Low corner, high corner [B, N, 4]; `centred` ones are cx, cy, w, h."""
    first, second = emit.slice(boxes, 2, 0, 2), emit.slice(boxes, 2, 2, 4)
    if centred:
        reach = emit.binary("Mul", second, np.array(0.5, np.float32), "half_size")
        return emit.concat([emit.binary("Sub", first, reach), emit.binary("Add", first, reach)], 2, "corners")
    return emit.concat([emit.binary("Min", first, second), emit.binary("Max", first, second)], 2, "corners")


def _survivors(emit: Emitter, plugin: Plugin) -> tuple[Survivors, Tensor]:
    """The kept pairs in order [B, K], and bool [B, K], 1 where there is one; logits stay logits."""
    scores = _thresholded(emit, plugin)
    heads = Heads(plugin.boxes, scores)
    pairs = best_candidates(emit, heads, MOST_PAIRS, multi_label=True)
    features = emit.concat(box_columns(emit, emit.gather_rows(plugin.boxes, pairs.anchors)), 2, "features")
    by_class = heads.classes > 1 and not plugin.class_agnostic
    least = np.array(2 * JUNK if plugin.dense else JUNK, np.float32)
    valid = emit.cast(emit.binary("Greater", pairs.scores, least), np.float32, "valid")
    threshold = readable_in_loop(emit, emit.constant(PLUGIN_IOU, _single(plugin.iou_threshold)), valid)

    def suppresses(inner: Emitter, rows: list[Tensor], others: list[Tensor]) -> Tensor:
        return inner.binary("GreaterOrEqual", box_iou(inner, rows, others), threshold, "suppresses")

    rows = min(plugin.rows, int(valid.shape[1]))
    ranks, used = greedy(emit, Problem(features, pairs.classes if by_class else None, valid, suppresses, rows))
    return chosen(emit, pairs, ranks, used), used


def _thresholded(emit: Emitter, plugin: Plugin) -> Tensor:
    """Scores [B, N, C] with those that cannot be candidates at `JUNK`."""
    threshold = np.float16(plugin.score_threshold) if plugin.half else plugin.score_threshold
    limit = emit.constant(PLUGIN_CONF, _single(float(threshold)))
    high = emit.binary("GreaterOrEqual", plugin.scores, limit, "high")
    if 0 <= plugin.background < plugin.scores.shape[2]:
        other = np.arange(plugin.scores.shape[2]) != plugin.background
        high = emit.binary("And", high, other, "foreground")
    return emit.where(high, plugin.scores, np.array(JUNK, np.float32), "thresholded")


def _lower_rows(emit: Emitter, plugin: Plugin) -> list[Tensor]:
    """EfficientNMS_TRT: num_detections int32 [B, 1], boxes [B, K, 4], scores [B, K], classes int32 [B, K]."""
    kept, used = _survivors(emit, plugin)
    missing = plugin.rows - int(used.shape[1])
    scores = emit.unary("Sigmoid", kept.scores) if plugin.activation else kept.scores
    zero = np.array(0, np.float32)
    boxes = emit.where(emit.unsqueeze(used, 2), emit.gather_rows(plugin.boxes, kept.anchors), zero)
    classes = emit.where(used, emit.cast(kept.classes, np.float32), zero)
    floats = [emit.pad_end(x, 1, missing) for x in (boxes, emit.where(used, scores, zero), classes)]
    kind = np.float16 if plugin.half else np.float32
    return [
        emit.reduce("ReduceSum", emit.cast(used, np.int32), 1, name="num_detections"),
        emit.cast(floats[0], kind, "boxes"),
        emit.cast(floats[1], kind, "scores"),
        emit.cast(floats[2], np.int32, "classes"),
    ]


def _lower_indices(emit: Emitter, plugin: Plugin) -> list[Tensor]:
    """EfficientNMS_ONNX_TRT: int32 [B x K, 3] of (image, class, box)."""
    kept, used = _survivors(emit, plugin)
    ones = emit.cast(emit.binary("Equal", kept.anchors, kept.anchors), np.float32)
    image = emit.emit("CumSum", [ones, np.array(0)], ones.shape, np.float32, "image", exclusive=1)
    columns = [image, *(emit.cast(x, np.float32) for x in (kept.classes, kept.anchors, used))]
    table = emit.concat([emit.unsqueeze(x, 2) for x in columns], 2, "table")
    padded = emit.pad_end(table, 1, plugin.rows - int(used.shape[1]))
    batch = plugin.boxes.shape[0]
    total = batch * plugin.rows if isinstance(batch, int) else "rows"
    flat = emit.emit("Reshape", [padded, np.array([-1, 4])], [total, 4], np.float32, "flat_table")
    return [emit.cast(_packed(emit, flat), np.int32, "selected")]


def _packed(emit: Emitter, table: Tensor) -> Tensor:
    """Rows [n, 4], the last column 1 for used ones -> [n, 3]: the used first, the last of them repeated, or all -1."""
    total = table.shape[0]
    used = emit.emit("Squeeze", [emit.slice(table, 1, 3, 4), np.array([1])], [total], np.float32, "used")
    length = emit.emit("Shape", [used], [1], np.int64, "length")
    ends = [np.array(0.0, np.float32), emit.cast(emit.squeeze(length, 0), np.float32), np.array(1.0, np.float32)]
    position = emit.emit("Range", ends, [total], np.float32, "position")
    order = emit.binary("Mul", used, emit.binary("Sub", ends[1], position))
    shapes, dtypes = [[total], [total]], [np.float32, np.int64]
    front = emit.emit_many("TopK", [order, length], shapes, dtypes, "used_first", axis=0, largest=1, sorted=1)[1]
    count = emit.emit("ReduceSum", [used], [1], np.float32, "count", keepdims=1)
    last = emit.unary("Relu", emit.binary("Sub", count, np.array(1, np.float32)), "last")
    index = emit.cast(emit.binary("Min", position, last), np.int64)
    source = emit.emit("Gather", [front, index], [total], np.int64, "source", axis=0)
    rows = emit.emit("Gather", [emit.slice(table, 1, 0, 3), source], [total, 3], np.float32, "rows", axis=0)
    return emit.where(emit.binary("Greater", count, np.array(0, np.float32)), rows, np.array(-1, np.float32))


def _single(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([value], np.float32)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability)) if probability > 0 else -math.inf


LOWERINGS = {"EfficientNMS_TRT": _lower_rows, "EfficientNMS_ONNX_TRT": _lower_indices}
