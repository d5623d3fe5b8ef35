"""Files written by the real Ultralytics exporter, imported, against the framework's own decoding of the same model."""

from __future__ import annotations

import numpy as np
import pytest
from running import run_onnx

from trtzoo.contract.properties import to_properties
from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.options import ReadOptions
from trtzoo.graph.skeleton import load_all

original = pytest.importorskip("ultralytics_models", reason="needs the original framework: pip install ultralytics")

SIZE = (64, 96)
CASES = {
    "v8": ("yolov8n.yaml", "detect", {}),
    "v8, dynamic": ("yolov8n.yaml", "detect", {"dynamic": True}),
    "v8-pose": ("yolov8n-pose.yaml", "pose", {}),
    "11-seg": ("yolo11n-seg.yaml", "segment", {}),
    "v8-obb": ("yolov8n-obb.yaml", "obb", {}),
    "v8-cls": ("yolov8n-cls.yaml", "classify", {}),
    "26, the head that needs NMS": ("yolo26n.yaml", "detect", {}),
    "26-pose, NMS-free": ("yolo26n-pose.yaml", "pose", {"nms": False}),
    "26-obb, NMS-free": ("yolo26n-obb.yaml", "obb", {"nms": False}),
    "v10, NMS-free, dynamic": ("yolov10n.yaml", "detect", {"nms": False, "dynamic": True}),
}


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    """The framework's front door, kept from installing packages and from writing into the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
        patch.setenv("YOLO_AUTOINSTALL", "false")
        original.define_torchvision_operators()
        try:
            from ultralytics import YOLO
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"the framework's exporter cannot be imported here: {error}")
        yield YOLO


def export(yolo, yaml, task, settings):
    """The file that the framework makes of a random model, and the model."""
    front = yolo(yaml, task=task)
    model = original.build(yaml, task)
    model.args, model.task = front.model.args, front.model.task
    front.model = model
    exported = front.export(format="onnx", imgsz=list(SIZE), opset=17, simplify=False, verbose=False, **settings)
    return exported, model


@pytest.mark.parametrize("name", CASES)
def test_import_says_what_the_framework_says(name, yolo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yaml, task, settings = CASES[name]
    path, model = export(yolo, yaml, task, settings)
    graph, meta, _ = read(tmp_path / path, ReadOptions())
    assert (meta.task, meta.imgsz, len(meta.names)) == (task, SIZE, 3)
    assert meta.batch == (None if settings.get("dynamic") else 1)
    images = np.random.default_rng(4).random((meta.batch or 2, 3, *SIZE), np.float32)
    actual = run_onnx(load_all(graph, to_properties(meta)).SerializeToString(), images)
    assert meta.nms_free == ("nms" in settings)
    expected = original.raw_heads(model, images, "one2one" if meta.nms_free else "one2many")
    if meta.nms_free:
        actual, expected = best(actual), best(expected)
    assert list(actual) == list(expected)
    for output, values in expected.items():
        limit = 1e-4 * np.abs(values).max()
        np.testing.assert_allclose(actual[output], values, rtol=0, atol=limit, err_msg=output)


def best(heads):
    """The ten best (anchor, class) pairs of each picture with all that belongs to them, by descending score."""
    scores = heads["scores"].reshape(len(heads["scores"]), -1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    anchors, classes = np.divmod(order, heads["scores"].shape[2])
    chosen = {
        name: np.stack([picture[rows] for picture, rows in zip(values, anchors, strict=True)])
        for name, values in heads.items()
        if name != "scores"
    }
    return chosen | {"scores": np.take_along_axis(scores, order, 1), "classes": classes}
