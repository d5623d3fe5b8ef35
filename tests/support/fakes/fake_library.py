"""A TensorRT without a GPU that is as unkind as the real one.

It has the names that a version has and no others (`tests/engines/library/data/bindings.json`), returns None wherever the
library may, dies where the library dies, and says what real runs said. Networks are read from real ONNX files; a plan
holds what its network was, so that it can be "deserialised" and inspected.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import ModuleType
from typing import Any

import onnx
from fake_engine import Runtime
from fake_network import Network, parse_network
from fake_ways import KINDS, NO_CUDA_BUILDER_8, NO_KERNEL, Strict, Ways, names_of


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
        obeys = "OBEY_PRECISION_CONSTRAINTS" in config._flags
        held = self._ways.release == (8, 6) and obeys and _joins_held_half(network)
        if held or (self._ways.loose and "PREFER_PRECISION_CONSTRAINTS" not in config._flags):
            for text in NO_KERNEL:
                self._log.log(1, text)
            return None
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


def _joins_held_half(network: Network) -> bool:
    """Whether a layer that joins tensors in half is held to that: 8.6.0 has no kernels then."""
    return any(
        layer.type == "CONCATENATION" and layer.outputs[0].kind == "float16" and layer.output_types
        for layer in network.layers
    )


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
        "onnx": base64.b64encode(network.onnx).decode(),
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
