"""TensorRT 8.5 to 11 and TensorRT-RTX behind one set of calls: the only place that knows their differences.

What changed in which version (8 is 8.5 and 8.6, 10 is 10.0 - 10.16, 11 is 11.0 - 11.4, RTX is TensorRT-RTX 1.7):

| what | 8 | 10 | 11 | RTX |
|---|---|---|---|---|
| module | `tensorrt` | `tensorrt` or `tensorrt_bindings` | as 10 | `tensorrt_rtx` or `tensorrt_rtx_bindings` |
| precision | flags and constraints a layer (`build.precision`) | flag `STRONGLY_TYPED` | always strong | always strong |
| `EXPLICIT_BATCH` | needed | there, idle | removed | never there |
| `device_memory_size_v2` | no | came after 10.0, by 10.3 | alone, without `device_memory_size` | as 11 |
| `builder_optimization_level`, version and hardware compatibility | from 8.6 on | yes | yes | Ampere and later anyway |
| `IProgressMonitor` | no | yes | yes | yes |
| `ParserError.node_name`, `node_operator` | no | yes | yes | yes |
| `set_compute_capability` | no | no | no | yes |
| timing cache | yes | yes | yes | does nothing, and asks for a GPU |
| plugins | EfficientNMS and others | the same | fewer | none of use |
| building without a GPU | no, `Builder` cannot be made | no | no | yes |
| layers of the engine | `EngineInspector`, on the GPU | the same | `Bindings` became `I/O Tensors` | also in the log, no GPU |
| `create_execution_context` | without arguments | as 8 | as 8 | may take a cache of compiled kernels |
| `Runtime.get_engine_validity` | no | no | no | yes |

Sources: NVIDIA's guide for the migration from 10 to 11, and the names in the bindings themselves, which
`tests/engines/library/data/bindings.json` holds.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.choices import EngineTarget
from ...contract.target import Target
from ...errors import InputError, MissingDependencyError, UnsupportedError
from .cuda_start import cuda_fault, driver_fault

MODULES = {"tensorrt": ("tensorrt", "tensorrt_bindings"), "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
"""Names of the Python module, with and without NVIDIA's meta package."""

EXTRAS = {"tensorrt": "trtzoo[tensorrt]", "tensorrt-rtx": "trtzoo[rtx]"}
NAMES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
OLDEST = (8, 5)
"""The oldest TensorRT whose Python interface is used here: the first that runs engines by the names of their tensors."""

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
    target: EngineTarget
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

    @property
    def strongly_typed(self) -> bool:
        """Whether its networks keep the types of the graph by themselves."""
        return self.rtx or self.release >= (10, 0)

    @property
    def monitors(self) -> bool:
        """Whether a build tells how far it is."""
        return self.rtx or self.release >= (10, 0)

    @property
    def before_86(self) -> bool:
        """Whether it lacks levels of effort, and engines for other versions and GPUs."""
        return not self.rtx and self.release < (8, 6)


def load(target: EngineTarget) -> Api:
    """Import the library behind a target.

    Raises:
        MissingDependencyError: it is not installed, or its shared libraries do not load.
        UnsupportedError: it is older than `OLDEST`.
    """
    module = _import(target)
    api = Api(module, target, str(module.__version__))
    if not api.rtx and api.release < OLDEST:
        raise UnsupportedError(
            f"{api.name} is installed, but engines are built and run from TensorRT {OLDEST[0]}.{OLDEST[1]} on; upgrade it"
        )
    return api


def check_release(api: Api, target: Target, version_compatible: bool) -> None:
    """Refuse to build with a library whose engines the target does not take.

    Raises:
        UnsupportedError: another release than the target names.
    """
    wanted = (target.version if api.rtx else target.tensorrt) or api.release
    if target.fits(api.release) or (version_compatible and runs_on(api.release, wanted)):
        return
    release = ".".join(map(str, wanted))
    raise UnsupportedError(
        f"--target {target} wants an engine of {NAMES[api.target]} {release}, but {api.version} is installed, and engines "
        f"run only on the release that built them; install {release}, or build for what is installed with "
        f"--target {api.target}"
    )


def rtx_takes(capability: tuple[int, int]) -> bool:
    """Whether TensorRT-RTX runs engines on GPUs of a compute capability: 8.0, 8.6, 8.9, and 12.0 and later, by NVIDIA's matrix.

    Turing (7.5) is there too, but fails in the layers that matter: "Myelin ... FP32 GEMM is not supported".
    """
    return capability in ((8, 0), (8, 6), (8, 9)) or capability >= (12, 0)


def runs_on(built: tuple[int, int], release: tuple[int, int]) -> bool:
    """Whether a version-compatible engine of one release of TensorRT runs on another, by NVIDIA's support of such engines.

    From 8.6 on, on later releases: those of 8 on 8 and 10, those of 10 on 10 and 11, those of 11 on 11.
    """
    return built >= (8, 6) and release >= built and release[0] in {8: (8, 10), 10: (10, 11)}.get(built[0], (built[0],))


def _import(target: EngineTarget) -> Any:
    for module in MODULES[target]:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise _broken(target, error) from error
        except (ImportError, OSError) as error:
            raise _broken(target, error) from error
    raise MissingDependencyError(f"{NAMES[target]} is not installed: pip install '{EXTRAS[target]}'")


