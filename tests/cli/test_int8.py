"""`convert --int8` and `calibrate` from the command line, on the sample model."""

import json
from pathlib import Path

import onnx
import pytest
from rtx import needs_rtx

from trtzoo.cli import main
from trtzoo.contract.properties import from_properties

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MODEL, PICTURES = str(SAMPLES / "shapes.cfg"), str(SAMPLES / "pictures")
SMALL = ["--img-size", "96"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def operators(path):
    nodes = onnx.load(path).graph.node
    return [node.op_type for node in nodes]


def test_int8_in_one_go(tmp_path, capsys):
    assert main(["convert", MODEL, *SMALL, "--int8", "--calib-path", PICTURES, "--end2end", "-o", "s.onnx"]) == 0
    said = capsys.readouterr()
    assert "INT8: 18 layers, 17 quantised tensors, 2 kept (final layer)" in said.err
    assert "calibrated on 6 of 6 pictures" in said.err
    assert "not compared with FP32, for no picture is left over; from 12 pictures on" in said.err
    assert operators("s.onnx").count("QuantizeLinear") == 17
    properties = {entry.key: entry.value for entry in onnx.load("s.onnx").metadata_props}
    assert from_properties(properties, "s.onnx").precision == "int8"
    assert len(list(Path("caches").glob("shapes.*.json"))) == 1


def test_with_a_dozen_pictures_one_is_kept_for_the_comparison(capsys):
    paths = [f"{file}\n" for file in sorted(Path(PICTURES).glob("*.jpg"))] * 2
    Path("list.txt").write_text("".join(paths))
    assert main(["calibrate", MODEL, *SMALL, "--calib-path", "list.txt", "--recover", "none"]) == 0
    said = capsys.readouterr().err
    assert "calibrated on 11 of 12 pictures" in said
    assert "INT8 against FP32 on 1 picture not calibrated with" in said
    assert "not compared" not in said


def test_calibrate_then_convert_takes_its_ranges(capsys):
    assert main(["calibrate", MODEL, *SMALL, "--calib-path", PICTURES, "--trt-cache", "s.calib"]) == 0
    assert "17 ranges for 18 layers" in capsys.readouterr().out
    assert main(["convert", MODEL, *SMALL, "--int8", "--calib-path", PICTURES]) == 0
    assert "ranges from caches/shapes." in capsys.readouterr().err
    assert Path("s.calib").read_text().startswith("TRT-8600-EntropyCalibration2\nimages: ")
    assert main(["convert", MODEL, *SMALL, "--int8", "--int8-ranges", "s.calib", "-o", "t.onnx"]) == 0
    assert operators("t.onnx").count("QuantizeLinear") == 17


def test_ranges_in_a_file_of_the_users_make_the_same_model(tmp_path, capsys):
    assert main(["calibrate", MODEL, *SMALL, "--calib-path", PICTURES, "-o", "mine/ranges.json"]) == 0
    assert capsys.readouterr().out.startswith("mine/ranges.json: 17 ranges")
    assert not Path("caches").exists()
    assert main(["convert", MODEL, *SMALL, "--int8", "--int8-ranges", "mine/ranges.json", "-o", "a.onnx"]) == 0
    assert main(["convert", MODEL, *SMALL, "--int8", "--calib-path", PICTURES, "-o", "b.onnx"]) == 0
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()


def test_half_beside_int8_takes_a_later_opset_and_leaves_no_casts_between(capsys):
    assert main(["convert", MODEL, *SMALL, "--int8", "--calib-path", PICTURES, "--half", "-o", "s.onnx"]) == 0
    assert onnx.load("s.onnx").opset_import[0].version == 19
    assert operators("s.onnx").count("Cast") <= 4
    assert main(["convert", MODEL, *SMALL, "--int8", "--calib-path", PICTURES, "--half", "--opset", "17"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "no half form in opset 17" in line]
    assert len(notes) == 1


READS = {"tensorrt:8.6": 17, "tensorrt:8": 17, "deepstream:7.0": 17, "tensorrt:10.3": 19, "tensorrt-rtx": 19}
"""The opset that INT8 beside FP16 is written in."""


@pytest.mark.parametrize(("target", "opset"), READS.items(), ids=READS)
def test_half_beside_int8_is_written_in_an_opset_that_the_target_reads(target, opset, capsys):
    flags = ["--int8", "--calib-path", PICTURES, "--recover", "none", "--half", "--end2end", "--target", target]
    assert main(["convert", MODEL, *SMALL, *flags, "-o", "s.onnx"]) == 0
    assert onnx.load("s.onnx").opset_import[0].version == opset
    assert (f"opset 17, the newest that {target} reads" in capsys.readouterr().err) == (opset == 17)


def test_an_opset_that_the_target_does_not_read(capsys):
    assert main(["convert", MODEL, *SMALL, "--opset", "18", "--target", "deepstream:6.4"]) == 1
    assert "--opset 18 with --target deepstream:6.4: its parser reads up to opset 17" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--opset", "18", "--target", "tensorrt:10.0", "-o", "s.onnx"]) == 0
    assert main(["convert", "s.onnx", "--end2end", "--target", "tensorrt:8.6", "-o", "t.onnx"]) == 0
    assert "s.onnx stays in opset 18, but tensorrt:8.6 reads up to 17; give the weights" in capsys.readouterr().err


WRONG = {
    "no pictures": (["--int8"], "needs --calib-path"),
    "an empty folder": (["--int8", "--calib-path", "."], "no picture in the folder"),
    "an unknown method": (["--int8", "--calib-path", PICTURES, "--calib-method", "kl"], "choose one of percentile"),
    "a pattern without a layer": (
        ["--int8", "--calib-path", PICTURES, "--int8-exclude", "none*"],
        "no Conv or Gemm is called so",
    ),
    "ranges of another model": (["--int8", "--int8-ranges", "other.calib"], "of another model"),
    "no ranges at all": (["--int8", "--int8-ranges", "text.txt"], "holds no ranges"),
}


@pytest.mark.parametrize(("flags", "message"), WRONG.values(), ids=WRONG)
def test_errors_in_one_line(flags, message, capsys):
    Path("other.calib").write_text("TRT-8601-EntropyCalibration2\nelsewhere: 3c010204\n")
    Path("text.txt").write_text("nothing")
    assert main(["convert", MODEL, *SMALL, *flags]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not Path("shapes.onnx").exists()


def test_flags_without_effect_are_told(capsys):
    assert main(["convert", MODEL, *SMALL, "--calib-num", "5"]) == 0
    assert "--calib-num: without effect, for want of --int8" in capsys.readouterr().err


@needs_rtx
def test_build_quantises_and_the_manifest_counts_int8_layers(capsys):
    assert main(["convert", MODEL, *SMALL]) == 0
    flags = ["--target", "tensorrt-rtx", "--compute-capability", "8.6", "--int8", "--calib-path", PICTURES]
    assert main(["build", "shapes.onnx", *flags, "-o", "s.engine"]) == 0
    assert "int8" in capsys.readouterr().out
    manifest = json.loads(Path("s.engine.json").read_text())
    assert sum(count for kind, count in manifest["precision"].items() if "int8" in kind) >= 18
    assert operators("s.int8.onnx").count("QuantizeLinear") == 17


def test_distillation_is_reached_from_the_command_line(capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    flags = ["--int8", "--calib-path", PICTURES, "--recover", "distill", "--distill-steps", "1", "--distill-batch", "1"]
    assert main(["convert", MODEL, *SMALL, *flags, "-o", "d.onnx"]) == 0
    assert operators("d.onnx").count("QuantizeLinear") == 17
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", MODEL, *SMALL, "--calib-path", PICTURES, "--recover", "distill"])
    assert ended.value.code == 2
    assert "--recover distill is for `convert --int8`" in capsys.readouterr().err


def test_the_analysis_names_layers_that_convert_excludes(capsys):
    flags = [
        "--calib-path",
        PICTURES,
        "--recover",
        "none",
        "--analyse",
        "--analyse-pictures",
        "1",
        "--max-drop",
        "0.001",
    ]
    assert main(["calibrate", MODEL, *SMALL, *flags]) == 0
    said = capsys.readouterr().out
    assert "18 layers ranked on 1 pictures" in said
    found = json.loads(Path("caches/shapes.sensitivity.json").read_text())
    assert found["schema"] == 1
    assert len(found["layers"]) == 18
    assert Path("caches/shapes.sensitivity.png").is_file()
    found["exclude"] = [found["layers"][0]["layer"]]
    Path("own.json").write_text(json.dumps(found))
    assert main(["convert", MODEL, *SMALL, "--int8", *flags[:4], "--int8-exclude", "@own.json"]) == 0
    assert "INT8: 17 layers" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--int8", *flags[:4], "--int8-exclude", "@none.json"]) == 1
    assert "no such file: none.json" in capsys.readouterr().err


def test_flags_of_the_analysis_alone_are_told(capsys):
    assert main(["calibrate", MODEL, *SMALL, "--calib-path", PICTURES, "--max-drop", "0.1"]) == 0
    assert "--max-drop: without effect, for want of --analyse" in capsys.readouterr().err


def test_unreadable_pictures_are_told_again_from_the_cache(tmp_path, capsys):
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "a.jpg").write_bytes((Path(PICTURES) / "shapes1.jpg").read_bytes())
    (folder / "b.jpg").write_bytes(b"no")
    command = ["calibrate", MODEL, *SMALL, "--calib-path", str(folder), "--recover", "none"]
    said = []
    for _ in range(2):
        assert main(command) == 3
        said.append(capsys.readouterr().err)
    assert "ranges from caches/" in said[1]
    assert "calibrated on 1 of 2 pictures" in said[1]
    assert f"1 picture could not be read, the first: {folder / 'b.jpg'}" in said[1]
