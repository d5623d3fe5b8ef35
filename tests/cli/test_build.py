"""`trtzoo build` from weights and ONNX files, and `convert -o x.engine`: exit code, output, and the files that are left."""

import json
from pathlib import Path

import onnx
import pytest
from rtx import needs_rtx

from trtzoo.cli import main
from trtzoo.contract.properties import from_properties

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MODEL = str(SAMPLES / "shapes.cfg")
SMALL = ["--img-size", "96"]
RTX = ["--target", "tensorrt-rtx", "--compute-capability", "8.6"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def left() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def meta_of(path: str):
    return from_properties({entry.key: entry.value for entry in onnx.load(path).metadata_props}, path)


def usage_error(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


@needs_rtx
def test_weights_to_an_engine_in_one_command(capsys):
    assert main(["build", MODEL, *SMALL, "--end2end", "--half", *RTX]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("shapes.engine: tensorrt-rtx ")
    assert len(said.out.splitlines()) == 1
    assert left() == ["shapes.engine", "shapes.engine.json", "shapes.onnx"]
    manifest = json.loads(Path("shapes.engine.json").read_text())
    assert manifest["meta"]["precision"] == "fp16"
    assert [tensor["name"] for tensor in manifest["tensors"]][1:] == [
        "num_dets",
        "det_boxes",
        "det_scores",
        "det_classes",
    ]
    assert meta_of("shapes.onnx").end2end


@needs_rtx
def test_no_onnx_leaves_the_engine_alone_and_a_greatest_batch_frees_the_batch():
    assert main(["build", MODEL, *SMALL, "--no-onnx", "--max-batch", "4", *RTX, "-o", "b.engine"]) == 0
    assert left() == ["b.engine", "b.engine.json"]
    manifest = json.loads(Path("b.engine.json").read_text())
    assert manifest["meta"]["batch"] is None
    assert [shape[0] for shape in manifest["tensors"][0]["profile"]] == [1, 1, 4]


@needs_rtx
def test_an_onnx_file_is_converted_where_a_flag_changes_it_and_stays_as_it_is(capsys):
    assert main(["convert", MODEL, *SMALL]) == 0
    before = Path("shapes.onnx").read_bytes()
    assert main(["build", "shapes.onnx", "--end2end", *RTX]) == 0
    assert left() == ["shapes.end2end.onnx", "shapes.engine", "shapes.engine.json", "shapes.onnx"]
    assert Path("shapes.onnx").read_bytes() == before
    assert main(["build", "shapes.onnx", *RTX, "-o", "raw.engine"]) == 0
    assert json.loads(Path("raw.engine.json").read_text())["onnx"] == "shapes.onnx"


def test_the_trtexec_line_of_weights_names_the_onnx_file_that_was_written(capsys):
    flags = ["--end2end", "--print-trtexec", "--target", "tensorrt:8.6"]
    assert main(["build", MODEL, *SMALL, *flags]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("trtexec --onnx=shapes.onnx --saveEngine=shapes.engine")
    assert "note: wrote shapes.onnx" in said.err
    assert left() == ["shapes.onnx"]
    assert meta_of("shapes.onnx").nms.route.startswith("efficient")


WRONG = {
    "a target that does not exist": (["--target", "tensorrtx"], "--target 'tensorrtx' is not known"),
    "a target without engines": (["--target", "onnxruntime"], "it takes no engines"),
    "a broken number": (["--iou-thres", "7", "--end2end"], "7.0 is out of range"),
    "a folder that does not exist": (["-o", "no/x.engine", "--no-onnx"], "there is no folder no"),
}


@pytest.mark.parametrize(("flags", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_before_anything_is_written(flags, message, capsys):
    assert main(["build", MODEL, *SMALL, *flags]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert left() == []


def test_a_fixed_and_a_free_batch_exclude_each_other(capsys):
    message = usage_error(capsys, "build", MODEL, "--batch-size", "2", "--max-batch", "4")
    assert message.splitlines()[-1].endswith(
        "--batch-size fixes the batch, --max-batch leaves it free; give one of them"
    )


@needs_rtx
def test_free_axes_take_the_shapes_of_the_user(capsys):
    """A foreign file whose height and width are free: refused with a flag to type, and that flag works."""
    value = onnx.helper.make_tensor_value_info
    sides = ["n", 3, "h", "w"]
    nodes = [onnx.helper.make_node("Relu", ["images"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "g", [value("images", 1, sides)], [value("y", 1, sides)])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "free.onnx")
    assert main(["build", "free.onnx", *RTX]) == 1
    flag, text = capsys.readouterr().err.split()[-2:]
    assert (flag, text) == ("--shapes", "images:64x3x64x64,64x3x64x64,64x3x64x64")
    ranges = {"images:1x3x32x32,1x3x64x96,4x3x96x96": [[1, 3, 32, 32], [1, 3, 64, 96], [4, 3, 96, 96]]}
    for shapes, profile in ({text: [[64, 3, 64, 64]] * 3} | ranges).items():
        assert main(["build", "free.onnx", *RTX, "--force", flag, shapes]) == 0
        manifest = json.loads(Path("free.engine.json").read_text())
        assert manifest["tensors"][0]["profile"] == profile
        assert manifest["settings"]["shapes"] == {"images": profile}


def test_shapes_that_are_none_are_a_usage_error(capsys):
    assert "NAME:MIN,OPT,MAX" in usage_error(capsys, "build", "m.onnx", "--shapes", "images:1,2")


def test_an_engine_cannot_be_built_again(capsys):
    Path("x.engine").write_bytes(b"ftrt" + bytes(64))
    assert main(["build", "x.engine", *RTX, "-o", "y.engine"]) == 1
    assert "is an engine already" in capsys.readouterr().err
    assert left() == ["x.engine"]


def test_a_graph_whose_nms_the_target_cannot_do_is_refused(capsys):
    assert main(["convert", MODEL, *SMALL, "--end2end", "--nms", "efficient", "--target", "tensorrt:8.6"]) == 0
    assert "raw heads" not in capsys.readouterr().err
    again = ["convert", "shapes.onnx", "-o", "half.onnx", "--half", "--target"]
    assert main([*again, "tensorrt-rtx"]) == 1
    said = "shapes.onnx holds the NMS of route efficient: tensorrt-rtx has no EfficientNMS_TRT plugin; convert the original"
    assert said in capsys.readouterr().err
    assert left() == ["shapes.onnx"]
    assert main([*again, "tensorrt:10.3"]) == 0
    assert "raw heads" not in capsys.readouterr().err


@pytest.mark.parametrize("output", ["x.engine", "x.plan", "x.trt"])
def test_convert_to_an_engine_says_what_to_type(output, capsys):
    assert main(["convert", MODEL, "-o", output]) == 1
    assert f"for an engine: trtzoo build {MODEL} -o {output}" in capsys.readouterr().err
    assert left() == []


def test_a_target_is_checked_where_the_graph_is_the_same_for_all(capsys):
    assert main(["convert", MODEL, "--target", "tensorrt:ten"]) == 1
    assert "--target 'tensorrt:ten' is not known" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--target", "tensorrt:10.3"]) == 0
    assert "note: --target: checked, but raw heads are the same for every target" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--target", "deepstream:7.1", "--uint8-input"]) == 1
    assert "--uint8-input with --target deepstream:7.1: nvinfer" in capsys.readouterr().err
