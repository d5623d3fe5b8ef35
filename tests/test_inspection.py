"""What is said about model files of every kind, and that nothing but an error is said about others."""

from __future__ import annotations

import json
import re
import sys

import onnx
import pytest
from colour_network import colour_network, write
from darknet_files import write_model as write_darknet
from shared import golden_cases, needs_golden

from trtzoo import ReadOptions, TrtZooError
from trtzoo.cli import main
from trtzoo.inspection import inspect


def test_a_cfg(tmp_path):
    found = inspect(write_darknet(tmp_path))
    assert found.kind == "cfg"
    expected = {
        "family": "darknet",
        "task": "detect",
        "classes": "2: class0, class1",
        "size": "64 x 64 (height x width), 3 channels",
        "strides": "2",
        "preprocessing": "stretch, rgb, 0..1",
        "precision": "fp32",
        "input": "images float32 [1, 3, 64, 64]",
        "raw heads": "boxes float32 [1, A, 4], scores float32 [1, A, 2]",
        "layers": "3",
    }
    assert {key: found.facts[key] for key in expected} == expected
    assert found.facts["source"].startswith("model.cfg, sha256 ")
    assert [line.split()[1] for line in found.layers] == ["convolutional", "convolutional", "yolo"]


def test_a_cfg_with_options(tmp_path):
    cfg = write_darknet(tmp_path)
    (tmp_path / "two.names").write_text("cat\ndog\n")
    facts = inspect(cfg, ReadOptions(names=tmp_path / "two.names", img_size=(32, 96))).facts
    assert facts["classes"] == "2: cat, dog"
    assert facts["input"] == "images float32 [1, 3, 32, 96]"


def test_what_should_be_known_is_a_note(tmp_path):
    from darknet_files import TINY

    cfg = write_darknet(tmp_path, TINY.replace("channels=3", "channels=3\nfancy=1"))
    found = inspect(cfg)
    assert "fancy= is unknown" in found.notes[0]
    assert found.rows()["note 1"] == found.notes[0]


def test_weights(tmp_path):
    found = inspect(write_darknet(tmp_path).with_suffix(".weights"))
    assert found.kind == "weights"
    # 8 filters of 3x3x3 and four numbers a filter, then 21 filters of 8 and a bias each.
    assert found.facts["numbers"] == f"{8 * 27 + 32 + 21 * 8 + 21} (float32)"
    assert (found.facts["version"], found.facts["header"]) == ("0.2.5", "20 bytes")


@pytest.mark.parametrize("batch", [None, 4])
def test_onnx_with_raw_heads(batch, tmp_path):
    found = inspect(write(tmp_path, colour_network("pose"), batch))
    axis = "batch" if batch is None else "4"
    assert found.kind == "onnx"
    assert found.facts["inputs"] == f"images float32 [{axis}, 3, 64, 96]"
    assert found.facts["outputs"] == (
        f"boxes float32 [{axis}, 24, 4], scores float32 [{axis}, 24, 3], keypoints float32 [{axis}, 24, 2, 3]"
    )
    assert found.facts["keypoints"] == "2 points of 3 values"
    assert found.facts["producer"] == "trtzoo, opset 17"
    assert "NMS" not in found.facts


def test_onnx_end_to_end(tmp_path):
    facts = inspect(write(tmp_path, colour_network(), 1, "plain", "flat")).facts
    assert facts["outputs"] == "output float32 [1, 20, 6]"
    assert facts["layout"] == "flat"
    for part in ("route plain", "iou_thres 0.45", "conf_thres 0.6", "topk_all 20", "candidates 24"):
        assert part in facts["NMS"]


def test_operators_are_counted(tmp_path):
    path = write(tmp_path, colour_network())
    facts = inspect(path).facts
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert facts["nodes"] == str(len(kinds))
    counted = dict(reversed(part.split(" ")) for part in facts["operators"].split(", "))
    assert counted == {kind: str(kinds.count(kind)) for kind in set(kinds)}
    amounts = [int(part.split(" ")[0]) for part in facts["operators"].split(", ")]
    assert amounts == sorted(amounts, reverse=True)


def test_onnx_of_another_exporter_shows_its_metadata(tmp_path):
    path = write(tmp_path, colour_network())
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {"author": "someone", "long": "x" * 5000})
    onnx.save(model, path)
    facts = inspect(path).facts
    assert facts["metadata author"] == "someone"
    assert len(facts["metadata long"]) == 200
    assert "family" not in facts


def test_an_nms_free_model_says_so(tmp_path):
    facts = inspect(write(tmp_path, colour_network(nms_free=True, head="one2one"))).facts
    assert facts["head"] == "NMS-free (one2one)"


THRESHOLDS = {
    "DarkNet": ({"family": "darknet"}, "score 0.25, IoU 0.45, as DarkNet predicts by default", (0.25, 0.45, "family")),
    "Ultralytics": (
        {"family": "ultralytics", "iou_thres": 0.7},
        "score 0.25, IoU 0.7, as Ultralytics predicts by default",
        (0.25, 0.7, "family"),
    ),
    "an unknown exporter": (
        {"family": "onnx", "iou_thres": 0.6},
        "score 0.25, IoU 0.6, as the framework of its family predicts by default",
        (0.25, 0.6, "family"),
    ),
    "an NMS-free head": (
        {"family": "ultralytics", "nms_free": True, "head": "one2one"},
        "score 0.25, no NMS, as Ultralytics predicts by default",
        (0.25, None, "family"),
    ),
}


