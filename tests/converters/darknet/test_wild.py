"""Models of other people, as found in public repositories: on the same input they answer as OpenCV's importer does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from running import run_network
from shared import WEIGHTS, needs_weights

from trtzoo import ReadOptions
from trtzoo.converters import read_network

pytestmark = [
    needs_weights,
    pytest.mark.skipif(
        not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV (5 or later) has no DarkNet importer"
    ),
]
WILD = WEIGHTS / "wild"


def answers(stem: str) -> tuple[np.ndarray, np.ndarray]:
    """Our scores of dog.jpg and OpenCV's, the best of each class."""
    cfg = WILD / f"{stem}.cfg"
    network = read_network(cfg, ReadOptions())
    height, width = network.meta.imgsz
    image = cv2.dnn.blobFromImage(cv2.imread(str(WEIGHTS / "dog.jpg")), 1 / 255, (width, height), swapRB=True)
    text = cfg.read_text().replace("[yolo]", "[yolo]\nthresh=0.0001")
    theirs = cv2.dnn.readNetFromDarknet(
        np.frombuffer(text.encode(), np.uint8), np.fromfile(cfg.with_suffix(".weights"), np.uint8)
    )
    theirs.setInput(image)
    rows = np.concatenate(theirs.forward(theirs.getUnconnectedOutLayersNames()))
    return run_network(network, image)["scores"][0].max(axis=0), rows[:, 5:].max(axis=0)


def test_a_face_detector_of_45_kilobytes():
    ours, theirs = answers("yoloface-50k")
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_model_whose_variances_lie_below_zero():
    """DarkNet finds the bicycle with .577, OpenCV with .581: it adds epsilon in another place, which tiny variances show."""
    ours, theirs = answers("MobileNetV2-YOLO-Fastest-voc")
    assert ours[1] == pytest.approx(0.577, abs=1e-3)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
