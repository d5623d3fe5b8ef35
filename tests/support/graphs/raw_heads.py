"""Tiny graphs that hand raw heads through, random values for them, and running graphs on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
import onnxruntime as ort

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.outputs import raw_outputs
from trtzoo.contract.properties import to_properties
from trtzoo.graph.skeleton import load_all

Array = npt.NDArray[Any]

MASKS = (5, 12, 16)
"""Mask coefficients, prototype height and width of the segment models here; the input is four times as large."""


def model_meta(task: str = "detect", classes: int = 3, **more: Any) -> ModelMeta:
    """Metadata of a model with a free batch unless told otherwise."""
    settings: dict[str, Any] = {"batch": None, "imgsz": (48, 64)}
    if task == "pose":
        settings["kpt_shape"] = (4, 3)
    names = tuple(f"class{index}" for index in range(classes))
    return ModelMeta(family="onnx", task=task, names=names, strides=(8, 16), **settings | more)


def raw_graph(meta: ModelMeta, anchors: int, opset: int = 17) -> gs.Graph:
    """A graph whose inputs `in_NAME` are the raw heads, each passed through one Identity."""
    graph = gs.Graph(opset=opset, name="raw")
    for spec in raw_outputs(meta, anchors, MASKS):
        ends = [gs.Variable(prefix + spec.name, np.dtype(np.float32), list(spec.shape)) for prefix in ("in_", "")]
        graph.nodes.append(gs.Node("Identity", f"pass_{spec.name}", inputs=ends[:1], outputs=ends[1:]))
        graph.inputs.append(ends[0])
        graph.outputs.append(ends[1])
    return graph


def random_heads(
    rng: np.random.Generator, meta: ModelMeta, batch: int, anchors: int, steps: int = 0
) -> dict[str, Array]:
    """Random raw heads by name: crowded boxes, and scores on a grid of `steps` values (0: all different)."""
    heads = {
        spec.name: rng.normal(size=[batch, *spec.shape[1:]]).astype(np.float32)
        for spec in raw_outputs(meta, anchors, MASKS)
    }
    heads["boxes"] = _random_boxes(rng, meta, batch, anchors)
    scores = rng.uniform(0, 1, heads["scores"].shape)
    heads["scores"] = (np.round(scores * steps) / steps if steps else scores).astype(np.float32)
    return heads


def _random_boxes(rng: np.random.Generator, meta: ModelMeta, batch: int, anchors: int) -> Array:
    """[B, A, 4] corners, or [B, A, 5] centre, size and angle, in a picture of 100 x 100."""
    middle, size = rng.uniform(0, 100, (batch, anchors, 2)), rng.uniform(3, 60, (batch, anchors, 2))
    if meta.task == "obb":
        angle = rng.uniform(-0.8, 2.3, (batch, anchors, 1))
        return np.concatenate([middle, size, angle], 2).astype(np.float32)
    return np.concatenate([middle - size / 2, middle + size / 2], 2).astype(np.float32)


def checked(graph: gs.Graph, meta: ModelMeta) -> onnx.ModelProto:
    """The graph as a model, after the ONNX checker and shape inference accepted it."""
    model = load_all(graph, to_properties(meta))
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model: onnx.ModelProto) -> Any:
    """An ONNX Runtime session on one core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(runtime: Any, heads: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs by name for raw heads fed into `in_NAME`."""
    wanted = {item.name for item in runtime.get_inputs()}
    feeds = {f"in_{name}": values for name, values in heads.items() if f"in_{name}" in wanted}
    names = [item.name for item in runtime.get_outputs()]
    return dict(zip(names, runtime.run(names, feeds), strict=True))
