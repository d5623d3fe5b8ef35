"""The running side of the fake TensorRT: plans become engines, which can be described and inspected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fake_ways import (
    FORMATS,
    KINDS,
    NO_CREATOR,
    NO_CUDA_8,
    NO_CUDA_10,
    NO_HOST_CODE,
    NOT_TOLD,
    OTHER_VERSION,
    Crash,
    Strict,
    Ways,
)


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
        self._engine = engine

    def get_engine_information(self, format: str) -> str:
        assert format == "JSON"
        if self._ways.report is not None:
            return self._ways.report
        told = not self._engine._body["profile"]
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
