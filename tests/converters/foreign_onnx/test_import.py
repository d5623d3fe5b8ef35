"""ONNX files of other exporters: recognised, and given raw heads that say what their own outputs say."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from foreign_decodes import final_rows, yolov5_rows, yolov8_columns
from foreign_onnx import Foreign, ultralytics, yolov5
from running import run_onnx

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.outputs import raw_outputs
from trtzoo.contract.properties import to_properties
from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.foreign_onnx.picture_input import prepare
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import InputError, ModelError, UnsupportedError
from trtzoo.graph.skeleton import load_all, read_onnx
from trtzoo.graph.writer import write_onnx
from trtzoo.pipeline import lower

SIZE = (64, 96)
CELLS = 8 * 12 + 4 * 6 + 2 * 3


def imported(path, **options):
    """The imported model as bytes, and its metadata and notes."""
    graph, meta, notes = read(path, ReadOptions(**options))
    model = load_all(graph, to_properties(meta))
    onnx.checker.check_model(model)
    return model, meta, notes


def compare(path, expected, batch=3, **options):
    """Run the file and its import on the same pictures; `expected` makes the heads from the file's outputs."""
    model, meta, _ = imported(path, **options)
    images = np.random.default_rng(1).random((batch, 3, *meta.imgsz), np.float32)
    wanted = expected(run_onnx(path, images))
    actual = run_onnx(model.SerializeToString(), images)
    assert list(actual) == list(wanted) == [spec.name for spec in raw_outputs(meta)]
    for name, values in wanted.items():
        assert actual[name].dtype == np.float32
        np.testing.assert_allclose(actual[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    return meta


def corners(box):
    centre, half = box[..., :2], box[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def from_rows(values, classes):
    return {"boxes": corners(values), "scores": values[..., 4:5] * values[..., 5 : 5 + classes]}


def from_columns(values, classes):
    rows = values.transpose(0, 2, 1)
    return {"boxes": corners(rows), "scores": rows[..., 4 : 4 + classes]}


def test_ultralytics_detection(tmp_path):
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", {"output0": yolov8_columns(foreign, 5, SIZE)}, ultralytics("detect", 5))
    meta = compare(path, lambda out: from_columns(out["output0"], 5))
    assert (meta.family, meta.task, meta.strides, meta.imgsz, meta.batch) == ("onnx", "detect", (8, 16, 32), SIZE, None)
    assert meta.names[1] == "thing '1'"
    assert not meta.nms_free


@pytest.mark.parametrize("shape", [(17, 3), (4, 2)])
def test_ultralytics_pose(shape, tmp_path):
    foreign = Foreign()
    properties = ultralytics("pose", 2, kpt_shape=str(list(shape)))
    path = foreign.save(tmp_path / "m.onnx", {"output0": yolov8_columns(foreign, 2, SIZE, points=shape)}, properties)

    def expected(out):
        points = out["output0"].transpose(0, 2, 1)[..., 6:]
        return from_columns(out["output0"], 2) | {"keypoints": points.reshape(-1, CELLS, *shape)}

    assert compare(path, expected).kpt_shape == shape


def test_ultralytics_segmentation(tmp_path):
    foreign = Foreign()
    outputs = {"output0": yolov8_columns(foreign, 3, SIZE, masks=6), "output1": foreign.maps(6, (4,))[0]}
    path = foreign.save(tmp_path / "m.onnx", outputs, ultralytics("segment", 3))

    def expected(out):
        rows = out["output0"].transpose(0, 2, 1)
        return from_columns(out["output0"], 3) | {"mask_coeffs": rows[..., 7:], "protos": out["output1"]}

    compare(path, expected)


def test_ultralytics_oriented_boxes(tmp_path):
    foreign = Foreign()
    path = foreign.save(
        tmp_path / "m.onnx", {"output0": yolov8_columns(foreign, 3, SIZE, angle=True)}, ultralytics("obb", 3)
    )

    def expected(out):
        rows = out["output0"].transpose(0, 2, 1)
        return {"boxes": np.concatenate([rows[..., :4], rows[..., 7:]], axis=-1), "scores": rows[..., 4:7]}

    compare(path, expected)


def classifier(foreign, classes):
    pooled = foreign.node("GlobalAveragePool", [foreign.maps(classes, (32,))[0]])
    return foreign.node("Flatten", [pooled], axis=1)


def test_ultralytics_classification(tmp_path):
    foreign = Foreign()
    probabilities = foreign.node("Softmax", [classifier(foreign, 7)], axis=1)
    path = foreign.save(tmp_path / "m.onnx", {"output0": probabilities}, ultralytics("classify", 7))
    assert compare(path, lambda out: {"probs": out["output0"]}).preprocess.resize == "stretch", "the input is no square"


@pytest.mark.parametrize(("task", "extra"), [("detect", 0), ("pose", 15), ("obb", 1)])
@pytest.mark.parametrize("says_so", [True, False], ids=["end2end in the metadata", "by its shape"])
def test_ultralytics_nms_free(task, extra, says_so, tmp_path):
    """Rows of one class each come back as a score for each class, so that every NMS route takes them."""
    foreign, rows, classes = Foreign(batch=2), 30, 4
    values = final_rows(foreign, classes, SIZE, rows, extra, obb=task == "obb")
    more = {"kpt_shape": "[5, 3]"} if task == "pose" else {}
    more |= {"end2end": "True"} if says_so else {}
    path = foreign.save(tmp_path / "m.onnx", {"output0": values}, ultralytics(task, classes, **more))

    def expected(out):
        rows_ = out["output0"]
        scores = np.where(rows_[..., 5:6] == np.arange(classes), rows_[..., 4:5], 0)
        if task == "obb":
            return {"boxes": np.concatenate([rows_[..., :4], rows_[..., 6:]], axis=-1), "scores": scores}
        heads = {"boxes": rows_[..., :4], "scores": scores}
        return heads | ({"keypoints": rows_[..., 6:].reshape(2, rows, 5, 3)} if task == "pose" else {})

    assert compare(path, expected, batch=2).nms_free


@pytest.mark.parametrize("properties", [yolov5(4), {}], ids=["YOLOv5", "YOLOv7, no metadata"])
def test_rows_with_objectness(properties, tmp_path):
    foreign = Foreign()
    undecoded = {f"level{index}": level for index, level in enumerate(foreign.maps(27))}
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE), **undecoded}, properties)
    meta = compare(path, lambda out: from_rows(out["output"], 4))
    assert meta.names == tuple(f"{'thing' if properties else 'class'}{number}" for number in range(4))
    assert meta.strides == (8, 16, 32)


