"""Where figures come from: machine, GPU, versions, command; part of every results file."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "tensorrt",
    "tensorrt-rtx-cu13-libs",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)


@dataclass(frozen=True)
class Gpu:
    """One GPU as its driver describes it.

    Attributes:
        name: "NVIDIA H100 80GB HBM3".
        driver: its version.
        memory_mib: in all.
        clock_mhz: of the multiprocessors, now.
        clock_limit_mhz: the most they reach.
    """

    name: str
    driver: str
    memory_mib: int
    clock_mhz: int
    clock_limit_mhz: int


@dataclass(frozen=True)
class Environment:
    """Where and how figures were made.

    Attributes:
        created: when, in UTC, ISO 8601.
        command: the line that made them.
        machine: processor.
        cores: that this process may use.
        memory_gib: of the machine.
        system: operating system.
        python: its version.
        gpus: none where there is no NVIDIA driver.
        versions: of trtzoo and the libraries that run models.
    """

    created: str
    command: str
    machine: str
    cores: int
    memory_gib: float
    system: str
    python: str
    gpus: tuple[Gpu, ...]
    versions: dict[str, str]


def describe_environment(arguments: Sequence[str] | None = None) -> Environment:
    """The machine, the process and its command line."""
    from .. import __version__

    words = sys.argv[1:] if arguments is None else arguments
    return Environment(
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        f"trtzoo {shlex.join(map(str, words))}",
        _processor(),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        round(_memory() / 2**30, 1),
        platform.platform(),
        platform.python_version(),
        gpus(),
        {"trtzoo": __version__, **_versions()},
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that NVIDIA's driver shows; none without the driver or its Python package (nvidia-ml-py)."""
    nvml = open_nvml()
    if nvml is None:
        return ()
    handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    return tuple(
        Gpu(
            _text(nvml.nvmlDeviceGetName(handle)),
            driver,
            nvml.nvmlDeviceGetMemoryInfo(handle).total // 2**20,
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
        )
        for handle in handles
    )


def open_nvml() -> Any | None:
    """NVIDIA's management library, started; None where it is not there."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # not installed, or without a driver: the library's own errors have no common public base
        return None
    return pynvml


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
