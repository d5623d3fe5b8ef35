"""TensorRT 10.x, 11.x and TensorRT-RTX behind one set of calls: the only place that knows their differences.

What changed in which version (10 is 10.0 - 10.16, 11 is 11.0 - 11.4, RTX is TensorRT-RTX 1.7):

| what | 10 | 11 | RTX |
|---|---|---|---|
| module | `tensorrt` or `tensorrt_bindings` | as 10 | `tensorrt_rtx` or `tensorrt_rtx_bindings` |
| strong typing | flag `STRONGLY_TYPED` | always, flag ignored | always |
| `EXPLICIT_BATCH`, `FP16`, `INT8`, calibrators | there, not used here | removed | never there |
| `device_memory_size_v2` | came after 10.0, by 10.3 | alone, without `device_memory_size` | as 11 |
| `HardwareCompatibilityLevel` | `AMPERE_PLUS`; one more after 10.8, by 10.16 | both | Ampere and later anyway |
| `set_compute_capability` | no | no | yes |
| timing cache | yes | yes | does nothing, and asks for a GPU |
| plugins | EfficientNMS and others | fewer | none of use |
| building without a GPU | no, `Builder` cannot be made | no | yes |
| layers of the engine | `EngineInspector`, on the GPU | `Bindings` became `I/O Tensors` | also in the log, no GPU |
| `create_execution_context` | without arguments | as 10 | may take a cache of compiled kernels |
| `Runtime.get_engine_validity` | no | no | yes |

Sources: NVIDIA's guide for the migration from 10 to 11, and the names in the bindings themselves, which
`tests/engines/library/data/bindings.json` holds.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.target import Target
from ...errors import InputError, MissingDependencyError, UnsupportedError

MODULES = {"tensorrt": ("tensorrt", "tensorrt_bindings"), "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
"""Names of the Python module, with and without NVIDIA's meta package."""

EXTRAS = {"tensorrt": "trtzoo[tensorrt]", "tensorrt-rtx": "trtzoo[rtx]"}
NAMES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
OLDEST = (10, 0)
"""The oldest TensorRT whose Python interface is used here; for 8.x there is `trtexec.trtexec_line`."""

GIB = 2**30


@dataclass(frozen=True)
class Api:
    """A loaded TensorRT.

    Attributes:
        trt: its Python module.
        target: "tensorrt" or "tensorrt-rtx".
        version: as the module says it, "10.16.1.11".
    """

    trt: Any
    target: str
    version: str

    @property
    def rtx(self) -> bool:
        """Whether it is TensorRT-RTX."""
        return self.target == "tensorrt-rtx"

    @property
    def name(self) -> str:
        """Name and version, "TensorRT 10.16.1.11"."""
        return f"{NAMES[self.target]} {self.version}"

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor, *_ = (*self.version.split("."), "0", "0")
        return int(major), int(minor)


def load(target: str) -> Api:
    """Import the library behind a target.

    Raises:
        MissingDependencyError: it is not installed, or its shared libraries do not load.
        UnsupportedError: it is older than `OLDEST`.
    """
    module = _import(target)
    api = Api(module, target, str(module.__version__))
    if not api.rtx and api.release < OLDEST:
        raise UnsupportedError(
            f"{api.name} is installed, but its Python interface is used from TensorRT 10 on; print a command for it "
            f"with `trtzoo build --print-trtexec --target tensorrt:{api.release[0]}.{api.release[1]}`"
        )
    return api


def check_release(api: Api, target: Target, version_compatible: bool) -> None:
    """Refuse to build with a library whose engines the target does not take.

    Raises:
        UnsupportedError: another release than the target names.
    """
    wanted = (target.version if api.rtx else target.tensorrt) or api.release
    later = version_compatible and api.release[0] == wanted[0] and api.release < wanted
    if target.fits(api.release) or later:
        return
    release = ".".join(map(str, wanted))
    raise UnsupportedError(
        f"--target {target} wants an engine of {NAMES[api.target]} {release}, but {api.version} is installed, and engines "
        f"run only on the release that built them; install {release}, or build for what is installed with "
        f"--target {api.target}"
    )


def _import(target: str) -> Any:
    for module in MODULES[target]:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise _broken(target, error) from error
        except (ImportError, OSError) as error:
            raise _broken(target, error) from error
    raise MissingDependencyError(f"{NAMES[target]} is not installed: pip install '{EXTRAS[target]}'")


def _broken(target: str, error: Exception) -> MissingDependencyError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return MissingDependencyError(
        f"{NAMES[target]} is installed but does not load ({reason}): pip install --force-reinstall '{EXTRAS[target]}'"
    )


def make_builder(api: Api, log: Any) -> Any:
    """A builder.

    Raises:
        UnsupportedError: TensorRT finds no GPU.
    """
    trt = api.trt
    if not api.rtx:
        trt.init_libnvinfer_plugins(log, "")
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # what the bindings raise when the library hands back nothing
        raise UnsupportedError(
            f"{api.name} cannot start a builder, most often because it finds no GPU that it supports; build on the "
            f"machine where the engine will run, or use --target tensorrt-rtx, which builds without a GPU"
        ) from error
    builder.max_threads = max(1, os.cpu_count() or 1)
    return builder


def make_network(api: Api, builder: Any) -> Any:
    """An empty network that takes every type from the ONNX file and never changes one."""
    trt = api.trt
    strong = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if not api.rtx and api.release < (11, 0) else 0
    return builder.create_network(strong)


def set_portability(api: Api, config: Any, hardware: bool, version: bool, capabilities: Sequence[str]) -> None:
    """Say which GPUs and versions the engine is to run on besides those at hand.

    Raises:
        InputError: TensorRT-RTX does not know a compute capability.
    """
    trt = api.trt
    if version:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if hardware and not api.rtx:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for index, text in enumerate(capabilities):
            config.set_compute_capability(_capability(api, text), index)


def _capability(api: Api, text: str) -> Any:
    kinds = api.trt.ComputeCapability.__members__
    kind = kinds.get(f"SM{text.replace('.', '')}")
    if kind is None:
        known = [f"{name[2:-1]}.{name[-1]}" for name in kinds if name.startswith("SM")]
        raise InputError(f"--compute-capability {text}: {api.name} knows {', '.join(known)}")
    return kind


def device_memory(engine: Any) -> int:
    """Bytes of scratch memory that one execution of the engine needs."""
    if hasattr(engine, "device_memory_size_v2"):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size)


def data_type(kind: Any) -> str:
    """Numpy's name of a TensorRT data type; those that numpy lacks keep TensorRT's ("bfloat16", "fp8")."""
    name = str(kind.name)
    return _TYPES.get(name, name.lower())


_TYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT8": "int8", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "BOOL": "bool",
}  # fmt: skip
