"""Write docs/schemas/, the JSON Schemas of what commands write or print, from the classes that they are made of: `make docs`.

`detections.schema.json` beside them is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from trtzoo.contract.meta import ModelMeta
from trtzoo.engines.library.cuda_driver import Gpu
from trtzoo.engines.plans.manifest import Manifest
from trtzoo.evaluation.benchmark.results import BenchResults
from trtzoo.evaluation.calibration.sensitivity.analyse import Analysis
from trtzoo.evaluation.validation.results import ValResults
from trtzoo.evaluation.verification.results import VerifyResults
from trtzoo.inspection import Tensor, Thresholds
from trtzoo.machine.facts import Driver
from trtzoo.machine.faults import Fault

FOLDER = Path(__file__).with_name("schemas")

RESULTS = {"verify": VerifyResults, "val": ValResults, "bench": BenchResults}
"""By the command; `schema` is "trtzoo.COMMAND", `version` a number."""

NUMBERED = {"engine": Manifest, "sensitivity": Analysis}
"""`schema` is a number."""

TEXT = {"type": "string"}
SENTENCES = {
    "verify": "verify.json and `verify --json`",
    "val": "val.json",
    "bench": "bench.json and `bench --json`",
    "engine": "NAME.engine.json, the manifest beside an engine",
    "sensitivity": "STEM.sensitivity.json of `calibrate --analyse`",
    "inspect": "`inspect --json`; a file's kind adds values of its own",
    "convert": "`convert --json` of a known family",
    "build": "`build --json`",
    "doctor": "`doctor --json`",
}


def _of(kind: Any) -> dict[str, Any]:
    """The schema of a class with its parts under `$defs`; paths are strings."""
    [made], parts = msgspec.json.schema_components([kind], schema_hook=lambda _: TEXT)
    return {**made, "$defs": parts}


def _headed(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The schema of a document that begins with the name and the version of its schema."""
    head = {"schema": {"const": f"trtzoo.{name}"}, "version": {"const": 1}}
    return {
        **schema,
        "properties": {**head, **schema["properties"]},
        "required": ["schema", "version", *schema.get("required", [])],
    }


def _flat(kind: Any) -> dict[str, Any]:
    """The schema of a class whose own properties are the document's."""
    made = _of(kind)
    own = made["$defs"].pop(made.pop("$ref").rpartition("/")[2])
    return {**own, **made}


def _maybe(name: str) -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


NUMBER, WHOLE, TEXTS = {"type": "number"}, {"type": "integer"}, {"type": "array", "items": TEXT}
TEXT_OR_NULL = {"type": ["string", "null"]}

PRINTED: dict[str, dict[str, dict[str, Any]]] = {
    "inspect": {
        "file": TEXT,
        "kind": {"enum": ["cfg", "weights", "checkpoint", "onnx", "engine"]},
        "tensors": {"type": "array", "items": {"$ref": "#/$defs/Tensor"}},
        "metadata": _maybe("ModelMeta"),
        "thresholds": _maybe("Thresholds"),
        "layers": TEXTS,
        "notes": TEXTS,
    },
    "convert": {
        "path": TEXT, "bytes": WHOLE, "nodes": WHOLE, "seconds": NUMBER, "metadata": {"$ref": "#/$defs/ModelMeta"}, "notes": TEXTS,
    },
    "build": {
        "path": TEXT, "library": TEXT, "library_version": TEXT, "bytes": WHOLE,
        "precisions": {"type": "object", "additionalProperties": WHOLE},
        "seconds": {"type": "object", "additionalProperties": NUMBER},
        "onnx": TEXT_OR_NULL, "metadata": _maybe("ModelMeta"), "notes": TEXTS,
    },
    "doctor": {
        "trtzoo": TEXT, "python": TEXT, "platform": TEXT,
        "parts": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "version": TEXT_OR_NULL, "packages": {"type": "object", "additionalProperties": TEXT},
                    "failure": TEXT_OR_NULL, "details": {"type": "object"},
                },
                "required": ["version", "packages", "failure", "details"],
            },
        },
        "driver": {"$ref": "#/$defs/Driver"},
        "gpus": {"type": "array", "items": {"$ref": "#/$defs/Gpu"}},
        "faults": {"type": "array", "items": {"$ref": "#/$defs/Fault"}},
        "notes": TEXTS,
    },
}  # fmt: skip
"""What is only printed: its values, all of which are there."""


def _printed(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    parts = _of(tuple[ModelMeta, Thresholds, Tensor, Driver, Gpu, Fault])["$defs"]
    used = _named(properties, parts)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": {name: part for name, part in parts.items() if name in used},
    }


def _named(schema: Any, parts: dict[str, Any]) -> set[str]:
    """The parts that a schema refers to, and those that these refer to."""
    names = set(re.findall(r"#/\$defs/(\w+)", json.dumps(schema)))
    return names.union(*(_named(parts[name], parts) for name in names))


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its name."""
    made = {name: _headed(_flat(kind), name) for name, kind in RESULTS.items()}
    for name, kind in NUMBERED.items():
        own = _flat(kind)
        own["properties"] = {"schema": {"type": "integer"}, **own["properties"]}
        own["required"] = sorted({"schema", *own.get("required", [])})
        made[name] = own
    made |= {name: _headed(_printed(properties), name) for name, properties in PRINTED.items()}
    first = "https://json-schema.org/draft/2020-12/schema"
    return {name: {"$schema": first, **schema, "title": SENTENCES[name]} for name, schema in made.items()}


def text(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / f"{name}.schema.json").write_text(text(schema), encoding="utf-8")
