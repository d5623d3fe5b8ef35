"""`trtzoo verify` at the command line."""

from __future__ import annotations

import json

import cv2
import framework_predictions
import numpy as np
import onnx
import pytest
from colour_network import colour_network, picture_with, write
from onnx import numpy_helper
from shared import WEIGHTS, needs_weights

from trtzoo.cli import main
from trtzoo.evaluation.results_file import as_results, read_document
from trtzoo.evaluation.verification.results import VerifyResults


@pytest.fixture
def models(tmp_path):
    """The colour network, the same with NMS in its graph, one of other classes; and a picture."""
    paths = []
    for name, how, route in (
        ("good", {}, None),
        ("nms", {}, "plain"),
        ("other", {"names": ("red", "blue", "green")}, None),
    ):
        (tmp_path / name).mkdir()
        paths.append(str(write(tmp_path / name, colour_network(**how), route=route)))
    cv2.imwrite(str(tmp_path / "squares.png"), picture_with([(0, 1), (9, 0), (14, 2)]))
    return [*paths, str(tmp_path / "squares.png")]


def test_the_same_network_with_nms_in_the_graph(models, tmp_path, capsys):
    good, nms, _, picture = models
    assert main(["verify", good, nms, "--source", picture, "-o", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "found / lost / extra" in text
    assert text.rstrip().endswith("the same, within the rule")
    schema, document = read_document(tmp_path / "out" / "verify.json")
    assert (schema, document["version"]) == ("trtzoo.verify", 1)
    done = as_results(tmp_path / "out" / "verify.json", document, VerifyResults)
    assert (done.rule, done.detections.found, done.detections.lost, done.outputs) == ("fp32", 3, 0, ())
    assert done.reference.nms == "behind"
    assert done.candidate.nms == "plain"


def test_a_fault_is_exit_code_1_and_json_says_it(models, capsys):
    good, _, other, picture = models
    assert main(["verify", good, other, "--source", picture, "--json"]) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (
        said.err.strip()
        .splitlines()[-1]
        .startswith("error: other/model.onnx does not compute what good/model.onnx does: det")
    )
    assert document["passed"] is False
    assert [fault["stage"] for fault in document["faults"]] == ["detections"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{good}", "{nms}", "--source", "{black}"], "neither model found anything above 0.3"),
        (["{good}", "missing.onnx"], "no such file"),
        (["{good}", "{nms}", "--against", "original"], "needs weights as REFERENCE"),
        (["{good}", "{pose}"], "have different tasks, detect and pose"),
        (["{good}", "{nms}", "--source", "{good}"], "model.onnx"),
    ],
)
def test_what_cannot_be_compared_is_said(models, tmp_path, arguments, text, capsys):
    pose = write(tmp_path, colour_network("pose"))
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.zeros((64, 96, 3), np.uint8))
    places = {"good": models[0], "nms": models[1], "pose": str(pose), "black": str(black)}
    assert main(["verify", *(argument.format(**places) for argument in arguments)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert text in error


@needs_weights
def test_bisect_between_torch_and_a_spoilt_graph(tmp_path, capsys):
    """A weight of the 20th convolution of a real model, transposed in its kernel."""
    good, bad = str(tmp_path / "good.onnx"), str(tmp_path / "bad.onnx")
    size = ["--img-size", "96"]
    assert main(["convert", str(WEIGHTS / "yolov8n.pt"), "-o", good, "--no-verify", *size]) == 0
    model = onnx.load(good)
    node = [node for node in model.graph.node if node.op_type == "Conv"][20]
    weight = next(one for one in model.graph.initializer if one.name == node.input[1])
    values = numpy_helper.to_array(weight)
    assert values.shape[2:] == (3, 3)
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values.transpose(0, 1, 3, 2)), weight.name))
    onnx.save(model, bad)
    capsys.readouterr()
    assert main(["verify", str(WEIGHTS / "yolov8n.pt"), good, *size]) == 0
    assert main(["verify", str(WEIGHTS / "yolov8n.pt"), bad, "--bisect", *size]) == 1
    assert f"network: {node.name} is the first of " in capsys.readouterr().out


@needs_weights
@pytest.mark.parametrize("name", ["yolov8n.pt", "yolo26n.pt", "yolov8n-seg.pt", "yolo11n-pose.pt", "yolov8n-cls.pt"])
def test_against_ultralytics_itself(name, tmp_path, capsys):
    pytest.importorskip("ultralytics", reason="needs the original framework: pip install ultralytics")
    framework_predictions.prepare_torchvision()
    path, size = str(WEIGHTS / name), ["--img-size", "224" if "cls" in name else "320"]
    picture = str(WEIGHTS / ("person.jpg" if "pose" in name else "dog.jpg"))
    arguments = ["verify", path, path, "--backend", "onnxruntime", "--against", "original", "--source", picture, *size]
    assert main([*arguments, "-o", str(tmp_path)]) == 0, capsys.readouterr().out
    document = json.loads((tmp_path / "verify.json").read_text())
    assert document["reference"]["runtime"].startswith("ultralytics 8.")
    assert document["detections"]["found"] > 0


@needs_weights
@pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV (5 or later) has no DarkNet importer"
)
def test_against_opencvs_darknet(tmp_path, capsys):
    path = str(WEIGHTS / "yolov3-tiny.cfg")
    arguments = ["verify", path, path, "--backend", "onnxruntime", "--against", "original"]
    assert main([*arguments, "--source", str(WEIGHTS / "dog.jpg"), "-o", str(tmp_path)]) == 0, capsys.readouterr().out
    document = json.loads((tmp_path / "verify.json").read_text())
    assert document["reference"]["runtime"].startswith("OpenCV 4")
    assert document["detections"]["found"] > 2
