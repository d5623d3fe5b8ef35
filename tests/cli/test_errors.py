"""Every mistake ends in exit code 1 and one last line that says what, where and what to do; nothing half-written remains."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from darknet_files import TINY, write_model, write_weights

from trtzoo.cli import main

HEADER = struct.pack("<3iq", 0, 2, 5, 0)


def fail(capsys, *arguments) -> str:
    """Run the command line; returns the last line on stderr, which must be the only error."""
    assert main([str(argument) for argument in arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in lines) == 1
    return lines[-1]


def convert_text(capsys, folder, text: str | bytes) -> str:
    cfg = folder / "bad.cfg"
    cfg.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = fail(capsys, "convert", cfg, "-o", folder / "out.onnx")
    assert sorted(path.name for path in folder.iterdir()) == ["bad.cfg"]
    return message


BAD_CFGS = {
    "filters that fit no head": (
        TINY.replace("filters=21", "filters=20"),
        r"bad.cfg:23: \[yolo\] gets 20 channels, but classes=2 and 3 anchors need \(2 \+ 5\) \* 3 = 21",
    ),
    "an unknown section": (TINY + "[yolos]\n", r"bad.cfg:\d+: \[yolos\] is a section .*did you mean \[yolo\]\?"),
    "a recurrent section": (TINY.replace("[yolo]", "[crnn]\n[yolo]"), r"\[crnn\] .*recurrent"),
    "an unknown activation": (
        TINY.replace("leaky", "silu"),
        r"bad.cfg:13: .*activation=silu is unknown.*did you mean swish\?",
    ),
    "a mistyped key": (
        TINY.replace("filters=8", "filter=8"),
        r"bad.cfg:9: .*filter= is unknown.*did you mean filters=\?",
    ),
    "xnor": (TINY.replace("pad=1", "pad=1\nxnor=1"), r"bad.cfg:13: \[convolutional\] xnor=1 is not supported"),
    "a route to nowhere": (
        TINY.replace("[yolo]", "[route]\nlayers=-1,7\n[yolo]"),
        r"bad.cfg:21: \[route\] layers=7 points to layer 7",
    ),
    "a route before the input": (TINY.replace("[yolo]", "[route]\nlayers=-9\n[yolo]"), r"layers=-9 points to layer -7"),
    "a shortcut to itself": (
        TINY.replace("[yolo]", "[shortcut]\nfrom=2\n[yolo]"),
        r"from=2 points to layer 2, but only layers 0 to 1",
    ),
    "a billion filters": (
        TINY.replace("filters=8", "filters=1000000000"),
        r"bad.cfg:9: .*filters=1000000000: a whole number of 1 to",
    ),
    "filters beyond 2 GiB": (
        TINY.replace("[yolo]", "[convolutional]\nfilters=1000000\nsize=31\nactivation=linear\n[yolo]"),
        r"bad.cfg:21: .*above 2 GiB of weights",
    ),
    "a word for a number": (TINY.replace("size=3", "size=three"), r"bad.cfg:10: .*size=three: a number was expected"),
    "a huge input": (TINY.replace("width=64", "width=99999999"), r"bad.cfg:3: \[net\] width=99999999"),
    "no input size": (TINY.replace("width=64", ""), r"\[net\] needs width= and height="),
    "a mask without its anchor": (
        TINY.replace("mask=0,1,2", "mask=0,1,5"),
        r"bad.cfg:21: \[yolo\] mask=5 names an anchor that does not exist",
    ),
    "too few anchors": (TINY.replace(" 37,58", ""), r"needs 3 anchors .* gives 4"),
    "no [net]": (TINY.replace("[net]", "[nets]"), r"bad.cfg:2: \[nets\] a cfg begins with \[net\]"),
    "no section at all": ("# nothing\n", r"holds no \[section\]"),
    "no detector": (TINY[: TINY.index("[yolo]")], r"has no \[yolo\] or \[region\] layer"),
    "an open bracket": (TINY.replace("[yolo]", "[yolo"), r"bad.cfg:20: '\[yolo' is no section"),
    "UTF-16": (TINY.encode("utf-16"), r"is UTF-16, not plain text; save the cfg as UTF-8"),
    "letters that are not ASCII": (TINY.replace("leaky", "läky"), r"bad.cfg:13: .*not ASCII"),
    "maps of two sizes": (
        TINY.replace("[yolo]", "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-2\n[yolo]"),
        r"bad.cfg:23: \[route\] layers= joins feature maps of different sizes|joins feature maps of different sizes \(16x16, 32x32\)",
    ),
    "shortcut weights without a norm": (
        TINY.replace("[yolo]", "[shortcut]\nfrom=-1\nweights_type=per_feature\n[yolo]"),
        r"weights_type needs weights_normalization",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_CFGS.values(), ids=BAD_CFGS)
def test_a_bad_cfg_names_file_line_and_section(text, message, tmp_path, capsys):
    assert re.search(message, convert_text(capsys, tmp_path, text))


def test_a_byte_order_mark_and_foreign_comments_do_no_harm(tmp_path, capsys):
    cfg = write_model(tmp_path)
    cfg.write_bytes(b"\xef\xbb\xbf# \xe4\xb8\xad\xff comment\n" + TINY.encode())
    assert main(["convert", str(cfg), "-o", str(tmp_path / "out.onnx"), "--no-verify"]) == 0


def test_an_unknown_key_of_training_is_a_warning_with_its_line(tmp_path, capsys):
    cfg = write_model(tmp_path, TINY.replace("channels=3", "channels=3\nfancy_augmentation=1"))
    assert main(["convert", str(cfg), "-o", str(tmp_path / "out.onnx"), "--no-verify"]) == 0
    assert re.search(
        r"note: .*model.cfg:6: \[net\] fancy_augmentation= is unknown and was ignored", capsys.readouterr().err
    )


BAD_WEIGHTS = {
    "one number short": (
        lambda data: data[:-4],
        r"is 1 numbers too short: the file ends within layer 1 \(.*model.cfg:15: \[convolutional\]\)",
    ),
    "one layer short": (
        lambda data: data[: -4 * (21 * 8 + 21)],
        r"is 189 numbers too short: the file ends within layer 1",
    ),
    "both layers short": (lambda data: data[:28], r"the file ends within layer 0 \(.*model.cfg:7"),
    "half a header": (lambda data: data[:10], r"10 bytes, less than the header"),
    "nothing": (lambda data: b"", r"is empty"),
    "another order": (
        lambda data: data[:20] + np.full((len(data) - 20) // 4, -1, "<f4").tobytes(),
        r"variances of layer 0 .*another cfg",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_name_the_layer(change, message, tmp_path, capsys):
    cfg = write_model(tmp_path)
    weights = cfg.with_suffix(".weights")
    weights.write_bytes(change(weights.read_bytes()))
    assert re.search(message, fail(capsys, "convert", cfg, "-o", tmp_path / "out.onnx"))
    assert not (tmp_path / "out.onnx").exists()


def test_the_weights_of_another_cfg_are_found_out(tmp_path, capsys):
    cfg = write_model(tmp_path)
    cfg.write_text(TINY.replace("filters=8", "filters=16"))
    message = fail(capsys, "convert", cfg, "-o", tmp_path / "out.onnx")
    assert "the cfg and the weights do not belong together" in message


def test_a_16_byte_header_is_read(tmp_path):
    cfg = write_model(tmp_path)
    write_weights(cfg, header=struct.pack("<4i", 0, 1, 0, 7))
    assert main(["convert", str(cfg), "-o", str(tmp_path / "out.onnx"), "--no-verify"]) == 0


def test_missing_files(tmp_path, capsys):
    assert "no such file: " in fail(capsys, "convert", tmp_path / "none.cfg")
    cfg = write_model(tmp_path)
    cfg.with_suffix(".weights").unlink()
    assert re.search(r"no such file: .*model.weights \(DarkNet weights\)", fail(capsys, "convert", cfg))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert "no such file" in fail(capsys, "detect", tmp_path / "none.onnx", tmp_path)


def test_wrong_names(tmp_path, capsys):
    cfg = write_model(tmp_path)
    (tmp_path / "three.names").write_text("a\nb\nc\n")
    assert "holds 3 names, but the model has 2 classes" in fail(
        capsys, "convert", cfg, "--names", tmp_path / "three.names"
    )


def test_what_is_no_picture(tmp_path, capsys):
    cfg = write_model(tmp_path)
    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    assert re.search(
        r"bad.jpg is not a picture", fail(capsys, "detect", cfg, tmp_path / "bad.jpg", "-o", tmp_path / "out")
    )
    (tmp_path / "empty").mkdir()
    assert "no picture or video in the folder" in fail(capsys, "detect", cfg, tmp_path / "empty")
    assert "no file matches it as a pattern" in fail(capsys, "detect", cfg, str(tmp_path / "*.gif"))


def test_an_output_that_cannot_be_written(tmp_path, capsys):
    cfg = write_model(tmp_path)
    assert re.search(
        r"cannot write .*there is no folder .*none; create it, or choose another place",
        fail(capsys, "convert", cfg, "-o", tmp_path / "none" / "out.onnx"),
    )
    assert "is a folder" in fail(capsys, "convert", cfg, "-o", tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert "cannot create the folder" in fail(capsys, "detect", cfg, tmp_path / "a.png", "-o", cfg / "out")
    assert "would overwrite them" in fail(capsys, "detect", cfg, tmp_path / "a.png", "-o", tmp_path)


def test_a_model_is_never_written_over(tmp_path, capsys):
    model = tmp_path / "out.onnx"
    assert main(["convert", str(write_model(tmp_path)), "-o", str(model), "--no-verify"]) == 0
    before = model.read_bytes()
    assert "is the model itself and would be overwritten" in fail(capsys, "convert", model, "--end2end", "-o", model)
    assert "is the model itself" in fail(capsys, "lower", model, "-o", model)
    assert model.read_bytes() == before


def test_an_older_output_survives_a_failure(tmp_path, capsys):
    cfg, output = write_model(tmp_path), tmp_path / "out.onnx"
    output.write_bytes(b"precious")
    cfg.with_suffix(".weights").write_bytes(HEADER)
    fail(capsys, "convert", cfg, "-o", output)
    assert output.read_bytes() == b"precious"


def test_weights_alone_and_unknown_files(tmp_path, capsys):
    cfg = write_model(tmp_path)
    assert "give the .cfg, and the weights with --weights" in fail(capsys, "convert", cfg.with_suffix(".weights"))
    (tmp_path / "page.bin").write_text("<html>")
    assert "this is a web page" in fail(capsys, "inspect", tmp_path / "page.bin")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    assert "is no model that trtzoo knows" in fail(capsys, "inspect", tmp_path / "noise.bin")


def test_an_image_size_that_does_not_fit(tmp_path, capsys):
    pyramid = TINY.replace(
        "[convolutional]\nfilters=21",
        "[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=2\n[route]\nlayers=-1,0\n[convolutional]\nfilters=21",
    )
    cfg = write_model(tmp_path, pyramid)
    assert "use multiples of 32" in fail(capsys, "convert", cfg, "--img-size", "70", "70")
    assert main(["convert", str(cfg), "--img-size", "72", "104", "-o", str(tmp_path / "out.onnx")]) == 0


@pytest.mark.parametrize(
    "arguments",
    [["convert"], ["convert", "a.cfg", "--batch-size", "0"], ["convert", "a.cfg", "--half-way"], ["nonsense"], []],
    ids=["no model", "no batch", "an unknown flag", "an unknown command", "nothing"],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_interruption_leaves_nothing_half_written(number, tmp_path):
    text = TINY.replace(
        "[yolo]",
        "[convolutional]\nfilters=1500\nsize=1\nactivation=linear\n" * 20
        + "[convolutional]\nfilters=21\nsize=1\nactivation=linear\n[yolo]",
    )
    cfg = write_model(tmp_path, text)
    script = (
        "import sys, time, numpy as np, trtzoo.graph.weights as w\n"
        "import trtzoo.graph.writer as g\n"
        "made = g._initializers\n"
        "def slow(*weights):\n    for item in made(*weights):\n        print('writing', flush=True); time.sleep(0.3); yield item\n"
        "g._initializers = slow\n"
        "from trtzoo.cli import main\n"
        f"sys.exit(main(['convert', {str(cfg)!r}, '-o', {str(tmp_path / 'out.onnx')!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    time.sleep(0.1)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "error: interrupted; nothing was left half written"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.cfg", "model.weights"]
