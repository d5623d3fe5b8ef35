"""A manifest is read back as it was written, and a damaged one says so."""

import json
from pathlib import Path

import pytest
from fake_tensorrt import example_manifest

from trtzoo.engines.plans.manifest import SCHEMA, Manifest, manifest_path, read_manifest, write_manifest
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.errors import InputError


def test_written_and_read(tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    write_manifest(example_manifest(), engine)
    assert manifest_path(engine).name == "m.engine.json"
    assert read_manifest(engine) == example_manifest()


def test_without_metadata(tmp_path: Path) -> None:
    plain = Manifest("tensorrt-rtx", "1.7", "", "m.onnx", "", 0, "", BuildSettings("tensorrt-rtx"), ())
    write_manifest(plain, tmp_path / "m.engine")
    assert read_manifest(tmp_path / "m.engine") == plain


def test_precision_is_written_for_people(tmp_path: Path) -> None:
    write_manifest(example_manifest(), tmp_path / "m.engine")
    assert json.loads(manifest_path(tmp_path / "m.engine").read_text())["precision"] == {"fp16": 1, "fp16 > fp32": 1}


def test_tensors_by_side() -> None:
    assert [tensor.name for tensor in example_manifest().tensors_of("output")] == ["num_dets"]


def test_missing_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "m.engine") is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda document: document.update(schema=SCHEMA + 1), "later trtzoo"),
        (lambda document: document.pop("tensors"), "damaged"),
        (lambda document: document.update(settings={"target": "cpu"}), "cpu"),
        (lambda document: document.update(layers=[1]), "damaged"),
        (lambda document: document["meta"].pop("names"), "damaged"),
    ],
    ids=["later schema", "no tensors", "unknown target", "no layers", "no names"],
)
def test_damaged_manifest(tmp_path: Path, change: object, says: str) -> None:
    engine = tmp_path / "m.engine"
    write_manifest(example_manifest(), engine)
    document = json.loads(manifest_path(engine).read_text())
    change(document)  # type: ignore[operator]
    manifest_path(engine).write_text(json.dumps(document))
    with pytest.raises(InputError, match=says):
        read_manifest(engine)


def test_no_json(tmp_path: Path) -> None:
    manifest_path(tmp_path / "m.engine").write_text("not json")
    with pytest.raises(InputError, match="--force"):
        read_manifest(tmp_path / "m.engine")