def test_rows_of_a_segmentation_model(tmp_path):
    foreign = Foreign()
    outputs = {"output0": yolov5_rows(foreign, 2, SIZE, masks=6), "output1": foreign.maps(6, (4,))[0]}
    path = foreign.save(tmp_path / "m.onnx", outputs, yolov5(2))

    def expected(out):
        return from_rows(out["output0"], 2) | {"mask_coeffs": out["output0"][..., 7:], "protos": out["output1"]}

    compare(path, expected)


def test_rows_of_a_pose_model(tmp_path):
    size, strides = (64, 128), (8, 16, 32, 64)
    foreign = Foreign(size)
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 1, size, strides, points=5)})

    def expected(out):
        points = out["output"][..., 6:]
        return from_rows(out["output"], 1) | {"keypoints": points.reshape(*points.shape[:2], 5, 3)}

    meta = compare(path, expected)
    assert (meta.task, meta.kpt_shape, meta.strides) == ("pose", (5, 3), (8, 16, 32, 64))


def test_yolov5_classifier_gets_its_normalisation_and_softmax(tmp_path):
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", {"output0": classifier(foreign, 5)}, yolov5(5))
    model, meta, _ = imported(path)
    images = np.random.default_rng(1).random((2, 3, *SIZE), np.float32)
    mean, std = (np.float32(value).reshape(1, 3, 1, 1) for value in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    logits = run_onnx(path, (images - mean) / std)["output0"].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run_onnx(model.SerializeToString(), images)["probs"], expected, rtol=1e-5)
    assert meta.task == "classify"


