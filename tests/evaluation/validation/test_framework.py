"""`val` gives what Ultralytics' own validator gives, on the same pictures and weights, to .002."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared import COCO, WEIGHTS, needs_coco, needs_weights

from trtzoo.console import track
from trtzoo.converters.options import ReadOptions
from trtzoo.data.datasets.load import load_dataset
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.evaluation.subjects import subjects_of
from trtzoo.evaluation.validation.run import ValSettings
from trtzoo.evaluation.validation.validate import validate

pytest.importorskip("ultralytics", reason="needs the original framework: pip install ultralytics")

CASES = {
    "detect": ("yolov8n.pt", "coco8", 320),
    "one-to-one head": ("yolo26n.pt", "coco8", 320, "one2one"),
    "one-to-many head": ("yolo26n.pt", "coco8", 320, "one2many"),
    "pose": ("yolo11n-pose.pt", "coco8-pose", 320),
    "segment": ("yolov8n-seg.pt", "coco8-seg", 320),
    "obb": ("yolov8n-obb_custom-tau-fibrils.pt", "fibrils", 640),
}
LETTERS = {"box": "B", "mask": "M", "keypoints": "P"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """Copies of the examples, since the framework writes beside labels; and oriented labels of one picture."""
    root = tmp_path_factory.mktemp("sets")
    for name in ("coco8", "coco8-pose", "coco8-seg"):
        shutil.copytree(COCO / "examples" / name, root / name)
        path = root / name / f"{name}.yaml"
        path.write_text(path.read_text().replace("path:", f"path: {root / name}", 1))
    write_fibrils(root / "fibrils")
    return root


def write_fibrils(root: Path) -> None:
    """The picture that goes with the oriented model, labelled with shifted copies of what it finds, some left out."""
    from trtzoo import NmsSettings, Predictor
    from trtzoo.engines.pictures.detections import corners
    from trtzoo.engines.pictures.sources import read_picture

    for folder in ("images/val", "labels/val"):
        (root / folder).mkdir(parents=True)
    picture = WEIGHTS / "obb-sample_tau-fibrils_640.png"
    shutil.copy(picture, root / "images/val")
    runtime = open_runtime(WEIGHTS / CASES["obb"][0])
    boxes = Predictor(runtime, NmsSettings(conf_thres=0.2))([read_picture(picture)])[0].boxes
    lines = []
    for number, box in enumerate(boxes[::2]):
        moved = box + np.array([number % 5, -(number % 3), number % 4, 0, 0.01 * (number % 7)])
        points = corners(moved[None])[0] / 640
        if (points > 0).all() and (points < 1).all():
            lines.append("0 " + " ".join(f"{value:.6f}" for value in points.reshape(-1)))
    (root / "labels/val" / f"{picture.stem}.txt").write_text("\n".join(lines) + "\n")
    (root / "fibrils.yaml").write_text(
        f"path: {root}\ntrain: images/val\nval: images/val\nnames: [{runtime.meta.names[0]}]\n"
    )


@pytest.fixture(scope="module")
def official(sets, tmp_path_factory) -> dict[str, dict[str, float]]:
    """The framework's figures of every case, from one process."""
    folder = tmp_path_factory.mktemp("framework")
    script = Path(__file__).resolve().parents[2] / "support" / "oracles" / "framework_validation.py"
    arguments = [
        str(part)
        for model, data, size, *head in CASES.values()
        for part in (WEIGHTS / model, sets / data / f"{data}.yaml", size, *(head or [""]))
    ]
    environment = os.environ | {"YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(CASES, json.loads(done.stdout.splitlines()[-1]), strict=True))


@needs_weights
@needs_coco
@pytest.mark.parametrize("case", CASES)
def test_the_frameworks_validator_agrees(case, sets, official, tmp_path):
    model, data, size, *head = CASES[case]
    done = validate(
        subjects_of([WEIGHTS / model], None, "cpu", ReadOptions(img_size=(size, size), head=head[0] if head else None)),
        lambda task: load_dataset(sets / data / f"{data}.yaml", task),
        sets / data,
        ValSettings(plots=False),
        tmp_path,
        track,
    )
    for metric, ours in done.models[0].metrics.items():
        theirs = official[case]
        letter = LETTERS[metric]
        assert ours.map == pytest.approx(theirs[f"metrics/mAP50-95({letter})"], abs=0.002), metric
        assert ours.map50 == pytest.approx(theirs[f"metrics/mAP50({letter})"], abs=0.002), metric
        assert ours.map > 0.05
