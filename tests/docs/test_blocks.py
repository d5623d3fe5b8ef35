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
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_people import write_people
from pages import PAGES, ROOT, Block, blocks, page, unfenced, write_files
from rtx import INSTALLED as RTX
from videos import write_video

from trtzoo.cli.entry import main

REASONS = {
    "installs packages",
    "needs DeepStream",
    "needs TensorRT",
    "needs a GPU",
    "needs a Ray cluster",
    "needs a Triton server",
    "needs other projects",
    "needs the network",
    "takes minutes",
}

ELSEWHERE = {
    "api.md": "test_api.py",
    "darknet.md": "test_family_pages.py",
    "data.md": "test_zoo_pages.py",
    "migration.md": "test_migration_page.py",
    "training-pose.md": "test_training_page.py",
    "yolov5-pose.md": "test_family_pages.py",
    "yolov7.md": "test_family_pages.py",
    "yolov8.md": "test_family_pages.py",
    "zoo.md": "test_zoo_pages.py",
}
"""Pages whose blocks another test of this folder runs."""

RUN = ("sh", "python")
HERE = [block for path in PAGES if path.name not in ELSEWHERE for block in blocks(path)]
TYPED = [block for block in HERE if not block.reason and block.language in RUN]
PAGES_THAT_TYPE = list(dict.fromkeys(block.page for block in TYPED))


def test_blocks_that_are_not_run_say_why():
    reasons = {str(block): block.reason for path in PAGES for block in blocks(path) if block.reason}
    assert {block: reason for block, reason in reasons.items() if reason not in REASONS} == {}
    assert set(reasons.values()) == REASONS, "a reason that nobody gives any more"


def test_no_command_stands_where_it_is_not_run():
    silent = [block for block in HERE if block.language not in RUN]
    assert [str(block) for block in silent if re.search(r"^\s*(trtzoo|python3?|pip) ", block.text, re.M)] == []
    outside = {path.name: re.findall(r"^ {4,}(?:trtzoo|python3?|pip|ray) .*", unfenced(path), re.M) for path in PAGES}
    assert {name: lines for name, lines in outside.items() if lines} == {}
    assert len(TYPED) > 8


def test_pages_that_run_elsewhere_are_named_there():
    for name, test in ELSEWHERE.items():
        assert name in (Path(__file__).parent / test).read_text(encoding="utf-8")
        assert page(name).is_file()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with samples/, small models, pictures, labels and a video under the names that the pages type."""
    models = pytest.importorskip("ultralytics_models")
    folder = tmp_path_factory.mktemp("typed")
    (folder / "samples").symlink_to(ROOT / "samples")
    for name, yaml, task in (
        ("yolov8n", "yolov8", "detect"),
        ("yolov8n-pose", "yolov8-pose", "pose"),
        ("yolo11n-pose", "yolo11-pose", "pose"),
    ):
        model = models.build(f"{yaml}.yaml", task, width_multiple=0.1, depth_multiple=0.1, scales=None)
        model.names = {0: "person", 1: "car", 2: "truck"}
        models.save(model, folder / f"{name}.pt")
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
    """Pictures alone and in pictures/, labelled ones in the forms that the pages name, and a video."""
    shutil.copytree(ROOT / "samples" / "pictures", folder / "pictures")
    for name in ("street.jpg", "more.jpg"):
        shutil.copy(ROOT / "samples" / "pictures" / "shapes1.jpg", folder / name)
    write_video(folder / "street.mp4", [np.full((64, 96, 3), shade, np.uint8) for shade in (0, 100, 200)])
    write_people(folder, [folder / "pictures" / f"shapes{number}.jpg" for number in (1, 2)], ["person", "car", "truck"])


CONVERTED = [
    ["convert", "yolov8n.pt"],
    ["convert", "yolov8n.pt", "-o", "mine.onnx"],
    ["convert", "yolov8n.pt", "--half", "-o", "yolov8n-half.onnx"],
    ["convert", "yolov8n.pt", "--end2end", "-o", "yolov8n-nms.onnx"],
    ["convert", "yolov8n.pt", "--int8", "--calib-path", "pictures", "-o", "yolov8n-int8.onnx", "--no-verify"],
]
QUICK = ["--runs", "10", "--seconds", "0.1", "--no-plots"]
FIRST = {
    "docs/detect.md": [["convert", "yolov8n.pt"], ["convert", "samples/shapes.cfg", "-o", "raw.onnx"]],
    "docs/engines.md": [["convert", "yolov8n.pt"]],
    "docs/evaluation.md": [
        *CONVERTED,
        ["bench", "yolov8n.onnx", *QUICK, "-o", "laptop"],
        ["bench", "yolov8n.onnx", *QUICK, "-o", "server"],
    ],
    "docs/int8.md": [["convert", "yolov8n.pt"]],
}
"""What a page takes as done before its first block."""

LEFT = {
    "README.md": [
        "drawn.jpg",
        "shapes.engine",
        "results/detections.json",
        "val/val.json",
        "bench/bench.json",
        "zoo/zoo.json",
    ],
    "docs/configuration.md": ["detections/street.mp4", "run.yaml"],
    "docs/detect.md": ["results/street.mp4", "detections/labels/shapes1.txt"],
    "docs/evaluation.md": ["val/val.json", "bench/bench.json", "yolov8n.html"],
    "docs/int8.md": ["calib.cache", "yolov8n-int8.onnx"],
}
"""What a page leaves behind."""


@pytest.fixture
def here(prepared, tmp_path, monkeypatch):
    """A copy of the prepared folder, which pages cannot spoil for each other; without a network."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder, symlinks=True)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("TRTZOO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    return folder


def run_commands(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """The command lines of a block, in this process; lines about engines are left out where nothing builds them."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or (not RTX and re.search(r"tensorrt-rtx|\.engine", line)):
            continue
        assert words[0] == "trtzoo", f"{block}: {line!r}: a block that calls something else is marked"
        assert main(words[1:]) == 0, f"{block}: {line}\n{capsys.readouterr().err[-2000:]}"


def run_python(block: Block) -> None:
    """A block of Python, in a process of its own; each prints what it found."""
    if not RTX and "tensorrt-rtx" in block.text:
        pytest.skip("TensorRT-RTX is not installed (extra rtx)")
    if "DetectionModel" in block.text and not hasattr(cv2.dnn, "readNetFromDarknet"):
        pytest.skip("this OpenCV reads no DarkNet files")
    done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block}: {done.stderr}"
    assert done.stdout.count("\n") >= 3, f"{block} printed {done.stdout!r}"


@pytest.mark.parametrize("path", PAGES_THAT_TYPE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_page_runs_in_order(path, here, capsys):
    name = str(path.relative_to(ROOT))
    write_files(path, here)
    for words in FIRST.get(name, []):
        assert main(words) == 0, capsys.readouterr().err
    for block in [block for block in TYPED if block.page == path]:
        if block.language == "python":
            run_python(block)
        else:
            run_commands(block, capsys)
    assert [left for left in LEFT.get(name, []) if not (here / left).is_file()] == []