@pytest.mark.parametrize("where", ["rows", "plugin"])
def test_shapes_that_no_inference_tells_are_measured(where, tmp_path):
    """Exporters of a free batch reshape to lengths that they compute from the picture's."""
    foreign = Foreign()
    rows = yolov5_rows(foreign, 4, SIZE)
    lengths = foreign.node("Shape", [rows], dtype=np.int64)
    batch = foreign.node("NonZero", [foreign.node("Gather", [lengths, np.array([0])], dtype=np.int64)], dtype=np.int64)
    ones = foreign.node("Reshape", [foreign.node("Add", [batch, np.array([1])], dtype=np.int64), np.array([-1])])
    ones.dtype = np.int64
    batch = foreign.node(
        "Mul", [foreign.node("Gather", [lengths, np.array([0])], dtype=np.int64), ones], dtype=np.int64
    )
    shape = foreign.node("Concat", [batch, np.array([-1]), np.array([9])], dtype=np.int64, axis=0)
    moved = foreign.node("Reshape", [rows, shape])
    if where == "rows":
        path = foreign.save(tmp_path / "m.onnx", {"output": moved})
        assert compare(path, lambda out: from_rows(out["output"], 4)).batch is None
        return
    boxes, scores = foreign.node("Split", [moved, np.array([4, 5])], outputs=2, axis=2)
    found = foreign.node("EfficientNMS_TRT", [boxes, scores], outputs=4, domain="TRT", box_coding=[1], iou_threshold=0.5,
                         score_threshold=0.2, max_output_boxes=10, background_class=[-1])  # fmt: skip
    foreign.graph.import_domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("TRT", 1)]
    names = ("num_dets", "det_boxes", "det_scores", "det_classes")
    for tensor, width in zip(found, (1, 40, 10, 10), strict=True):
        tensor.shape = ["n", str(width)]
    path = foreign.save(tmp_path / "m.onnx", dict(zip(names, found, strict=True)))
    _, meta, _ = imported(path)
    assert (meta.batch, len(meta.names)) == (None, 5)
    lower(path, tmp_path / "lowered.onnx")
    images = np.random.default_rng(1).random((3, 3, *SIZE), np.float32)
    lowered = run_onnx(tmp_path / "lowered.onnx", images)
    assert lowered["det_boxes"].shape == (3, 10, 4)
    assert (lowered["det_boxes"][..., 2:] >= lowered["det_boxes"][..., :2]).all(), "centres and sizes became corners"


@pytest.mark.parametrize("one_box", [False, True], ids=["[B, A, 4]", "[B, A, 1, 4]"])
def test_a_free_size_is_fixed_before_a_plugin_too(one_box, tmp_path):
    """YOLOv9's end-to-end exporter leaves height and width free and writes the lengths of the outputs as strings."""
    foreign = Foreign(size=("height", "width"))
    boxes, scores = foreign.node("Split", [foreign.rows(9), np.array([4, 5])], outputs=2, axis=2)
    scores = foreign.node("Sigmoid", [scores])
    given = foreign.node("Unsqueeze", [boxes, np.array([2])]) if one_box else boxes
    found = foreign.node("EfficientNMS_TRT", [given, scores], outputs=4, domain="TRT", box_coding=[1])
    foreign.graph.import_domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("TRT", 1)]
    names = ("num_dets", "det_boxes", "det_scores", "det_classes")
    for tensor, lengths in zip(found, (["1"], ["10", "4"], ["10"], ["10"]), strict=True):
        tensor.shape = ["n", *lengths]
    path = foreign.save(tmp_path / "m.onnx", dict(zip(names, found, strict=True)))
    _, meta, _ = imported(path, img_size=(32, 64))
    assert (meta.imgsz, len(meta.names)) == ((32, 64), 5)


