"""Every family and task of Ultralytics against the framework itself: freshly made random models, and real weights.

One scale of each model runs by default; `TRTZOO_ALL_SCALES=1` runs every scale of every family.

The reference is the framework in float64. What its own float32 differs from that is the rounding noise of a random deep
net, and measures what may be asked of ONNX Runtime. In float64 our operations must give the same, but for the rounding
of the folded weights.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from running import largest_error, run_network, run_torch
from shared import WEIGHTS, needs_weights

pytest.importorskip("torch", reason="needs the original framework")
pytest.importorskip("ultralytics", reason="needs the original framework: pip install ultralytics")

import ultralytics_models as original

from trtzoo.converters import ultralytics
from trtzoo.converters.checkpoint.reader import load_model_record
from trtzoo.converters.options import ReadOptions

TASKS = {"": "detect", "-seg": "segment", "-pose": "pose", "-obb": "obb", "-cls": "classify"}
MODERN = ("yolov8", "yolo11", "yolo12", "yolo26")
NARROW = {"width_multiple": 0.25}


def each_task(scales):
    return [(f"{name}{scale}{kind}", task, {}) for name in MODERN for scale in scales for kind, task in TASKS.items()]


def detectors(*names, **changes):
    return [(name, "detect", changes) for name in names]


def scaled(pattern, scales="smlx"):
    return [pattern.replace("?", scale) for scale in scales]


ONE_SCALE = [
    *each_task("n"),
    *detectors("yolov3", "yolov3-spp", "yolov3-tiny", **NARROW),
    *detectors("yolov5n", "yolov6n", "yolov9t", "yolov9m", "yolov9e", "yolov10n", "yolov10s"),
    *detectors("yolov5n-p6", "yolov8n-p2", "yolov8n-p6", "yolo26n-p2", "yolo26n-p6"),
    *detectors("yolov8n-ghost", "yolov8n-ghost-p2", "yolov8n-ghost-p6"),
    ("yolov9c-seg", "segment", {}),
    ("yolov8n-seg-p6", "segment", {}),
    ("yolov8n-pose-p6", "pose", {}),
    ("yolo11n-pose", "pose", {"kpt_shape": [5, 2]}),
    ("yolo26n-pose", "pose", {"kpt_shape": [4, 2]}),
    ("yolov8n-cls-resnet50", "classify", {}),
]

LARGER = [
    *each_task("smlx"),
    *detectors("yolov3", "yolov3-spp", "yolov3-tiny"),
    *detectors(*scaled("yolov5?"), *scaled("yolov6?"), *scaled("yolov9?", "sc"), *scaled("yolov10?", "mblx")),
    *detectors(*scaled("yolov5?-p6"), *scaled("yolov8?-p2"), *scaled("yolov8?-p6")),
    *detectors(*scaled("yolo26?-p2"), *scaled("yolo26?-p6")),
    ("yolov9e-seg", "segment", {}),
    ("yolov8n-cls-resnet101", "classify", {}),
]

MODELS = ONE_SCALE + (LARGER if os.environ.get("TRTZOO_ALL_SCALES") else [])


def network_of(path, size, head=None):
    record, checkpoint = load_model_record(path)
    assert ultralytics.matches(record)
    return ultralytics.read(record, checkpoint, path, ReadOptions(img_size=size, head=head))


def pictures(size, channels=3):
    return np.random.default_rng(0).random((2, channels, *size), dtype=np.float32)


def assert_as_original(model, path, size, head=None, channels=3):
    """ONNX Runtime and, in float64, our torch operations give what the framework's own decoding gives."""
    network, images = network_of(path, size, head), pictures(size, channels)
    exact, single = (original.raw_heads(model, images, head or "one2many", double) for double in (True, False))
    onnx, double = run_network(network, images), run_torch(network, images, double=True)
    assert list(onnx) == list(double) == list(exact)
    for name, values in exact.items():
        assert onnx[name].shape == values.shape, name
        noise = largest_error(single[name], values)
        assert noise < 0.01, "this random net says nothing; take another seed"
        assert largest_error(double[name], values) <= max(1e-5, noise), name
        assert largest_error(onnx[name], values) <= max(1e-4, 10 * noise), name


