"""What is said about an engine, with and without a GPU to load it on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_tensorrt import fake_api
from rtx import needs_rtx
from tiny_models import write_tiny

from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.library.cuda_driver import list_gpus
from trtzoo.engines.plans import inspect as engine_inspect
from trtzoo.engines.plans.inspect import inspect_engine
from trtzoo.engines.plans.manifest import manifest_path
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.errors import InputError

pytestmark = needs_rtx


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    build(write_tiny(folder / "t.onnx", None), folder / "t.engine", BuildSettings("tensorrt-rtx"))
    return folder


@pytest.fixture
def engine(built: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    for name in ("t.engine", "t.engine.json"):
        (tmp_path / name).write_bytes((built / name).read_bytes())
    return tmp_path / "t.engine"


@pytest.mark.skipif(bool(list_gpus()), reason="this machine has a GPU")
def test_without_a_gpu_the_manifest_speaks(engine: Path) -> None:
    report = inspect_engine(engine)
    assert (report.source, report.differences, report.profiles) == ("manifest", (), 1)
    assert [tensor.name for tensor in report.tensors] == ["images", "boxes", "scores"]
    assert report.precision == {"fp32": len([layer for layer in report.layers if layer.precision])}
    assert report.fusions
    assert report.memory["weights"] > 0
    assert "no CUDA driver" in report.notes[0]


def test_engine_that_was_exchanged(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes() + b"\0")
    assert "its hash differs" in inspect_engine(engine).differences[0]


def test_manifest_of_another_engine(engine: Path) -> None:
    path = manifest_path(engine)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"version": "1.2.0.0"}))
    assert any("the manifest says tensorrt-rtx 1.2.0.0" in text for text in inspect_engine(engine).differences)


def test_engine_without_a_manifest(engine: Path) -> None:
    manifest_path(engine).unlink()
    report = inspect_engine(engine)
    assert report.manifest is None
    assert report.file.target == "tensorrt-rtx"
    assert report.size == engine.stat().st_size


def test_header_is_explained(engine: Path) -> None:
    header = json.dumps({"description": "Ultralytics YOLOv8n model"}).encode()
    engine.write_bytes(len(header).to_bytes(4, "little") + header + engine.read_bytes())
    report = inspect_engine(engine)
    assert report.file.offset == len(header) + 4
    assert "Ultralytics YOLOv8n model" in report.notes[0]
    assert not any("hash" in text for text in report.differences)


def test_damaged_manifest_is_an_error(engine: Path) -> None:
    manifest_path(engine).write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        inspect_engine(engine)


REPORT = {
    "Layers": [{"Name": "conv", "LayerType": "x", "Outputs": [{"Datatype": "Half"}], "Metadata": "[ONNX Layer: a]"}]
}


def test_engine_that_loads_speaks_for_itself(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspector = SimpleNamespace(get_engine_information=lambda form: json.dumps(REPORT))
    loaded = SimpleNamespace(
        api=fake_api("tensorrt-rtx", LayerInformationFormat=SimpleNamespace(JSON=1)),
        engine=SimpleNamespace(
            create_engine_inspector=lambda: inspector, num_optimization_profiles=2, device_memory_size_v2=77
        ),
    )
    tensors = (EngineTensor("images", "input", "float16", (1, 3, 8, 8)),)
    monkeypatch.setattr(engine_inspect, "deserialize", lambda file, device: loaded)
    monkeypatch.setattr(engine_inspect, "describe_tensors", lambda api, engine: tensors)
    report = inspect_engine(engine)
    assert (report.source, report.profiles, report.memory, report.tensors) == ("engine", 2, {"activation": 77}, tensors)
    assert report.precision == {"fp16": 1}
    assert report.differences == ("the engine has images, the manifest images, boxes, scores",)


def test_types_and_shapes_are_compared(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = engine_inspect.read_manifest(engine)
    assert manifest
    images, boxes, scores = manifest.tensors
    changed = EngineTensor("boxes", "output", "float16", boxes.shape)
    monkeypatch.setattr(engine_inspect, "_deserialised", lambda file, device: {"tensors": (images, changed, scores)})
    (difference,) = inspect_engine(engine).differences
    assert (
        difference == f"boxes is float16{list(boxes.shape)} in the engine, float32{list(boxes.shape)} in the manifest"
    )
