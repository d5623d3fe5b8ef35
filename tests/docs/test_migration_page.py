"""docs/migration.md: our side of every pair of commands runs, on small models under the names that the page uses."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pages import blocks, page
from rtx import needs_rtx
from shared import GOLDEN, WEIGHTS

from trtzoo.cli.entry import main

PAGE = page("migration.md").read_text(encoding="utf-8")
MODELS = {
    "yolov5s6_pose.pt": GOLDEN / "tipose_s6_ti_lite_relu" / "model.pt",
    "yolov8n.pt": WEIGHTS / "yolov8n.pt",
    "yolov3.cfg": GOLDEN / "dk_v3" / "model.cfg",
    "yolov3.weights": GOLDEN / "dk_v3" / "model.weights",
    "people.pt": GOLDEN / "ul_v8_pose_17x3" / "model.pt",
}
CONFIG = """
vision:
  yolo:
    model_path: models/people.engine
    input_size: [64, 64]
    tensorrt_engine_settings: {{precision: FP16, batch_size: 1, workspace_size: 1}}
    model_source: {{base_model: x, pt_model_path: models/people.pt, download_url: '{url}'}}
"""
LINES = [line for line in PAGE.splitlines() if line.startswith("trtzoo ")]

pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in MODELS.values()), reason="needs ../shared/golden and ../shared/weights"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with weights, pictures, labels and settings under the names of the page."""
    for name, path in MODELS.items():
        shutil.copy(path, tmp_path / name)
    for folder in ("pictures", "images", "annotations", "labels"):
        (tmp_path / folder).mkdir()
    random, names = np.random.default_rng(1), [f"{number}.png" for number in range(10)]
    keypoints = [value for point in range(17) for value in (20 + 3 * point, 30, 2)]
    for name in names:
        picture = cv2.resize(random.integers(0, 255, (12, 16, 3), np.uint8), (96, 64))
        for folder in ("pictures", "images"):
            cv2.imwrite(str(tmp_path / folder / name), picture)
        person = {"bbox": [10, 10, 60, 40], "category_id": 1, "id": 1, "image_id": 1, "keypoints": keypoints}
        document = {
            "images": [{"id": 1, "file_name": name, "width": 96, "height": 64}],
            "annotations": [{**person, "area": 2400, "iscrowd": 0, "num_keypoints": 17}],
            "categories": [{"id": 1, "name": "person"}],
        }
        (tmp_path / "annotations" / f"{Path(name).stem}.json").write_text(json.dumps(document), encoding="utf-8")
    data = "train: train.txt\nval: val.txt\ntest: test.txt\nkpt_shape: [17, 3]\nnames: {0: person}\n"
    for name in ("data.yaml", "coco_kpts.yaml"):
        (tmp_path / name).write_text(data, encoding="utf-8")
    (tmp_path / "coco.names").write_text("a\nb\nc\n", encoding="utf-8")
    url = (tmp_path / "people.pt").as_uri()
    (tmp_path / "config.yaml").write_text(CONFIG.format(url=url), encoding="utf-8")
    monkeypatch.setenv("TRTZOO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_runnable(line: str) -> list[str]:
    """The words of a command; engines for a TensorRT that is not here become its trtexec line, or the ONNX file."""
    words = shlex.split(line)[1:]
    if words[0] == "build":
        return [*words, "--print-trtexec", *([] if "--target" in words else ["--target", "tensorrt:8.6"])]
    if words[:2] == ["zoo", "build"]:
        return [*words, "--target", "tensorrt-rtx", "-j", "1"]
    return [word.replace(".engine", ".onnx") for word in words]


def test_the_pages_commands_are_those_of_the_pairs():
    """Each block of old commands has ours behind it."""
    pairs = [block.text for block in blocks(page("migration.md"))]
    assert len(pairs) == 8 and all("python " in pair and "trtzoo " in pair for pair in pairs)


@needs_rtx
def test_our_side_runs_from_the_first_line_to_the_last(here, capfd):
    order = sorted(LINES, key=lambda line: " data " not in line)  # the labels are needed by `val`, further up
    assert len(order) == len(LINES) > 10
    for line in order:
        if "yolov8n.pt" in line:
            line += " --img-size 64"
        assert main(as_runnable(line)) == 0, f"{line}\n{capfd.readouterr().err}"
        printed = capfd.readouterr().out
        assert ("trtexec --onnx=" in printed) == line.startswith("trtzoo build")
    assert (here / "models" / "people.engine").stat().st_size > 1000
    assert len(list((here / "labels").glob("*.txt"))) == 10
    assert len(list((here / "drawn").iterdir())) == 5
    assert (here / "detections" / "detections.json").is_file()
    assert (here / "val" / "val.json").is_file()
