"""docs/zoo.md and docs/data.md: their files are written and their commands run as they stand, from a mirror on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, typed
from rtx import needs_rtx
from shared import WEIGHTS

SAMPLES = ROOT / "samples"
POSE = WEIGHTS / "yolo11n-pose.pt"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what the pages ask for; `trtzoo` is this one, and official files come from a mirror."""
    shutil.copytree(SAMPLES / "pictures", tmp_path / "pictures")
    for suffix in ("cfg", "weights", "names"):
        shutil.copy(SAMPLES / f"shapes.{suffix}", tmp_path)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "trtzoo"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trtzoo "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TRTZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRTZOO_MIRROR", WEIGHTS.as_uri())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(block):
    done = subprocess.run(["sh", "-exc", block], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_rtx
@pytest.mark.skipif(not POSE.is_file(), reason="needs ../shared/weights/yolo11n-pose.pt")
class TestZoo:
    def test_many_models(self, here):
        pytest.importorskip("pytask_parallel", reason="needs the extra zoo")
        many, _, _ = typed("zoo.md")
        Path("zoo.yaml").write_text(typed("zoo.md", "yaml")[0])
        run(many)
        assert json.loads(Path("summary.json").read_text())["counts"].keys() == {"unchanged"}
        states = {step["id"]: step["state"] for step in json.loads(Path("zoo/zoo.json").read_text())["steps"]}
        assert {"signs/int8/calibrate", "people/fp32-onnxruntime/verify", "people/fetch"} <= states.keys()
        assert Path("zoo/signs/int8-tensorrt-rtx/signs.engine.json").is_file()
        assert Path("zoo/people/fp32-onnxruntime/deepstream-7.1/config_infer_primary.txt").is_file()

    def test_one_engine_for_an_application(self, here):
        pytest.importorskip("pytask_parallel", reason="needs the extra zoo")
        Path("config.yaml").write_text(typed("zoo.md", "yaml")[1])
        run(typed("zoo.md")[1])
        assert Path("models/yolo11n-pose.engine.json").is_file()

    def test_downloads(self, here):
        (here / "best.pt").write_bytes(b"test")
        printed = run(typed("zoo.md")[2].replace("https://example.com", here.as_uri()))
        assert "weights/yolo11n-pose.pt: 6.0 MiB, verified" in printed
        assert "models/best.pt: 0.0 MiB, verified" in printed


def test_the_page_of_labels(here):
    pytest.importorskip("matplotlib", reason="needs the extra val")
    (here / "pictures").rename(here / "images")
    (here / "images" / "labels.json").rename(here / "labels.json")
    [block] = typed("data.md")
    assert "62 objects, 0 pictures without any" in run(block)
    assert Path("classes.png").stat().st_size > 1000
    assert (len(list(Path("drawn").iterdir())), len(list(Path("drawn-json").iterdir()))) == (3, 1)
