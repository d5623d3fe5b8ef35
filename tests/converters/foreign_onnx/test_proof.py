"""What cannot be proved on noise is refused with what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_decodes import (
    final_rows,
    queries,
    yolov5_face_rows,
    yolov5_rows,
    yolov8_columns,
)
from foreign_onnx import Foreign, ultralytics, yolov5
from foreign_reading import SIZE, imported, noise, twice

from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import UnsupportedError


def thrice(f):
    return twice(f) | {"output2": yolov8_columns(f, 3, SIZE)}


def pair(f):
    box, scores = queries(f, 126, 4, 9)
    return {"scores": scores, "boxes": box}


def corners_score_and_class(f):
    """DeepStream-Yolo's rows of all anchors: corners, best score, its class."""
    rows = f.node("Transpose", [yolov8_columns(f, 3, SIZE)], perm=[0, 2, 1])
    box, scores = f.node("Split", [rows, np.array([4, 3])], outputs=2, axis=2)
    centre, extent = f.node("Split", [box, np.array([2, 2])], outputs=2, axis=2)
    half = f.node("Mul", [extent, f.number(0.5)])
    best = f.node("ReduceMax", [scores], axes=[2])
    kind = f.node("Cast", [f.node("ArgMax", [scores], dtype=np.int64, axis=2)], to=1)
    return {
        "output": f.node("Concat", [f.node("Sub", [centre, half]), f.node("Add", [centre, half]), best, kind], axis=2)
    }


def not_proved(f):
    rows = yolov5_rows(f, 3, SIZE)
    return {"output": f.node("Mul", [rows, f.number([0.01, 0.01, 0.01, 0.01, 1, 1, 1, 1])])}


REFUSED = {
    "YOLOv5-Lite: no decode": (lambda f: {"output": yolov5_rows(f, 4, SIZE, decode=False)}, {}, "sigmoids that are not decoded"),
    "YOLOv5-Lite with YOLOv5's metadata": (
        lambda f: {"output": yolov5_rows(f, 4, SIZE, decode=False)}, yolov5(4), "sigmoids that are not decoded",
    ),
    "yolov5-face: landmarks for classes": (lambda f: {"output": yolov5_face_rows(f, SIZE)}, {}, "value 5 of a box.*is no score"),
    "boxes in units of their own": (not_proved, yolov5(3), "not a centre at its cell"),
    "two branches that nothing tells apart": (twice, {}, "2 outputs would fit.*--onnx-layout yolov9-dual"),
    "three branches": (thrice, yolov5(3), "3 outputs would fit"),
    "DeepStream-Yolo's rows": (corners_score_and_class, {}, "not a centre at its cell and a size"),
    "DAMO-YOLO's order": (pair, {}, "boxes and scores lie apart.*--onnx-layout"),
    "classes that the names do not count": (lambda f: {"output": yolov5_rows(f, 4, SIZE)}, yolov5(3), "4 classes, but 3 names"),
    "metadata of Ultralytics, boxes as shares of the input": (
        lambda f: {"output0": f.node("Mul", [yolov8_columns(f, 5, SIZE), f.number(0.01)])}, ultralytics("detect", 5),
        "centres of x .* do not spread over the input of 96x64",
    ),
    "metadata of Ultralytics, logits for scores": (
        lambda f: {"output0": f.columns(9)}, ultralytics("detect", 5), "scores of -.* not of 0 to 1",
    ),
    "metadata of Ultralytics, scores that count to 100": (
        lambda f: {"output0": f.node("Mul", [yolov8_columns(f, 5, SIZE), f.number([[[1]] * 4 + [[100]] * 5][0])])},
        ultralytics("detect", 5), "scores of 0.* not of 0 to 1",
    ),
    "two outputs of Ultralytics that would both fit": (
        lambda f: {"output0": yolov8_columns(f, 3, SIZE), "output1": yolov8_columns(f, 3, SIZE)}, ultralytics("detect", 3),
        "2 outputs would fit",
    ),
    "RT-DETR's rows without a word of it": (
        lambda f: {"output0": queries(f, 30, 6)[0]}, ultralytics("detect", 2), "class numbers of 0.* not 0 to 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_proved_is_refused_with_what_was_seen(name, tmp_path):
    make, properties, message = REFUSED[name]
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", make(f), properties)
    with pytest.raises(UnsupportedError, match=message):
        read(path, ReadOptions())


def test_shapes_are_told_as_the_file_has_them(tmp_path):
    f = Foreign(batch=1)
    flat = f.node("Add", [f.node("ReduceMean", [f.input], keepdims=0), np.zeros((1600, 80), np.float32)])
    with pytest.raises(UnsupportedError, match=r"scores \[1600, 80\]"):
        read(f.save(tmp_path / "m.onnx", {"scores": flat}), ReadOptions())


def test_a_stated_layout_has_to_stand_the_proof_too(tmp_path):
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", {"output": yolov5_rows(f, 4, SIZE, decode=False)})
    with pytest.raises(UnsupportedError, match=r"\(output \[batch, 378, 9\]\).*do not spread"):
        read(path, ReadOptions(onnx_layout="yolov5"))


def test_end_to_end_rows_still_say_a_class_each(tmp_path):
    """The proof looks at class numbers, so that rows of another meaning are not taken for NMS-free ones."""
    f = Foreign()
    path = f.save(tmp_path / "m.onnx", {"output0": final_rows(f, 6, SIZE)}, ultralytics("detect", 6))
    assert imported(path, noise())[1].nms_free
