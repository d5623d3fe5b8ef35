"""YOLOv5 and YOLOv5-pose checkpoints against the original framework's outputs (../shared/golden) and real weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from running import assert_interpreters_agree, convert_and_run, run_network, run_onnx
from shared import GOLDEN, WEIGHTS, golden_cases, needs_golden, needs_weights

from trtzoo import EndToEnd
from trtzoo.contract.nms import NmsSettings
from trtzoo.converters import yolov5
from trtzoo.converters.checkpoint.reader import load_model_record
from trtzoo.converters.network import to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import ModelError
from trtzoo.graph.skeleton import load_all

CASES = [*golden_cases("y5_"), *golden_cases("tipose_")]
DETECTORS = [case for case in CASES if not case.name.endswith("_cls")]
MEAN = np.float32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = np.float32([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
by_detector = pytest.mark.parametrize("case", DETECTORS, ids=lambda case: case.name)


def read_case(case, size=None):
    """The network of a golden case at the case's input size, or another, and the case's arrays."""
    expected = np.load(case / "expected.npz")
    record, checkpoint = load_model_record(case / "model.pt")
    assert yolov5.matches(record)
    options = ReadOptions(img_size=size or expected["images"].shape[2:])
    return yolov5.read(record, checkpoint, case / "model.pt", options), expected


def contract(meta, pred):
    """The original's rows (cx, cy, w, h, objectness, classes, keypoints) as the raw heads should be."""
    pred = pred.astype(np.float64)
    centre, size, after = pred[..., :2], pred[..., 2:4], 5 + len(meta.names)
    heads = {
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], axis=-1),
        "scores": pred[..., 4:5] * pred[..., 5:after],
    }
    if meta.kpt_shape:
        heads["keypoints"] = pred[..., after:].reshape(*pred.shape[:2], *meta.kpt_shape)
    return heads


def assert_close(actual, expected, relative, absolute=0.0):
    """Each output within `relative` of its largest value; boxes may be `absolute` pixels further off."""
    assert list(actual) == list(expected)
    for name, values in expected.items():
        limit = relative * float(np.abs(values).max()) + (absolute if name == "boxes" else 0)
        assert actual[name].shape == values.shape, name
        worst = float(np.abs(actual[name] - values).max())
        assert worst <= limit, f"{name}: off by {worst:.3g}, allowed {limit:.3g}"


def noise_of(case):
    """How far the original's boxes move, in pixels, when it folds its batch normalisation itself."""
    return json.loads((case / "case.json").read_text())["max_abs_diff_after_fuse"]


@needs_golden
@by_detector
def test_both_pictures_give_what_the_original_gives(case):
    network, expected = read_case(case)
    images, noise = expected["images"], noise_of(case)
    actual = run_network(network, images, batch=2)
    assert_close(actual, contract(network.meta, expected["pred"]), 1e-4, noise)


@needs_golden
def test_classifier_normalises_in_the_graph_and_gives_probabilities():
    network, expected = read_case(GOLDEN / "y5_v7_cls")
    logits = expected["logits"].astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # The golden logits were computed from `images` as the network's own input: after the normalisation.
    assert_close(run_network(network, expected["images"] * STD + MEAN), {"probs": softmax}, 1e-5)
    assert network.meta.preprocess.resize == "crop"


@needs_golden
@pytest.mark.parametrize(
    ("name", "task", "names", "strides", "kpt_shape"),
    [
        ("y5_v7_detect_nc3_ema", "detect", ("class0", "class1", "class2"), (8, 16, 32), None),
        ("y5_v7_cls", "classify", tuple(f"class{i}" for i in range(6)), (), None),
        ("tipose_l6_rect", "pose", ("person",), (8, 16, 32, 64), (17, 3)),
    ],
)
def test_metadata(name, task, names, strides, kpt_shape):
    meta = read_case(GOLDEN / name)[0].meta
    found = (meta.task, meta.names, meta.strides, meta.kpt_shape, meta.channels, meta.multi_label)
    assert found == (task, names, strides, kpt_shape, 3, False)
    assert meta.family == ("yolov5-pose" if task == "pose" else "yolov5")


@needs_golden
@by_name
def test_symbolic_batch_takes_any_batch_and_a_rectangle(case):
    graph, _ = to_graph(read_case(case, (128, 192))[0], None, 17)
    model = load_all(graph, {}).SerializeToString()
    images = np.random.default_rng(5).random((5, 3, 128, 192), np.float32)
    whole = run_onnx(model, images)
    for batch in (1, 2):
        assert_close(run_onnx(model, images[:batch]), {name: values[:batch] for name, values in whole.items()}, 1e-5)


