"""`--json` of convert and build: one document on stdout, notes inside, nothing on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from colour_network import colour_network, write
from rtx import needs_rtx

from trtzoo import console
from trtzoo.cli import main

SHAPES = Path(__file__).resolve().parents[2] / "samples" / "shapes.cfg"


def document_of(capsys, *words) -> dict:
    assert main([*map(str, words), "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out)


def test_convert(tmp_path, capsys):
    output = tmp_path / "out.onnx"
    found = document_of(capsys, "convert", SHAPES, "--img-size", 96, "--end2end", "--half-io", "-o", output)
    assert list(found)[:2] == ["schema", "version"]
    assert (found["schema"], found["version"], found["path"]) == ("trtzoo.convert", 1, str(output))
    assert found["bytes"] == output.stat().st_size
    assert found["nodes"] == len(onnx.load(output).graph.node)
    assert found["metadata"]["imgsz"] == [96, 96]
    assert found["metadata"]["nms"]["topk_all"] == 100
    assert "--half-io: without effect, for want of --half" in found["notes"]


def test_convert_of_any_module(tmp_path, capsys):
    pytest.importorskip("torch")
    module = ["--family", "torch", "--model", "torch.nn:Identity", "--input", "1x3x8x8"]
    found = document_of(capsys, "convert", *module, "-o", tmp_path / "out.onnx")
    assert (found["schema"], found["difference"]) == ("trtzoo.convert", 0)
    assert list(found["outputs"].values()) == [[1, 3, 8, 8]]


def test_an_error_is_said_as_ever_and_notes_before_it_are_not_lost(tmp_path, capsys):
    model = write(tmp_path, colour_network())
    assert main(["convert", str(model), "--half-io", "-o", str(model), "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    first, last = said.err.splitlines()
    assert first == "note: --half-io: without effect, for want of --half"
    assert last.startswith("error: ")


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("failing", [True, False], ids=["failing", "done"])
def test_the_log_has_each_note_once(failing, flags, tmp_path, capsys):
    model, log = write(tmp_path, colour_network()), tmp_path / "run.log"
    output = model if failing else tmp_path / "out.onnx"
    command = ["convert", str(model), "--half-io", "-o", str(output), "--log-file", str(log), *flags]
    assert main(command) == int(failing)
    note = "note: --half-io: without effect, for want of --half"
    assert [line.partition(" INFO ")[2] for line in log.read_text().splitlines() if "note:" in line] == [note]
    assert capsys.readouterr().err.count(note) == (0 if flags and not failing else 1)


@needs_rtx
def test_build(tmp_path, capsys):
    engine = tmp_path / "a.engine"
    target = ["--target", "tensorrt-rtx", "--compute-capability", "8.6"]
    found = document_of(capsys, "build", SHAPES, "--img-size", 96, "--half-io", *target, "-o", engine)
    assert (found["schema"], found["path"], found["library"]) == ("trtzoo.build", str(engine), "tensorrt-rtx")
    assert found["bytes"] == engine.stat().st_size
    assert found["onnx"] == str(tmp_path / "a.onnx")
    assert all(isinstance(count, int) for count in found["precisions"].values())
    assert found["metadata"]["task"] == "detect"
    assert "--half-io: without effect, for want of --half" in found["notes"]


def test_print_trtexec_is_no_json(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["build", "a.onnx", "--print-trtexec", "--json"])
    assert ended.value.code == 2
    assert "--print-trtexec prints a line, no JSON" in capsys.readouterr().err


def test_notes_are_kept_only_within_the_block(capsys):
    with console.notes_kept() as outer:
        console.note("one")
        with console.notes_kept(wanted=False) as inner:
            console.note("two")
        console.note("three")
    console.note("four")
    assert (outer, inner) == (["one", "three"], [])
    assert capsys.readouterr().err == "note: two\nnote: four\n"