@pytest.mark.parametrize(
    ("coding", "activation"),
    [(0, 0), (1, 1), ([1], 0)],
    ids=["corners", "centres and logits", "centres, said in a list as YOLOv7's exporter does"],
)
def test_an_efficient_nms_plugin_is_opened(coding, activation, tmp_path):
    foreign = Foreign()
    rows = foreign.rows(4 + 6)
    boxes, scores = foreign.node("Split", [rows, np.array([4, 6])], outputs=2, axis=2)
    scores = scores if activation else foreign.node("Sigmoid", [scores])
    probe = {"probe_boxes": foreign.node("Identity", [boxes]), "probe_scores": foreign.node("Identity", [scores])}
    found = foreign.node(
        "EfficientNMS_TRT", [boxes, scores], outputs=4, domain="TRT", box_coding=coding, score_activation=activation
    )
    foreign.graph.import_domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("TRT", 1)]
    names = ("num_dets", "det_boxes", "det_scores", "det_classes")
    for tensor, width in zip(found, (1, 40, 10, 10), strict=True):
        tensor.shape = ["n", width]
    path = foreign.save(tmp_path / "m.onnx", dict(zip(names, found, strict=True)))
    model, meta, _ = imported(path)
    foreign.graph.outputs = []
    original = foreign.save(tmp_path / "probe.onnx", probe)
    stripped = onnx.load(original)
    del stripped.graph.node[[node.op_type for node in stripped.graph.node].index("EfficientNMS_TRT")]
    images = np.random.default_rng(1).random((2, 3, *SIZE), np.float32)
    probed, actual = run_onnx(stripped.SerializeToString(), images), run_onnx(model.SerializeToString(), images)
    raw = probed["probe_scores"]
    np.testing.assert_allclose(actual["scores"], 1 / (1 + np.exp(-raw)) if activation else raw, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        actual["boxes"], corners(probed["probe_boxes"]) if coding else probed["probe_boxes"], rtol=1e-5, atol=1e-5
    )
    assert len(meta.names) == 6
    assert "EfficientNMS_TRT" not in [node.op_type for node in model.graph.node]


def test_a_free_size_is_fixed_by_the_metadata_or_the_user(tmp_path):
    foreign = Foreign(size=("height", "width"))
    path = foreign.save(tmp_path / "m.onnx", {"output0": foreign.columns(4 + 5)}, ultralytics("detect", 5))
    for wanted, size in ((None, SIZE), ((32, 128), (32, 128))):
        graph, _ = prepare(path, *read_onnx(path), wanted)
        cells = sum((size[0] // step) * (size[1] // step) for step in (8, 16, 32))
        assert graph.inputs[0].shape[2:] == list(size)
        assert graph.outputs[0].shape[1:] == [9, cells]
    with pytest.raises(ModelError, match="largest stride 32"):
        prepare(path, *read_onnx(path), (40, 64))


def test_a_free_size_that_nothing_fixes_is_asked_for(tmp_path):
    foreign = Foreign(size=("height", "width"))
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE)})
    with pytest.raises(InputError, match="--img-size HEIGHT WIDTH"):
        read(path, ReadOptions())
    compare(path, lambda out: from_rows(out["output"], 4), img_size=SIZE)


def test_a_fixed_size_and_batch_stay(tmp_path):
    foreign = Foreign(batch=2)
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE)})
    assert compare(path, lambda out: from_rows(out["output"], 4), batch=2).batch == 2
    with pytest.raises(InputError, match=r"exported for 64x96 .*leave --img-size out"):
        read(path, ReadOptions(img_size=(64, 64)))


def test_half_precision_keeps_its_graph_and_takes_float32(tmp_path):
    foreign = Foreign(half=True)
    path = foreign.save(tmp_path / "m.onnx", {"output0": yolov8_columns(foreign, 5, SIZE)}, ultralytics("detect", 5))
    model, meta, _ = imported(path)
    images = np.random.default_rng(1).random((2, 3, *SIZE), np.float32)
    expected = from_columns(run_onnx(path, images.astype(np.float16))["output0"].astype(np.float32), 5)
    actual = run_onnx(model.SerializeToString(), images)
    for name in expected:
        # ONNX Runtime's CPU kernels round half precision at other places when casts are beside them.
        np.testing.assert_allclose(
            actual[name], expected[name], rtol=1e-2, atol=0.15 if name == "boxes" else 1e-2, err_msg=name
        )
    assert meta.precision == "fp16"
    assert [value.type.tensor_type.elem_type for value in model.graph.input] == [onnx.TensorProto.FLOAT]


