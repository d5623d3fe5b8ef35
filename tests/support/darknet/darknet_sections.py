"""One section of a cfg by itself: parsed, planned and run on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trtzoo.contract.outputs import TensorSpec
from trtzoo.converters.darknet.cfg import Option, Section
from trtzoo.converters.darknet.decode import Head, HeadMap, decode
from trtzoo.converters.darknet.layer import Place, Spec
from trtzoo.converters.darknet.net import Net
from trtzoo.converters.darknet.sections import parse_layer
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.graph.session import run_once
from trtzoo.graph.skeleton import load_all
from trtzoo.graph.weights import Weight

NET = Net(3, 96, 128, False)


def section(name: str, **options: object) -> Section:
    """`[name]`; a key that Python reserves is written with an underscore after it."""
    return Section(Path("m.cfg"), name, 1, {key.rstrip("_"): Option(str(value), 1) for key, value in options.items()})


def parse(name: str, index: int = 1, **options: object) -> Spec:
    """What a section means as layer `index`."""
    return parse_layer(section(name, **options), index, {name})


def planned(name: str, *shapes: tuple[int, int, int], net: Net = NET, **options: object) -> tuple[int, int, int]:
    """The shape that a section makes of sources of these shapes."""
    return parse(name, len(shapes), **options).output(Place(section(name, **options), net, shapes))


def run_section(
    name: str, *inputs: np.ndarray, arrays: Mapping[str, np.ndarray] | None = None, **options: object
) -> np.ndarray:
    """The output [B, C, H, W] of a section on what its sources give, in their order; its planned shape is checked."""
    spec = parse(name, len(inputs), **options)
    weights = {key: np.asarray(value, np.float32) for key, value in (arrays or {}).items()}
    shapes = [tuple(x.shape[1:]) for x in inputs]
    expected = planned(name, *shapes, **options)
    assert {key: value.shape for key, value in weights.items()} == spec.arrays(shapes)
    ops, parts = _inputs(inputs)
    made = spec.forward(ops, parts, {key: Weight.of(value) for key, value in weights.items()})
    (output,) = _run(ops, {"made": made}, inputs)
    assert output.shape == (len(inputs[0]), *expected)
    return output


def run_head(x: np.ndarray, name: str, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores that a head makes of its map."""
    head = parse(name, **options)
    assert isinstance(head, Head)
    ops, (part,) = _inputs([x])
    boxes, scores = decode(ops, [(HeadMap(head, x.shape[2:]), part)], NET)
    made = _run(ops, {"boxes": boxes, "scores": scores}, [x])
    return made[0], made[1]


def _inputs(inputs):
    """All inputs side by side in one, taken apart again."""
    sizes = [int(np.prod(x.shape[1:])) for x in inputs]
    ops = OnnxOps(TensorSpec("images", "float32", ("batch", sum(sizes))))
    parts = ops.split(ops.input, sizes, 1)
    return ops, [ops.reshape(part, x.shape[1:]) for part, x in zip(parts, inputs, strict=True)]


def _run(ops, outputs, inputs) -> list[np.ndarray]:
    flat = np.concatenate([np.asarray(x, np.float32).reshape(len(x), -1) for x in inputs], axis=1)
    model = load_all(ops.finish(outputs), {}).SerializeToString()
    return list(run_once(model, {"images": flat}).values())
