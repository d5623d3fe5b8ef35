"""The calls of CUDA: without a driver they say so; with one they copy, record and fail as they should."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

from trtzoo.engines.library import cuda_driver
from trtzoo.engines.library.cuda_driver import Cuda, CudaError, list_gpus, use_gpu
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.engines.runtimes.execution import Executor

needs_gpu = pytest.mark.skipif(not list_gpus(), reason="no NVIDIA GPU here")
SHAPE = (3, 8, 8)


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", missing)
    cuda_driver._library.cache_clear()
    try:
        assert list_gpus() == []
        with pytest.raises(CudaError, match=r"no CUDA driver: libcuda\.so\.1"):
            Cuda()
    finally:
        cuda_driver._library.cache_clear()


class FakeDriver:
    """Answers every call with a status."""

    def __init__(self, status: int) -> None:
        self.status = status

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.status


def test_failed_call_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "_library", lambda: FakeDriver(2))
    with pytest.raises(CudaError, match=r"cuDeviceGet: unknown error \(2\)"):
        use_gpu(0)


def test_successful_calls_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "_library", lambda: FakeDriver(0))
    cuda = Cuda()
    cuda.upload(cuda.allocate(8), np.zeros(8, np.uint8))
    cuda.begin_capture()
    cuda.launch(cuda.end_capture())
    cuda.close()


def test_a_gpu_is_named_as_the_management_library_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(name: str, *arguments: Any) -> None:
        if name == "cuDeviceGet":
            arguments[0]._obj.value = 7
        if name == "cuDeviceGetUuid":
            assert arguments[1].value == 7
            arguments[0][:] = range(16)

    monkeypatch.setattr(cuda_driver, "_call", call)
    assert cuda_driver.gpu_uuid(0) == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
    monkeypatch.undo()
    monkeypatch.setattr(cuda_driver, "_library", lambda: FakeDriver(2))
    assert cuda_driver.gpu_uuid(0) is None


def test_the_clock_is_two_events_on_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the CUDA Driver API's reference: cuEventRecord(event, stream), cuEventElapsedTime(float *ms, start, end)."""
    events = iter((501, 502))
    calls: list[tuple[str, list[Any]]] = []

    def call(name: str, *arguments: Any) -> None:
        if name == "cuEventCreate":
            arguments[0]._obj.value = next(events)
        if name == "cuStreamCreate":
            arguments[0]._obj.value = 88
        if name == "cuEventElapsedTime":
            arguments[0]._obj.value = 1.5
        calls.append((name, [getattr(argument, "value", None) for argument in arguments]))

    monkeypatch.setattr(cuda_driver, "_call", call)
    cuda = Cuda()
    cuda.start_clock()
    cuda.stop_clock()
    assert cuda.elapsed() == 0.0015
    cuda.close()
    assert [values for name, values in calls if name == "cuEventRecord"] == [[501, 88], [502, 88]]
    assert [values[1:] for name, values in calls if name == "cuEventElapsedTime"] == [[501, 502]]
    assert [values for name, values in calls if name == "cuEventDestroy_v2"] == [[501], [502]]


def test_memory_is_freed_by_the_function_of_its_kind_and_recording_is_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the CUDA Driver API's reference: cuMemAlloc and cuMemFree, cuMemAllocHost and cuMemFreeHost; relaxed capture is 2."""
    page_locked = ctypes.create_string_buffer(16)
    addresses = {"cuMemAlloc_v2": 4096, "cuMemAllocHost_v2": ctypes.addressof(page_locked)}
    calls: list[tuple[str, list[Any]]] = []

    def call(name: str, *arguments: Any) -> None:
        calls.append((name, [getattr(argument, "value", None) for argument in arguments]))
        if name in addresses:
            arguments[0]._obj.value = addresses[name]

    monkeypatch.setattr(cuda_driver, "_call", call)
    cuda = Cuda()
    cuda.allocate(8)
    cuda.allocate_host(8)
    cuda.begin_capture()
    cuda.close()
    freed = {name: values[0] for name, values in calls if name.startswith("cuMemFree")}
    assert freed == {"cuMemFree_v2": 4096, "cuMemFreeHost": ctypes.addressof(page_locked)}
    assert [values[1] for name, values in calls if name == "cuStreamBeginCapture_v2"] == [2]


@needs_gpu
def test_copies_and_graph() -> None:
    cuda = Cuda()
    device, there, back = cuda.allocate(1 << 20), cuda.allocate_host(1 << 20), cuda.allocate_host(1 << 20)
    there[:] = np.random.default_rng(0).integers(0, 256, there.size, np.uint8)
    cuda.upload(device, there)
    cuda.download(back, device)
    cuda.synchronize()
    np.testing.assert_array_equal(back, there)
    cuda.begin_capture()
    cuda.upload(device, there)
    cuda.download(back, device)
    graph = cuda.end_capture()
    there[:] = 7
    cuda.start_clock()
    cuda.launch(graph)
    cuda.stop_clock()
    cuda.synchronize()
    assert 0 < cuda.elapsed() < 1
    assert (back == 7).all()
    cuda.close()


@needs_gpu
def test_stream_works_again_after_a_failed_recording() -> None:
    cuda = Cuda()
    device, host = cuda.allocate(64), cuda.allocate_host(64)
    cuda.begin_capture()
    with pytest.raises(CudaError, match="capturing"):
        cuda.synchronize()
    cuda.abandon_capture()
    cuda.upload(device, host)
    cuda.synchronize()
    cuda.close()


@needs_gpu
def test_gpu_that_is_not_there() -> None:
    with pytest.raises(CudaError, match="invalid device"):
        use_gpu(99)


class Copy:
    """A network that hands its input on, on the GPU itself."""

    def __init__(self, batch: int) -> None:
        self.batch, self.addresses, self.calls = batch, dict[str, int](), 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.batch = shape[0]
        return True

    def infer_shapes(self) -> list[str]:
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.batch, *SHAPE)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self.calls += 1
        size = self.batch * int(np.prod(SHAPE)) * 4
        pointers = [ctypes.c_void_p(self.addresses[name]) for name in ("copy", "images")]
        cuda_driver._call("cuMemcpyDtoDAsync_v2", *pointers, ctypes.c_size_t(size), ctypes.c_void_p(stream))
        return True


@needs_gpu
@pytest.mark.parametrize("batch", [-1, 4])
def test_execution_on_a_gpu(batch: int) -> None:
    profile = tuple((size, *SHAPE) for size in (1, 1, 4)) if batch < 0 else ()
    tensors = [
        EngineTensor("images", "input", "float32", (batch, *SHAPE), profile),
        EngineTensor("copy", "output", "float32", (batch, *SHAPE)),
    ]
    context = Copy(batch)
    executor = Executor(context, tensors, Cuda())
    wrong: list[int] = []

    def work(value: int) -> None:
        for count in (1, 4, 3, 9):
            images = np.random.default_rng(value).random((count, *SHAPE)).astype(np.float32)
            if not np.array_equal(executor.infer(images)["copy"], images):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert executor.uses_graph == (batch > 0)
    assert batch < 0 or context.calls == 2
    executor.close()
