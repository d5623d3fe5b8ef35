"""A TensorRT without a GPU that is as unkind as the real one.

It has the names that a version has and no others (`tests/engines/library/data/bindings.json`), returns None wherever the
library may, dies where the library dies, and says what real runs said. Networks are read from real ONNX files; a plan
holds what its network was, so that it can be "deserialised" and inspected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
from fake_network import Network, parse_network

BINDINGS = Path(__file__).resolve().parents[1] / "engines" / "library" / "data" / "bindings.json"
NO_CUDA_8 = "CUDA initialization failure with error: 35"
NO_CUDA_BUILDER_8 = (
    "CUDA initialization failure with error: 35. Please check your CUDA installation:  "
    "http://docs.nvidia.com/cuda/cuda-installation-guide-linux/index.html"
)
NO_CUDA_10 = (
    "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 35 In checkCudaInstallation at "
    "/_src/runtime/dispatch/runtime.cpp:811)"
)
STALE_TIMINGS = (
    "1: [runner.cpp::executeMyelinGraph::682] Error Code 1: Myelin (Myelin error from unknown graph)",
    "3: The timing cache will not be used!",
)
"""What 8.6.0 says at error level in builds that succeed, given the timings of another build."""

NO_CREATOR = (
    "1: [pluginV2Runner.cpp::load::303] Error Code 1: Serialization (Serialization assertion creator failed.Cannot deserialize "
    "plugin since corresponding IPluginCreator not found in Plugin Registry)"
)
OTHER_VERSION = (
    "1: [stdArchiveReader.cpp::StdArchiveReaderInitCommon::46] Error Code 1: Serialization (Serialization assertion "
    "stdVersionRead == serializationVersion failed.Version tag does not match.)"
)
NO_HOST_CODE = "Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed() is false."
NOT_TOLD = "N/A due to dynamic shapes"
FORMATS = {
    "float32": "FP32",
    "float16": "FP16",
    "int8": "Int8",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "bool": "Bool",
}


class Crash(BaseException):
    """Where the real library ends the process."""


@dataclass
class Ways:
    """How this TensorRT behaves.

    Attributes:
        version: of the library.
        none: calls that hand back None, such as "create_execution_context".
        starts: whether CUDA starts.
        said: lines that a build says, with their severities (1 error, 2 warning).
        report: of the inspector instead of a true one.
        calls: what was asked of it.
        plugins: whether its plugins were registered.
        contexts: how many execution contexts there are.
    """

    version: str = "10.16.1.11"
    none: frozenset[str] = frozenset()
    starts: bool = True
    said: Sequence[tuple[int, str]] = ()
    report: str | None = None
    calls: list[str] = field(default_factory=list)
    plugins: bool = False
    contexts: int = 0

    @property
    def release(self) -> tuple[int, int]:
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def strong(self) -> bool:
        return self.release >= (10, 0)


@cache
def names_of(version: str) -> frozenset[str]:
    """The names that the bindings of a version have."""
    document = json.loads(BINDINGS.read_text(encoding="utf-8"))
    return frozenset(document["in_all"]) | {name for name, have in document["in_some"].items() if version in have}


class Strict:
    """An object of TensorRT: it has the names of its class in its version, and takes no others."""

    def __init__(self, ways: Ways) -> None:
        object.__setattr__(self, "_ways", ways)

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            self._must_have(name)
            if name in self._ways.none:
                call = object.__getattribute__(self, name)
                return lambda *arguments: call(*arguments) and None
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            self._must_have(name)
        object.__setattr__(self, name, value)

    def _must_have(self, name: str) -> None:
        kind = type(self).__name__
        if f"{kind}.{name}" not in names_of(self._ways.version):
            raise AttributeError(f"'tensorrt.tensorrt.{kind}' object has no attribute '{name}'")


class IHostMemory(bytes):
    """Memory of the library."""

    @property
    def nbytes(self) -> int:
        return len(self)


class ITimingCache(Strict):
    """Kernel timings."""

    def __init__(self, ways: Ways, data: bytes) -> None:
        super().__init__(ways)
        self._data = data

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._data or b"timings")

    def combine(self, input_cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if input_cache is None:
            raise TypeError("combine(): incompatible function arguments")
        return True


class IOptimizationProfile(Strict):
    """A range of shapes."""

    def __init__(self, ways: Ways) -> None:
        super().__init__(ways)
        self._ranges: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        self._ranges[input] = (tuple(min), tuple(opt), tuple(max))

    set_shape_input = set_shape


class IBuilderConfig(Strict):
    """Settings of a build."""

    def __init__(self, ways: Ways) -> None:
        super().__init__(ways)
        self._flags: set[str] = {"TF32"}
        self._profile: IOptimizationProfile | None = None
        self._timings: ITimingCache | None = None
        self._monitor: Any = None

    profiling_verbosity = None
    builder_optimization_level = 3
    max_aux_streams = 0
    hardware_compatibility_level = None
    plugins_to_serialize: list[str] = []  # noqa: RUF012 - as the bindings have it

    @property
    def progress_monitor(self) -> Any:
        return self._monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor: Any) -> None:
        self._monitor = monitor

    def set_flag(self, flag: str) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self._flags.discard(flag)

    def get_flag(self, flag: str) -> bool:
        return flag in self._flags

    def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
        self._ways.calls.append(f"{pool} {pool_size}")

    def get_tactic_sources(self) -> int:
        return sum(1 << int(source) for source in _tactics(self._ways.version))

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self._ways.calls.append(f"tactics {tactic_sources:b}")
        return True

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        if profile is None:
            raise TypeError("add_optimization_profile(): incompatible function arguments")
        self._profile = profile
        return 0

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        damaged = serialized_timing_cache and not serialized_timing_cache.startswith(b"timings")
        return None if damaged else ITimingCache(self._ways, bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache is None:
            raise TypeError("set_timing_cache(): incompatible function arguments")
        self._timings = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._timings


class Builder(Strict):
    """Makes plans."""

    max_threads = 1

    def __init__(self, ways: Ways, log: Any) -> None:
        super().__init__(ways)
        self._log = log
        if not ways.starts:
            log.log(2, "Unable to determine GPU memory usage")
            log.log(2, NO_CUDA_BUILDER_8)
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def create_network(self, flags: int = 0) -> Network:
        explicit, strong = bool(flags & 1), bool(flags & 2)
        if self._ways.release < (10, 0) and (strong or not explicit):
            raise TypeError("create_network(): the ONNX parser takes networks of explicit batch only")
        return Network(strong or self._ways.release >= (11, 0))

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._ways)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile(self._ways)

    def build_serialized_network(self, network: Network, config: IBuilderConfig) -> IHostMemory | None:
        if config is None or network is None:
            raise TypeError("build_serialized_network(): incompatible function arguments")
        for severity, text in self._ways.said:
            self._log.log(severity, text)
        if network.strongly_typed and config._flags & {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"}:
            self._log.log(
                1, "4: Error Code 4: API Usage Error (precision flags are not allowed in a strongly typed network)"
            )
            return None
        if any(-1 in tensor.shape for tensor in network.inputs) and config._profile is None:
            self._log.log(
                1,
                "4: [network.cpp::validate::3062] Error Code 4: Internal Error (Network has dynamic or shape inputs, but no "
                "optimization profile has been defined.)",
            )
            return None
        if config._monitor and not _monitored(config._monitor):
            return None
        return IHostMemory(_plan(self._ways, network, config))


def _monitored(monitor: Any) -> bool:
    """Tell a progress monitor what a build of one phase does; False if it ends the build."""
    monitor.phase_start("Building Engine", None, 2)
    goes_on = all(monitor.step_complete("Building Engine", step) for step in range(2))
    monitor.phase_finish("Building Engine")
    return goes_on


def _plan(ways: Ways, network: Network, config: IBuilderConfig) -> bytes:
    """A file with the head that a real plan has, and what the network was."""
    flags = config._flags
    layers = [layer.built(network.strongly_typed, flags) for layer in network.layers]
    body = {
        "layers": [one for one in layers if one],
        "inputs": [tensor.document() for tensor in network.inputs],
        "outputs": [tensor.document() for tensor in network.outputs],
        "profile": config._profile._ranges if config._profile else {},
        "version_compatible": "VERSION_COMPATIBLE" in flags,
        "plugins": network.plugins,
        "flags": sorted(flags),
        "version": ways.version,
    }
    text = json.dumps(body).encode()
    numbers = bytes(int(part) for part in ways.version.split(".")[:4])
    head = b"ptrt" if ways.release < (8, 6) else b"ftrt"  # of 8.5 it is not known where the version stands
    return head + bytes(12) + (32 + len(text)).to_bytes(8, "little") + numbers.ljust(8, b"\0") + text


class OnnxParser(Strict):
    """Reads files."""

    def __init__(self, ways: Ways, network: Network, log: Any) -> None:
        super().__init__(ways)
        self._network, self._log, self._errors = network, log, list[ParserError]()

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def get_used_vc_plugin_libraries(self) -> list[str]:
        return []

    def parse_from_file(self, model: str) -> bool:
        graph = onnx.load(model).graph
        known = {"FooBar"}
        for index, node in enumerate(graph.node):
            if node.op_type in known:
                text = f'Error: {node.op_type}: no importer registered; Assertion failed: creator && "Plugin not found"'
                self._errors.append(ParserError(self._ways, index, node, text))
        if self._errors:
            return False
        parse_network(self._network, model, self._ways.release)
        return True


class ParserError(Strict):
    """A fault in a file."""

    def __init__(self, ways: Ways, index: int, node: Any, text: str) -> None:
        super().__init__(ways)
        self._index, self._node, self._text = index, node, text

    def node(self) -> int:
        return self._index

    def desc(self) -> str:
        return self._text

    def node_name(self) -> str:
        return str(self._node.name)

    def node_operator(self) -> str:
        return str(self._node.op_type)


class IExecutionContext(Strict):
    """An engine at work; one at a time has the profile of a free batch."""

    def __init__(self, ways: Ways, engine: ICudaEngine) -> None:
        super().__init__(ways)
        self._engine, self._shapes = engine, dict[str, tuple[int, ...]]()
        ways.contexts += 1
        if engine._body["profile"] and ways.contexts > 1:
            raise Crash("a second context of a profile")

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        least, _, most = self._engine._body["profile"][name]
        self._shapes[name] = tuple(shape)
        return all(low <= length <= high for low, length, high in zip(least, shape, most, strict=True))

    def __del__(self) -> None:
        self._ways.contexts -= 1


class EngineInspector(Strict):
    """Tells what an engine became."""

    def __init__(self, ways: Ways, engine: ICudaEngine) -> None:
        super().__init__(ways)
        self._engine, self._context = engine, None

    @property
    def execution_context(self) -> Any:
        return self._context

    @execution_context.setter
    def execution_context(self, context: IExecutionContext) -> None:
        self._context = context

    def get_engine_information(self, format: str) -> str:
        assert format == "JSON"
        if self._ways.report is not None:
            return self._ways.report
        told = not self._engine._body["profile"] or bool(self._context and self._context._shapes)
        layers = [_entry(layer, told, self._ways.release) for layer in self._engine._body["layers"]]
        text = json.dumps({"Layers": layers, "Bindings": self._engine._names()})
        return text.replace("\\u001e", "\x1e") if self._ways.version == "8.6.0" else text


def _entry(layer: dict[str, Any], told: bool, release: tuple[int, int]) -> dict[str, Any]:
    """A layer in the inspector's words: up to 10 the type stands in a phrase, which free shapes replace; in 11 it has its own key."""

    def tensor(kind: str) -> dict[str, Any]:
        word = FORMATS.get(kind, kind)
        if release >= (11, 0):
            form = "Row major linear" if told else "Format not available due to dynamic shapes"
            return {"Name": "t", "Location": "Device", "Format": form, "Datatype": word}
        return {"Name": "t", "Location": "Device", "Format/Datatype": f"Row major linear {word}" if told else NOT_TOLD}

    def tensors(kinds: Sequence[str]) -> list[dict[str, Any]]:
        return list(map(tensor, kinds))

    weights = {"Weights": {"Type": layer["weights"], "Count": 9}} if layer["weights"] else {}
    nodes = "\x1e".join(f"[ONNX Layer: {name}]" for name in (layer["name"],))
    return {
        "Name": layer["name"], "LayerType": layer["kind"], "Inputs": tensors(layer["reads"]), "Outputs": tensors(layer["writes"]),
        "TacticName": "", "Metadata": nodes + "\x1e",
    } | weights  # fmt: skip


