"""Every route against the reference on boxes that hypothesis thinks up: any batch, count, classes, ties, extremes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nms_reference import Array
from raw_heads import model_meta, run
from routes import assert_same_rows, end_to_end, route_of

from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings

ANCHORS = 24
SUPPRESSING = ["plain", "static", "onnx", "efficient-idx"]
THRESHOLDS = {"plain": [0.45, 0.6], "static": [0.45, 0.6], "onnx": [0.45, 0.6], "efficient-idx": [0.4523, 0.6117]}
"""The plugin suppresses at IoU equal to the threshold, so its thresholds are no IoU of boxes on a coarse grid."""

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.5000001, 0.75, 0.9, 1.0])
"""Few values, so that most scores have equals, and one exactly at the threshold."""
EDGES = st.one_of(
    st.integers(-4, 12).map(float),
    st.floats(-50, 50, width=32).map(lambda x: round(x, 3)),
    st.sampled_from([-1e6, 1e6, 3e38, -3e38, float("inf"), float("-inf")]),
)
"""Corners on a coarse grid (overlaps that tie with the threshold), between, far out; low and high may be swapped."""


@lru_cache(maxsize=64)
def compiled(task: str, classes: int, nms: NmsSettings) -> tuple[Any, ModelMeta]:
    return end_to_end(model_meta(task, classes), nms, ANCHORS)


@st.composite
def raw_heads(draw: st.DrawFn, classes: int) -> dict[str, Array]:
    """Boxes and scores of 1 to 4 images; some images have few boxes and the rest of them at zero."""
    batch = draw(st.integers(1, 4))
    count = draw(st.integers(1, ANCHORS))
    boxes, scores = np.zeros((batch, ANCHORS, 4), np.float32), np.zeros((batch, ANCHORS, classes), np.float32)
    for image in range(batch):
        corners = draw(st.lists(st.tuples(EDGES, EDGES, EDGES, EDGES), min_size=count, max_size=count))
        values = draw(st.lists(st.lists(SCORES, min_size=classes, max_size=classes), min_size=count, max_size=count))
        boxes[image, :count], scores[image, :count] = corners, values
    return {"boxes": boxes, "scores": scores}


@pytest.mark.parametrize("route", SUPPRESSING)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_boxes_and_scores_give_the_rows_of_greedy_nms(route: str, data: st.DataObject) -> None:
    classes = data.draw(st.sampled_from([1, 3]), "classes")
    nms = NmsSettings(
        **route_of(route),
        iou_thres=data.draw(st.sampled_from(THRESHOLDS[route]), "iou_thres"),
        conf_thres=0.25,
        topk_all=data.draw(st.sampled_from([3, 30]), "rows"),
        candidates=data.draw(st.sampled_from([10, 100]), "candidates"),
        multi_label=data.draw(st.booleans(), "multi_label"),
        class_agnostic=data.draw(st.booleans(), "class_agnostic"),
    )
    heads = data.draw(raw_heads(classes), "heads")
    runtime, meta = compiled("detect", classes, nms)
    outputs = run(runtime, heads)
    assert not any(np.isnan(values).any() for values in outputs.values())
    assert_same_rows(outputs, heads, meta)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 3), spread=st.sampled_from([1.0, 10.0, 100.0]))
def test_identities_planted_in_angles_and_coefficients_follow_their_boxes(seed: int, batch: int, spread: float) -> None:
    """Each anchor carries its own number as first mask coefficient, as one keypoint value, and in its angle."""
    rng = np.random.default_rng(seed)
    middle, size = rng.uniform(0, spread, (batch, ANCHORS, 2)), rng.uniform(1, 30, (batch, ANCHORS, 2))
    boxes = np.concatenate([middle - size / 2, middle + size / 2], 2).astype(np.float32)
    scores = rng.uniform(0, 1, (batch, ANCHORS, 2)).astype(np.float32)
    identity = (np.arange(batch)[:, None] * ANCHORS + np.arange(ANCHORS)).astype(np.float32)
    nms = NmsSettings(route="plain", topk_all=30)

    runtime, meta = compiled("pose", 2, nms)
    keypoints = np.broadcast_to(identity[..., None, None], (batch, ANCHORS, *(meta.kpt_shape or ()))).copy()
    outputs = run(runtime, {"boxes": boxes, "scores": scores, "keypoints": keypoints})
    assert_identified(outputs, outputs["det_kpts"][:, :, 0, 0], boxes, scores)

    runtime, meta = compiled("obb", 2, nms)
    turned = np.concatenate([middle, size, identity[..., None] / 1000], 2).astype(np.float32)
    outputs = run(runtime, {"boxes": turned, "scores": scores})
    assert_identified(outputs, np.round(outputs["det_boxes"][:, :, 4] * 1000), turned, scores)


def assert_identified(outputs: dict[str, Array], identity: Array, boxes: Array, scores: Array) -> None:
    for image, count in enumerate(outputs["num_dets"][:, 0]):
        anchors = identity[image, :count].astype(int) - image * ANCHORS
        assert (anchors >= 0).all() and (anchors < ANCHORS).all()
        np.testing.assert_array_equal(outputs["det_boxes"][image, :count], boxes[image, anchors])
        np.testing.assert_array_equal(outputs["det_scores"][image, :count], scores[image, anchors].max(1))
        np.testing.assert_array_equal(outputs["det_classes"][image, :count], scores[image, anchors].argmax(1))
