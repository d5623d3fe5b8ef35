"""Small ONNX files laid out as other exporters do it: random values of the right shape, any batch, any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs


class Foreign:
    """A graph under construction with one input; `maps` makes level maps from it, `save` writes the file.

    Args:
        size: height, width of the input; names for free axes.
        batch: fixed, or a name.
        opset: of the file.
        half: in half precision, the input too.
        white: what the network's pictures count to.
    """

    def __init__(
        self,
        size: Sequence[int | str] = (64, 96),
        batch: int | str = "n",
        opset: int = 17,
        half: bool = False,
        white: float = 1,
    ):
        self.white = white
        self.graph = gs.Graph(opset=opset, name="torch_jit")
        self.random = np.random.default_rng(11)
        self.kind = np.float16 if half else np.float32
        self.input = gs.Variable("input", self.kind, [batch, 3, *size])
        self.graph.inputs = [self.input]
        self.count = 0

    def node(self, op, inputs, dtype=None, outputs=1, domain=None, **attrs):
        """Append a node; arrays become constants."""
        if op == "Split" and self.graph.opset < 13:
            inputs, attrs = inputs[:1], attrs | {"split": inputs[1].tolist()}
        self.count += 1
        tensors = [
            item if isinstance(item, gs.Tensor) else gs.Constant(f"c{self.count}.{index}", np.asarray(item))
            for index, item in enumerate(inputs)
        ]
        made = [gs.Variable(f"t{self.count}.{index}", dtype or self.kind) for index in range(outputs)]
        self.graph.nodes.append(gs.Node(op, f"{op}_{self.count}", attrs, tensors, made, domain=domain))
        return made[0] if outputs == 1 else made

    def number(self, values):
        """A constant of the graph's own type."""
        return np.asarray(values, self.kind)

    def map(self, channels, step):
        """A map [B, channels, h / step, w / step]."""
        weight = self.random.normal(0, 0.3 / self.white, (channels, 3, step, step)).astype(self.kind)
        return self.node("Conv", [self.input, weight], strides=[step, step], kernel_shape=[step, step])

    def maps(self, channels, strides=(8, 16, 32)):
        """A map for each stride."""
        return [self.map(channels, step) for step in strides]

    def columns(self, values, strides=(8, 16, 32)):
        """[B, values, A], one anchor a cell."""
        flat = [self.node("Reshape", [level, np.array([0, values, -1])]) for level in self.maps(values, strides)]
        return self.node("Concat", flat, axis=2)

    def rows(self, values, anchors=3, strides=(8, 16, 32)):
        """[B, A, values], some anchors a cell."""
        flat = [
            self.node("Reshape", [self.node("Transpose", [level], perm=[0, 2, 3, 1]), np.array([0, -1, values])])
            for level in self.maps(anchors * values, strides)
        ]
        return self.node("Concat", flat, axis=1)

    def save(self, path: Path, outputs: Mapping[str, gs.Tensor], properties: Mapping[str, str] = {}) -> Path:
        """Write the file with these outputs, their shapes inferred as exporters do it."""
        for name, tensor in outputs.items():
            tensor.name = name
            tensor.dtype = tensor.dtype or self.kind
            self.graph.outputs.append(tensor)
        model = onnx.shape_inference.infer_shapes(gs.export_onnx(self.graph.toposort()), data_prop=True)
        model.ir_version = 8
        onnx.helper.set_model_props(model, dict(properties))
        onnx.save(model, str(path))
        return path


def ultralytics(task: str, names: int, **more: str) -> dict[str, str]:
    """The metadata that Ultralytics writes."""
    return {
        "description": "Ultralytics model", "task": task, "stride": "32", "batch": "1", "imgsz": "[64, 96]",
        "names": str({number: f"thing '{number}'" for number in range(names)}),
    } | more  # fmt: skip


def yolov5(names: int) -> dict[str, str]:
    """The metadata that YOLOv5 writes."""
    return {"stride": "32", "names": str([f"thing{number}" for number in range(names)])}
