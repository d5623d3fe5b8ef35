"""Wrong usage: exit code 2, the usage of that very command, and a guess at what was meant."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from colour_network import colour_network, write

from trtzoo.cli import main

WRONG = {
    "a command": (["convrt", "a.pt"], "trtzoo", "no such choice: 'convrt'; did you mean 'convert'?"),
    "nothing like a command": (["xyzzy"], "trtzoo", "no such choice: 'xyzzy'; choose convert, detect, inspect"),
    "a flag": (["convert", "a.pt", "--end2endd"], "trtzoo convert", "--end2endd; did you mean '--end2end'?"),
    "a flag with a value": (["convert", "a.pt", "--opsett=17"], "trtzoo convert", "did you mean '--opset'?"),
    "a flag of another command": (
        ["inspect", "a.pt", "--xyzzy"],
        "trtzoo inspect",
        "unrecognized arguments: --xyzzy\n",
    ),
    "one word too many": (["lower", "a.onnx", "b", "-o", "c.onnx"], "trtzoo lower", "unrecognized arguments: b\n"),
    "two flags": (
        ["detect", "a.onnx", "b.jpg", "--no-image", "--save-text"],
        "trtzoo detect",
        "--no-image --save-text; did you mean '--no-images'? did you mean '--save-txt'?",
    ),
    "a layout": (
        ["convert", "a.pt", "--layout", "flatt"],
        "trtzoo convert",
        "no such choice: 'flatt'; did you mean 'flat'?",
    ),
    "a route": (["convert", "a.pt", "--nms", "efficent"], "trtzoo convert", "did you mean 'efficient'?"),
    "a command of a command": (["zoo", "bild"], "trtzoo zoo", "no such choice: 'bild'; did you mean 'build'?"),
    "a flag of a command of a command": (["zoo", "list", "--jsn"], "trtzoo zoo list", "unrecognized arguments: --jsn"),
    "another tool's command": (["predict", "a.pt"], "trtzoo", "no such choice: 'predict'; that is 'detect' here"),
    "another tool's flag": (
        ["detect", "a.pt", "b.jpg", "--imgsz", "320"],
        "trtzoo detect",
        "that is '--img-size' here",
    ),
    "a flag for what stands without one": (
        ["detect", "a.pt", "--source", "b.jpg"],
        "trtzoo detect",
        "--source; it stands without a flag: MODEL SOURCE\n",
    ),
    "pairs": (
        ["detect", "model=a.pt", "source=b.jpg"],
        "trtzoo detect",
        "model=a.pt: nothing is written NAME=VALUE here; give MODEL SOURCE, and flags as --name value\n",
    ),
    "nothing at all": ([], "trtzoo", "the following arguments are required: COMMAND"),
}


@pytest.mark.parametrize(("words", "command", "message"), WRONG.values(), ids=WRONG)
def test_wrong_usage_shows_that_commands_usage_and_a_guess(words, command, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"usage: {command} [-h]")
    assert f"\n{command}: error: " in said.err
    assert message in said.err


def test_a_file_may_be_named_like_a_pair(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, colour_network()).rename("model=a.onnx")
    assert main(["inspect", "model=a.onnx"]) == 0


def test_a_class_may_be_called_as_another_tools_flag(tmp_path, capsys):
    model = write(tmp_path, colour_network())
    words = ["convert", str(model), "--end2end", "--class-thres", "device=0.5", "-o", str(tmp_path / "out.onnx")]
    assert main(words) == 1
    assert "device" in capsys.readouterr().err


TARGETS = {
    "tensort:10": "--target 'tensort:10' is not known; did you mean 'tensorrt'? write tensorrt:10.3,",
    "deepsteam:7.1": "did you mean 'deepstream'? write",
    "xyzzy": "--target 'xyzzy' is not known; write tensorrt:10.3,",
}


@pytest.mark.parametrize(("target", "message"), TARGETS.items())
def test_a_target_is_guessed(target, message, tmp_path, capsys):
    model = write(tmp_path, colour_network())
    assert main(["convert", str(model), "--end2end", "--target", target, "-o", str(tmp_path / "out.onnx")]) == 1
    assert message in capsys.readouterr().err


def test_a_class_of_a_threshold_is_guessed(tmp_path, capsys):
    model = write(tmp_path, colour_network())
    command = ["convert", str(model), "--end2end", "--class-thres", "gren=0.5", "-o", str(tmp_path / "out.onnx")]
    assert main(command) == 1
    assert "no class 'gren' in this model; did you mean 'green'?" in capsys.readouterr().err


ALONE = {
    "a route": ("--nms", "static"),
    "candidates": ("--nms-candidates", "100"),
    "steps": ("--nms-steps", "5"),
    "rows": ("--topk-all", "5"),
    "single labels": ("--single-label",),
    "suppression across classes": ("--class-agnostic",),
    "thresholds as inputs": ("--runtime-thresholds",),
    "thresholds of classes": ("--class-thres", "green=0.5"),
}


@pytest.mark.parametrize("flags", ALONE.values(), ids=ALONE)
@pytest.mark.parametrize("command", ["convert", "build"])
def test_flags_of_the_nms_without_end2end_are_wrong_before_anything_is_said_or_done(
    command, flags, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, colour_network())
    before = sorted(tmp_path.iterdir())
    for model in ("none.pt", before[0].name):
        with pytest.raises(SystemExit) as ended:
            main([command, model, *flags, "--half-io"])
        assert ended.value.code == 2
        said = capsys.readouterr()
        assert said.out == "" and "note:" not in said.err
        assert said.err.startswith(f"usage: trtzoo {command} ")
        assert (
            f"{'--single-label or --multi-label' if len(flags) == 1 and 'label' in flags[0] else flags[0]} without --end2end"
            in said.err
        )
    assert sorted(tmp_path.iterdir()) == before


def test_a_setting_out_of_range_is_an_error_before_any_note(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = write(tmp_path, colour_network()).name
    assert main(["convert", model, "--end2end", "--nms", "plain", "--nms-steps", "5", "--half-io"]) == 1
    assert capsys.readouterr().err == "error: --nms-steps belongs to --nms static, not to --nms plain; leave it out\n"


@pytest.mark.parametrize("words", [["--help"], ["convert", "--help"], ["zoo", "build", "--help"]], ids=" ".join)
def test_help_takes_less_than_300_ms(words):
    """Of processor time, Python's start included, so that other work on the machine does not count; the best of five."""

    def run() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "trtzoo", *words], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(run() for _ in range(5)) < 0.3
