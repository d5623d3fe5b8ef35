"""Which pairs enter the suppression: as many as there are, the best of them, and of equals the first."""

from __future__ import annotations

import numpy as np
import pytest
from raw_heads import model_meta, run
from routes import end_to_end

from trtzoo.contract.nms import NmsSettings


@pytest.mark.parametrize("candidates", [6, 7])
def test_every_pair_is_a_candidate_where_there_are_no_more(candidates):
    """Three boxes far apart, two classes each above the threshold: six rows."""
    boxes = np.array([[0, 0, 4, 4], [20, 0, 24, 4], [40, 0, 44, 4]], np.float32)
    scores = np.array([[0.9, 0.8], [0.7, 0.6], [0.5, 0.4]], np.float32)
    settings = NmsSettings("plain", iou_thres=0.5, conf_thres=0.25, topk_all=6, candidates=candidates, multi_label=True)
    session, _ = end_to_end(model_meta(classes=2), settings, 3)
    outputs = run(session, {"boxes": boxes[None], "scores": scores[None]})
    assert outputs["num_dets"].item() == 6
    np.testing.assert_array_equal(outputs["det_scores"][0], np.sort(scores.ravel())[::-1])


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("classes", [1, 3])
def test_equal_scores_come_by_anchor_then_by_class(classes: int, multi_label: bool) -> None:
    """Ninety boxes far apart, all of one score, and forty candidates: the first forty pairs as they are read."""
    settings = NmsSettings("static", conf_thres=0.25, topk_all=40, candidates=40, multi_label=multi_label)
    runtime, _ = end_to_end(model_meta(classes=classes), settings, 90)
    left = np.arange(90, dtype=np.float32) * 20
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], 1)
    outputs = run(runtime, {"boxes": boxes[None], "scores": np.full((1, 90, classes), 0.5, np.float32)})
    pairs = [(anchor, label) for anchor in range(90) for label in range(classes if multi_label else 1)][:40]
    assert outputs["num_dets"].item() == 40
    assert outputs["det_classes"][0].tolist() == [label for _, label in pairs]
    np.testing.assert_array_equal(outputs["det_boxes"][0], boxes[[anchor for anchor, _ in pairs]])


def test_the_best_pairs_may_be_of_few_anchors() -> None:
    """The three best of nine pairs belong to one anchor, which is not the first."""
    scores = np.array([[0.5, 0.4, 0.3], [0.6, 0.9, 0.8], [0.55, 0.35, 0.3]], np.float32)
    boxes = np.array([[0, 0, 4, 4], [20, 0, 24, 4], [40, 0, 44, 4]], np.float32)
    settings = NmsSettings("plain", conf_thres=0.25, topk_all=3, candidates=3, multi_label=True)
    outputs = run(end_to_end(model_meta(classes=3), settings, 3)[0], {"boxes": boxes[None], "scores": scores[None]})
    assert outputs["det_classes"][0].tolist() == [1, 2, 0]
    assert (outputs["det_boxes"][0] == boxes[1]).all()
