"""Which commands a zoo consists of, and what each reads and writes."""

from __future__ import annotations

from textwrap import dedent

import pytest

from trtzoo.errors import InputError
from trtzoo.zoo.build import chosen
from trtzoo.zoo.manifest import read_zoo
from trtzoo.zoo.steps import steps_of


@pytest.fixture
def steps(tmp_path):
    for name in ("a.cfg", "a.weights", "a.names", "own.weights", "b.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "pictures").mkdir()

    def make(text):
        path = tmp_path / "zoo.yaml"
        path.write_text("zoo: 1\nmodels:\n" + dedent(text), encoding="utf-8")
        return {step.id: step for step in steps_of(read_zoo(path), tmp_path, tmp_path / "out")}

    return make


def test_one_chain_a_precision_and_target(steps):
    found = steps("- {name: a, source: a.cfg, precisions: [fp32, fp16], targets: [onnxruntime, tensorrt-rtx]}")
    assert list(found) == [
        "a/fp32-onnxruntime/convert",
        "a/fp32-tensorrt-rtx/convert",
        "a/fp32-tensorrt-rtx/build",
        "a/fp16-onnxruntime/convert",
        "a/fp16-tensorrt-rtx/convert",
        "a/fp16-tensorrt-rtx/build",
    ]


def test_a_cfg_brings_its_weights_and_names(steps, tmp_path):
    convert = steps("- {name: a, source: a.cfg}")["a/fp32-onnxruntime/convert"]
    assert [path.name for path in convert.inputs] == ["a.cfg", "a.weights", "a.names"]
    other = steps("- {name: a, source: a.cfg, weights: own.weights}")["a/fp32-onnxruntime/convert"]
    assert [path.name for path in other.inputs] == ["a.cfg", "own.weights", "a.names"]
    assert ("--weights", str(tmp_path / "own.weights")) in zip(other.command, other.command[1:], strict=False)


def test_settings_become_flags(steps):
    text = """
    - name: b
      source: b.onnx
      size: [480, 640]
      batch: dynamic
      precisions: [int8]
      calibration: {path: pictures, num: 32, method: lp}
      nms: {route: plain, conf_thres: 0.3, iou_thres: 0.5, topk_all: 50, multi_label: false, class_agnostic: true}
      targets: ["tensorrt:10.3"]
      build: {workspace: 2, opt_level: 1, min_batch: 1, opt_batch: 2, max_batch: 4, compute_capability: ["8.9"]}
    """
    found = steps(text)
    convert, build = (" ".join(found[f"b/int8-tensorrt-10.3/{kind}"].command) for kind in ("convert", "build"))
    for flags in (
        "--img-size 480 640", "--dynamic", "--end2end --target tensorrt:10.3", "--nms plain", "--conf-thres 0.3", "--iou-thres 0.5",
        "--topk-all 50", "--single-label", "--class-agnostic", "--int8 --int8-ranges",
    ):  # fmt: skip
        assert f" {flags}" in convert
    calibrate = " ".join(found["b/int8/calibrate"].command)
    for flags in ("--img-size 480 640", "--calib-path", "--calib-num 32", "--calib-method lp"):
        assert f" {flags}" in calibrate
    for flags in (
        "--target tensorrt:10.3", "--workspace 2", "--opt-level 1", "--min-batch 1", "--opt-batch 2", "--max-batch 4",
        "--compute-capability 8.9",
    ):  # fmt: skip
        assert f" {flags}" in build


def test_a_model_is_calibrated_once_for_all_targets_and_not_for_floats(steps):
    found = steps(
        "- {name: b, source: b.onnx, precisions: [fp32, int8], targets: [onnxruntime, deepstream], calibration: {path: pictures}}"
    )
    inputs = {id: [path.name for path in step.inputs] for id, step in found.items()}
    assert inputs == {
        "b/int8/calibrate": ["b.onnx", "pictures"],
        "b/fp32-onnxruntime/convert": ["b.onnx"],
        "b/fp32-deepstream/convert": ["b.onnx"],
        "b/int8-onnxruntime/convert": ["b.onnx", "ranges.json"],
        "b/int8-deepstream/convert": ["b.onnx", "ranges.json"],
    }
    assert found["b/int8/calibrate"].outputs == found["b/int8-onnxruntime/convert"].inputs[1:]


def test_a_source_that_is_not_here_is_fetched(steps):
    found = steps("- {name: p, source: yolo11n-pose}")
    fetch, convert = found["p/fetch"], found["p/fp32-onnxruntime/convert"]
    assert [path.name for path in fetch.outputs] == ["yolo11n-pose.pt"]
    assert convert.inputs == fetch.outputs
    assert fetch.command[:2] == ("download", "yolo11n-pose")


def test_both_files_of_a_darknet_model_are_fetched(steps):
    found = steps("- {name: d, source: yolov4-tiny}")
    assert [path.name for path in found["d/fp32-onnxruntime/convert"].inputs] == [
        "yolov4-tiny.cfg",
        "yolov4-tiny.weights",
    ]


def test_a_source_that_is_nothing_is_refused(steps):
    with pytest.raises(InputError, match="no model 'nonsense'"):
        steps("- {name: n, source: nonsense}")


def test_a_gpu_label_makes_a_variant_of_its_own(steps):
    text = "- {name: b, source: b.onnx, targets: [{target: tensorrt, gpu: sm86}, {target: tensorrt, gpu: sm90}]}"
    found = steps(text)
    assert {step.gpu for id, step in found.items() if id.endswith("/build")} == {"sm86", "sm90"}
    assert {step.gpu for id, step in found.items() if id.endswith("/convert")} == {""}
    assert len({path for step in found.values() for path in step.outputs}) == 6


def test_only_takes_what_matches_and_what_that_needs(steps):
    found = list(
        steps(
            "- {name: a, source: a.cfg, precisions: [fp32, fp16], targets: [tensorrt-rtx]}\n- {name: b, source: b.onnx}"
        ).values()
    )
    ids = [step.id for step in chosen(found, ["*/fp16-*/build", "b"])]
    assert ids == ["a/fp16-tensorrt-rtx/convert", "a/fp16-tensorrt-rtx/build", "b/fp32-onnxruntime/convert"]
    with pytest.raises(InputError, match="--only c matches no step; the models are a, b"):
        chosen(found, ["a", "c"])


def test_the_check_of_each_command_can_be_left_out(steps):
    found = steps("- {name: b, source: b.onnx, targets: [tensorrt-rtx], verify: false}")
    assert all(step.command[-1] == "--no-verify" for step in found.values())


def test_every_variant_is_measured_and_bundled(steps):
    text = "- {name: a, source: a.cfg, precisions: [fp16], val: pictures, bundles: [triton, 'deepstream:7.1'], nms: {conf_thres: 0.4}}"
    found = steps(text)
    assert [step.kind for step in found.values()] == ["convert", "val", "bundle", "bundle"]
    commands = {id.rpartition("/")[2]: " ".join(step.command) for id, step in found.items()}
    assert "--no-plots" in commands["val"] and commands["val"].startswith("val ")
    assert commands["triton"].endswith("--name a")
    assert "--precision fp16 --deepstream 7.1" in commands["deepstream-7.1"]
    assert "--conf-thres 0.4" in commands["deepstream-7.1"]


def test_every_variant_is_held_against_the_weights(steps):
    found = steps("- {name: a, source: a.cfg, precisions: [fp16], size: [96, 64], pictures: pictures, names: a.names}")
    convert, verify = found.values()
    assert verify.kind == "verify"
    assert (verify.command[2], verify.inputs[-2]) == (str(convert.outputs[0]), *convert.outputs)
    assert verify.command[1] == convert.command[1]
    text = " ".join(verify.command)
    assert "--img-size 96 64" in text
    assert "a.names" in text
    assert verify.outputs[0].name == "verify.json"


def test_a_bundle_of_an_int8_model_is_made_of_its_graph(steps):
    found = steps(
        "- {name: b, source: b.onnx, precisions: [int8], calibration: {path: pictures}, bundles: [deepstream]}"
    )
    _, convert, bundle = found.values()
    assert bundle.inputs == convert.outputs
    assert bundle.command[1] == str(convert.outputs[0])
