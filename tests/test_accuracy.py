"""Nothing is lost on the way: mAP of the end-to-end graph equals that of the raw graph with NMS behind it, on drawn pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from shared import WEIGHTS, needs_weights

from trtzoo import ConvertSettings, EndToEnd, NmsSettings, Predictor, convert, open_runtime
from trtzoo.graph_passes.settings import Half

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PICTURES, SEED = 40, 4711
SETTINGS = NmsSettings(conf_thres=0.01, iou_thres=0.45, topk_all=100, multi_label=True)

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")


@pytest.fixture(scope="module")
def drawn():
    """Pictures of the sample's generator, of a seed that nothing else uses, and their labels."""
    spec = importlib.util.spec_from_file_location("draw_shapes", SAMPLES / "draw_shapes.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    rng = np.random.default_rng(SEED)
    return [module.draw_picture(rng, (480, 640)[:: 1 if number % 2 else -1]) for number in range(PICTURES)]


def truth_of(drawn) -> coco.COCO:
    """The labels as pycocotools wants them."""
    truth = coco.COCO()
    boxes = [
        (number, box, label) for number, picture in enumerate(drawn) for box, label in zip(*picture[1:], strict=True)
    ]
    truth.dataset = {
        "images": [{"id": number} for number in range(len(drawn))],
        "categories": [{"id": number} for number in range(6)],
        "annotations": [
            {"id": row + 1, "image_id": number, "category_id": int(label), "iscrowd": 0, **coco_box(box)}
            for row, (number, box, label) in enumerate(boxes)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def coco_box(box) -> dict:
    left, top, right, bottom = map(float, box)
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}


def average_precision(predictor: Predictor, drawn) -> float:
    """AP over IoU 0.50 to 0.95."""
    records = []
    for number, (picture, _, _) in enumerate(drawn):
        [found] = predictor([picture])
        for box, score, label in zip(found.boxes, found.scores, found.classes, strict=True):
            row = {"image_id": number, "category_id": int(label), "score": float(score), **coco_box(box)}
            records.append(row)
    truth = truth_of(drawn)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(records), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def test_map_is_the_same_raw_end_to_end_and_in_half(drawn, tmp_path):
    def predictor(name: str, **settings) -> Predictor:
        done = convert(SAMPLES / "shapes.cfg", tmp_path / name, ConvertSettings(**settings))
        return Predictor(open_runtime(done.path), SETTINGS)

    raw = average_precision(predictor("raw.onnx"), drawn)
    end2end = average_precision(predictor("end2end.onnx", end2end=EndToEnd(SETTINGS)), drawn)
    half = average_precision(predictor("half.onnx", end2end=EndToEnd(SETTINGS), half=Half()), drawn)
    assert raw > 0.75
    assert abs(end2end - raw) < 0.0005
    assert abs(half - raw) < 0.005


@needs_weights
@pytest.mark.parametrize("layout", ["separate", "flat", "ultralytics"])
def test_masks_are_the_same_raw_and_end_to_end(layout, tmp_path):
    """Pixel for pixel on a real picture, so that mask AP cannot differ."""
    settings = NmsSettings(conf_thres=0.05, topk_all=40)
    ends = {"raw": None, "whole": EndToEnd(settings)}
    found = {}
    for name, end2end in ends.items():
        wanted = ConvertSettings(end2end=end2end, layout=layout if end2end else None)
        done = convert(WEIGHTS / "yolov8n-seg.pt", tmp_path / f"{name}.onnx", wanted)
        [found[name]] = Predictor(open_runtime(done.path), settings)([cv2.imread(str(WEIGHTS / "dog.jpg"))])
    raw, whole = found["raw"], found["whole"]
    assert len(raw) == len(whole) > 5
    np.testing.assert_allclose(whole.scores, raw.scores, atol=1e-5)
    different = (np.asarray(whole.masks) != np.asarray(raw.masks)).sum(axis=(1, 2))
    assert different.max() <= 1, "a value of one half may round to either side"
