"""Every fenced block of README and docs runs as it stands, in a folder with small files of the names that it types.

A block that cannot is marked by a line above it, `<!-- not run: REASON -->`, of a short list of reasons. Pages that tell one
story from end to end have a test of their own.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from rtx import needs_rtx
from videos import write_video

from trtzoo.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

REASONS = {
    "installs packages",
    "needs a GPU",
    "needs a Triton server",
    "needs DeepStream",
    "needs TensorRT",
    "needs other projects",
    "needs the network",
}

ELSEWHERE = {
    "darknet.md": "test_family_pages.py",
    "yolov5-pose.md": "test_family_pages.py",
    "yolov7.md": "test_family_pages.py",
    "yolov8.md": "test_family_pages.py",
    "training-pose.md": "test_training_page.py",
    "zoo.md": "test_zoo_pages.py",
    "data.md": "test_zoo_pages.py",
    "api.md": "test_api.py",
}
"""Pages whose blocks another test of this folder runs."""

RUN = ("sh", "python")
PICTURES = ("shapes1", "shapes2")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, its text, and why it is not run, if it is not."""

    page: Path
    number: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}, block {self.number}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    found = re.finditer(
        r"^(?:<!-- not run: ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
    )
    return [Block(page, number, one[2], one[3], one[1] or "") for number, one in enumerate(found, start=1)]


HERE = [block for page in PAGES if page.name not in ELSEWHERE for block in blocks(page)]
TYPED = [block for block in HERE if not block.reason and block.language in RUN]


def test_blocks_that_are_not_run_say_why():
    reasons = {str(block): block.reason for page in PAGES for block in blocks(page) if block.reason}
    assert len(reasons) > 5
    assert {block: reason for block, reason in reasons.items() if reason not in REASONS} == {}
    used = set(reasons.values())
    assert used == REASONS, "a reason that nobody gives any more"


def test_no_other_block_holds_commands():
    silent = [block for block in HERE if block.language not in RUN]
    assert [str(block) for block in silent if re.search(r"^\s*(trtzoo|python|pip) ", block.text, re.M)] == []
    assert len(TYPED) > 8


def test_pages_that_run_elsewhere_are_named_there():
    for page, test in ELSEWHERE.items():
        assert (ROOT / "docs" / page).is_file()
        assert page in (Path(__file__).parent / test).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with samples/ and small models, pictures, labels and a video under the names that the pages type."""
    models = pytest.importorskip("ultralytics_models")
    folder = tmp_path_factory.mktemp("typed")
    (folder / "samples").symlink_to(ROOT / "samples")
    narrow = {"width_multiple": 0.1, "scales": None}
    for name, task in (("yolov8n", "detect"), ("yolov8n-pose", "pose"), ("yolo11n-pose", "pose")):
        yaml = name.replace("n", "", 1) if name.startswith("yolov8n") else "yolo11-pose"
        models.save(models.build(f"{yaml}.yaml", task, **narrow), folder / f"{name}.pt")
    for source, name in (
        ("shapes.cfg", "yolov4.cfg"),
        ("shapes.weights", "best.weights"),
        ("shapes.names", "my.names"),
    ):
        shutil.copy(ROOT / "samples" / source, folder / name)
    _pictures(folder)
    (folder / "zoo.yaml").write_text("zoo: 1\nmodels: [{name: shapes, source: samples/shapes.cfg, size: [96, 96]}]\n")
    return folder


def _pictures(folder: Path) -> None:
    """pictures/ with labels of people beside it, single pictures and a video."""
    for name in ("pictures", "images", "labels"):
        (folder / name).mkdir()
    for name in PICTURES:
        source = ROOT / "samples" / "pictures" / f"{name}.jpg"
        for target in (folder / "pictures", folder / "images"):
            shutil.copy(source, target)
        points = " ".join(["0.5 0.5 2"] * 17)
        (folder / "labels" / f"{name}.txt").write_text(f"0 0.5 0.5 0.4 0.4 {points}\n")
    for name in ("street.jpg", "more.jpg"):
        shutil.copy(ROOT / "samples" / "pictures" / "shapes1.jpg", folder / name)
    write_video(folder / "street.mp4", [np.full((64, 96, 3), shade, np.uint8) for shade in (0, 100, 200)])
    names = ["class0", "class1", "class2"]
    (folder / "coco8-pose.yaml").write_text(f"val: images\nkpt_shape: [17, 3]\nnames: {names}\n")


FIRST = {
    "README.md": [["convert", "yolov8n.pt", "-o", "exported-elsewhere.onnx"]],
    "detect.md": [["convert", "yolov8n.pt"], ["convert", "samples/shapes.cfg", "-o", "raw.onnx"]],
    "engines.md": [["convert", "yolov8n.pt"]],
}
"""What a page takes as done before its first block."""


@pytest.fixture
def here(prepared, tmp_path, monkeypatch):
    """A copy of the prepared folder, which pages cannot spoil for each other."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def run_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command line of a block, in this process."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    assert words[0] == "trtzoo", f"{line!r}: a block that calls something else is marked"
    code = main(words[1:])
    assert code == 0, f"{line}\n{capsys.readouterr().err[-2000:]}"


PAGE_TEXTS = sorted({block.page for block in TYPED}, key=str)


@needs_rtx
@pytest.mark.parametrize("page", PAGE_TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_runs_in_order(page, here, capsys):
    for words in FIRST.get(page.name, []) if page.parent.name != "samples" else []:
        assert main(words) == 0
    for block in TYPED:
        if block.page != page:
            continue
        if block.language == "python":
            if "DetectionModel" in block.text and not hasattr(cv2.dnn, "readNetFromDarknet"):
                pytest.skip("this OpenCV reads no DarkNet files")
            done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block}: {done.stderr}"
            assert done.stdout.count("\n") >= 3
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            run_line(line, capsys)
