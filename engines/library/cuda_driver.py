"""The few calls of CUDA that running an engine needs, through ctypes on the driver's own library.

`libcuda` comes with every NVIDIA driver, on desktops, servers and Jetsons, so no package has to be installed for it.
Names and argument order: CUDA Driver API reference. The context is the device's primary one, which TensorRT uses too.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

_LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""
_NON_BLOCKING = 1
_RELAXED_CAPTURE = 2


class CudaError(RuntimeError):
    """A call of the driver failed."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, its compute capability such as (9, 0), and its memory in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int

    @property
    def label(self) -> str:
        """Name and compute capability, "NVIDIA H200 9.0"."""
        return f"{self.name} {self.capability[0]}.{self.capability[1]}"


def find_gpus() -> list[Gpu]:
    """The GPUs of this machine, as CUDA numbers them.

    Raises:
        CudaError: no driver, or it does not start.
    """
    count = ctypes.c_int()
    _call("cuDeviceGetCount", ctypes.byref(count))
    return [_describe(device) for device in range(count.value)]


def list_gpus() -> list[str]:
    """Name and compute capability of each GPU, such as "NVIDIA H200 9.0"; empty where no driver answers."""
    try:
        return [gpu.label for gpu in find_gpus()]
    except CudaError:
        return []


def use_gpu(device: int) -> None:
    """Make the primary context of GPU number `device` current in this thread, creating it if need be.

    Raises:
        CudaError: there is no such GPU.
    """
    context = ctypes.c_void_p()
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), ctypes.c_int(_handle(device)))
    _call("cuCtxSetCurrent", context)


def gpu_uuid(device: int) -> str | None:
    """The name that GPU number `device` has everywhere, "GPU-..."; None without a driver or such a GPU.

    CUDA_VISIBLE_DEVICES and CUDA's own order give other numbers than NVIDIA's management library.
    """
    text = (ctypes.c_ubyte * 16)()
    try:
        _call("cuDeviceGetUuid", text, ctypes.c_int(_handle(device)))
    except CudaError:
        return None
    return f"GPU-{UUID(bytes=bytes(text))}"


def driver_cuda() -> tuple[int, int] | None:
    """The CUDA that the driver serves, such as (12, 4); None without a driver. Does not start CUDA."""
    version = ctypes.c_int()
    try:
        status = ctypes.CDLL(_LIBRARY).cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        return None
    return None if status else (version.value // 1000, version.value % 1000 // 10)


def is_started() -> bool:
    """Whether this process started CUDA; a process forked from it could not use it."""
    return _library.cache_info().currsize > 0


def _handle(device: int) -> int:
    handle = ctypes.c_int()
    _call("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(device))
    return handle.value


def _describe(device: int) -> Gpu:
    handle = ctypes.c_int(_handle(device))
    name, value, memory = ctypes.create_string_buffer(128), ctypes.c_int(), ctypes.c_size_t()
    _call("cuDeviceGetName", name, ctypes.c_int(len(name)), handle)
    _call("cuDeviceTotalMem_v2", ctypes.byref(memory), handle)
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        _call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), handle)
        numbers.append(value.value)
    return Gpu(name.value.decode("utf-8", "replace"), (numbers[0], numbers[1]), memory.value)


