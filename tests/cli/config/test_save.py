"""`--save-config FILE` writes what was used; `--config FILE` alone then does the same."""

from __future__ import annotations

import argparse
import stat
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from darknet_files import write_model

from trtzoo.cli import build_parser, main
from trtzoo.cli.config import save
from trtzoo.cli.config.keys import NEVER
from trtzoo.cli.registry import COMMANDS

RUNS = {
    "flags of every kind": [
        "convert", "model.cfg", "--img-size", "96", "64", "--end2end", "--nms", "plain", "--conf-thres", "0.50", "--single-label",
        "--class-thres", "a=0.5", "b c=.25", "--no-calib-letterbox", "--no-verify", "-o", "a.onnx",
    ],
    "words that YAML has other ideas of": [
        "detect", "model.cfg", "1", "true", "1:30", "~", "2024-01-01", "é 日.jpg", "-r", "--classes", "no", "nan", "0x10", "1e3",
    ],
    "general flags before the command": ["-v", "--log-file", "run.log", "convert", "model.cfg"],
    "a command of a command": ["data", "split", "pictures", "-o", "out", "--split", "0.8", "0.2"],
    "general flags in the midst": ["zoo", "-q", "build", "zoo.yaml", "--ray", "--only", "a*"],
    "the other --config": ["zoo", "build", "--config", "app.yaml"],
}  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a model."""
    write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def instead(command: str, run, monkeypatch) -> None:
    """Let a command call `run` and do no work."""
    name = next(name for name in COMMANDS if name.endswith(f".{command}"))
    module = import_module(f"trtzoo.cli.commands.{name}")
    monkeypatch.setattr(module, "COMMAND", replace(module.COMMAND, run=run))


NO_FLAGS = ("usage_error", "command_parser", "root", "run")
"""What the command line itself keeps beside the flags."""


def values(options: argparse.Namespace) -> dict:
    """What a command goes by."""
    return {name: value for name, value in vars(options).items() if name not in (*NO_FLAGS, *NEVER)}


def test_no_flag_has_a_name_that_is_taken():
    for parser in build_parser().tree():
        assert {action.dest for action in parser.arguments()}.isdisjoint(NO_FLAGS), parser.prog


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_a_rerun_has_the_same_values(words, here, monkeypatch):
    ran = []
    command = next(word for word in words if word in ("convert", "detect", "data", "zoo"))
    instead(command, lambda options: ran.append(values(options)), monkeypatch)
    assert main([*words, "--save-config", "s.yaml"]) == 0
    assert main(["--config", "s.yaml"]) == 0
    assert ran == [values(build_parser().parse_args(words))] * 2


def test_a_name_that_is_no_utf8(here):
    options = build_parser().parse_args(["detect", "model.cfg", "a\udcff.jpg"])
    save(Path("s.yaml"), options.root, options.command_parser, options)
    assert build_parser().parse_args(["detect", "--config", "s.yaml"]).sources == ["a\udcff.jpg"]


def test_what_the_file_looks_like(here, capsys):
    assert (
        main(["convert", "model.cfg", "--img-size", "96", "--no-verify", "-o", "a.onnx", "--save-config", "s.yaml"])
        == 0
    )
    first, *rest = Path("s.yaml").read_text().splitlines()
    assert first.startswith("# Flags of trtzoo ")
    assert rest == ["convert:", "  model: model.cfg", "  img-size: [96]", "  no-verify: true", "  output: a.onnx"]
    assert "s.yaml" not in capsys.readouterr().err


def test_what_came_from_a_file_is_saved_too_and_what_was_typed_over_it(here):
    Path("c.yaml").write_text("img-size: 96\nconvert: {no-verify: true, output: a.onnx}\n")
    assert main(["convert", "model.cfg", "--config", "c.yaml", "--img-size", "32", "--save-config", "s.yaml"]) == 0
    before = Path("a.onnx").read_bytes()
    assert yaml.safe_load(Path("s.yaml").read_text())["convert"]["img-size"] == [32]
    Path("a.onnx").unlink()
    Path("c.yaml").unlink()
    assert main(["--config", "s.yaml"]) == 0
    assert Path("a.onnx").read_bytes() == before


def test_quiet_over_verbose_is_saved_as_quiet(here):
    Path("c.yaml").write_text("verbose: true\n")
    assert main(["-q", "convert", "model.cfg", "--no-verify", "--config", "c.yaml", "--save-config", "s.yaml"]) == 0
    assert yaml.safe_load(Path("s.yaml").read_text()) == {
        "convert": {"quiet": True, "model": "model.cfg", "no-verify": True}
    }
    assert main(["--config", "s.yaml"]) == 0


REFUSED = {
    "the model": ("model.cfg", "--save-config model.cfg is a file that the command works on"),
    "the output": ("a.onnx", "--save-config a.onnx is a file that the command works on"),
    "the configuration": ("c.yaml", "--save-config c.yaml is a file that the command works on"),
}


@pytest.mark.parametrize(("file", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_of_another_purpose_is_not_written_over(file, message, here, capsys):
    Path("c.yaml").write_text("")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(["convert", "model.cfg", "-o", "a.onnx", "--config", "c.yaml", "--save-config", file])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_a_place_that_cannot_be_is_an_error_before_the_work(here, capsys):
    for file, message in {"none/s.yaml": "there is no folder none", ".": "is a folder"}.items():
        assert main(["convert", "model.cfg", "--save-config", file]) == 1
        assert message in capsys.readouterr().err
    assert not Path("model.onnx").exists()


def test_after_an_error_nothing_is_saved(here, capsys):
    assert main(["convert", "none.cfg", "--save-config", "s.yaml"]) == 1
    assert not Path("s.yaml").exists()


def test_a_password_is_saved_for_its_owner_alone(here, monkeypatch, capsys):
    instead("detect", lambda options: 3, monkeypatch)
    assert main(["detect", "m.onnx", "rtsp://me:hunter2@camera/1", "--save-config", "s.yaml"]) == 3
    assert capsys.readouterr().err == "note: s.yaml holds a password or token, and only its owner may read it\n"
    assert stat.S_IMODE(Path("s.yaml").stat().st_mode) == 0o600
    assert "hunter2" in Path("s.yaml").read_text()
