"""Layouts of files without metadata are told by what the end of the graph computes."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_decodes import (
    yolov5_rows,
    yolov6_rows,
    yolov8_columns,
    yolox_grid,
    yolox_rows,
)
from foreign_onnx import Foreign
from foreign_reading import SIZE, corners, imported, noise
from running import run_onnx

WHITE = 255

PLAIN = {
    "YOLOv5, three anchors": (lambda f: yolov5_rows(f, 4, SIZE), "YOLOv5, YOLOv6 or YOLOv7"),
    "YOLOv5 of one class": (lambda f: yolov5_rows(f, 1, SIZE), "YOLOv5, YOLOv6 or YOLOv7"),
    "YOLOv5 with four anchors": (lambda f: yolov5_rows(f, 2, SIZE, anchors=4), "YOLOv5, YOLOv6 or YOLOv7"),
    "two levels": (lambda f: yolov5_rows(f, 3, SIZE, strides=(16, 32)), "YOLOv5, YOLOv6 or YOLOv7"),
    "YOLOv6, objectness of one": (lambda f: yolov6_rows(f, 3, SIZE), "YOLOv5, YOLOv6 or YOLOv7"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_rows_without_metadata(name, tmp_path):
    make, exporter = PLAIN[name]
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", {"output": make(f)})
    heads, meta, notes = imported(path, noise())
    own = run_onnx(path, noise())["output"]
    np.testing.assert_allclose(heads["boxes"], corners(own), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(heads["scores"], own[..., 4:5] * own[..., 5:], rtol=1e-5)
    assert exporter in notes[-1]
    assert (meta.preprocess.scale, meta.preprocess.colour) == (1, "rgb")


@pytest.mark.parametrize("half", [False, True], ids=["single", "half precision"])
def test_columns_without_metadata_need_no_names(half, tmp_path):
    """The classes are the values that the graph's end makes scores of."""
    f = Foreign(half=half)
    path = f.save(tmp_path / "m.onnx", {"output0": yolov8_columns(f, 7, SIZE)})
    _, meta, _ = imported(path, noise())
    assert (meta.task, len(meta.names), meta.strides) == ("detect", 7, (8, 16, 32))


@pytest.mark.parametrize("points", [(5, 3), (4, 2)], ids=str)
def test_keypoints_of_columns_without_metadata(points, tmp_path):
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", {"output0": yolov8_columns(f, 2, SIZE, points=points)})
    heads, meta, _ = imported(path, noise())
    assert (meta.task, meta.kpt_shape, len(meta.names)) == ("pose", points, 2)
    own = run_onnx(path, noise())["output0"].transpose(0, 2, 1)[..., 6:]
    np.testing.assert_allclose(heads["keypoints"].reshape(own.shape), own, rtol=1e-5, atol=1e-4)


def test_mask_coefficients_of_columns_without_metadata(tmp_path):
    f = Foreign()
    outputs = {"output0": yolov8_columns(f, 3, SIZE, masks=6), "output1": f.map(6, 4)}
    _, meta, _ = imported(f.save(tmp_path / "m.onnx", outputs), noise())
    assert (meta.task, len(meta.names)) == ("segment", 3)


@pytest.mark.parametrize("one_convolution", [False, True], ids=["three convolutions a level", "one"])
@pytest.mark.parametrize("decoded", [False, True], ids=["before its decode", "decoded"])
@pytest.mark.parametrize("classes", [1, 5])
def test_yolox_is_decoded_and_gets_its_own_pictures(classes, decoded, one_convolution, tmp_path):
    f = Foreign(white=WHITE)
    path = f.save(tmp_path / "m.onnx", {"output": yolox_rows(f, classes, SIZE, decoded, one_convolution)})
    heads, meta, notes = imported(path, noise(WHITE))
    own = run_onnx(path, noise(WHITE))["output"]
    if not decoded:
        grid, stride = yolox_grid(SIZE)
        own[..., :2], own[..., 2:4] = (own[..., :2] + grid) * stride, np.exp(own[..., 2:4]) * stride
    np.testing.assert_allclose(heads["boxes"], corners(own), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(heads["scores"], own[..., 4:5] * own[..., 5:], rtol=1e-5)
    settings = meta.preprocess
    assert (settings.colour, settings.anchor, settings.scale) == ("bgr", "topleft", 255)
    assert "YOLOX" in notes[-1]
