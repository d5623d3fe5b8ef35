"""Memory of a process and of the GPU, and the clocks they run at."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ...engines.library.cuda_driver import gpu_uuid
from ..environment import open_nvml

T = TypeVar("T")


def peak_rss_mib() -> float:
    """Most resident memory of this process.

    Linux hands a process's peak down to the programs it starts (getrusage), so there the figure of the address space is taken.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def gpu_mib_of_process(gpu: int) -> float | None:
    """GPU memory of this process as the driver counts it; None where it does not see the process."""

    def own(nvml: Any, handle: Any) -> float | None:
        for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
            if process.pid == os.getpid() and process.usedGpuMemory:
                return round(int(process.usedGpuMemory) / 2**20, 1)
        return None

    return _ask(gpu, own)


def gpu_mib_in_use(gpu: int) -> float | None:
    """Memory of a GPU that anyone uses; None without a driver or its Python package."""
    return _ask(gpu, lambda nvml, handle: round(int(nvml.nvmlDeviceGetMemoryInfo(handle).used) / 2**20, 1))


def gpu_clock(gpu: int) -> int | None:
    """MHz of a GPU's multiprocessors now."""
    return _ask(gpu, lambda nvml, handle: int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)))


def _ask(gpu: int, question: Callable[[Any, Any], T | None]) -> T | None:
    """What NVIDIA's management library says about CUDA's GPU number `gpu`, which has another number there."""
    nvml, uuid = open_nvml(), gpu_uuid(gpu)
    if nvml is None or uuid is None:
        return None
    with suppress(nvml.NVMLError):
        return question(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
    return None


def cpu_clock() -> int | None:
    """MHz of the fastest core now, as Linux tells."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
        return round(max(clocks)) if clocks else None
    return None
