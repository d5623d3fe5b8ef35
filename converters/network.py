"""What every family hands over: a model's metadata, and its forward pass written in the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx_graphsurgeon as gs

from ..contract.choices import Arithmetic
from ..contract.meta import ModelMeta
from ..contract.outputs import input_spec, raw_outputs
from ..errors import ModelError
from ..graph.weights import Array
from .vocabulary.onnx_ops import OnnxOps
from .vocabulary.ops import Ops, Tensor

Forward = Callable[[Ops, Tensor], Mapping[str, Tensor]]
"""Input [B, C, H, W] -> the raw heads by name (`contract.outputs.raw_outputs`)."""


@dataclass(frozen=True)
class Network:
    """A model that was read but not yet turned into anything.

    Attributes:
        meta: what it is.
        forward: computes its raw heads.
        notes: what the user should know about this conversion, a sentence each.
        layers: what it is made of, a row a layer, for `inspect`.
        weights_file: where its weights come from; hashed into the metadata when the model is written.
    """

    meta: ModelMeta
    forward: Forward
    notes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    weights_file: Path | None = None


def to_graph(network: Network, batch: int | None, opset: int) -> tuple[gs.Graph, ModelMeta]:
    """The network as a graph that ends in its raw heads, and its metadata with this batch size (None: symbolic).

    Raises:
        ModelError: the family did not produce the heads of its task.
    """
    meta = replace(network.meta, batch=batch)
    ops = OnnxOps(input_spec(meta), opset)
    heads = network.forward(ops, ops.input)
    names = tuple(spec.name for spec in raw_outputs(meta))
    if tuple(heads) != names:
        raise ModelError(
            f"the {meta.family} family produced {list(heads)} instead of {list(names)} for a {meta.task} model"
        )
    return ops.finish(heads), meta


def torch_runner(
    network: Network,
    device: str = "cpu",
    arithmetic: Arithmetic = "fp32",
    tap: Callable[[str, Array], object] | None = None,
) -> Callable[[Array], dict[str, Array]]:
    """The network as a function images [B, C, H, W] -> raw heads, computed with torch; heads of fp16 come as float32.

    Args:
        network: to compute.
        device: where.
        arithmetic: of every operation.
        tap: is told the name and the output of every convolution and linear layer, in their order.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    torch_ops = _torch_ops()
    ops = torch_ops.TorchOps(device, arithmetic, tap and (lambda name, tensor: tap(name, _as_array(tensor))))

    def run(images: Array) -> dict[str, Array]:
        with torch_ops.plain_float32():
            heads = network.forward(ops, ops.begin(images))
            return {name: _as_array(tensor) for name, tensor in heads.items()}

    return run


def _as_array(tensor: Tensor) -> Array:
    array: Array = tensor.cpu().numpy()
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _torch_ops() -> ModuleType:
    from ..errors import MissingDependencyError

    try:
        from .vocabulary import torch_ops
    except ImportError as error:
        raise MissingDependencyError("the torch backend needs PyTorch: pip install 'trtzoo[torch]'") from error
    return torch_ops
