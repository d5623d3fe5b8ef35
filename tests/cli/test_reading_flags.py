"""Flags that say how a model is read do something, or say that they cannot: nothing is passed over in silence."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest
from foreign_decodes import final_rows, yolox_rows
from foreign_onnx import Foreign
from shared import GOLDEN

from trtzoo.cli import main

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CFG = str(SAMPLES / "shapes.cfg")
SIZE = (64, 96)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def models(tmp_path) -> dict[str, str]:
    """A model of each kind of file."""
    f = Foreign(white=255)
    f.save(tmp_path / "foreign.onnx", {"o": yolox_rows(f, 4, SIZE, decoded=False)})
    assert main(["convert", CFG, "--img-size", "96", "--no-verify", "-o", "ours.onnx"]) == 0
    return {
        "cfg": CFG,
        "pt": str(GOLDEN / "ul_v8_detect_nc3" / "model.pt"),
        "foreign": "foreign.onnx",
        "ours": "ours.onnx",
    }


REFUSED = {
    "a layout of a cfg": (
        "cfg",
        ["--onnx-layout", "yolov5"],
        "--onnx-layout yolov5 goes with the .onnx of another exporter",
    ),
    "a layout of a checkpoint": (
        "pt",
        ["--onnx-layout", "yolov8"],
        "--onnx-layout yolov8 goes with the .onnx of another",
    ),
    "a layout of our own file": ("ours", ["--onnx-layout", "yolov8"], "says what it is; leave --onnx-layout out"),
    "a head of a cfg": ("cfg", ["--head", "one2many"], "has only one head; leave --head one2many out"),
    "a head of a checkpoint": ("pt", ["--head", "one2one"], "has only one head; leave --head out"),
    "a head of our own file": ("ours", ["--head", "one2one"], "says what it is; leave --head out"),
    "weights of an ONNX file": ("foreign", ["--weights", "w.weights"], "--weights w.weights goes with a DarkNet .cfg"),
    "weights of our own file": ("ours", ["--weights", "w.weights"], "--weights w.weights goes with a DarkNet .cfg"),
    "weights of a checkpoint": ("pt", ["--weights", "w.weights"], "--weights w.weights goes with a DarkNet .cfg"),
}


@pytest.mark.parametrize(("kind", "flags", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_with_the_file_is_refused(kind, flags, words, models, capsys):
    if not Path(models[kind]).exists():
        pytest.skip("shared/golden is not there")
    assert main(["convert", models[kind], *flags, "-o", "out.onnx"]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not Path("out.onnx").exists()


def test_an_opset_that_stays_is_said(models, capsys):
    assert main(["convert", "ours.onnx", "--opset", "18", "-o", "out.onnx"]) == 0
    assert "the opset stays 17, as in the file" in capsys.readouterr().err
    assert onnx.load("out.onnx").opset_import[0].version == 17
    assert main(["convert", "ours.onnx", "--opset", "17", "-o", "out.onnx"]) == 0
    assert "the opset stays" not in capsys.readouterr().err


def test_classes_without_names_are_said(models, capsys):
    assert main(["convert", "foreign.onnx", "-o", "out.onnx"]) == 0
    assert (
        "no class names in the file, so they are class0, class1, ...; give them with --names" in capsys.readouterr().err
    )
    Path("n.txt").write_text("a\nb\nc\nd\n")
    assert main(["convert", "foreign.onnx", "--names", "n.txt", "-o", "out.onnx"]) == 0
    assert "no class names" not in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["yolov5", "yolov8", "yolox"])
def test_a_stated_layout_of_one_output_does_not_choose_among_several(layout, tmp_path, capsys):
    f = Foreign()
    f.save(tmp_path / "two.onnx", {"a": final_rows(f, 4, SIZE), "b": final_rows(f, 4, SIZE)})
    assert main(["convert", "two.onnx", "--onnx-layout", layout, "-o", "out.onnx"]) == 1
    assert (
        f"--onnx-layout {layout} is one output of three axes (prototypes of masks have four), here are 2"
        in capsys.readouterr().err
    )


STAND_INS = {
    "a git-lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "git-lfs pointer, not the file",
    ),
    "a web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
}


@pytest.mark.parametrize(("data", "words"), STAND_INS.values(), ids=STAND_INS)
@pytest.mark.parametrize("suffix", ["onnx", "engine", "pt", "cfg", "weights"])
def test_what_lies_there_in_place_of_a_file_is_named(suffix, data, words, tmp_path, capsys):
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(data)
    if suffix == "weights":
        path = Path(shutil.copyfile(CFG, tmp_path / "m.cfg"))
    assert main(["convert", str(path), "-o", "out.onnx"]) == 1
    [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert words in said and f"m.{suffix}" in said
