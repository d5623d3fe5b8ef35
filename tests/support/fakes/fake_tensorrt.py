"""A GPU and a TensorRT that exist in memory only: enough to see what a runtime does with the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from suppressions import graph_nms
from tiny_models import tiny_meta

from trtzoo.engines.library.compat import Api
from trtzoo.engines.library.cuda_driver import CudaError
from trtzoo.engines.plans.layers import Layer
from trtzoo.engines.plans.manifest import Manifest
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.engines.plans.tensors import EngineTensor

Array = npt.NDArray[Any]
Compute = Callable[..., dict[str, Array]]


class FakeCuda:
    """Memory of the GPU as numpy arrays by address; work is queued and done at `synchronize`.

    A network takes a second an image by `time`.
    """

    def __init__(self, device: int = 0, can_record: bool = True) -> None:
        self.stream = 77
        self.memory: dict[int, Array] = {}
        self.log: list[str] = []
        self.closed = False
        self.recording: list[Callable[[], None]] | None = None
        self._queue: list[Callable[[], None]] = []
        self._graphs: list[list[Callable[[], None]]] = []
        self._can_record = can_record
        self.time = 0.0
        self._times: list[float] = []

    def enter(self) -> None:
        self.log.append("enter")

    def allocate(self, size: int) -> int:
        address = 1000 * (len(self.memory) + 1)
        self.memory[address] = np.zeros(size, np.uint8)
        self.log.append(f"allocate {size}")
        return address

    def allocate_host(self, size: int) -> Array:
        return np.zeros(size, np.uint8)

    def upload(self, address: int, array: Array) -> None:
        self.enqueue(lambda: self._store(address, array))

    def download(self, array: Array, address: int) -> None:
        def work() -> None:
            array.reshape(-1).view(np.uint8)[:] = self.memory[address][: array.nbytes]

        self.enqueue(work)

    def _store(self, address: int, array: Array) -> None:
        self.memory[address][: array.nbytes] = array.reshape(-1).view(np.uint8)

    def enqueue(self, work: Callable[[], None]) -> None:
        (self._queue if self.recording is None else self.recording).append(work)

    def synchronize(self) -> None:
        queue, self._queue = self._queue, []
        for work in queue:
            work()

    def start_clock(self) -> None:
        self.enqueue(lambda: self._times.append(self.time))

    def stop_clock(self) -> None:
        self.enqueue(lambda: self._times.append(self.time))

    def elapsed(self) -> float:
        start, end = self._times[-2:]
        return end - start

    def begin_capture(self) -> None:
        self.recording = []

    def end_capture(self) -> int:
        recorded, self.recording = self.recording or [], None
        if not self._can_record:
            raise CudaError("cuStreamEndCapture: operation not permitted when stream is capturing (900)")
        self._graphs.append(recorded)
        self.log.append("recorded")
        return len(self._graphs) - 1

    def abandon_capture(self) -> None:
        self.recording = None

    def launch(self, graph: int) -> None:
        self.log.append("launch")
        self._queue.extend(self._graphs[graph])

    def forget(self, graph: int) -> None:
        self.log.append(f"forget {graph}")

    def close(self) -> None:
        assert not self.closed, "what is freed is freed again"
        self.closed = True


class FakeContext:
    """Runs a numpy function of the batch at the addresses that it was given."""

    def __init__(self, cuda: FakeCuda, tensors: list[EngineTensor], compute: Compute) -> None:
        self.cuda, self.compute, self.tensors = cuda, compute, {tensor.name: tensor for tensor in tensors}
        self.addresses: dict[str, int] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.fails = False
        self.input = next(tensor for tensor in tensors if tensor.mode == "input")
        self.settings = [tensor for tensor in tensors if tensor.mode == "input"][1:]
        self.batch = self.input.shape[0]

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, most = self.input.profile[0][0], self.input.profile[2][0]
        if name == self.input.name:
            self.shapes.append(shape)
            self.batch = shape[0]
        return least <= shape[0] <= most

    def infer_shapes(self) -> list[str]:
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.batch, *self.tensors[name].shape[1:])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == self.cuda.stream
        batch = self.batch
        self.cuda.enqueue(lambda: self._work(batch))
        return not self.fails

    def _work(self, batch: int) -> None:
        self.cuda.time += batch
        dtype = np.dtype(self.input.dtype)
        count = batch * int(np.prod(self.input.shape[1:]))
        data = self.cuda.memory[self.addresses[self.input.name]][: count * dtype.itemsize].view(dtype)
        settings = [self.cuda.memory[self.addresses[x.name]].view(x.dtype)[:batch, None] for x in self.settings]
        for name, values in self.compute(data.reshape(batch, *self.input.shape[1:]), *settings).items():
            raw = np.ascontiguousarray(values.astype(self.tensors[name].dtype)).reshape(-1).view(np.uint8)
            self.cuda.memory[self.addresses[name]][: raw.size] = raw


def fake_api(target: str = "tensorrt", version: str = "10.16.1.11", **trt: Any) -> Api:
    """A loaded library of this version."""
    return Api(SimpleNamespace(**trt), target, version)


def example_manifest() -> Manifest:
    """A manifest with something in every field."""
    return Manifest(
        "tensorrt", "10.16.1.11", "NVIDIA L4 8.9", "m.onnx", "ab", 12, "cd", BuildSettings(workspace_gib=4, timing_cache=Path("t")),
        (
            EngineTensor("images", "input", "float32", (-1, 3, 8, 8), ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))),
            EngineTensor("num_dets", "output", "int32", (-1, 1)),
        ),
        (Layer("a", "conv", ("fp16",), ("fp16",), ("/0/conv", "/0/silu")), Layer("b", "copy", ("fp16",), ("fp32",))),
        tiny_meta(None).with_nms(graph_nms()), {"weights": 5}, {"parse": 0.1, "build": 2.5}, 300.5,
        "2026-11-20T10:00:00+00:00", ("a warning",),
    )  # fmt: skip
