"""How the fake TensorRT behaves: its version's names, what it hands back, what it says, and where it dies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

BINDINGS = Path(__file__).resolve().parents[2] / "engines" / "library" / "data" / "bindings.json"
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

NO_KERNEL = (
    "10: Could not find any implementation for node {ForeignNode[nms.conf_thres + (Unnamed Layer* 393) [Shuffle].../nms/det_classes]}.",
    "10: [optimizer.cpp::computeCosts::3869] Error Code 10: Internal Error (Could not find any implementation for node "
    "{ForeignNode[nms.conf_thres + (Unnamed Layer* 393) [Shuffle].../nms/det_classes]}.)",
)
"""What 8.6.0 said of a graph on an H100 (the place in its source is not recorded)."""

NO_LEAN_RUNTIME = "6: Error Code 6: Internal Error (Unable to load library: libnvinfer_lean.so.8.6.0)"
"""What 8.6.0 of the package index said of a version-compatible engine (the place in its source is not recorded)."""

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
        loose: whether it finds kernels only where the types of layers are a preference.
        calls: what was asked of it.
        plugins: whether its plugins were registered.
        contexts: how many execution contexts there are.
    """

    version: str = "10.16.1.11"
    none: frozenset[str] = frozenset()
    starts: bool = True
    said: Sequence[tuple[int, str]] = ()
    report: str | None = None
    loose: bool = False
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


@dataclass(frozen=True)
class Kind:
    """A data type."""

    name: str


KINDS = {
    "float32": Kind("FLOAT"), "float16": Kind("HALF"), "int8": Kind("INT8"), "int32": Kind("INT32"), "int64": Kind("INT64"),
    "uint8": Kind("UINT8"), "bool": Kind("BOOL"),
}  # fmt: skip
