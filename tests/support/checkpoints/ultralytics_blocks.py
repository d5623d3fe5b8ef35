"""Running one torch module through a checkpoint file and the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import largest_error, run_onnx

from trtzoo.contract.outputs import TensorSpec
from trtzoo.converters.checkpoint.reader import Record, read_checkpoint
from trtzoo.converters.torch_modules.modules import Walker
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.graph.skeleton import load_all

torch = pytest.importorskip("torch", reason="torch is the reference of its own layers")


def record_of(module: Any, path: Path) -> Record:
    """What the checkpoint reader makes of a module."""
    torch.save({"module": module}, path)
    record = read_checkpoint(path)["module"]
    assert isinstance(record, Record)
    return record


def randomise(module: Any) -> Any:
    """Random BatchNorm parameters and statistics, in evaluation mode."""
    torch.manual_seed(0)
    for inner in module.modules():
        if isinstance(inner, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(inner.weight, 0.7, 1.3)
            torch.nn.init.normal_(inner.bias, std=0.2)
            torch.nn.init.normal_(inner.running_mean, std=0.2)
            torch.nn.init.uniform_(inner.running_var, 0.5, 1.5)
    return module.eval()


def graph_of(record: Record, blocks: Any, shape: tuple[int, ...]) -> Any:
    """The module as a graph `images` [batch, *shape] -> `y`."""
    ops = OnnxOps(TensorSpec("images", "float32", ("batch", *shape)))
    return ops.finish({"y": Walker(ops, blocks, path=("m",)).enter(record, ops.input)})


def run_onnx_block(record: Record, blocks: Any, x: np.ndarray) -> np.ndarray:
    """The module's output through ONNX Runtime."""
    return run_onnx(load_all(graph_of(record, blocks, x.shape[1:]), {}).SerializeToString(), x)["y"]


def run_torch_block(record: Record, blocks: Any, x: np.ndarray) -> np.ndarray:
    """The module's output through the torch interpreter, in float64."""
    from trtzoo.converters.vocabulary.torch_ops import TorchOps

    ops = TorchOps("cpu", "fp64")
    with torch.inference_mode():
        return Walker(ops, blocks, path=("m",)).enter(record, ops.begin(x)).numpy()


def assert_like_torch(module: Any, blocks: Any, channels: int, folder: Path) -> None:
    """Both interpreters give what a module with random weights gives in float64, on an input [2, channels, 8, 12]."""
    module = randomise(module)
    x = np.random.default_rng(1).normal(size=(2, channels, 8, 12)).astype(np.float32)
    record = record_of(module, folder / "module.pt")
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(x).double()).numpy()
    assert largest_error(run_onnx_block(record, blocks, x), expected) < 1e-5
    assert largest_error(run_torch_block(record, blocks, x), expected) < 1e-6
