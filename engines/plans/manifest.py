"""NAME.engine.json: what an engine is, what it was built from, and what it became."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...contract.documents import from_document, to_document
from ...contract.meta import ModelMeta
from ...contract.properties import meta_of, to_properties
from ...errors import InputError
from ...files import atomic_write
from .layers import Layer, by_precision
from .settings import BuildSettings
from .tensors import EngineTensor

SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What stands beside an engine.

    Attributes:
        target: "tensorrt" or "tensorrt-rtx".
        version: of the library that built it.
        gpu: name and compute capability of the GPU that built it, empty where there was none.
        onnx: name of the file that it was built from.
        onnx_sha256: of that file.
        plan_bytes: size of the engine.
        plan_sha256: of the engine.
        settings: that it was built with.
        tensors: its inputs and outputs, in order.
        layers: as the EngineInspector saw them.
        meta: the model's metadata, None for an ONNX file that trtzoo did not write.
        memory: bytes by kind: "weights", "activations".
        seconds: by stage: "parse", "build".
        peak_mib: largest memory of the building process.
        built: when, ISO 8601 in UTC.
        warnings: what the library warned about.
    """

    target: str
    version: str
    gpu: str
    onnx: str
    onnx_sha256: str
    plan_bytes: int
    plan_sha256: str
    settings: BuildSettings
    tensors: tuple[EngineTensor, ...]
    layers: tuple[Layer, ...] = ()
    meta: ModelMeta | None = None
    memory: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0
    built: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def precision(self) -> dict[str, int]:
        """How many layers work in each precision."""
        return by_precision(self.layers)

    def tensors_of(self, mode: str) -> tuple[EngineTensor, ...]:
        """The inputs or the outputs."""
        return tuple(tensor for tensor in self.tensors if tensor.mode == mode)


def manifest_path(engine: Path) -> Path:
    """Where the manifest of an engine lies."""
    return engine.with_name(f"{engine.name}.json")


def write_manifest(manifest: Manifest, engine: Path) -> None:
    """Write the manifest beside its engine, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    meta = {"meta": json.loads(to_properties(manifest.meta)["trtzoo"])} if manifest.meta else {}
    document = to_document(manifest) | {"schema": SCHEMA, "precision": manifest.precision} | meta
    with atomic_write(manifest_path(engine)) as stream:
        stream.write(_text(document).encode())


def _text(document: Mapping[str, Any]) -> str:
    """JSON with an entry a line, and an element a line of the lists of objects."""
    lines = []
    for key, value in document.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n  " + ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in value) + "\n ]"
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_manifest(engine: Path) -> Manifest | None:
    """The manifest beside an engine, None where there is none.

    Raises:
        InputError: it is damaged, or a later trtzoo wrote it.
    """
    path = manifest_path(engine)
    if not path.is_file():
        return None
    advice = "build the engine again with --force"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); {advice}") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(f"{path} was written by a later trtzoo (schema {schema}); upgrade trtzoo")
    meta = document.pop("meta", None) if isinstance(document, dict) else None
    manifest = from_document(document, Manifest, str(path), advice)
    return replace(manifest, meta=meta_of(meta, str(path))) if meta else manifest
