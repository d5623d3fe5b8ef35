"""The scripts in samples/ do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from shared import SHARED

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = SHARED / "weights" / "yolov8n.pt"


@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs ../shared/weights")
@pytest.mark.parametrize("flags", [[], ["--half"]], ids=["fp32", "fp16"])
def test_an_ultralytics_model_becomes_a_deepstream_folder(flags, tmp_path):
    script = str(ROOT / "samples" / "convert_yolov8.py")
    done = subprocess.run([sys.executable, script, str(WEIGHTS), str(tmp_path), *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"detect, 80 classes, {'fp16' if flags else 'fp32'}" in done.stdout
    assert {"config_infer_primary.txt", "labels.txt", "README.md"} <= {
        path.name for path in (tmp_path / "deepstream").iterdir()
    }
