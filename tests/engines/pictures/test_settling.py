"""Rows of `--nms static` tell whether its steps were enough: against greedy NMS on crowds, and what `detect` says about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from nms_reference import box_iou, greedy_nms
from raw_heads import model_meta, run
from routes import end_to_end
from suppressions import graph_nms

from trtzoo import Predictor
from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.pictures.detect import Wanted, detect
from trtzoo.engines.pictures.postprocess import Rows, surviving_rows
from trtzoo.engines.pictures.settling import is_unsettled
from trtzoo.engines.pictures.sources import find_sources


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("rows", [12, 60])
@pytest.mark.parametrize("steps", [2, 4])
def test_rows_are_unsettled_exactly_where_they_are_wrong(steps: int, rows: int, agnostic: bool) -> None:
    settings = NmsSettings("static", iou_thres=0.5, topk_all=rows, steps=steps, class_agnostic=agnostic)
    runtime, meta = end_to_end(model_meta(classes=2), settings, 60)
    assert meta.nms is not None
    rng, seen = np.random.default_rng(steps), set()
    for spread in np.linspace(60, 3000, 16):
        left = np.sort(
            rng.uniform(0, spread, 60)
        )  # a row of boxes, the better ones on the left by and large: long chains
        boxes = np.stack([left, left * 0, left + 20, left * 0 + 20], 1).astype(np.float32)
        scores = (np.linspace(0.9, 0.4, 60)[:, None] + rng.uniform(0, 0.05, (60, 2))).astype(np.float32)
        outputs = run(runtime, {"boxes": boxes[None], "scores": scores[None]})
        rows_left = surviving_rows(outputs, 0, meta, meta.nms)
        expected = [scores[pair] for pair in greedy_nms(boxes, scores, meta.nms, box_iou)]
        wrong = rows_left.scores.tolist() != [float(score) for score in expected]
        assert is_unsettled(rows_left, meta.nms, meta.nms) == wrong
        seen.add(wrong)
    assert seen == {False, True}


TWICE = np.array([[10, 10, 30, 30], [10, 10, 30, 31]], np.float32)
"""Two boxes that lie on each other."""


@pytest.mark.parametrize(
    ("nms", "classes", "answer"),
    [
        (graph_nms("static"), [1, 1], True),
        (graph_nms("static"), [1, 0], False),
        (graph_nms("static", class_agnostic=True), [1, 0], True),
        (graph_nms("static", iou_thres=0.9999), [1, 1], False),
        (replace(graph_nms("static"), steps=15), [1, 1], False),
        (graph_nms("plain"), [1, 1], False),
        (None, [1, 1], False),
    ],
)
def test_only_an_even_number_of_steps_leaves_boxes_too_many(nms: Any, classes: list[int], answer: bool) -> None:
    rows = Rows(TWICE, np.array([0.9, 0.8], np.float32), np.array(classes))
    assert is_unsettled(rows, nms, nms or graph_nms()) is answer


class Duplicating:
    """A runtime that finds the same object twice, in every picture but the first."""

    name = "test on CPU"

    def __init__(self) -> None:
        self.meta = replace(model_meta(batch=1), nms=graph_nms("static", topk_all=2), layout="separate")
        self.runs = 0

    def infer(self, images: Any, thresholds: Any = None, outputs: Any = None) -> dict[str, Any]:
        self.runs += 1
        count = min(self.runs, 2)
        scores = np.array([[0.9, 0.8 * (count > 1)]], np.float32)
        return {
            "num_dets": np.array([[count]], np.int32), "det_boxes": TWICE[None], "det_scores": scores,
            "det_classes": np.zeros((1, 2), np.int32),
        }  # fmt: skip

    def close(self) -> None:
        pass


def test_detect_says_how_many_pictures_needed_more_steps(tmp_path) -> None:
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((64, 64, 3), np.uint8))
    said: list[str] = []
    predictor = Predictor(Duplicating())
    for pictures, wrong in ((3, 2), (3, 3)):  # the second run does not count the first one's again
        said.clear()
        detect(predictor, find_sources(str(tmp_path)), tmp_path / "out", "m", Wanted(images=False), note=said.append)
        assert len(said) == 1 and said[0].startswith(f"in {wrong} of {pictures} pictures the 16 steps of --nms static")
