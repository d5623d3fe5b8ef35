"""Whose export an ONNX file is: told by evidence, or stated by the user."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from foreign_decodes import (
    final_rows,
    queries,
    yolov5_rows,
    yolov8_columns,
    yolox_rows,
)
from foreign_onnx import Foreign, ultralytics, yolov5
from foreign_reading import SIZE, corners, imported, noise, twice
from running import run_onnx
from shared import GOLDEN, WEIGHTS, needs_golden, needs_weights

from trtzoo import ConvertSettings, NmsSettings, convert
from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.options import ReadOptions
from trtzoo.engines.pictures.predictor import Predictor
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.errors import UnsupportedError
from trtzoo.pipeline import lower


@pytest.mark.parametrize(
    "described", [{"head": "RTDETRDecoder"}, {"description": "Ultralytics rtdetr-l model"}], ids=str
)
@pytest.mark.parametrize("classes", [2, 3, 80])
def test_rtdetr_of_ultralytics_is_nms_free(classes, described, tmp_path):
    f = Foreign()
    path = f.save(
        tmp_path / "m.onnx", {"output0": queries(f, 30, 4 + classes)[0]}, ultralytics("detect", classes, **described)
    )
    heads, meta, _ = imported(path, noise())
    own = run_onnx(path, noise())["output0"]
    np.testing.assert_allclose(heads["boxes"], corners(own[..., :4] * [96, 64, 96, 64]), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(heads["scores"], own[..., 4:], rtol=1e-6)
    assert meta.nms_free
    assert meta.preprocess.resize == "stretch"


def test_the_second_of_two_branches_of_yolov9_is_the_model(tmp_path):
    f = Foreign()
    outputs = {"output0": yolov8_columns(f, 3, SIZE), "output1": yolov8_columns(f, 3, SIZE)}
    path = f.save(tmp_path / "m.onnx", outputs, yolov5(3))
    heads, _, notes = imported(path, noise())
    own = run_onnx(path, noise())["output1"].transpose(0, 2, 1)
    np.testing.assert_allclose(heads["boxes"], corners(own), rtol=1e-5, atol=1e-4)
    assert "main branch" in notes[-1]


STATED = {
    "yolov5": (lambda f: {"o": f.node("Mul", [yolov5_rows(f, 4, SIZE), f.number(1)])}, 4),
    "yolov8": (lambda f: {"o": yolov8_columns(f, 4, SIZE)}, 4),
    "yolox": (lambda f: {"o": yolox_rows(f, 4, SIZE, decoded=False)}, 4),
    "yolov9-dual": (twice, 3),
    "rtdetr": (lambda f: {"o": queries(f, 30, 6)[0]}, 2),
}


@pytest.mark.parametrize("layout", STATED)
def test_a_layout_can_be_stated(layout, tmp_path):
    make, classes = STATED[layout]
    f = Foreign(white=255 if layout == "yolox" else 1)
    _, meta, _ = imported(f.save(tmp_path / "m.onnx", make(f)), noise(), onnx_layout=layout)
    assert len(meta.names) == classes


def test_final_rows_can_be_stated_with_their_names(tmp_path):
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", {"output": final_rows(f, 4, SIZE)})
    with pytest.raises(UnsupportedError, match="--names FILE"):
        read(path, ReadOptions(onnx_layout="yolov10"))
    for count, fits in ((4, True), (2, False)):
        (tmp_path / "names.txt").write_text("\n".join(f"n{number}" for number in range(count)))
        if fits:
            _, meta, _ = imported(path, noise(), onnx_layout="yolov10", names=tmp_path / "names.txt")
            assert (meta.nms_free, meta.names[3]) == (True, "n3")
            continue
        with pytest.raises(UnsupportedError, match="class numbers of 0 to 3, not 0 to 1"):
            read(path, ReadOptions(onnx_layout="yolov10", names=tmp_path / "names.txt"))


@pytest.mark.parametrize(("layout", "scale"), [("damo-yolo", 255), ("yolo-nas", 1)])
@pytest.mark.parametrize("order", [("scores", "boxes"), ("boxes", "scores")], ids="first ".join)
def test_boxes_and_scores_of_a_stated_exporter_keep_their_meaning_in_any_order(order, layout, scale, tmp_path):
    f = Foreign()
    share, scores = queries(f, 126, 4, 9)
    low, extent = f.node("Split", [share, np.array([2, 2])], outputs=2, axis=2)
    boxes = f.node("Mul", [f.node("Concat", [low, f.node("Add", [low, extent])], axis=2), f.number([96, 64, 96, 64])])
    made = {"boxes": boxes, "scores": scores}
    path = f.save(tmp_path / "m.onnx", {name: made[name] for name in order})
    heads, meta, _ = imported(path, noise(), onnx_layout=layout)
    own = run_onnx(path, noise())
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(heads[name], own[name], rtol=1e-6)
    assert meta.preprocess.scale == scale


@needs_golden
@pytest.mark.parametrize("name", ["damo80", "e2e_dim_param", "rtdetr2_small", "v9_dual_like", "yolox_like"])
def test_files_that_were_answered_wrongly(name):
    path = GOLDEN / "faults" / f"{name}.onnx"
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    if name == "damo80":
        with pytest.raises(UnsupportedError, match=r"scores \[1, 84, 80\], boxes \[1, 84, 4\]"):
            read(path, ReadOptions())
        return
    heads, meta, _ = imported(path, images)
    if name == "e2e_dim_param":
        numbers, _, _ = imported(GOLDEN / "faults" / "e2e_dim_value.onnx", images)
        assert all(np.array_equal(heads[key], numbers[key]) for key in numbers)
    if name == "rtdetr2_small":
        own = run_onnx(path, images)["output0"]
        np.testing.assert_allclose(heads["boxes"], corners(own[..., :4] * 64), rtol=1e-5)
        assert meta.nms_free
    if name == "v9_dual_like":
        np.testing.assert_allclose(heads["scores"], 0.9, atol=1e-6)
    if name == "yolox_like":
        assert meta.preprocess.scale == 255
        assert heads["boxes"].max() > 60


@needs_golden
def test_lowering_raises_an_old_opset_and_both_spellings_of_lengths_do_the_same(tmp_path):
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    found = []
    for name in ("e2e_dim_param", "e2e_dim_value"):
        lower(GOLDEN / "faults" / f"{name}.onnx", tmp_path / f"{name}.onnx")
        found.append(run_onnx(tmp_path / f"{name}.onnx", images))
    assert list(found[0]) == ["num_dets", "det_boxes", "det_scores", "det_classes"]
    assert found[0]["num_dets"] > 0
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name])


@needs_weights
def test_yolox_nano_finds_the_dog(tmp_path):
    """YOLOX's own post-processing says dog .86, bicycle .80, car .80."""
    done = convert(WEIGHTS / "wild" / "yolox_nano.onnx", tmp_path / "m.onnx", ConvertSettings())
    predictor = Predictor(open_runtime(done.path), NmsSettings(conf_thres=0.5))
    found = predictor([cv2.imread(str(WEIGHTS / "dog.jpg"))])[0]
    best = {int(kind): round(float(score), 2) for kind, score in zip(found.classes[:3], found.scores[:3], strict=True)}
    assert best == {16: 0.86, 1: 0.8, 2: 0.8}


@needs_weights
def test_yolov5_lite_is_refused():
    with pytest.raises(UnsupportedError, match="sigmoids that are not decoded"):
        read(WEIGHTS / "wild" / "v5lite-e-320.onnx", ReadOptions())