class Cuda:
    """Memory, copies, a stream and a graph on one GPU. A thread that did not create it calls `enter` first.

    Args:
        device: number of the GPU.

    Raises:
        CudaError: no driver, or no such GPU.
    """

    def __init__(self, device: int = 0) -> None:
        self.device = device
        self.enter()
        stream = ctypes.c_void_p()
        _call("cuStreamCreate", ctypes.byref(stream), ctypes.c_uint(_NON_BLOCKING))
        self.stream = int(stream.value or 0)
        self._clock = _event(), _event()
        self._memory: list[tuple[str, int]] = []
        self._graphs: list[int] = []
        self._closed = False

    def enter(self) -> None:
        """Work on this GPU in the calling thread."""
        use_gpu(self.device)

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the GPU, freed by `close`."""
        address = ctypes.c_void_p()
        _call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(1, size)))
        return self._keep("cuMemFree_v2", address)

    def allocate_host(self, size: int) -> Any:
        """A numpy array of `size` bytes of page-locked memory, which the GPU reads at full speed; freed by `close`."""
        import numpy as np

        address = ctypes.c_void_p()
        _call("cuMemAllocHost_v2", ctypes.byref(address), ctypes.c_size_t(max(1, size)))
        start = self._keep("cuMemFreeHost", address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * max(1, size)).from_address(start))[:size]

    def upload(self, address: int, array: Any) -> None:
        """Copy a page-locked array to the GPU, in the stream's order."""
        self._copy("cuMemcpyHtoDAsync_v2", address, array.ctypes.data, array.nbytes)

    def download(self, array: Any, address: int) -> None:
        """Copy from the GPU into a page-locked array, in the stream's order."""
        self._copy("cuMemcpyDtoHAsync_v2", array.ctypes.data, address, array.nbytes)

    def synchronize(self) -> None:
        """Wait until the stream has done everything."""
        _call("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def start_clock(self) -> None:
        """Note the GPU's time once the stream gets here."""
        _call("cuEventRecord", ctypes.c_void_p(self._clock[0]), ctypes.c_void_p(self.stream))

    def stop_clock(self) -> None:
        """The same for the end of what is timed."""
        _call("cuEventRecord", ctypes.c_void_p(self._clock[1]), ctypes.c_void_p(self.stream))

    def elapsed(self) -> float:
        """Seconds between the two on the GPU; the stream must be done."""
        milliseconds = ctypes.c_float()
        _call("cuEventElapsedTime", ctypes.byref(milliseconds), *map(ctypes.c_void_p, self._clock))
        return milliseconds.value / 1000

    def begin_capture(self) -> None:
        """From now on the stream records instead of working."""
        _call("cuStreamBeginCapture_v2", ctypes.c_void_p(self.stream), ctypes.c_int(_RELAXED_CAPTURE))

    def end_capture(self) -> int:
        """End recording; returns a graph for `launch`.

        Raises:
            CudaError: something in between cannot be recorded.
        """
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        _call("cuStreamEndCapture", ctypes.c_void_p(self.stream), ctypes.byref(graph))
        _call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        _call("cuGraphDestroy", graph)
        self._graphs.append(int(executable.value or 0))
        return self._graphs[-1]

    def abandon_capture(self) -> None:
        """End recording without a graph, so that the stream works again."""
        graph = ctypes.c_void_p()
        with suppress(CudaError):
            _call("cuStreamEndCapture", ctypes.c_void_p(self.stream), ctypes.byref(graph))

    def launch(self, graph: int) -> None:
        """Do what a graph recorded, in the stream's order."""
        _call("cuGraphLaunch", ctypes.c_void_p(graph), ctypes.c_void_p(self.stream))

    def forget(self, graph: int) -> None:
        """Free a graph."""
        self._graphs.remove(graph)
        _call("cuGraphExecDestroy", ctypes.c_void_p(graph))

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.enter()
        self.synchronize()
        for graph in self._graphs:
            _call("cuGraphExecDestroy", ctypes.c_void_p(graph))
        for free, address in self._memory:
            _call(free, ctypes.c_void_p(address))
        self._graphs, self._memory = [], []
        for event in self._clock:
            _call("cuEventDestroy_v2", ctypes.c_void_p(event))
        _call("cuStreamDestroy_v2", ctypes.c_void_p(self.stream))

    def _keep(self, free: str, address: ctypes.c_void_p) -> int:
        self._memory.append((free, int(address.value or 0)))
        return self._memory[-1][1]

    def _copy(self, call: str, target: int, source: int, size: int) -> None:
        addresses = ctypes.c_void_p(target), ctypes.c_void_p(source)
        _call(call, *addresses, ctypes.c_size_t(size), ctypes.c_void_p(self.stream))


def _event() -> int:
    event = ctypes.c_void_p()
    _call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
    return int(event.value or 0)


def _call(name: str, *arguments: Any) -> None:
    """Call the driver, initialised; a result other than 0 is an error."""
    library = _library()
    status = getattr(library, name)(*arguments)
    if status:
        text = ctypes.c_char_p()
        library.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
        reason = text.value.decode() if text.value else "unknown error"
        raise CudaError(f"{name}: {reason} ({status})")


@cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise CudaError(f"no CUDA driver: {error}") from error
    status = library.cuInit(ctypes.c_uint(0))
    if status:
        raise CudaError(f"the CUDA driver does not start (error {status})")
    return library
