"""The scripts in samples/ turn weights of their family into an ONNX file and a DeepStream folder, whatever is toggled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from original_outputs import write_checkpoint
from shared import GOLDEN, WEIGHTS

import trtzoo

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
TOGGLES = {
    "raw": [],
    "end2end": ["--end2end"],
    "half": ["--half", "--end2end"],
    "int8": ["--int8", "pictures"],
}
toggled = pytest.mark.parametrize("flags", TOGGLES.values(), ids=TOGGLES)
needs_yolov5_pose = pytest.mark.skipif(
    not (GOLDEN / "tipose_s6_ti_lite_relu").is_dir(), reason="needs ../shared/golden, the case tipose_s6_ti_lite_relu"
)
needs_yolov8n = pytest.mark.skipif(not (WEIGHTS / "yolov8n.pt").is_file(), reason="needs ../shared/weights/yolov8n.pt")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder but for a few pictures to calibrate on."""
    (tmp_path / "pictures").mkdir()
    random = np.random.default_rng(3)
    for number in range(4):
        noise = random.integers(0, 255, (12, 16, 3), np.uint8)
        picture = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), picture)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def converted(script: str, model: Path, flags: list[str], *more: str | Path) -> trtzoo.ModelMeta:
    """Run a script into OUT and hold both products against its flags; returns what model.onnx says of itself."""
    done = run(script, model, "OUT", *flags, *more)
    assert done.returncode == 0, done.stderr
    meta = trtzoo.inspect("OUT/model.onnx").meta
    precision = "fp16" if "--half" in flags else "int8" if "--int8" in flags else "fp32"
    assert (meta.precision, meta.end2end, meta.batch) == (precision, "--end2end" in flags, None)
    height, width = meta.imgsz
    assert f"{width}x{height}" in done.stdout and f", {precision}\n" in done.stdout
    bundled = trtzoo.inspect(f"OUT/deepstream/{model.stem}.onnx").meta
    assert (bundled.precision, bundled.end2end, bundled.names) == (precision, True, meta.names)
    assert Path("OUT/deepstream/labels.txt").read_text(encoding="utf-8").split("\n")[0] == meta.names[0]
    assert f"={model.stem}." in Path("OUT/deepstream/config_infer_primary.txt").read_text(encoding="utf-8")
    assert quantised("OUT/model.onnx") == quantised(f"OUT/deepstream/{model.stem}.onnx") == ("--int8" in flags)
    return meta


def quantised(path: str) -> bool:
    return "QuantizeLinear" in {node.op_type for node in onnx.load(path).graph.node}


@toggled
def test_a_darknet_model(flags, here):
    meta = converted("convert_darknet.py", SAMPLES / "shapes.cfg", flags)
    assert (meta.family, meta.task, meta.names[0]) == ("darknet", "detect", "circle")
    assert "NvDsInferParseYoloV5CustomBatchedNMSTLT" in Path("OUT/deepstream/config_infer_primary.txt").read_text()


def test_a_darknet_model_whose_weights_and_names_lie_elsewhere(here):
    Path("mine.cfg").write_bytes((SAMPLES / "shapes.cfg").read_bytes())
    Path("mine.names").write_text("a\nb\nc\nd\ne\nf\n", encoding="utf-8")
    meta = converted(
        "convert_darknet.py", Path("mine.cfg"), [], "--weights", SAMPLES / "shapes.weights", "--names", "mine.names"
    )
    assert meta.names == tuple("abcdef")


@needs_yolov5_pose
@toggled
def test_a_yolov5_pose_model(flags, here):
    model = GOLDEN / "tipose_s6_ti_lite_relu" / "model.pt"
    meta = converted("convert_yolov5_pose.py", model, flags, "--img-size", "64", "128")
    assert (meta.family, meta.kpt_shape, meta.imgsz) == ("yolov5-pose", (17, 3), (64, 128))
    assert Path("OUT/deepstream/trtzoo_parse.cpp").is_file()


@toggled
def test_a_yolov7_model(flags, here):
    model = write_checkpoint("v7_tiny", Path("best.pt"))
    meta = converted("convert_yolov7.py", model, flags, "--img-size", "64", "128")
    assert (meta.family, meta.task, meta.imgsz) == ("yolov7", "detect", (64, 128))


@pytest.mark.parametrize(("case", "task"), [("v7_fused", "detect"), ("v7_w6_pose", "pose")])
def test_a_yolov7_model_of_another_kind(case, task, here):
    model = write_checkpoint(case, Path("best.pt"))
    meta = converted("convert_yolov7.py", model, ["--end2end"], "--img-size", "64", "128")
    assert (meta.family, meta.task) == ("yolov7", task)


@needs_yolov8n
@toggled
def test_an_ultralytics_model(flags, here):
    meta = converted("convert_yolov8.py", WEIGHTS / "yolov8n.pt", flags, "--img-size", "160", "192")
    assert (meta.family, meta.task, len(meta.names)) == ("ultralytics", "detect", 80)


def test_the_release_goes_into_the_bundle(here):
    converted("convert_darknet.py", SAMPLES / "shapes.cfg", ["--half"], "--deepstream", "7.1")
    assert "DeepStream 7.1" in Path("OUT/deepstream/README.md").read_text(encoding="utf-8")
    assert "strongly-typed" not in Path("OUT/deepstream/config_infer_primary.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", sorted(path.name for path in SAMPLES.glob("convert_*.py")))
def test_a_mistake_is_one_line_and_leaves_nothing(script, here):
    done = run(script, "missing.pt", "OUT")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and "missing.pt" in done.stderr and done.stderr.count("\n") == 1
    assert not list(here.glob("OUT/*"))


@pytest.mark.parametrize("script", sorted(path.name for path in SAMPLES.glob("convert_*.py")))
def test_one_precision_at_a_time(script, here):
    done = run(script, "some.pt", "OUT", "--half", "--int8", "pictures")
    assert done.returncode == 2 and "not allowed with" in done.stderr


@pytest.mark.skipif(not (GOLDEN / "y5_v7_detect_nc80").is_dir(), reason="needs ../shared/golden")
def test_a_detector_is_no_yolov5_pose_model(here):
    done = run("convert_yolov5_pose.py", GOLDEN / "y5_v7_detect_nc80" / "model.pt", "OUT")
    assert done.returncode == 1 and "has no keypoints" in done.stderr
    assert not Path("OUT").exists()


@pytest.mark.parametrize("script", sorted(path.name for path in SAMPLES.glob("convert_*.py")))
def test_a_script_needs_the_public_names_only(script):
    text = (SAMPLES / script).read_text(encoding="utf-8")
    assert "import trtzoo\n" in text and "from trtzoo" not in text and "import trtzoo." not in text