@pytest.mark.parametrize(("changes", "sentence", "values"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_the_thresholds_that_hold_by_default(changes, sentence, values, tmp_path, capsys):
    path = write(tmp_path, colour_network(**changes))
    assert inspect(path).facts["thresholds"] == sentence
    assert document_of(capsys, path)["thresholds"] == dict(
        zip(("conf_thres", "iou_thres", "set_by"), values, strict=True)
    )


def test_the_thresholds_in_a_graph(tmp_path, capsys):
    path, done = write(tmp_path, colour_network()), tmp_path / "done.onnx"
    assert main(["convert", str(path), "--end2end", "--conf-thres", "0.4", "--iou-thres", "0.5", "-o", str(done)]) == 0
    capsys.readouterr()
    assert inspect(done).facts["thresholds"] == "score 0.4, IoU 0.5, in its graph"
    assert document_of(capsys, done)["thresholds"] == {"conf_thres": 0.4, "iou_thres": 0.5, "set_by": "graph"}


@needs_golden
@pytest.mark.parametrize("case", golden_cases("ul_v8_") + golden_cases("y5_"), ids=lambda case: case.name)
def test_checkpoints(case):
    checkpoint = next(case.glob("*.pt"))
    found = inspect(checkpoint)
    truth = json.loads((case / "case.json").read_text())
    assert found.kind == "checkpoint"
    assert found.facts["task"] == truth["task"]
    framework = "IoU 0.45, as YOLOv5" if case.name.startswith("y5_") else "IoU 0.7, as Ultralytics"
    assert (framework in found.facts.get("thresholds", "")) == (truth["task"] != "classify")
    assert found.facts["classes"].split(":")[0] == str(truth["nc"])
    assert len(found.layers) == int(found.facts["layers"])


def lines_of(capsys, *arguments) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_the_command_prints_a_table_that_shows_shapes(tmp_path, capsys):
    printed = lines_of(capsys, "inspect", write(tmp_path, colour_network(), None))
    assert "images float32 [batch, 3, 64, 96]" in printed
    assert "boxes float32 [batch, 24, 4]" in printed


def document_of(capsys, path) -> dict:
    document = json.loads(lines_of(capsys, "inspect", path, "--json"))
    assert (document.pop("schema"), document.pop("version")) == ("trtzoo.inspect", 1)
    assert document.pop("file") == str(path)
    return document


def no_prose(value) -> bool:
    """Whether all keys are names that a program can use, however deep."""
    if isinstance(value, dict):
        return all(re.fullmatch(r"\w+", key) and no_prose(inner) for key, inner in value.items())
    return not isinstance(value, list) or all(map(no_prose, value))


def test_the_json_of_a_cfg(tmp_path, capsys):
    from darknet_files import TINY

    document = document_of(capsys, write_darknet(tmp_path, TINY.replace("channels=3", "channels=3\nfancy=1")))
    assert document.keys() == {"kind", "tensors", "metadata", "thresholds", "layers", "notes"}
    assert (document["kind"], len(document["layers"]), len(document["notes"])) == ("cfg", 3, 2)
    assert document["metadata"]["names"] == ["class0", "class1"]
    assert document["metadata"]["imgsz"] == [64, 64]
    assert document["tensors"][0] == {"mode": "input", "name": "images", "dtype": "float32", "shape": [1, 3, 64, 64]}
    assert no_prose(document)


def test_the_json_of_weights(tmp_path, capsys):
    document = document_of(capsys, write_darknet(tmp_path).with_suffix(".weights"))
    assert document["darknet_version"] == [0, 2, 5]
    assert document["numbers"] == 8 * 27 + 32 + 21 * 8 + 21
    assert (document["header_bytes"], document["pictures_seen"], document["metadata"]) == (20, 0, None)


def test_the_json_of_an_onnx_file(tmp_path, capsys):
    path = write(tmp_path, colour_network(), None)
    document, nodes = document_of(capsys, path), onnx.load(path).graph.node
    assert (document["opset"], document["nodes"], document["producer"]) == (17, len(nodes), "trtzoo")
    assert sum(document["operators"].values()) == len(nodes) == len(document["layers"])
    assert document["operators"]["Conv"] == sum(node.op_type == "Conv" for node in nodes)
    assert document["tensors"][0]["shape"] == ["batch", 3, 64, 96]
    assert no_prose(document)


def test_the_command_lists_layers(tmp_path, capsys):
    printed = lines_of(capsys, "inspect", write_darknet(tmp_path), "--layers")
    assert [line.split()[1] for line in printed.strip().splitlines()[-3:]] == ["convolutional", "convolutional", "yolo"]


BROKEN = {
    "nothing": ("model.onnx", b""),
    "a truncated ONNX file": ("model.onnx", b"\x08\x08\x12\x06trtzoo\x3a\xff\xff"),
    "a page of the web": ("model.pt", b"<html>"),
    "short weights": ("model.weights", b"\0\0\0\0\2\0\0\0"),
    "an empty archive": ("model.pt", b"PK\x05\x06" + b"\0" * 18),
    "text": ("notes.txt", b"hello"),
}


@pytest.mark.parametrize(("name", "data"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_one_error_that_names_the_file(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TrtZooError, match=name) as caught:
        inspect(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_engine_says_what_built_it_where_the_library_is_missing(tmp_path, monkeypatch):
    for module in ("tensorrt", "tensorrt_bindings"):
        monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "m.engine"
    path.write_bytes(b"ftrt" + bytes(12) + (64).to_bytes(8, "little") + bytes([10, 16, 1, 11]) + bytes(36))
    found = inspect(path)
    assert found.facts["built with"] == "tensorrt 10.16.1.11"
    assert "TensorRT is not installed" in found.notes[0]
    document = json.loads(json.dumps(found.document()))
    assert (document["library"], document["library_version"], document["bytes"]) == ("tensorrt", "10.16.1.11", 64)
    assert no_prose(document)
