"""Opening a model file with the runtime that fits it."""

from __future__ import annotations

from pathlib import Path

from ..converters import read_network, recognise
from ..converters.options import ReadOptions
from ..errors import InputError
from .runtimes.base import Runtime

BACKENDS = ("onnxruntime", "torch")


def open_runtime(
    path: Path, backend: str | None = None, device: str = "cpu", read: ReadOptions = ReadOptions()
) -> Runtime:
    """Load a model to run it. A cfg or checkpoint is converted in memory first.

    Args:
        path: a `.cfg`, `.pt` or `.onnx`.
        backend: one of `BACKENDS`; None takes what fits the file.
        device: "cpu", or a GPU as "cuda:0".
        read: how a cfg or checkpoint is read.

    Raises:
        InputError: the file cannot be read, or this backend cannot run it.
        MissingDependencyError: the backend is not installed.
    """
    kind = recognise(path)
    if backend == "torch":
        return _open_torch(path, kind, device, read)
    from .runtimes.onnxruntime import OnnxRuntime

    if kind == "onnx":
        return OnnxRuntime(path, device)
    return OnnxRuntime(_converted(path, read), device, where=str(path))


def _open_torch(path: Path, kind: str, device: str, read: ReadOptions) -> Runtime:
    from .runtimes.torch import TorchRuntime

    if kind not in ("cfg", "checkpoint"):
        raise InputError(
            f"{path}: the torch backend runs a .cfg or a .pt, not an {kind} file; use --backend onnxruntime"
        )
    return TorchRuntime(read_network(path, read), device)


def _converted(path: Path, read: ReadOptions) -> bytes:
    from ..converters.heads import to_properties
    from ..converters.network import to_graph
    from ..onnx_graph import load_all

    graph, meta = to_graph(read_network(path, read), batch=None, opset=17)
    serialised: bytes = load_all(graph, to_properties(meta)).SerializeToString()
    return serialised
