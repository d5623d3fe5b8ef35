"""`ultralytics.YOLO("ours.onnx")` on files in the ultralytics layout gives what its checkpoint gives; all others it refuses."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared import WEIGHTS, needs_weights

from trtzoo import ConvertSettings, EndToEnd, NmsSettings, ReadOptions, Uint8Input, convert, inspect, load

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("ultralytics"), reason="needs the original framework")

SCRIPT = Path(__file__).resolve().parents[2] / "support" / "oracles" / "framework_predictions.py"
END2END = EndToEnd(NmsSettings(conf_thres=0.25, iou_thres=0.7, topk_all=300, candidates=3840))

CASES = {
    "detect": ("yolov8n.pt", "dog.jpg", None, None),
    "detect, end to end": ("yolov8n.pt", "dog.jpg", END2END, None),
    "segment": ("yolov8n-seg.pt", "dog.jpg", None, None),
    "segment, end to end": ("yolov8n-seg.pt", "dog.jpg", END2END, None),
    "pose": ("yolo11n-pose.pt", "person.jpg", None, None),
    "pose, end to end": ("yolo11n-pose.pt", "person.jpg", END2END, None),
    "obb": ("yolov8n-obb_custom-tau-fibrils.pt", "obb-sample_tau-fibrils_640.png", None, None),
    "the one-to-many head that the framework predicts with": ("yolo26n.pt", "dog.jpg", None, "one2many"),
}


def compare(picture: Path, model: Path, ours: Path, folder: Path) -> dict:
    """Both predictions of the framework, compared in a process of its own."""
    environment = os.environ | {"YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(folder)}
    command = [sys.executable, str(SCRIPT), str(picture), "640", str(model), str(ours)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@needs_weights
@pytest.mark.parametrize(("model", "picture", "end2end", "head"), CASES.values(), ids=CASES)
def test_the_framework_predicts_the_same(model, picture, end2end, head, tmp_path):
    settings = ConvertSettings(read=ReadOptions(head=head), end2end=end2end, layout="ultralytics", verify=False)
    ours = convert(WEIGHTS / model, tmp_path / "ours.onnx", settings).path
    result = compare(WEIGHTS / picture, WEIGHTS / model, ours, tmp_path)
    found, expected = result["objects"]
    assert found == expected > 0
    assert result["boxes"] < 0.01
    assert result.get("keypoints", 0) < 0.01
    assert result.get("masks", 0) < 1e-3


SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FEW = EndToEnd(NmsSettings(topk_all=20))

OTHERS = {
    "raw": ConvertSettings(),
    "end to end": ConvertSettings(end2end=FEW),
    "flat": ConvertSettings(end2end=FEW, layout="flat"),
    "deepstream": ConvertSettings(end2end=FEW, layout="deepstream"),
    "bytes": ConvertSettings(layout="ultralytics", uint8_input=Uint8Input()),
}

ASK = """
import sys
from framework_predictions import prepare_torchvision
prepare_torchvision()
from ultralytics import YOLO
print(len(YOLO(sys.argv[1], task="detect").predict(sys.argv[2], device="cpu", imgsz=int(sys.argv[3]))[0].boxes))
"""


def predicted(model: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `ultralytics.YOLO` makes of one of our files, in a process of its own."""
    environment = os.environ | {"YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(folder), "PYTHONPATH": str(SCRIPT.parent)}
    size = inspect(model).meta.imgsz[0]
    command = [sys.executable, "-c", ASK, str(model), str(SAMPLES / "pictures" / "shapes1.jpg"), str(size)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=folder)


@pytest.mark.parametrize("settings", OTHERS.values(), ids=OTHERS)
def test_the_framework_refuses_files_of_other_layouts(settings, tmp_path):
    ours = convert(SAMPLES / "shapes.cfg", tmp_path / "ours.onnx", settings).path
    done = predicted(ours, tmp_path)
    assert done.returncode == 1, done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert "ValueError" in last
    assert "not for ultralytics.YOLO()" in last
    assert "--layout ultralytics" in last
    assert "refuses this file" in inspect(ours).facts["ultralytics.YOLO()"]
    assert inspect(ours).document()["for_ultralytics"] is False


def test_the_framework_runs_the_sample_in_its_layout(tmp_path):
    ours = convert(SAMPLES / "shapes.cfg", tmp_path / "ours.onnx", ConvertSettings(layout="ultralytics")).path
    done = predicted(ours, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.strip().splitlines()[-1]) == len(load(ours)(SAMPLES / "pictures" / "shapes1.jpg")) > 0
    assert inspect(ours).facts["ultralytics.YOLO()"] == "runs this file"