def _broken(target: EngineTarget, error: Exception) -> MissingDependencyError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return MissingDependencyError(
        f"{NAMES[target]} is installed but does not load ({reason}): pip install --force-reinstall '{EXTRAS[target]}'"
    )


def make_builder(api: Api, log: Any) -> Any:
    """A builder.

    Raises:
        UnsupportedError: CUDA does not start, or TensorRT finds no GPU that it supports.
    """
    if not api.rtx and (fault := driver_fault(api.target)):
        raise _no_start(api, fault)
    register_plugins(api, log)
    try:
        builder = api.trt.Builder(log)
    except TypeError as error:  # what the bindings raise when the library hands back nothing
        fault = cuda_fault(log, api.target) or "most often because it finds no GPU that it supports"
        raise _no_start(api, fault) from error
    if not api.rtx and (fault := cuda_fault(log, api.target)):
        raise _no_start(api, fault)
    builder.max_threads = max(1, os.cpu_count() or 1)
    return builder


def _no_start(api: Api, fault: str) -> UnsupportedError:
    return UnsupportedError(
        f"{api.name} cannot start a builder: {fault}; build on the machine where the engine will run, or use --target "
        f"tensorrt-rtx, which builds without a GPU"
    )


def make_network(api: Api, builder: Any) -> Any:
    """An empty network that takes every type from the ONNX file and, from 10 on, never changes one."""
    trt = api.trt
    if api.rtx or api.release >= (11, 0):
        return builder.create_network(0)
    if api.strongly_typed:
        return builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    return builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))


def make_runtime(api: Api, log: Any) -> Any:
    """What loads engines, with the plugins that they may hold.

    Raises:
        UnsupportedError: CUDA does not start, most often because the driver is too old for the library.
    """
    if fault := driver_fault(api.target):
        raise UnsupportedError(f"{api.name} does not start: {fault}")
    register_plugins(api, log)
    try:
        runtime = api.trt.Runtime(log)
    except TypeError as error:  # what the bindings of 8.5 raise when the library hands back nothing
        raise UnsupportedError(
            f"{api.name} does not start: {cuda_fault(log, api.target) or 'no reason given'}"
        ) from error
    if fault := cuda_fault(log, api.target):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(runtime))  # its destructor ends the process too (11.4)
        raise UnsupportedError(f"{api.name} does not start: {fault}")
    return runtime


def register_plugins(api: Api, log: Any) -> None:
    """Make the plugins of the library known to this process; the lean runtime and TensorRT-RTX have none."""
    register = getattr(api.trt, "init_libnvinfer_plugins", None)
    if register and not api.rtx:
        register(log, "")


def set_level(api: Api, config: Any, level: int) -> None:
    """Set the builder's effort.

    Raises:
        UnsupportedError: TensorRT is older than 8.6.
    """
    if api.before_86:
        raise UnsupportedError(f"--opt-level: {api.name} has no such setting, 8.6 is the first; leave it out")
    config.builder_optimization_level = level


def leave_out_tactics(api: Api, config: Any, names: Sequence[str]) -> None:
    """Take no kernels from these sources.

    Raises:
        InputError: the library knows no such source.
    """
    if not names:
        return
    trt, sources = api.trt, config.get_tactic_sources()
    known = trt.TacticSource.__members__
    for name in names:
        if name not in known:
            raise InputError(f"--without-tactics {name}: {api.name} knows {', '.join(sorted(known))}")
        sources &= ~(1 << int(known[name]))
    config.set_tactic_sources(sources)


def set_portability(api: Api, config: Any, hardware: bool, version: bool, capabilities: Sequence[str]) -> None:
    """Say which GPUs and versions the engine is to run on besides those at hand.

    Raises:
        InputError: TensorRT-RTX does not know a compute capability.
        UnsupportedError: TensorRT is older than 8.6, whose engines run nowhere else.
    """
    trt = api.trt
    if (version or hardware) and api.before_86:
        flag = "--version-compatible" if version else "--hardware-compatible"
        raise UnsupportedError(f"{flag}: {api.name} cannot do that, 8.6 is the first; leave it out")
    if version:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if hardware and not api.rtx:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for index, text in enumerate(capabilities):
            config.set_compute_capability(_capability(api, text), index)


def take_plugins_along(api: Api, network: Any, parser: Any, config: Any, onnx: str) -> None:
    """Put the libraries of the parser's own plugins into a version-compatible engine.

    TensorRT's collection of plugins cannot be put there: of it, `libnvinfer_vc_plugin` holds what the parser itself uses.

    Raises:
        UnsupportedError: the graph names another plugin.
    """
    libraries = parser.get_used_vc_plugin_libraries()
    if libraries:
        config.plugins_to_serialize = libraries
        return
    layers = (network.get_layer(index) for index in range(network.num_layers))
    plugin = next((ilayer.name for ilayer in layers if str(ilayer.type).rpartition(".")[2].startswith("PLUGIN")), None)
    if plugin is not None:
        raise UnsupportedError(
            f"--version-compatible: {onnx} has a plugin of {api.name} at node {plugin or 'without a name'}, which such an "
            "engine cannot take along; convert the weights with --end2end --nms static, or leave the flag out"
        )


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