class ICudaEngine(Strict):
    """A deserialised plan."""

    def __init__(self, ways: Ways, body: dict[str, Any]) -> None:
        super().__init__(ways)
        self._body = body

    num_optimization_profiles = 1
    device_memory_size = 1024
    device_memory_size_v2 = 1024

    def _names(self) -> list[str]:
        return [tensor["name"] for tensor in (*self._body["inputs"], *self._body["outputs"])]

    def _tensor(self, name: str) -> dict[str, Any]:
        return next(tensor for tensor in (*self._body["inputs"], *self._body["outputs"]) if tensor["name"] == name)

    @property
    def num_io_tensors(self) -> int:
        return len(self._names())

    def get_tensor_name(self, index: int) -> str:
        return self._names()[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensor(name)["shape"])

    def get_tensor_mode(self, name: str) -> str:
        return "INPUT" if any(name == tensor["name"] for tensor in self._body["inputs"]) else "OUTPUT"

    def get_tensor_dtype(self, name: str) -> Any:
        return KINDS[self._tensor(name)["dtype"]]

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self._body["profile"][name]]

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self._ways, self)

    def create_execution_context(self) -> IExecutionContext:
        return IExecutionContext(self._ways, self)


class Runtime(Strict):
    """Loads plans."""

    engine_host_code_allowed = False

    def __init__(self, ways: Ways, log: Any) -> None:
        super().__init__(ways)
        self._log = log
        if ways.starts:
            return
        log.log(2 if ways.release < (10, 0) else 1, NO_CUDA_8 if ways.release < (10, 0) else NO_CUDA_10)
        if ways.release < (8, 6):
            raise TypeError("pybind11::init(): factory function returned nullptr")
        if ways.release < (10, 0):
            raise Crash("Runtime() of 8.6 without CUDA")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if not self._ways.starts:
            raise Crash("the runtime of 10 and 11 without CUDA")
        body = json.loads(bytes(serialized_engine)[32:])
        if body["version"] != self._ways.version and not body["version_compatible"]:
            self._log.log(1, OTHER_VERSION)
            return None
        if body["plugins"] and not self._ways.plugins:
            self._log.log(1, NO_CREATOR)
            return None
        if body["version_compatible"] and not (self._ways.release >= (8, 6) and self.engine_host_code_allowed):
            self._log.log(1, NO_HOST_CODE)
            return None
        return ICudaEngine(self._ways, body)