@pytest.mark.parametrize(("name", "task", "changes"), MODELS)
def test_random_model(name, task, changes, tmp_path):
    model = original.build(f"{name}.yaml", task, **changes)
    path = original.save(model, tmp_path / "model.pt")
    size = (64, 128) if name.endswith("p6") else (64, 96)
    dual = getattr(model.model[-1], "one2one_cv2", None) is not None
    for head in ("one2one", "one2many") if dual else (None,):
        assert_as_original(model, path, size, head)


def test_torchvision_backbone(tmp_path):
    """A ResNet of torchvision as the one layer before the head."""
    original.define_torchvision_operators()
    pytest.importorskip("torchvision", reason="this backbone comes from torchvision")
    config = original.tasks.yaml_model_load("yolo11n-cls-resnet18.yaml")
    config["backbone"][0][3][2] = None  # do not download weights
    model = original.build("yolo11n-cls-resnet18.yaml", "classify", backbone=config["backbone"])
    assert_as_original(model, original.save(model, tmp_path / "model.pt"), (64, 64))


@pytest.mark.parametrize(
    ("name", "head"),
    [("yolov8n", None), ("yolov9t", None), ("yolov10n", "one2one"), ("yolov10n", "one2many")],
)
def test_model_that_was_fused_before_saving(name, head, tmp_path):
    """BatchNorm folded in, branches merged, and of two heads only the chosen one left."""
    model = original.build(f"{name}.yaml", "detect")
    images = pictures((64, 64))
    expected = original.raw_heads(model, images, head or "one2many", double=True)
    if head:
        model.end2end = head == "one2one"
    network = network_of(original.save(model.fuse(verbose=False), tmp_path / "fused.pt"), (64, 64))
    assert (network.meta.nms_free, network.meta.head) == (head == "one2one", None)
    for name, values in run_network(network, images).items():
        assert largest_error(values, expected[name]) < 1e-3, name


@pytest.mark.parametrize(("channels", "colour"), [(1, "gray"), (4, "rgb")])
def test_other_input_channels(channels, colour, tmp_path):
    model = original.build("yolov8n.yaml", "detect", channels=channels)
    path = original.save(model, tmp_path / "model.pt")
    meta = network_of(path, (64, 64)).meta
    assert (meta.channels, meta.preprocess.colour) == (channels, colour)
    assert_as_original(model, path, (64, 64), channels=channels)


REAL = {
    "yolov8n.pt": ("detect", (8, 16, 32)),
    "yolov8n-seg.pt": ("segment", (8, 16, 32)),
    "yolo11n-pose.pt": ("pose", (8, 16, 32)),
    "yolo26n.pt": ("detect", (8, 16, 32)),
    "yolov8n-obb_custom-tau-fibrils.pt": ("obb", (8, 16, 32)),
    "yolov8n-cls.pt": ("classify", ()),
}


@needs_weights
@pytest.mark.parametrize("name", REAL)
def test_real_weights_on_a_real_picture(name):
    """The framework's own raw heads of a photo; the classifier comes from 8.0.52, whose modules were renamed since."""
    import cv2

    original.define_torchvision_operators()
    path = WEIGHTS / name
    network = network_of(path, None)
    height, width = network.meta.imgsz
    assert (network.meta.task, network.meta.strides) == REAL[name]
    assert (height, width) == ((224, 224) if network.meta.task == "classify" else (640, 640))
    picture = cv2.resize(cv2.imread(str(WEIGHTS / "dog.jpg")), (width, height))
    images = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    model, _ = original.tasks.load_checkpoint(path)
    expected = original.raw_heads(model.float().eval(), images, network.meta.head or "one2many")
    heads = run_network(network, images)
    assert list(heads) == list(expected)
    for key, values in expected.items():
        assert largest_error(heads[key], values) < 1e-4, key
