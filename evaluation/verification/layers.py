"""The first layer at which two networks differ: convolutions and products by the names that trtzoo's converters give them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.outputs import INPUT
from ...converters import holds_network, read_network, recognise
from ...converters.network import torch_runner
from ...errors import InputError
from ...graph.skeleton import read_onnx
from ...graph.weights import Array
from ...graph_passes.lower import lower, needs_lowering
from ..calibration.session import open_session
from ..subjects import Subject
from .inputs import as_input
from .results import LayerDifference, Rule

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
LOOSE = 0.02
"""Share of a layer's largest value that counts as the same where the rule does not look at outputs (FP16, INT8)."""

Layers = Mapping[str, Array]
"""Outputs of a network's layers by name, in the order in which they are computed."""


def first_difference(
    reference: Subject, candidate: Subject, values: Array, metas: tuple[ModelMeta, ModelMeta], rule: Rule
) -> LayerDifference | None:
    """Compare layer after layer of both networks on one image; None where all of them agree.

    Args:
        reference: weights or an ONNX file.
        candidate: likewise.
        values: canonical image float32 [C, H, W].
        metas: of both.
        rule: what may differ.

    Raises:
        InputError: a model that cannot be looked into, or two that have no layers of the same names.
    """
    ours, theirs = (_layers(one, values, meta) for one, meta in zip((reference, candidate), metas, strict=True))
    common = [name for name in theirs if name in ours and ours[name].shape == theirs[name].shape]
    if not common:
        raise InputError(
            f"{reference.label} and {candidate.label} have no layers of the same names, so --bisect cannot compare them; it "
            "needs files that trtzoo converted"
        )
    before = ""
    for name in common:
        scale = max(float(np.abs(ours[name]).max(initial=0)), 1e-6)
        error = float(np.abs(ours[name].astype(np.float64) - theirs[name]).max(initial=0)) / scale
        if error > (rule.output or LOOSE):
            return LayerDifference(name, error, before, len(common))
        before = name
    return None


def _layers(subject: Subject, values: Array, meta: ModelMeta) -> Layers:
    kind = recognise(subject.path)
    image = as_input(values, meta)[None]
    if holds_network(kind):
        return _torch_layers(subject, image)
    if kind == "onnx":
        return _onnx_layers(subject, np.repeat(image, meta.batch or 1, axis=0), meta)
    raise InputError(f"--bisect cannot look into {subject.path}; give the ONNX file that it was built from")


def _torch_layers(subject: Subject, image: Array) -> Layers:
    found: dict[str, Array] = {}
    network = read_network(subject.path, subject.read)
    torch_runner(network, tap=found.__setitem__)(image)
    return found


def _onnx_layers(subject: Subject, images: Array, meta: ModelMeta) -> Layers:
    graph, _ = read_onnx(subject.path)
    if needs_lowering(graph):
        lower(graph, meta)
    names = {node.name: node.outputs[0].name for node in graph.toposort().nodes if node.op in LAYERS}
    session = open_session(graph, list(names.values()))
    feeds: dict[str, Array] = {}
    for item in session.get_inputs():
        setting = getattr(meta.nms, item.name, 0.0)
        feeds[item.name] = images if item.name == INPUT else np.full((len(images), 1), setting, np.float32)
    outputs = dict(zip(names, session.run(list(names.values()), feeds), strict=True))
    return {name: array[:1].astype(np.float32) for name, array in outputs.items()}
