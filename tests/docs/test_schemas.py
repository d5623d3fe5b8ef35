"""Every JSON that a command writes or prints says which schema it has; docs/ describes the public ones, and they keep to it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
from rtx import needs_rtx

from trtzoo.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
SMALL = ("--img-size", "96")

CLASSES = "0 .5 .5 .2 .2\n1 .3 .3 .1 .1\n"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_schemas", ROOT / "docs" / "make_schemas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the sample model, two of its pictures with labels, and a zoo of one model."""
    for name in ("shapes.cfg", "shapes.weights", "shapes.names"):
        (tmp_path / name).symlink_to(SAMPLES / name)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in (1, 2):
        (tmp_path / "images" / f"{number}.jpg").symlink_to(SAMPLES / "pictures" / f"shapes{number}.jpg")
        (tmp_path / "labels" / f"{number}.txt").write_text(CLASSES)
    names = (SAMPLES / "shapes.names").read_text().split()
    (tmp_path / "data.yaml").write_text(f"val: images\nnames: {names}\n")
    (tmp_path / "zoo.yaml").write_text(
        "zoo: 1\noutput: products\nmodels: [{name: shapes, source: shapes.cfg, size: [96, 96]}]\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_schemas_are_what_the_classes_say(maker):
    made = {f"{name}.schema.json": maker.text(schema) for name, schema in maker.schemas().items()}
    kept = {file.name: file.read_text(encoding="utf-8") for file in maker.FOLDER.iterdir()}
    assert kept.pop("detections.schema.json"), "the one that is written by hand"
    assert kept == made, "run `make docs`"


PRINTED = {
    "inspect": ("inspect", "shapes.cfg", "--json"),
    "inspect, weights": ("inspect", "shapes.weights", "--json"),
    "convert": ("convert", "shapes.cfg", *SMALL, "--end2end", "-o", "a.onnx", "--json"),
    "verify": ("verify", "shapes.cfg", "shapes.cfg", *SMALL, "--source", "images", "--json"),
    "bench": ("bench", "shapes.cfg", *SMALL, "--runs", "2", "--warm-up", "1", "--seconds", "0.1", "--json"),
    "doctor": ("doctor", "--json"),
    "zoo-list": ("zoo", "list", "--json"),
    "data": ("data", "check", "data.yaml", "--json"),
}

ANALYSE = ("--analyse", "--analyse-pictures", "1", "--max-drop", "0.001")
WRITTEN = {
    "detections": (("detect", "shapes.cfg", "images", *SMALL, "-o", "out"), "out/detections.json"),
    "a line of detections": (("detect", "shapes.cfg", "images", *SMALL, "-o", "out"), "out/detections.jsonl"),
    "val": (("val", "shapes.cfg", *SMALL, "--data", "data.yaml", "--no-plots", "-o", "val"), "val/val.json"),
    "calibration": (
        ("calibrate", "shapes.cfg", *SMALL, "--calib-path", "images", "--recover", "none"),
        "caches/*.json",
    ),
    "sensitivity": (
        ("calibrate", "shapes.cfg", *SMALL, "--calib-path", "images", "--recover", "none", *ANALYSE),
        "caches/shapes.sensitivity.json",
    ),
    "zoo": (("zoo", "build", "zoo.yaml"), "products/zoo.json"),
}


def held(document: dict, name: str, maker) -> None:
    """A document says its schema and version, and keeps to the schema of that name where docs/ has one."""
    schema, version = document["schema"], document.get("version")
    assert isinstance(schema, int) or (schema.startswith("trtzoo.") and isinstance(version, int))
    schemas = maker.schemas() | {
        "detections": json.loads((ROOT / "docs" / "schemas" / "detections.schema.json").read_text())
    }
    if name in schemas:
        jsonschema.Draft202012Validator.check_schema(schemas[name])
        jsonschema.validate(document, schemas[name])


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed(name, here, capsys, maker):
    code = main(list(PRINTED[name]))
    said = capsys.readouterr()
    assert code in (0, 1), said.err
    held(json.loads(said.out), name.partition(",")[0], maker)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written(name, here, capsys, maker):
    words, pattern = WRITTEN[name]
    assert main(list(words)) == 0, capsys.readouterr().err
    files = sorted(here.glob(pattern))
    assert files
    for file in files:
        for text in file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]:
            held(json.loads(text), name, maker)


@needs_rtx
def test_engines(here, capsys, maker):
    target = ("--target", "tensorrt-rtx", "--compute-capability", "8.6")
    assert main(["build", "shapes.cfg", *SMALL, *target, "-o", "a.engine", "--json"]) == 0
    held(json.loads(capsys.readouterr().out), "build", maker)
    held(json.loads((here / "a.engine.json").read_text()), "engine", maker)
    assert main(["inspect", "a.engine", "--json"]) == 0
    held(json.loads(capsys.readouterr().out), "inspect", maker)