def test_an_old_opset_is_raised(tmp_path):
    foreign = Foreign(opset=11)
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE)})
    compare(path, lambda out: from_rows(out["output"], 4))
    model, _, notes = imported(path)
    assert model.opset_import[0].version == 17
    assert "opset 11 was raised to 17" in notes


def test_names_from_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour\n")
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE)})
    assert imported(path, names=tmp_path / "names.txt")[1].names == ("one", "two", "three", "four")
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    with pytest.raises(UnsupportedError, match="they have 4 classes, but 2 names are given"):
        read(path, ReadOptions(names=tmp_path / "names.txt"))


def test_our_own_files_come_back_as_they_are(tmp_path):
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", {"output0": yolov8_columns(foreign, 5, SIZE)}, ultralytics("detect", 5))
    graph, meta, _ = read(path, ReadOptions())
    write_onnx(graph, to_properties(meta), tmp_path / "ours.onnx")
    again, same, notes = read(tmp_path / "ours.onnx", ReadOptions())
    assert same == meta
    assert isinstance(same, ModelMeta)
    assert notes == ()
    assert [node.op for node in again.nodes] == [node.op for node in graph.nodes]
    with pytest.raises(InputError, match="leave --img-size out"):
        read(tmp_path / "ours.onnx", ReadOptions(img_size=(32, 32)))


def two_inputs(foreign):
    foreign.graph.inputs.append(gs.Variable("scale", np.float32, [1]))
    return {"output": yolov5_rows(foreign, 4, SIZE)}


def suppressed(foreign):
    rows = foreign.rows(9)
    limits = [np.array([10]), np.float32([0.5]), np.float32([0.1])]
    parts = foreign.node("Split", [rows, np.array([4, 5])], outputs=2, axis=2)
    scores = foreign.node("Transpose", [parts[1]], perm=[0, 2, 1])
    return {"output0": foreign.node("NonMaxSuppression", [parts[0], scores, *limits], dtype=np.int64)}


REFUSED = {
    "two inputs": (two_inputs, {}, r"takes input float32 \[n, 3, 64, 96\], scale"),
    "NMS in the graph": (suppressed, {}, r"has NMS in its graph already \(NonMaxSuppression.*--end2end"),
    "undecoded maps": (lambda f: {"p3": f.maps(27)[0]}, {}, r"p3 \[batch, 27, 8, 12\].*--grid.*convert the \.pt"),
    "no YOLO's number of boxes": (
        lambda f: {"output": f.rows(9, strides=(8,))}, {}, r"output \[batch, 288, 9\].*neither 288 nor 9 is a YOLO's",
    ),
    "metadata of other shapes": (
        lambda f: {"output0": f.columns(10)}, ultralytics("detect", 5), r"\[batch, 10, 126\].*\[B, 9, anchors\]",
    ),
    "an unknown task": (lambda f: {"output0": f.columns(9)}, ultralytics("depth", 5), "the task is 'depth'"),
    "pose without its shape": (lambda f: {"output0": f.columns(9)}, ultralytics("pose", 5), "must say kpt_shape"),
    "segmentation without prototypes": (
        lambda f: {"output0": f.columns(9)}, ultralytics("segment", 5), r"expected \[B, masks, h, w\]",
    ),
    "final rows of nms=True": (
        lambda f: {"output0": f.rows(6, anchors=1)}, ultralytics("detect", 5, args="{'nms': True}"), "without nms=True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_interpreted_is_refused_with_what_was_seen(name, tmp_path):
    make, properties, message = REFUSED[name]
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", make(foreign), properties)
    with pytest.raises(UnsupportedError, match=message):
        read(path, ReadOptions())


def test_a_head_cannot_be_chosen(tmp_path):
    foreign = Foreign()
    path = foreign.save(tmp_path / "m.onnx", {"output": yolov5_rows(foreign, 4, SIZE)})
    with pytest.raises(InputError, match="leave --head one2many out"):
        read(path, ReadOptions(head="one2many"))
