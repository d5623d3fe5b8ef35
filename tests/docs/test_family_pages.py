"""The pages of the families: what they tell users to type runs as it stands, in a folder with the weights they name."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from original_outputs import write_checkpoint
from pages import PAGES, ROOT, typed
from rtx import needs_rtx
from shared import GOLDEN, WEIGHTS

needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed (extra torch)")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with samples/ and pictures/, where `trtzoo` and `python` are those of this environment."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "pictures").symlink_to(ROOT / "samples" / "pictures")
    (tmp_path / "bin").mkdir()
    for name, call in (("trtzoo", "-m trtzoo "), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call}"$@"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(page: str) -> None:
    """Run the page's block of commands, stopping at the first that fails."""
    [block] = typed(page)
    done = subprocess.run(["sh", "-exc", block], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(Path().glob("*.engine")) and Path("OUT/model.onnx").is_file()
    assert (Path("found") / "detections.json").is_file()
    assert list(Path().glob("*-deepstream/config_infer_primary.txt"))
    assert list(Path().glob("model_repository/*/config.pbtxt"))


@needs_rtx
@pytest.mark.skipif(not importlib.util.find_spec("tritonclient"), reason="needs the extra triton")
class TestPages:
    def test_darknet(self, here):
        run_page("darknet.md")

    def test_yolov7(self, here):
        write_checkpoint("v7", Path("yolov7.pt"))
        run_page("yolov7.md")

    @pytest.mark.skipif(not (GOLDEN / "tipose_s6_dw_silu").is_dir(), reason="needs ../shared/golden")
    def test_yolov5_pose(self, here):
        shutil.copy(GOLDEN / "tipose_s6_dw_silu" / "model.pt", "yolov5s6_pose.pt")
        run_page("yolov5-pose.md")

    @needs_torch
    @pytest.mark.skipif(not (WEIGHTS / "yolov8n.pt").is_file(), reason="needs ../shared/weights/yolov8n.pt")
    def test_yolov8(self, here):
        shutil.copy(WEIGHTS / "yolov8n.pt", "yolov8n.pt")
        run_page("yolov8.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Files that are there, and in them headings of that name."""
    text = page.read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)", text):
        target = page.parent / name if name else page
        assert target.exists(), name
        lines = target.read_text(encoding="utf-8").splitlines() if anchor else []
        assert not anchor or anchor in {_slug(line) for line in lines if line.startswith("#")}, f"{name}#{anchor}"


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")
