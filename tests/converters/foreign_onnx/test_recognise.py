"""Whose export an ONNX file is: told by evidence, proved on noise, else refused with what was seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from foreign_decodes import (
    final_rows,
    queries,
    yolov5_face_rows,
    yolov5_rows,
    yolov6_rows,
    yolov8_columns,
    yolox_grid,
    yolox_rows,
)
from foreign_onnx import Foreign, ultralytics, yolov5
from running import run_onnx
from shared import GOLDEN, WEIGHTS, needs_golden, needs_weights

from trtzoo import ConvertSettings, NmsSettings, convert
from trtzoo.contract.properties import to_properties
from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.options import ReadOptions
from trtzoo.engines.pictures.predictor import Predictor
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.errors import UnsupportedError
from trtzoo.graph.skeleton import load_all
from trtzoo.pipeline import lower

SIZE = (64, 96)
WHITE = 255


def imported(path, images, **options):
    """The raw heads of the import, its metadata and its notes."""
    graph, meta, notes = read(path, ReadOptions(**options))
    return run_onnx(load_all(graph, to_properties(meta)).SerializeToString(), images), meta, notes


def noise(white=1, batch=2):
    return np.random.default_rng(3).random((batch, 3, *SIZE), np.float32) * np.float32(white)


def corners(box):
    return np.concatenate([box[..., :2] - box[..., 2:4] / 2, box[..., :2] + box[..., 2:4] / 2], axis=-1)


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


def taken(f, *operations):
    """A detector behind operations on its picture, as exporters write them that put the preprocessing into the graph."""
    picture = f.input
    for operation in operations:
        f.input = operation(f, f.input)
    rows = yolov5_rows(f, 4, SIZE)
    f.input = picture
    return {"output": rows}


def turned(f, x):
    return f.node("Gather", [x, np.array([2, 1, 0])], axis=1)


def divided(f, x):
    return f.node("Div", [x, f.number(255)])


def imagenet(white):
    mean, std = (np.float32(v).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return lambda f, x: f.node("Div", [f.node("Sub", [x, f.number(mean * white)]), f.number(std * white)])


def focus(f, x):
    """Space to depth by slices, as in YOLOv5 v5.0 and YOLOX; here every pixel four times, so that sizes stay."""
    ends = [np.array(limits) for limits in ([0], [2**31], [1], [1])]
    return f.node(
        "Slice", [f.node("Concat", [f.node("Slice", [x, *ends])] * 2, axis=1), *map(np.array, ([0], [3], [1]))]
    )


PREPARED = {
    "as YOLOv6's --with-preprocess": ((turned, divided), 255, "bgr"),
    "divided by 255": ((divided,), 255, "rgb"),
    "normalised, 0..255": ((imagenet(255),), 255, "rgb"),
    "normalised, 0..1": ((imagenet(1),), 1, "rgb"),
    "channels turned": ((turned,), 1, "bgr"),
    "sliced": ((focus,), 1, "rgb"),
    "sliced after a division": ((divided, turned, focus), 255, "bgr"),
    "nothing": ((), 1, "rgb"),
}


@pytest.mark.parametrize("name", PREPARED)
def test_what_the_graph_does_to_its_pictures_is_not_done_twice(name, tmp_path):
    operations, scale, colour = PREPARED[name]
    f = Foreign()
    _, meta, _ = imported(f.save(tmp_path / "m.onnx", taken(f, *operations)), noise(scale))
    assert (meta.preprocess.scale, meta.preprocess.colour) == (scale, colour)


def twice(f):
    return {"output0": yolov8_columns(f, 3, SIZE), "output1": yolov8_columns(f, 3, SIZE)}


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
