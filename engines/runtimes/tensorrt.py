"""TensorRT and TensorRT-RTX: an engine on a GPU."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...errors import InputError, UnsupportedError
from ...files import atomic_write
from ...graph.weights import Array
from ..library import compat
from ..library.cuda_driver import Cuda, CudaError
from ..library.log import errors_of
from ..plans.identify import EngineFile, identify
from ..plans.load import describe_tensors, deserialize
from ..plans.manifest import read_manifest
from .execution import Executor


class TensorRTRuntime:
    """An engine that TensorRT or TensorRT-RTX runs, whichever built it.

    Threads may share one; they wait for each other. To work in parallel, open one a thread: each has its own stream and
    memory.

    Args:
        path: of the engine, with its manifest beside it.
        device: number of the GPU.
        cuda_graph: record the work of a fixed batch once and replay it.

    Raises:
        InputError: not an engine, or its manifest is missing.
        MissingDependencyError: the library is not installed.
        UnsupportedError: the engine does not run on this GPU or with this version; the message says why.
    """

    def __init__(self, path: Path, device: int = 0, cuda_graph: bool = True) -> None:
        file = identify(path)
        self.meta: ModelMeta = _meta(file)
        with _explained(path):
            self._loaded = deserialize(file, device)
            self._cache = RuntimeCache(path) if self._loaded.api.rtx else None
            self._executor = self._prepare(path, Cuda(device), cuda_graph)
        self.name = f"{compat.NAMES[file.target]} {self._loaded.gpu}"

    @property
    def gpu_seconds(self) -> float:
        """Of the last `infer`, between CUDA events."""
        return self._executor.gpu_seconds

    def _prepare(self, path: Path, cuda: Cuda, cuda_graph: bool) -> Executor:
        """Everything that a run needs. What TensorRT-RTX compiled for it is kept at once, since not every program closes."""
        api, engine = self._loaded.api, self._loaded.engine
        tensors = describe_tensors(api, engine)
        fixed = all(-1 not in tensor.shape for tensor in tensors)
        said = partial(errors_of, self._loaded.log)
        try:
            context = make_context(api, engine, self._cache, record=cuda_graph and fixed)
            if context is None:
                raise UnsupportedError(
                    f"{path}: {api.name} makes no execution context: {'; '.join(said()) or 'no reason given'}; most often the "
                    "GPU's memory ran out: close what else uses it, or build with a smaller --max-batch"
                )
            executor = Executor(context, tensors, cuda, cuda_graph and self._cache is None, said)
        except BaseException:
            with suppress(CudaError):
                cuda.close()
            raise
        if self._cache:
            self._cache.store()
        return executor

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on images [B, ...] as its input is; any B, in several runs if the engine takes fewer."""
        wanted = thresholds or self.meta.nms
        settings = {name: np.array([getattr(wanted, name)], np.float32) for name in self._executor.settings if wanted}
        return self._executor.infer(images, settings, outputs)

    def close(self) -> None:
        """Free the GPU's memory, and keep what TensorRT-RTX compiled for it beside the engine; a second call does nothing."""
        if self._cache:
            self._cache.store()
        self._executor.close()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Failures of the driver as one clear error."""
    try:
        yield
    except CudaError as error:
        raise UnsupportedError(
            f"{path} cannot be run here, the GPU failed: {error}; close what else uses its memory, or build with a smaller "
            "--max-batch"
        ) from error


class RuntimeCache:
    """The kernels that TensorRT-RTX compiled for this GPU, kept as NAME.engine.cache beside the engine.

    Compiling them takes up to half a minute; with the cache an engine starts at once. The library rejects a cache of
    another GPU or version by itself.

    Args:
        path: of the engine that it belongs to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.cache")
        self._before = b""
        self._runtime_cache: Any = None

    def attach(self, runtime_config: Any) -> None:
        """Make a runtime configuration use it."""
        runtime_cache = runtime_config.create_runtime_cache()
        if runtime_cache is None:
            return
        with suppress(OSError):
            self._before = self.path.read_bytes()
            runtime_cache.deserialize(self._before)
        runtime_config.set_runtime_cache(runtime_cache)
        self._runtime_cache = runtime_cache

    def store(self) -> None:
        """Write it if something was added; a folder that cannot be written only costs the time to compile again."""
        runtime_cache = self._runtime_cache
        if runtime_cache is None:
            return
        written = runtime_cache.serialize()
        data = b"" if written is None else bytes(written)
        if data and data != self._before:
            self._before = data
            with suppress(InputError), atomic_write(self.path) as stream:
                stream.write(data)


def make_context(api: compat.Api, engine: Any, cache: RuntimeCache | None, record: bool) -> Any:
    """An execution context; on TensorRT-RTX with its cache, and a CUDA graph of its own if `record`."""
    if cache is None:
        return engine.create_execution_context()
    trt, runtime_config = api.trt, engine.create_runtime_config()
    cache.attach(runtime_config)
    if record:
        runtime_config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    return engine.create_execution_context(runtime_config)


def _meta(file: EngineFile) -> ModelMeta:
    manifest = read_manifest(file.path)
    if manifest and manifest.meta:
        return manifest.meta
    if manifest:
        raise InputError(
            f"{file.path} was built from an ONNX file without trtzoo's metadata, so its outputs have no meaning here; "
            "convert that file with `trtzoo convert` and build the result"
        )
    raise InputError(
        f"{file.path}.json is missing, so nothing is known about the model; build it again, or copy that too"
    )
