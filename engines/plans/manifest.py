"""NAME.engine.json: what an engine is, what it was built from, and what it became."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...contract.documents import from_document, to_document
from ...contract.meta import ModelMeta
from ...contract.properties import from_properties, to_properties
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
    plain = {entry.name: getattr(manifest, entry.name) for entry in fields(manifest)}
    document = plain | {
        "schema": SCHEMA,
        "settings": to_document(manifest.settings),
        "precision": manifest.precision,
        "meta": json.loads(to_properties(manifest.meta)["trtzoo"]) if manifest.meta else None,
        "tensors": [asdict(tensor) for tensor in manifest.tensors],
        "layers": [layer.document() for layer in manifest.layers],
    }
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
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] > SCHEMA:
            raise InputError(f"{path} was written by a later trtzoo (schema {document['schema']}); upgrade trtzoo")
        return _from_document(document, str(path))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); build the engine again with --force") from error


def _from_document(document: dict[str, Any], where: str) -> Manifest:
    plain = ("target", "version", "gpu", "onnx", "onnx_sha256", "plan_bytes", "plan_sha256", "memory", "seconds")
    meta = document["meta"]
    return Manifest(
        **{key: document[key] for key in (*plain, "peak_mib", "built")},
        settings=from_document(document["settings"], BuildSettings, where, "build the engine again with --force"),
        tensors=tuple(EngineTensor.from_document(entry) for entry in document["tensors"]),
        layers=tuple(Layer.from_document(entry) for entry in document["layers"]),
        meta=from_properties({"trtzoo": json.dumps(meta)}, where) if meta else None,
        warnings=tuple(document["warnings"]),
    )
