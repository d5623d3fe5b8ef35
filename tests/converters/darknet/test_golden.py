"""DarkNet's own output buffers and detections, computed by AlexeyAB/darknet, against ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from running import assert_interpreters_agree, box_error, convert_and_run, run_network
from shared import golden_cases, needs_golden

from trtzoo import EndToEnd, NmsSettings, ReadOptions
from trtzoo.converters import read_network

CASES = golden_cases("dk_")
SMOOTH = ("dk_v4", "dk_v4_csp", "dk_shortcut_weights", "dk_depthwise_relu6")
"""Nets with mish or swish, where two builds of DarkNet itself differ by 3e-4."""

# DarkNet's float32 sums of this random net are 1.4e-4 away from the same sums in float64 (on a box 3126 pixels wide).
TOLERANCES = dict.fromkeys(SMOOTH, 0.001) | {"dk_v3_spp": 2e-4}

pytestmark = needs_golden


def tolerance(case: Path) -> float:
    return TOLERANCES.get(case.name, 1e-4)


def cfg_of(case: Path) -> Path:
    return next(case.glob("*.cfg"))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decode(head: dict, buffer: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [B, A, 4] and scores [B, A, C] of one head's buffer, by get_yolo_box and get_region_box of DarkNet."""
    region = head["type"] == "region"
    values = np.moveaxis(buffer, 3, 1) if region else np.moveaxis(buffer, 2, -1)
    values = values.astype(np.float64)
    grid_h, grid_w = values.shape[2:4]
    anchors = np.array(head["anchors_grid_cells" if region else "anchors_used_pixels"])[None, :, None, None]
    xy = sigmoid(values[..., :2]) if region else values[..., :2]
    x = (xy[..., 0] + np.arange(grid_w)) / grid_w * width
    y = (xy[..., 1] + np.arange(grid_h)[:, None]) / grid_h * height
    size = values[..., 2:4] ** 2 * 4 if head.get("new_coords") else np.exp(values[..., 2:4])
    size = size * anchors * ([width / grid_w, height / grid_h] if region else 1)
    boxes = np.stack([x - size[..., 0] / 2, y - size[..., 1] / 2, x + size[..., 0] / 2, y + size[..., 1] / 2], -1)
    scores = values[..., 5:] * values[..., 4:5]
    return boxes.reshape(len(boxes), -1, 4), scores.reshape(len(scores), -1, scores.shape[-1])


def expected_heads(case: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, boxes and scores of a case."""
    facts, arrays = json.loads((case / "case.json").read_text()), np.load(case / "expected.npz")
    height, width = facts["input"]["height"], facts["input"]["width"]
    parts = [decode(h, arrays[f"layer{h['layer']}_{h['type']}"], height, width) for h in facts["heads"]]
    return arrays["images"], *(np.concatenate(column, axis=1) for column in zip(*parts, strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_raw_heads_equal_darknets_buffers(case):
    images, boxes, scores = expected_heads(case)
    outputs = run_network(read_network(cfg_of(case), ReadOptions()), images)
    assert box_error(outputs["boxes"], boxes) < tolerance(case)
    assert np.abs(outputs["scores"] - scores).max() < tolerance(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_torch_and_onnx_agree(case):
    images = np.load(case / "expected.npz")["images"]
    assert_interpreters_agree(read_network(cfg_of(case), ReadOptions()), images)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_end_to_end_detections_equal_darknets_nms(case, tmp_path):
    facts, arrays = json.loads((case / "case.json").read_text()), np.load(case / "expected.npz")
    end2end = EndToEnd(NmsSettings(topk_all=1000, candidates=3840))
    rows = convert_and_run(cfg_of(case), tmp_path / "m.onnx", arrays["images"], end2end)
    size = np.array([facts["input"]["width"], facts["input"]["height"]] * 2)
    for image in range(len(arrays["images"])):
        ours, theirs = our_rows(rows, image), darknet_rows(arrays[f"dets_nms_{image}"], size)
        assert len(ours) == len(theirs)
        match = nearest(theirs, ours)
        assert len(set(match)) == len(match)
        ours = ours[match]
        assert np.array_equal(ours[:, 0], theirs[:, 0])
        assert np.abs(ours[:, 1] - theirs[:, 1]).max() < tolerance(case)
        assert box_error(ours[:, 2:], theirs[:, 2:]) < tolerance(case)


def our_rows(rows: dict[str, np.ndarray], image: int) -> np.ndarray:
    """Class, score, box of every detection."""
    count = rows["num_dets"][image, 0]
    columns = [rows[name][image, :count] for name in ("det_classes", "det_scores", "det_boxes")]
    return np.column_stack(columns).astype(np.float64)


def darknet_rows(detections: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The same of DarkNet's rows x, y, w, h (relative), objectness, probability of each class."""
    row, number = np.nonzero(detections[:, 5:])
    centre, half = detections[row, :2] * size[:2], detections[row, 2:4] * size[:2] / 2
    return np.column_stack([number, detections[row, 5 + number], centre - half, centre + half]).astype(np.float64)


def nearest(rows: np.ndarray, others: np.ndarray) -> list[int]:
    """For each row the other that differs least; class and score weigh more than pixels."""
    weight = np.array([1e6, 1e3, 1, 1, 1, 1])
    return [int(np.abs((others - row) * weight).sum(axis=1).argmin()) for row in rows]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_batch_is_not_baked_in(batch, tmp_path):
    case = next(case for case in CASES if case.name == "dk_v4_tiny")
    image = np.load(case / "expected.npz")["images"][:1]
    network = read_network(cfg_of(case), ReadOptions())
    one = run_network(network, image)
    many = run_network(network, np.repeat(image, batch, axis=0))
    for name in one:
        np.testing.assert_allclose(many[name], np.repeat(one[name], batch, axis=0), atol=1e-4, rtol=1e-5)