@dataclass(frozen=True)
class Kind:
    """A data type."""

    name: str


KINDS = {
    "float32": Kind("FLOAT"), "float16": Kind("HALF"), "int8": Kind("INT8"), "int32": Kind("INT32"), "int64": Kind("INT64"),
    "uint8": Kind("UINT8"), "bool": Kind("BOOL"),
}  # fmt: skip


class _Words:
    """An enumeration whose members are their own names."""

    def __init__(self, *names: str, **values: int) -> None:
        self.__dict__ |= {name: name for name in names} | values


class Severity(int):
    """A severity of a line."""


class ILogger:
    """What the library talks to."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = map(Severity, range(5))


def fake_library(version: str = "10.16.1.11", **how: Any) -> Any:
    """A module with the names of a version; `_ways` is how it behaves."""
    ways = Ways(version, **how)
    module: Any = ModuleType("tensorrt")

    def made(kind: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: kind(ways, *arguments)

    def init_libnvinfer_plugins(log: Any, namespace: str) -> bool:
        ways.plugins = True
        return True

    class Logger(ILogger):
        def __init__(self, severity: int) -> None:
            pass

        def log(self, severity: int, text: str) -> None:
            pass

    members = {
        "__version__": version, "_ways": ways, "ILogger": ILogger, "Logger": Logger, "Builder": made(Builder),
        "OnnxParser": made(OnnxParser), "Runtime": made(Runtime), "init_libnvinfer_plugins": init_libnvinfer_plugins,
        "IProgressMonitor": type("IProgressMonitor", (), {}), "float32": KINDS["float32"], "float16": KINDS["float16"],
        "NetworkDefinitionCreationFlag": _flags(version), "LayerType": _members(version, "LayerType"),
        "LayerInformationFormat": _Words("JSON"), "TensorIOMode": _Words("INPUT", "OUTPUT"),
        "BuilderFlag": _members(version, "BuilderFlag"), "ProfilingVerbosity": _Words("DETAILED"),
        "MemoryPoolType": _Words("WORKSPACE"), "TacticSource": _tactics(version),
        "HardwareCompatibilityLevel": _Words("AMPERE_PLUS"),
    }  # fmt: skip
    known = names_of(version)
    for name, value in members.items():
        if name.startswith("_") or name in known:
            setattr(module, name, value)
    return module


def _members(version: str, kind: str) -> _Words:
    return _Words(*(name.partition(".")[2] for name in names_of(version) if name.startswith(f"{kind}.")))


def _tactics(version: str) -> Any:
    order = ("CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
    known = {name: bit for bit, name in enumerate(order) if f"TacticSource.{name}" in names_of(version)}
    return IntEnum("TacticSource", known)


def _flags(version: str) -> _Words:
    bits = {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
    return _Words(
        **{name: bit for name, bit in bits.items() if f"NetworkDefinitionCreationFlag.{name}" in names_of(version)}
    )
