"""The C++ parser on the outputs of real end-to-end graphs: what `detect` finds, keypoints and masks included."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import MagicMock

import cv2
import numpy as np
import pytest
from nvinfer import Frame, Object, attached
from parser_driver import Case, compile_parser, layers_of, needs_compiler, parse
from shared import COCO, WEIGHTS, needs_coco, needs_weights

from trtzoo.cli import main
from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.pictures.detections import Detections
from trtzoo.engines.pictures.postprocess import decode
from trtzoo.engines.pictures.predictor import Predictor
from trtzoo.engines.pictures.preprocess import Placement
from trtzoo.engines.runtimes.open import open_runtime

pytestmark = [needs_weights, needs_compiler]

PICTURES = [WEIGHTS / f"{name}.jpg" for name in ("dog", "horses", "person", "giraffe")]
CROWDED = [COCO / "images" / f"{number:012}.jpg" for number in (139, 1000, 1268, 1353)]
FIBRILS = WEIGHTS / "obb-sample_tau-fibrils_640.png"


@dataclass(frozen=True)
class Result:
    """One picture: where it lies, what the parser gave, what `detect` makes of the same outputs."""

    frame: Frame
    parsed: list[Object]
    detected: Detections


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Callable[..., Path]:
    """A bundle's folder by model and flags, written once."""
    made: dict[tuple[str, ...], Path] = {}

    def write(model: str, *flags: str) -> Path:
        key = (model, *flags)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("bundle") / "b"
            assert main(["deepstream", str(WEIGHTS / model), "-o", str(made[key]), "--no-verify", *flags]) == 0
        return made[key]

    return write


def results(folder: Path, pictures: list[Path], function: str = "TrtzooParse") -> list[Result]:
    """The parser and `detect` on the outputs of ONNX Runtime for pictures prepared as nvinfer does it."""
    runtime = open_runtime(next(folder.glob("*.onnx")))
    meta = runtime.meta
    cases, seen = [], []
    for path in pictures:
        picture = cv2.imread(str(path))
        letterbox = meta.preprocess.resize == "letterbox"
        frame = Frame(picture.shape[:2], meta.imgsz, letterbox, letterbox)
        outputs = runtime.infer(frame.prepare(picture))
        scale, offset, _ = frame.placement
        placement = Placement(picture.shape[:2], scale, tuple(map(float, offset)))
        seen.append((frame, decode(outputs, 0, placement, meta, meta.suppression(NmsSettings()))))
        cases.append(Case(layers_of(outputs), meta.imgsz, [meta.nms.conf_thres] * len(meta.names)))
    found = parse(_built(folder), cases, function)
    return [Result(frame, objects, detected) for (frame, detected), objects in zip(seen, found, strict=True)]


BUILT: dict[bytes, tuple[Path, Path]] = {}
"""Library and driver by source: the parser is the same in every bundle."""


def _built(folder: Path) -> tuple[Path, Path]:
    source = (folder / "trtzoo_parse.cpp").read_bytes()
    if source not in BUILT:
        BUILT[source] = compile_parser(folder, folder)
    return BUILT[source]


def boxes_of(objects: list[Object]) -> np.ndarray:
    """Corners [N, 4]."""
    boxes = np.array([item.box for item in objects], np.float32).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def on_frame(result: Result) -> np.ndarray:
    """The objects in pixels of the frame; corners outside of it stay there."""
    (scale_x, scale_y), (left, top), _ = result.frame.placement
    return (boxes_of(result.parsed) - [left, top, left, top]) / [scale_x, scale_y, scale_x, scale_y]


def assert_same_objects(result: Result) -> None:
    height, width = result.frame.size
    assert [item.label for item in result.parsed] == result.detected.classes.tolist()
    np.testing.assert_array_equal(np.float32([item.score for item in result.parsed]), result.detected.scores)
    clipped = np.clip(on_frame(result), 0, [width, height, width, height])
    np.testing.assert_allclose(clipped, result.detected.boxes.reshape(-1, 4), rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("model", "flags"),
    [
        ("yolov8n.pt", ("--parser", "own", "--topk-all", "300")),
        ("yolov3-tiny.cfg", ("--parser", "own")),
        ("yolo26n.pt", ("--parser", "own", "--deepstream", "7.1")),
        ("yolo11n-pose.pt", ()),
        ("yolov8n-seg.pt", ()),
    ],
)
def test_objects_are_those_of_detect(bundle, model, flags):
    found = results(bundle(model, *flags), [*PICTURES[:2], *filter(Path.exists, CROWDED[:2])])
    assert sum(len(result.parsed) for result in found) >= 4
    for result in found:
        assert_same_objects(result)


def test_the_layout_of_the_stock_parser_is_read_too(bundle):
    for result in results_with_own_parser(bundle):
        assert_same_objects(result)


def results_with_own_parser(bundle) -> list[Result]:
    """A graph in the layout deepstream, with float32 classes, through our parser."""
    folder, sources = bundle("yolov8n.pt"), bundle("yolo11n-pose.pt")
    for name in ("trtzoo_parse.cpp", "nvdsinfer_abi.h"):
        (folder / name).write_bytes((sources / name).read_bytes())
    return results(folder, PICTURES)


def test_every_object_reaches_the_frame(bundle):
    found = results(bundle("yolov8n-seg.pt"), PICTURES)
    assert all(len(attached(result.parsed, result.frame)) == len(result.parsed) for result in found)


