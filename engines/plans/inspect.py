"""What an engine is: its inputs and outputs, memory and layers, and whether it is still what its manifest says.

Deserialising takes a GPU that the engine runs on. Where there is none, the manifest speaks for the engine; its hash
shows whether they belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import TrtZooError
from ...files import sha256_of
from ..library import compat
from .identify import EngineFile, identify
from .layers import Layer, by_precision, parse_report
from .load import describe_tensors, deserialize, inspector_report
from .manifest import Manifest, read_manifest
from .tensors import EngineTensor


@dataclass(frozen=True)
class EngineReport:
    """What is known about an engine.

    Attributes:
        file: what its first bytes say.
        source: where the rest comes from: "engine" (it was deserialised), "manifest" or "" (nothing more is known).
        size: of the file in bytes.
        tensors: its inputs and outputs.
        profiles: how many optimisation profiles it has.
        memory: bytes by kind.
        layers: of the engine.
        manifest: what stands beside it.
        differences: between engine and manifest, a sentence each; empty if they agree.
        notes: what else the user should know.
    """

    file: EngineFile
    source: str
    size: int
    tensors: tuple[EngineTensor, ...] = ()
    profiles: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    manifest: Manifest | None = None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def precision(self) -> dict[str, int]:
        """How many layers work in each precision."""
        return by_precision(self.layers)

    @property
    def fusions(self) -> tuple[Layer, ...]:
        """The layers that several ONNX nodes became."""
        return tuple(layer for layer in self.layers if len(layer.nodes) > 1)


def inspect_engine(path: Path, device: int = 0) -> EngineReport:
    """Look into an engine.

    Args:
        path: of the engine.
        device: number of the GPU to deserialise it on.

    Raises:
        InputError: it is no engine, or its manifest is damaged.
    """
    file = identify(path)
    manifest = read_manifest(path)
    notes = [_header_note(file)] if file.offset else []
    try:
        found = _deserialised(file, device)
        source = "engine"
    except TrtZooError as error:
        notes.append(f"the engine was not deserialised: {error}")
        source = "manifest" if manifest else ""
        found = _from_manifest(manifest)
    differences = compare(file, found, manifest)
    return EngineReport(
        file, source, path.stat().st_size, **found, manifest=manifest, differences=differences, notes=tuple(notes)
    )


def compare(file: EngineFile, found: Mapping[str, Any], manifest: Manifest | None) -> tuple[str, ...]:
    """How an engine differs from its manifest, a sentence each."""
    if manifest is None:
        return ()
    differences = []
    if file.offset == 0 and sha256_of(file.path) != manifest.plan_sha256:
        differences.append("the engine is not the one that the manifest was written for: its hash differs")
    if file.target != manifest.target or not manifest.version.startswith(_release(file.version)):
        built, told = f"{file.target} {file.version}", f"{manifest.target} {manifest.version}"
        differences.append(f"the engine was built by {built}, the manifest says {told}")
    differences += _tensor_differences(found.get("tensors", ()), manifest.tensors)
    return tuple(differences)


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _tensor_differences(found: Sequence[EngineTensor], told: Sequence[EngineTensor]) -> list[str]:
    names = [tensor.name for tensor in found]
    if names != [tensor.name for tensor in told]:
        return [f"the engine has {', '.join(names)}, the manifest {', '.join(tensor.name for tensor in told)}"]
    return [
        f"{have.name} is {have.dtype}{list(have.shape)} in the engine, {want.dtype}{list(want.shape)} in the manifest"
        for have, want in zip(found, told, strict=True)
        if (have.dtype, have.shape) != (want.dtype, want.shape)
    ]


def _header_note(file: EngineFile) -> str:
    model = file.header.get("description") or file.header.get("task") or "a model"
    return (
        f"{file.offset} bytes of metadata by Ultralytics ({model}) stand in front of the plan; trtexec, DeepStream and "
        "Triton cannot load the file as it is"
    )


def _deserialised(file: EngineFile, device: int) -> dict[str, Any]:
    """What the library says about the engine."""
    loaded = deserialize(file, device)
    engine = loaded.engine
    try:
        report = inspector_report(loaded.api, engine)
    except UnicodeDecodeError:
        report = ""
    return {
        "tensors": describe_tensors(loaded.api, engine),
        "profiles": engine.num_optimization_profiles,
        "memory": {"activation": compat.device_memory(engine)},
        "layers": parse_report(report),
    }


def _from_manifest(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        return {}
    profiles = int(any(tensor.profile for tensor in manifest.tensors))
    return {
        "tensors": manifest.tensors,
        "profiles": max(1, profiles),
        "memory": manifest.memory,
        "layers": manifest.layers,
    }
