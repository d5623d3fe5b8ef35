"""Flags from `--config FILE` and from `[tool.trtzoo]` of pyproject.toml: which of them hold, and for which command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from darknet_files import write_model

from trtzoo.cli import build_parser, main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a model."""
    write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(text: str, *words: str) -> dict:
    """What a command makes of a file and of what is typed."""
    Path("c.yaml").write_text(text)
    return vars(build_parser().parse_args([*words, "--config", "c.yaml"]))


CASES = {
    "a number": ("opset: 18\n", {"opset": 18}),
    "a number as text": ("opset: '18'\n", {"opset": 18}),
    "with an underscore": ("conf_thres: 0.5\n", {"conf_thres": 0.5}),
    "a switch": ("half: true\n", {"half": True}),
    "a switch that is off": ("half: false\n", {"half": False}),
    "a switch that is turned off again": ("half: true\nconvert: {half: false}\n", {"half": False}),
    "the nearer section": ("opset: 17\nconvert: {opset: 18}\n", {"opset": 18}),
    "the nearer section, wherever it stands": ("convert: {opset: 18}\nopset: 17\n", {"opset": 18}),
    "a section of another command": ("detect: {conf-thres: 0.9}\n", {"conf_thres": None}),
    "a flag of other commands": ("hide-labels: true\n", {"opset": None}),
    "one of two that exclude each other": ("single-label: true\nmulti-label: false\n", {"multi_label": False}),
    "the nearer of two that exclude each other": ("single-label: on\nconvert: {multi-label: on}\n", {"multi_label": True}),
    "a list": ("img-size: [64, 96]\n", {"img_size": [64, 96]}),
    "one value for a list": ("img-size: 64\n", {"img_size": [64]}),
    "names and values": ("class-thres: {a b: 0.5, c: .25}\n", {"class_thres": [("a b", 0.5), ("c", 0.25)]}),
    "names and values as they are typed": ("class-thres: [a=0.5]\n", {"class_thres": [("a", 0.5)]}),
    "a flag of two forms": ("calib-letterbox: false\n", {"calib_letterbox": False}),
    "a version that looks like a number": ("target: 8.10\n", {"target": "8.10"}),
    "a flag that is called as the model is": ("spec: a:b\n", {"spec": "a:b", "model": Path("model.cfg")}),
    "a log": ("log-file: run.log\nverbose: true\n", {"log_file": Path("run.log"), "verbose": True}),
    "nothing": ("", {"opset": None}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_what_stands_in_the_file_is_as_if_it_was_typed(text, wanted, here):
    found = parsed(text, "convert", "model.cfg")
    assert {name: found[name] for name in wanted} == wanted


TYPED = {
    "a value": ("opset: 17\n", ["--opset", "18"], {"opset": 18}),
    "of two that exclude each other": ("single-label: true\n", ["--multi-label"], {"multi_label": True}),
    "a list": ("img-size: [64, 96]\n", ["--img-size", "32"], {"img_size": [32]}),
    "both forms": ("calib-letterbox: true\n", ["--no-calib-letterbox"], {"calib_letterbox": False}),
    "the model": ("model: other.cfg\n", [], {"model": Path("model.cfg")}),
}


@pytest.mark.parametrize(("text", "words", "wanted"), TYPED.values(), ids=TYPED)
def test_what_is_typed_wins(text, words, wanted, here):
    found = parsed(text, "convert", "model.cfg", *words)
    assert {name: found[name] for name in wanted} == wanted


def test_quiet_typed_wins_over_verbose_in_the_file(here, capsys):
    Path("c.yaml").write_text("verbose: true\nconvert: {no-verify: true}\n")
    assert main(["-q", "convert", "model.cfg", "--config", "c.yaml"]) == 0
    assert capsys.readouterr().err == ""


POSITIONAL = {
    "nothing": (["detect"], (Path("m.onnx"), ["a.jpg", "b.jpg"])),
    "the model": (["detect", "n.onnx"], (Path("n.onnx"), ["a.jpg", "b.jpg"])),
    "the model behind a flag": (["detect", "--topk-all", "5", "n.onnx"], (Path("n.onnx"), ["a.jpg", "b.jpg"])),
    "both, with a flag between": (["detect", "n.onnx", "--topk-all", "5", "c.jpg"], (Path("n.onnx"), ["c.jpg"])),
    "both": (["detect", "n.onnx", "c.jpg", "d.jpg", "--save-txt"], (Path("n.onnx"), ["c.jpg", "d.jpg"])),
}


@pytest.mark.parametrize(("words", "wanted"), POSITIONAL.values(), ids=POSITIONAL)
def test_model_and_sources_may_stand_in_the_file(words, wanted, here):
    found = parsed("detect: {model: m.onnx, sources: [a.jpg, b.jpg], output: out}\n", *words)
    assert (found["model"], found["sources"], found["output"]) == (*wanted, Path("out"))


def test_what_must_be_typed_may_stand_in_the_file(here):
    assert parsed("data:\n  split: {images: in, output: out}\n", "data", "split")["output"] == Path("out")


def test_pyproject_of_the_working_directory(here, capsys):
    Path("pyproject.toml").write_text(
        "[project]\nname = 'x'\n[tool.trtzoo]\nimg-size = 96\n[tool.trtzoo.convert]\nmodel = 'model.cfg'\noutput = 'a.onnx'\n"
    )
    assert main(["convert", "--no-verify", "-v"]) == 0
    where = {"img-size": 4, "model": 6, "output": 7}
    said = capsys.readouterr().err.splitlines()
    assert set(said) >= {f"{key} from pyproject.toml:{line}" for key, line in where.items()}
    assert onnx.load("a.onnx").graph.input[0].type.tensor_type.shape.dim[3].dim_value == 96
    Path("c.yaml").write_text("output: b.onnx\n")
    assert main(["convert", "model.cfg", "--no-verify", "--config", "c.yaml"]) == 0
    dims = onnx.load("b.onnx").graph.input[0].type.tensor_type.shape.dim
    assert dims[3].dim_value == 64, "a file that is named stands for that of the working directory"


def test_numbers_of_toml_are_taken_as_they_are_written(here):
    Path("pyproject.toml").write_text("[tool.trtzoo]\ntarget = 8.10\nimg-size = [0x40]\n")
    found = build_parser().parse_args(["convert", "model.cfg"])
    assert (found.target, found.img_size) == ("8.10", [64])


def test_a_pyproject_of_others_is_not_even_parsed(here):
    Path("pyproject.toml").write_bytes(b"[[[ \xff")
    assert main(["convert", "model.cfg", "--no-verify"]) == 0


def test_a_command_may_come_from_the_only_section(here, capsys):
    Path("c.yaml").write_text("quiet: true\nconvert: {model: model.cfg, no-verify: true, output: a.onnx}\n")
    assert main(["--config", "c.yaml"]) == 0
    assert Path("a.onnx").is_file()
    Path("c.yaml").write_text("zoo: {list: {task: obb, json: true}}\n")
    capsys.readouterr()
    assert main(["--config", "c.yaml"]) == 0
    assert {model["task"] for model in json.loads(capsys.readouterr().out)["models"]} == {"obb"}


def test_config_of_zoo_build_is_the_applications(here, capsys):
    found = vars(build_parser().parse_args(["zoo", "build", "--config", "app.yaml"]))
    assert (found["config"], found["config_file"]) == (Path("app.yaml"), None)
    Path("c.yaml").write_text("zoo: {build: {file: zoo.yaml, jobs: 2}}\n")
    for words in (["--config", "c.yaml", "zoo", "build"], ["zoo", "--config", "c.yaml", "build"]):
        found = vars(build_parser().parse_args(words))
        assert (found["config"], found["file"], found["jobs"]) == (None, Path("zoo.yaml"), 2)


def test_a_zoos_steps_do_not_read_pyproject(here):
    Path("pyproject.toml").write_text("[tool.trtzoo]\nnonsense = 1\n")
    command = [sys.executable, "-m", "trtzoo.zoo.child", str(os.getpid()), "zoo", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["schema"] == "trtzoo.zoo-list"