def probe_of(folder: Path):
    spec = importlib.util.spec_from_file_location("pose_probe", folder / "pose_probe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_coco
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "uridecodebin uri=file:///opt/nvidia/"),
        (["file:///v.mp4", "fakesink"], "uri=file:///v.mp4 .* fakesink sync=0$"),
    ],
)
def test_the_probes_pipeline_shows_the_video_where_it_is_told_to(given, words, bundle, monkeypatch):
    """GStreamer is a stand-in that keeps what it is told."""
    gst, loop = MagicMock(), MagicMock()
    monkeypatch.setitem(sys.modules, "gi", MagicMock(repository=MagicMock(Gst=gst, GLib=loop)))
    monkeypatch.setitem(sys.modules, "gi.repository", sys.modules["gi"].repository)
    probe = probe_of(bundle("yolo11n-pose.pt"))
    probe.main(*given)
    [text] = gst.parse_launch.call_args.args
    assert re.search(words, text) and "{" not in text
    assert gst.parse_launch().get_by_name().get_static_pad().add_probe.call_args.args[1] is probe.on_buffer


def test_keypoints_through_the_probe_are_those_of_detect(bundle):
    folder = bundle("yolo11n-pose.pt")
    probe, found = probe_of(folder), results(folder, [PICTURES[2], *CROWDED])
    assert sum(len(result.parsed) for result in found) >= 10
    for result in found:
        height, width = result.frame.size
        assert probe.placement(width, height) == result.frame.placement[:2]
        for item, wanted in zip(result.parsed, result.detected.keypoints, strict=True):
            assert item.mask.shape == (17, 3)
            np.testing.assert_allclose(probe.to_frame(item.mask.reshape(-1), width, height), wanted, rtol=0, atol=0.01)


def test_keypoints_are_near_those_of_trtzoo_s_own_preprocessing(bundle):
    """nvinfer truncates and pads with black; on whole pictures that moves keypoints by about a pixel."""
    folder = bundle("yolo11n-pose.pt")
    predictor = Predictor(open_runtime(next(folder.glob("*.onnx"))))
    probe, [result] = probe_of(folder), results(folder, PICTURES[2:3])
    [own] = predictor([cv2.imread(str(PICTURES[2]))])
    height, width = result.frame.size
    keypoints = np.array(probe.to_frame(result.parsed[0].mask.reshape(-1), width, height))
    sure = own.keypoints[0][:, 2] > 0.5
    assert np.median(np.abs(keypoints[sure, :2] - own.keypoints[0][sure, :2])) < 1


def test_rotated_boxes_are_exact(bundle):
    [result] = results(bundle("yolov8n-obb_custom-tau-fibrils.pt"), [FIBRILS], "TrtzooParseObb")
    boxes = result.detected.boxes
    assert len(boxes) >= 15
    assert [item.score for item in result.parsed] == pytest.approx(result.detected.scores.tolist())
    sides = np.array([item.box for item in result.parsed])
    np.testing.assert_allclose(sides[:, :2] + sides[:, 2:] / 2, boxes[:, :2], rtol=0, atol=1e-3)
    np.testing.assert_allclose(sides[:, 2:], boxes[:, 2:4], rtol=0, atol=1e-3)
    angles = np.array([item.rotation for item in result.parsed])
    assert ((angles >= 0) & (angles < np.pi)).all()
    np.testing.assert_allclose(np.sin(angles - boxes[:, 4]), 0, atol=1e-5)


def test_rotated_boxes_of_releases_without_an_angle_are_in_the_mask(bundle):
    [result] = results(bundle("yolov8n-obb_custom-tau-fibrils.pt", "--deepstream", "7.1"), [FIBRILS])
    values = np.concatenate([item.mask for item in result.parsed])
    assert values.shape == (len(result.detected), 5)
    np.testing.assert_allclose(values[:, :4], result.detected.boxes[:, :4], rtol=0, atol=1e-3)
    for box, row in zip(boxes_of(result.parsed), values, strict=True):
        cosine, sine = abs(np.cos(row[4])), abs(np.sin(row[4]))
        half = (cosine * row[2] + sine * row[3]) / 2, (sine * row[2] + cosine * row[3]) / 2
        around = np.clip([row[0] - half[0], row[1] - half[1], row[0] + half[0], row[1] + half[1]], 0, 640)
        np.testing.assert_allclose(box, around, rtol=0, atol=1e-2)


def stretched(item: Object, size: tuple[int, int]) -> np.ndarray:
    """A mask as consumers draw it: stretched over the object's box."""
    canvas = np.zeros(size, bool)
    left, top, right, bottom = (round(v) for v in (*item.box[:2], item.box[0] + item.box[2], item.box[1] + item.box[3]))
    if right > left and bottom > top:
        canvas[top:bottom, left:right] = (cv2.resize(item.mask, (right - left, bottom - top)) > 0.5)[
            : size[0] - top, : size[1] - left
        ]
    return canvas


@needs_coco
def test_masks_stretched_over_their_boxes_are_those_of_detect(bundle):
    names = (COCO / "with_masks.txt").read_text().split()[:6]
    pictures = [*PICTURES, *(COCO / "images" / name for name in names)]
    ratios = []
    for result in results(bundle("yolov8n-seg.pt"), [path for path in pictures if path.exists()]):
        for item, wanted in zip(attached(result.parsed, result.frame), result.detected.masks, strict=True):
            mask = stretched(item, result.frame.size)
            if (either := (mask | wanted).sum()) > 100:
                ratios.append((mask & wanted).sum() / either)
    assert len(ratios) >= 20
    assert np.median(ratios) >= 0.965
