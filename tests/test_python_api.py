"""The Python API as a user types it: paths as text, a model of any kind from `load`."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from rtx import needs_rtx

import trtzoo
from trtzoo import (
    BuildSettings,
    CalibrationSettings,
    ConvertSettings,
    EndToEnd,
    Half,
    InputError,
    NmsSettings,
    ReadOptions,
)

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PICTURE = str(SAMPLES / "pictures/shapes1.jpg")
SMALL = ReadOptions(img_size=(96, 96))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A folder with the sample model under plain names."""
    for name in ("shapes.cfg", "shapes.weights", "shapes.names"):
        shutil.copy(SAMPLES / name, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
def test_files_are_text_or_paths(kind):
    read = ReadOptions(kind("shapes.weights"), kind("shapes.names"), (96, 96))
    half = Half(pictures=kind(PICTURE))
    int8 = CalibrationSettings(path=kind(SAMPLES / "pictures"), cache=kind("kept"))
    done = trtzoo.convert(kind("shapes.cfg"), kind("half.onnx"), ConvertSettings(read=read, half=half))
    assert done.path == Path("half.onnx")
    trtzoo.convert(kind("shapes.cfg"), kind("int8.onnx"), ConvertSettings(read=read, int8=int8))
    assert list(Path("kept").glob("shapes.*.json"))
    assert trtzoo.lower(kind("half.onnx"), kind("lowered.onnx")) == []
    assert trtzoo.inspect(kind("lowered.onnx")).kind == "onnx"
    with trtzoo.load(kind("half.onnx")) as model:
        assert model.names == done.meta.names


@needs_rtx
@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
def test_weights_to_an_engine(kind):
    settings = BuildSettings("tensorrt-rtx", compute_capabilities=("8.6",), timing_cache=kind("timings"))
    conversion = ConvertSettings(read=SMALL, end2end=EndToEnd())
    done = trtzoo.build(kind("shapes.cfg"), kind("a.engine"), settings, conversion)
    assert (done.path, done.conversion.path) == (Path("a.engine"), Path("a.onnx"))
    assert done.path.stat().st_size == done.manifest.plan_bytes
    again = trtzoo.build("a.onnx", "a.engine", settings)
    assert again.conversion is None
    assert again.manifest.plan_sha256 == done.manifest.plan_sha256


@pytest.mark.parametrize("model", ["shapes.cfg", "raw.onnx", "end.onnx"])
def test_load_gives_a_model_that_is_called_with_pictures(model):
    if model.endswith(".onnx"):
        trtzoo.convert("shapes.cfg", model, ConvertSettings(end2end=EndToEnd() if model == "end.onnx" else None))
    with trtzoo.load(model) as loaded:
        found, [same] = loaded(PICTURE), loaded([cv2.imread(PICTURE)])
    assert len(found) == len(same) > 0
    assert np.array_equal(found.boxes, same.boxes)
    assert found.plot(cv2.imread(PICTURE)).shape == cv2.imread(PICTURE).shape


def test_settings_reach_the_predictor():
    strict = trtzoo.load("shapes.cfg", NmsSettings(conf_thres=0.9), batch=3)
    assert (strict.suppression.conf_thres, strict.batch) == (0.9, 3)
    assert (strict(PICTURE).scores > 0.9).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "gpu"}, "device 'gpu' is neither 'cpu' nor the number of a GPU"),
        ({"half": True}, "only the torch backend computes in FP16"),
        ({"batch": 0}, "a batch of 0 is out of range"),
    ],
    ids=["device", "half", "batch"],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        trtzoo.load("shapes.cfg", **arguments)


@pytest.mark.parametrize("device", [0, "0", "cuda", "cuda:0"])
def test_a_gpu_is_named_in_any_of_the_usual_ways(device, monkeypatch):
    from trtzoo.engines.pictures import load as module

    asked = []
    monkeypatch.setattr(module, "open_runtime", lambda model, backend, device, *more: asked.append(device))
    with pytest.raises(AttributeError):
        trtzoo.load("shapes.cfg", device=device)
    assert asked == ["cuda:0"]
