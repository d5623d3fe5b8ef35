"""Opening a model file with the runtime that fits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...contract.choices import Backend
from ...converters import holds_network, read_network, recognise
from ...converters.names import read_names
from ...converters.options import ReadOptions
from ...errors import InputError, UnsupportedError
from ...files import StrPath
from .base import Runtime
from .onnxruntime import OnnxRuntime
from .triton import TritonRuntime, is_address


def open_runtime(
    path: StrPath,
    backend: Backend | None = None,
    device: str = "cpu",
    read: ReadOptions = ReadOptions(),
    note: Callable[[str], object] = str,
    half: bool = False,
    threads: int = 0,
) -> Runtime:
    """Load a model to run it.

    A cfg or checkpoint is converted in memory first; TensorRT plugins in an ONNX file become standard operators there.

    Args:
        path: a `.cfg`, `.pt`, `.onnx` or `.engine`, or a model on a Triton server, `triton://HOST:PORT/MODEL`.
        backend: one of `choices.BACKENDS`; None takes what fits the file.
        device: "cpu", or a GPU as "cuda:0"; an engine runs on GPU 0 unless another is named.
        read: how a cfg or checkpoint is read; of a finished model only the class names can be others.
        note: is told what the user should know, a sentence each.
        half: compute in FP16; of the torch backend only, other models have their precision in the file.
        threads: of a run of ONNX Runtime on a CPU; 0 takes all cores.

    Raises:
        InputError: the file cannot be read, this backend cannot run it, or `read` asks for what only a conversion can do.
        MissingDependencyError: the backend is not installed.
    """
    if half and backend != "torch":
        raise InputError(f"{path}: only the torch backend computes in FP16 on request; convert the model with --half")
    if is_address(str(path)):
        return _open_remote(str(path), backend, read)
    path = Path(path)
    kind = recognise(path)
    if kind == "engine" or backend in ("tensorrt", "tensorrt-rtx"):
        return _with_options(_open_engine(path, kind, backend, device), path, read)
    if backend == "torch":
        return _open_torch(path, kind, device, read, half)
    if kind != "onnx":
        return OnnxRuntime(_converted(path, read), device, where=str(path), threads=threads)
    runtime, lowered = open_onnx(path, device, threads=threads)
    for phrase in lowered:
        note(f"{path}: {phrase}, since ONNX Runtime has no such plugin")
    return _with_options(runtime, path, read)


def _open_remote(address: str, backend: Backend | None, read: ReadOptions) -> Runtime:
    if backend:
        raise InputError(f"{address} is run by its server; leave --backend out")
    return _with_options(TritonRuntime(address), Path(address), read)


def open_onnx(
    path: Path, device: str = "cpu", where: str = "", optimize: bool = True, threads: int = 0
) -> tuple[OnnxRuntime, list[str]]:
    """Load an ONNX file of trtzoo's; EfficientNMS plugins in it are lowered in memory.

    Args:
        path: the file.
        device: "cpu", or a GPU as "cuda:0".
        where: name for messages.
        optimize: as `OnnxRuntime` takes it.
        threads: as `OnnxRuntime` takes them.

    Returns:
        The runtime, and what was lowered, a phrase each.

    Raises:
        InputError: the file cannot be read, or is not trtzoo's.
        UnsupportedError: it holds another plugin.
    """
    where = where or str(path)
    try:
        return OnnxRuntime(path, device, where, optimize, threads), []
    except UnsupportedError:
        lowered = _lowered(path, where)
        if lowered is None:
            raise
    model, phrases = lowered
    return OnnxRuntime(model, device, where, optimize, threads), phrases


def _lowered(path: Path, where: str) -> tuple[bytes, list[str]] | None:
    """The serialised model without its plugins, and what became of them; None where it has none that can be replaced."""
    from ...contract.properties import from_properties
    from ...graph.skeleton import load_all, read_onnx
    from ...graph_passes.lower import lower, needs_lowering

    graph, properties = read_onnx(path)
    meta = from_properties(properties, where)
    if not needs_lowering(graph):
        return None
    phrases = lower(graph, meta)
    return load_all(graph, properties).SerializeToString(), phrases


def _with_options(runtime: Runtime, path: Path, read: ReadOptions) -> Runtime:
    """A finished model under the class names of the user; all else was settled when it was converted."""
    meta = runtime.meta
    if read.img_size not in (None, meta.imgsz):
        raise InputError(
            f"{path} was converted for an input of {meta.imgsz[0]}x{meta.imgsz[1]} (height x width); leave --img-size out, or "
            f"convert the weights with it"
        )
    if read.weights or read.head:
        raise InputError(f"{path} is converted already; leave --weights and --head out, or give the .cfg or .pt")
    if read.names:
        runtime.meta = replace(meta, names=read_names(read.names, len(meta.names)))
    return runtime


def _open_engine(path: Path, kind: str, backend: Backend | None, device: str) -> Runtime:
    from ..plans.identify import identify
    from .tensorrt import TensorRTRuntime

    if kind != "engine":
        raise InputError(f"{path} is no engine; build one with `trtzoo build`, or use --backend onnxruntime")
    target = identify(path).target
    if backend not in (None, target):
        raise InputError(
            f"{path} is an engine of {target}, which --backend {backend} does not run; leave --backend out"
        )
    return TensorRTRuntime(path, int(device.partition(":")[2] or 0))


def _open_torch(path: Path, kind: str, device: str, read: ReadOptions, half: bool) -> Runtime:
    from .torch import TorchRuntime

    if not holds_network(kind):
        raise InputError(
            f"{path}: the torch backend runs a .cfg or a .pt, not an {kind} file; use --backend onnxruntime"
        )
    return TorchRuntime(read_network(path, read), device, half)


def _converted(path: Path, read: ReadOptions) -> bytes:
    from ...contract.properties import to_properties
    from ...converters.network import to_graph
    from ...graph.skeleton import load_all

    graph, meta = to_graph(read_network(path, read), batch=None, opset=17)
    serialised: bytes = load_all(graph, to_properties(meta)).SerializeToString()
    return serialised
