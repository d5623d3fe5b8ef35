"""The way of a user: convert the sample model, detect, lower, change thresholds; every way finds the same objects."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from shared import WEIGHTS, golden_cases, needs_golden, needs_weights
from videos import read_video, write_video

from trtzoo.cli import main
from trtzoo.contract.properties import from_properties
from trtzoo.engines.pictures.sampling import RESIZERS, white_of

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
PICTURES = SAMPLES / "pictures"
SHAPES = SAMPLES / "shapes.cfg"


def run(*arguments) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def convert(folder: Path, *flags, name: str = "shapes.onnx", model: Path = SHAPES) -> Path:
    run("convert", model, "-o", folder / name, *flags)
    return folder / name


def detect(model: Path, source: Path | str, folder: Path, *flags) -> list[list[dict]]:
    """The detections of each picture."""
    run("detect", model, source, "-o", folder, *flags)
    pictures = json.loads((folder / "detections.json").read_text(encoding="utf-8"))["pictures"]
    return [picture["detections"] for picture in pictures]


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[list[dict]]:
    """What the cfg itself gives."""
    return detect(SHAPES, PICTURES, tmp_path_factory.mktemp("cfg"))


def assert_same(found: list[list[dict]], expected: list[list[dict]], pixels: float = 0.02, score: float = 2e-5) -> None:
    assert [len(picture) for picture in found] == [len(picture) for picture in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert [(one["class"], one["name"]) for one in ours] == [(one["class"], one["name"]) for one in theirs]
        np.testing.assert_allclose([one["score"] for one in ours], [one["score"] for one in theirs], atol=score)
        np.testing.assert_allclose([one["box"] for one in ours], [one["box"] for one in theirs], atol=pixels)


def test_the_sample_model_finds_every_labelled_object_and_nothing_else(expected):
    labels = json.loads((PICTURES / "labels.json").read_text())
    names = {category["id"]: category["name"] for category in labels["categories"]}
    for picture, found in zip(sorted(labels["images"], key=lambda one: one["file_name"]), expected, strict=True):
        truth = [one for one in labels["annotations"] if one["image_id"] == picture["id"]]
        assert len(found) == len(truth)
        for one in truth:
            x, y, w, h = one["bbox"]
            matches = [
                f for f in found if f["name"] == names[one["category_id"]] and iou(f["box"], [x, y, x + w, y + h]) > 0.6
            ]
            assert matches, f"{picture['file_name']}: {names[one['category_id']]} at {x}, {y}"


def iou(a, b) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(0, wide) * max(0, high)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def test_the_sample_model_agrees_with_opencvs_own_importer(expected):
    """On the same input: OpenCV does not sample pictures as DarkNet does, so it gets them resized."""
    model = cv2.dnn.DetectionModel(str(SHAPES), str(SHAPES.with_suffix(".weights")))
    model.setInputParams(scale=1 / 255, size=(320, 320), swapRB=True)
    for path, found in zip(sorted(PICTURES.glob("*.jpg")), expected, strict=True):
        picture = cv2.imread(str(path))
        levels = RESIZERS["darknet"](picture, 320, 320)
        resized = levels / white_of(levels) * 255
        classes, scores, boxes = model.detect(resized, confThreshold=0.25, nmsThreshold=0.45)
        scale = np.tile([picture.shape[1] / 320, picture.shape[0] / 320], 2)
        assert len(classes) == len(found)
        for label, score, (x, y, w, h) in zip(classes, scores, boxes, strict=True):
            box = np.multiply([x, y, x + w, y + h], scale)
            near = [f for f in found if f["class"] == label and np.all(np.abs(f["box"] - box) < 2 * scale)]
            assert len(near) == 1
            assert near[0]["score"] == pytest.approx(float(score), abs=1e-3)


WAYS = {
    "raw heads": [],
    "raw heads, free batch": ["--dynamic"],
    "raw heads as Ultralytics exports them": ["--layout", "ultralytics"],
    "end to end": ["--end2end"],
    "end to end, free batch": ["--end2end", "--dynamic"],
    "end to end, batch 4": ["--end2end", "--batch-size", "4"],
    "flat rows": ["--end2end", "--layout", "flat"],
    "rows for DeepStream": ["--end2end", "--layout", "deepstream"],
    "rows as Ultralytics exports them": ["--end2end", "--layout", "ultralytics"],
    "NonMaxSuppression": ["--end2end", "--nms", "onnx"],
    "the plugin": ["--end2end", "--nms", "efficient", "--target", "tensorrt:10.3"],
    "the plugin with indices": ["--end2end", "--nms", "efficient-idx", "--target", "tensorrt:10.3"],
    "the plugin, flat, free batch": [
        "--end2end",
        "--nms",
        "efficient",
        "--target",
        "tensorrt:8.6",
        "--layout",
        "flat",
        "--dynamic",
    ],
    "thresholds as inputs": ["--end2end", "--runtime-thresholds"],
    "opset 14": ["--end2end", "--opset", "14"],
    "opset 20": ["--end2end", "--opset", "20"],
}


@pytest.mark.parametrize("flags", WAYS.values(), ids=WAYS)
def test_every_way_finds_the_same_objects(flags, expected, tmp_path):
    model = convert(tmp_path, *flags)
    assert_same(detect(model, PICTURES, tmp_path / "out"), expected)


def test_bytes_as_input_lose_what_lies_between_whole_levels(expected, tmp_path):
    model = convert(tmp_path, "--end2end", "--uint8-input")
    assert_same(detect(model, PICTURES, tmp_path / "out"), expected, pixels=1.5, score=0.01)


def test_half_precision_finds_the_same_objects(expected, tmp_path):
    model = convert(tmp_path, "--end2end", "--half")
    assert_same(detect(model, PICTURES, tmp_path / "out"), expected, pixels=1.5, score=0.01)


def test_torch_finds_the_same_objects(expected, tmp_path):
    pytest.importorskip("torch")
    assert_same(detect(SHAPES, PICTURES, tmp_path / "out", "--backend", "torch"), expected)


@pytest.mark.parametrize("route", ["efficient", "efficient-idx"])
def test_a_lowered_file_finds_the_same_objects(route, expected, tmp_path, capsys):
    plugin = convert(tmp_path, "--end2end", "--nms", route, "--target", "tensorrt:10.3", name="plugin.onnx")
    capsys.readouterr()
    run("lower", plugin, "-o", tmp_path / "lowered.onnx")
    assert re.search(r"lowered\.onnx: EfficientNMS_\w+ .* became standard operators", capsys.readouterr().out)
    assert not [node for node in onnx.load(tmp_path / "lowered.onnx").graph.node if node.domain not in ("", "ai.onnx")]
    assert_same(detect(tmp_path / "lowered.onnx", PICTURES, tmp_path / "out"), expected)
    assert "became standard operators" not in capsys.readouterr().err


def test_lowering_a_file_without_plugins_says_so(tmp_path, capsys):
    model = convert(tmp_path, "--end2end")
    capsys.readouterr()
    run("lower", model, "-o", tmp_path / "lowered.onnx")
    assert "held no plugin; copied as it is" in capsys.readouterr().out


def above(pictures: list[list[dict]], threshold: float) -> list[list[dict]]:
    return [[one for one in picture if one["score"] > threshold] for picture in pictures]


@pytest.mark.parametrize("layout", ["separate", "flat", "deepstream", "ultralytics"])
def test_new_thresholds_for_a_file_that_is_end_to_end(layout, expected, tmp_path):
    model = convert(tmp_path, "--end2end", "--layout", layout)
    stricter = convert(tmp_path, "--conf-thres", "0.9", name="stricter.onnx", model=model)
    properties = {entry.key: entry.value for entry in onnx.load(stricter).metadata_props}
    assert from_properties(properties, "stricter.onnx").nms.conf_thres == 0.9
    assert 0 < sum(map(len, above(expected, 0.9))) < sum(map(len, expected))
    assert_same(detect(stricter, PICTURES, tmp_path / "out"), above(expected, 0.9))


def test_new_thresholds_for_a_plugin(expected, tmp_path):
    flags = ["--end2end", "--nms", "efficient", "--target", "tensorrt:10.3"]
    stricter = convert(tmp_path, "--conf-thres", "0.9", name="stricter.onnx", model=convert(tmp_path, *flags))
    assert_same(detect(stricter, PICTURES, tmp_path / "out"), above(expected, 0.9))


LOOSE = ["--conf-thres", "0.01", "--iou-thres", "0.7", "--topk-all", "300"]


def test_thresholds_of_raw_heads_are_those_of_the_command(tmp_path):
    raw = detect(convert(tmp_path), PICTURES, tmp_path / "raw", *LOOSE)
    whole = detect(convert(tmp_path, "--end2end", *LOOSE, name="whole.onnx"), PICTURES, tmp_path / "whole")
    assert sum(map(len, raw)) > 62
    assert_same(raw, whole)


def test_thousands_of_rows_come_from_as_many_candidates(tmp_path):
    flags = ["--conf-thres", "0.000001", "--iou-thres", "1", "--topk-all", "1200"]
    raw = detect(convert(tmp_path), PICTURES / "shapes1.jpg", tmp_path / "raw", *flags)
    whole = detect(convert(tmp_path, "--end2end", *flags), PICTURES / "shapes1.jpg", tmp_path / "whole")
    assert len(raw[0]) > 1000
    assert_same(raw, whole)


def test_a_threshold_out_of_range_is_an_error(tmp_path, capsys):
    source = PICTURES / "shapes1.jpg"
    assert main(["detect", str(SHAPES), str(source), "-o", str(tmp_path), "--conf-thres", "25"]) == 1
    assert "--conf-thres 25.0 is out of range" in capsys.readouterr().err


def test_thresholds_that_are_inputs_are_those_of_the_command(tmp_path):
    inputs = convert(tmp_path, "--end2end", "--runtime-thresholds", "--topk-all", "300")
    raw = detect(convert(tmp_path, name="raw.onnx"), PICTURES, tmp_path / "raw", *LOOSE)
    assert_same(detect(inputs, PICTURES, tmp_path / "inputs", *LOOSE), raw)


def test_a_higher_threshold_filters_end_to_end_rows(expected, tmp_path):
    model = convert(tmp_path, "--end2end")
    assert_same(detect(model, PICTURES, tmp_path / "out", "--conf-thres", "0.9"), above(expected, 0.9))


def test_one_picture_a_pattern_and_a_video(expected, tmp_path, capsys):
    model = convert(tmp_path, "--end2end")
    assert_same(detect(model, PICTURES / "shapes2.jpg", tmp_path / "one"), expected[1:2])
    assert_same(detect(model, PICTURES / "shapes[13].jpg", tmp_path / "pattern"), [expected[0], expected[2]])
    frames = [
        cv2.imread(str(path)) for path in sorted(PICTURES.glob("*.jpg")) if cv2.imread(str(path)).shape == (480, 640, 3)
    ]
    video = write_video(tmp_path / "shapes.mp4", frames)
    found = detect(model, video, tmp_path / "video")
    assert len(found) == len(frames) == len(read_video(tmp_path / "video" / "shapes.mp4")[0])
    assert min(map(len, found)) > 3
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert re.fullmatch(
        rf"\d+ objects in {len(frames)} pictures?, [\d.]+ ms a picture on onnxruntime CPU; see .*video", last
    )


def test_names_can_be_given(tmp_path):
    (tmp_path / "other.names").write_text("o\ns\nt\nstar\nh\nx\n")
    found = detect(SHAPES, PICTURES / "shapes1.jpg", tmp_path / "out", "--names", tmp_path / "other.names")
    assert {one["name"] for one in found[0]} <= {"o", "s", "t", "star", "h", "x"}


def test_another_size_finds_the_same_shapes(expected, tmp_path):
    model = convert(tmp_path, "--img-size", "384", "352", "--end2end")
    found = detect(model, PICTURES, tmp_path / "out")
    assert sum(map(len, found)) == pytest.approx(sum(map(len, expected)), abs=6)
    for ours, theirs in zip(found, expected, strict=True):
        near = [any(iou(one["box"], other["box"]) > 0.6 for other in theirs) for one in ours]
        assert np.mean(near) > 0.8


def test_the_default_output_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("convert", SHAPES)
    run("detect", "shapes.onnx", PICTURES / "shapes1.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detections", "shapes.onnx"]
    assert sorted(path.name for path in Path("detections").iterdir()) == [
        "detections.json",
        "detections.jsonl",
        "shapes1.jpg",
    ]


@needs_golden
@pytest.mark.parametrize("case", golden_cases("ul_v8_") + golden_cases("y5_v7"), ids=lambda case: case.name)
def test_checkpoints_of_every_task_run_and_annotate(case, tmp_path):
    checkpoint = next(case.glob("*.pt"))
    raw = detect(checkpoint, PICTURES / "shapes1.jpg", tmp_path / "raw", "--conf-thres", "0.001")
    whole = convert(tmp_path, "--end2end", "--conf-thres", "0.001", "--no-verify", model=checkpoint)
    end2end = detect(whole, PICTURES / "shapes1.jpg", tmp_path / "whole")
    assert [len(picture) for picture in raw] == [len(picture) for picture in end2end]
    assert raw[0]
    for ours, theirs in zip(raw[0], end2end[0], strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["class"] == theirs["class"]
        for key in ours.keys() & {"score", "box", "obb", "keypoints"}:
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-3, atol=0.05)
    assert cv2.imread(str(tmp_path / "raw" / "shapes1.jpg")).shape == cv2.imread(str(PICTURES / "shapes1.jpg")).shape


@needs_weights
def test_a_real_segmentation_model_outlines_what_it_finds(tmp_path):
    found = detect(WEIGHTS / "yolov8n-seg.pt", WEIGHTS / "dog.jpg", tmp_path / "out", "--conf-thres", "0.5")
    names = {one["name"] for one in found[0]}
    assert {"dog", "bicycle"} <= names
    for one in found[0]:
        outlines = [np.array(outline) for outline in one["polygons"]]
        area = sum(cv2.contourArea(outline.astype(np.float32)) for outline in outlines)
        left, top, right, bottom = one["box"]
        assert 0.3 < area / ((right - left) * (bottom - top)) <= 1