@needs_golden
@by_name
def test_torch_computes_what_onnx_runtime_computes(case):
    pytest.importorskip("torch", reason="the torch backend is an extra")
    network, expected = read_case(case)
    assert_interpreters_agree(network, expected["images"])


@needs_golden
def test_the_two_focus_orders_are_kept_apart():
    """Slices count rows first (v5.0), TexasInstruments' Contract columns first: a weight goes to another pixel."""
    from trtzoo.converters.torch_modules.blocks import block_conv

    for name, cells in (
        ("y5_v5_focus", [(0, 0), (1, 0), (0, 1), (1, 1)]),
        ("tipose_l6_rect", [(0, 0), (0, 1), (1, 0), (1, 1)]),
    ):
        network, _ = read_case(GOLDEN / name)
        stored = block_conv(load_model_record(GOLDEN / name / "model.pt")[0].child("model").child("0").child("conv"))
        graph, _ = to_graph(network, 1, 17)
        first = next(node for node in graph.nodes if node.op == "Conv")
        kernel, blocks = first.inputs[1].values, np.split(stored.folded()[0].load(), 4, axis=1)
        for (row, column), block in zip(cells, blocks, strict=True):
            np.testing.assert_array_equal(kernel[:, :, row::2, column::2], block)


@needs_golden
@pytest.mark.parametrize(("name", "stride", "smaller"), [("y5_v5_focus", 32, 96), ("tipose_l6_rect", 64, 64)])
def test_a_size_that_does_not_fit_names_the_next_ones(name, stride, smaller):
    with pytest.raises(ModelError, match=f"stride {stride}.*--img-size {smaller} 640 and --img-size 128 640"):
        read_case(GOLDEN / name, (100, 640))


@needs_golden
def test_default_size_is_the_familys_own():
    def size_of(name):
        record, checkpoint = load_model_record(GOLDEN / name / "model.pt")
        network = yolov5.read(record, checkpoint, GOLDEN / name / "model.pt", ReadOptions())
        return network.meta.imgsz, network.notes

    assert size_of("y5_v5_focus") == ((640, 640), ())
    assert size_of("tipose_l6_rect") == ((640, 640), ())
    assert size_of("y5_v7_cls")[0] == (64, 64), "a classifier takes the size it was trained at"
    size, notes = size_of("y5_v7_detect_nc3_ema")
    assert size == (640, 640)
    assert "trained at 96" in notes[0]


@needs_weights
def test_real_weights_find_what_is_in_the_picture():
    import cv2

    path = WEIGHTS / "yolov5n_v6.0-era.pt"
    network = yolov5.read(*load_model_record(path), path, ReadOptions())
    assert network.meta.imgsz == (640, 640)
    assert len(network.meta.names) == 80
    picture = cv2.imread(str(WEIGHTS / "dog.jpg"))
    height, width = picture.shape[:2]
    scale = 640 / max(height, width)
    fitted = cv2.resize(picture, (round(width * scale), round(height * scale)))
    canvas = np.full((640, 640, 3), 114, np.uint8)
    top = (640 - fitted.shape[0]) // 2
    canvas[top : top + fitted.shape[0], : fitted.shape[1]] = fitted
    images = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    heads = run_network(network, images)
    best = heads["scores"][0].max(axis=0)
    found = {name for name, score in zip(network.meta.names, best, strict=True) if score > 0.25}
    assert {"dog", "bicycle"} <= found
    assert len(found) <= 6
    dog = heads["boxes"][0, heads["scores"][0, :, network.meta.names.index("dog")].argmax()]
    known = np.array([131, 221, 310, 541]) * scale + [0, top, 0, top]
    assert np.abs(dog - known).max() < 25


@needs_golden
@pytest.mark.parametrize("case", golden_cases("tipose_"), ids=lambda case: case.name)
def test_end_to_end_keeps_the_rows_of_the_originals_nms(case, tmp_path):
    expected = np.load(case / "expected.npz")
    images = expected["images"]
    settings = EndToEnd(NmsSettings(conf_thres=0.25, iou_thres=0.45, topk_all=100))
    rows = convert_and_run(case / "model.pt", tmp_path / "m.onnx", images, settings, img_size=images.shape[2:])
    for image in range(len(images)):
        wanted = expected[f"nms_{image}"]
        count = int(rows["num_dets"][image, 0])
        assert count == len(wanted)
        got = [rows[name][image, :count].reshape(count, -1) for name in ("det_boxes", "det_scores", "det_kpts")]
        for actual, original in zip(got, (wanted[:, :4], wanted[:, 4:5], wanted[:, 6:]), strict=True):
            limit = 1e-4 * np.abs(original).max() + noise_of(case)
            np.testing.assert_allclose(actual, original, rtol=0, atol=limit)
