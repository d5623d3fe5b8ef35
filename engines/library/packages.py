"""Which version of a library is installed, and for which CUDA, told without loading it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ...contract.choices import EngineTarget

_PACKAGES = {
    "tensorrt": ("tensorrt_cu13_bindings", "tensorrt_cu12_bindings", "tensorrt_cu11_bindings", "tensorrt_bindings", "tensorrt"),
    "tensorrt-rtx": ("tensorrt_rtx_cu13_bindings", "tensorrt_rtx_cu12_bindings", "tensorrt_rtx"),
}  # fmt: skip
"""Distributions that hold the Python module, on PyPI and in NVIDIA's own packages; TensorRT 8.6.1's is `tensorrt_bindings`."""

_CUDA = re.compile(r"-cu(\d\d)\b|_cu(\d\d)_")
_LINKED = re.compile(r"/lib(?:cublas|cublasLt|cudart)\.so\.(\d+)")
_MAPS = Path("/proc/self/maps")


def installed_version(target: EngineTarget) -> str:
    """The version of the library behind a target; "" if it is not installed."""
    return next((found.version for found in _installed(target)), "")


def installed_packages(target: EngineTarget) -> list[tuple[str, str]]:
    """Name and version of the packages that hold the library behind a target."""
    return [(found.metadata["Name"], found.version) for found in _installed(target)]


def cuda_major(target: EngineTarget) -> int | None:
    """The major version of the CUDA that the library behind a target was made for; None if it cannot be told.

    The package's name says it, or what it requires; else the CUDA libraries that a loaded TensorRT 8 brought along.
    """
    for found in _installed(target):
        if match := next(filter(None, map(_CUDA.search, [found.metadata["Name"], *(found.requires or [])])), None):
            return int(match[1] or match[2])
    try:
        linked = _LINKED.search(_MAPS.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return int(linked[1]) if linked else None


def _installed(target: EngineTarget) -> Iterator[metadata.Distribution]:
    for package in _PACKAGES[target]:
        try:
            yield metadata.distribution(package)
        except metadata.PackageNotFoundError:
            continue
