"""docs/training-pose.md: its blocks run as they stand, from labelled pictures to a DeepStream folder; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, typed
from shared import COCO, WEIGHTS

STUBS = ROOT / "tests" / "support" / "stubs"
PICTURES = 16
CHECKPOINT = WEIGHTS / "yolo11n-pose.pt"
PERSONS = COCO / "annotations" / "person_keypoints.json"

pytestmark = [
    pytest.mark.skipif(
        not importlib.util.find_spec("ultralytics"), reason="ultralytics is not installed (tests/requirements.txt)"
    ),
    pytest.mark.skipif(not importlib.util.find_spec("faster_coco_eval"), reason="needs the extra val"),
    pytest.mark.skipif(not CHECKPOINT.is_file(), reason="needs ../shared/weights/yolo11n-pose.pt"),
    pytest.mark.skipif(not PERSONS.is_file(), reason="needs ../shared/coco"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what the page asks for: images/, keypoints.json, the checkpoint; without a network."""
    labels = json.loads(PERSONS.read_text(encoding="utf-8"))
    clear = {one["image_id"] for one in labels["annotations"] if one["num_keypoints"] > 5 and one["area"] > 8000}
    pictures = [picture for picture in labels["images"] if picture["id"] in clear][:PICTURES]
    chosen = {picture["id"] for picture in pictures}
    labels["images"] = pictures
    labels["annotations"] = [one for one in labels["annotations"] if one["image_id"] in chosen]
    (tmp_path / "images").mkdir()
    for picture in pictures:
        shutil.copy(COCO / "images" / picture["file_name"], tmp_path / "images")
    (tmp_path / "keypoints.json").write_text(json.dumps(labels), encoding="utf-8")
    shutil.copy(CHECKPOINT, tmp_path)
    _commands(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(STUBS))
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _commands(folder: Path) -> None:
    """`trtzoo` and `yolo` of this environment."""
    folder.mkdir()
    for name, call in (
        ("trtzoo", "-m trtzoo"),
        ("yolo", '-c "from ultralytics.cfg import entrypoint; entrypoint()"'),
    ):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        (folder / name).chmod(0o755)


def test_the_page_runs_from_labels_to_a_bundle(here):
    blocks = typed("training-pose.md")
    assert len(blocks) == 4
    for block in blocks:
        done = subprocess.run(["sh", "-exc", block], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    assert len((here / "train.txt").read_text().split()) == 12
    assert len(list((here / "labels").glob("*.txt"))) == PICTURES
    assert len(list((here / "drawn").glob("*"))) == 4
    bundle = here / "people-deepstream"
    assert "TrtzooParse" in (bundle / "config_infer_primary.txt").read_text(encoding="utf-8")
    assert (bundle / "labels.txt").read_text(encoding="utf-8").strip() == "person"
    _check_figures(json.loads((here / "val" / "val.json").read_text(encoding="utf-8")))


def _check_figures(document: dict) -> None:
    """The graph has the checkpoint's keypoint mAP, that is not nothing, and INT8 is not far."""
    checkpoint, graph, quantised = (_keypoints(model) for model in document["models"])
    assert checkpoint == pytest.approx(graph, abs=1e-4)
    assert checkpoint > 0.1
    assert quantised > checkpoint / 2


def _keypoints(model: dict) -> float:
    return float(model["metrics"]["keypoints"]["map"])
