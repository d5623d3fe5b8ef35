"""Which boxes `trtzoo detect` keeps, and masks as they stand in its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from colour_network import NAMES, cells, colour_network, picture_with, write

from trtzoo.cli import main
from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.converters.network import Network

CHAIN = [[0, 0, 20, 20], [8, 0, 28, 20], [16, 0, 36, 20]]
"""The second box overlaps the first and the third with an IoU of 3 / 7; these two barely overlap (1 / 9)."""
SCORES = [0.9, 0.8, 0.7]


def chained(folder: Path) -> Path:
    """A model that finds the chain of boxes in every picture."""
    meta = ModelMeta("ultralytics", "detect", ("thing",), (8,), (64, 64), preprocess=Preprocess(resize="stretch"))

    def forward(ops, images):
        nothing = ops.mul(ops.reshape(ops.global_avg_pool(ops.slice(images, 1, 0, 1)), (1, 1)), 0.0)
        boxes, scores = np.array([CHAIN], np.float32), np.array([SCORES], np.float32)[..., None]
        return {"boxes": ops.add(nothing, boxes), "scores": ops.add(nothing, scores)}

    return write(folder, Network(meta, forward), None)


def found(folder: Path, *words: object) -> list[dict]:
    """What the command finds in the only picture."""
    assert main(["detect", *map(str, words), "-o", str(folder / "out"), "--no-images"]) == 0
    [picture] = json.loads((folder / "out" / "detections.json").read_bytes())["pictures"]
    return picture["detections"]


RULES = {
    "a box that went suppresses none": ([], [0.9, 0.7]),
    "a box that went suppresses all the same": (["--fast-nms"], [0.9]),
    "a higher threshold": (["--iou-thres", "0.5"], [0.9, 0.8, 0.7]),
    "a lower threshold": (["--iou-thres", "0.1"], [0.9]),
    "the best": (["--iou-thres", "0.5", "--topk-all", "2"], [0.9, 0.8]),
    "the sure": (["--iou-thres", "0.5", "--conf-thres", "0.75"], [0.9, 0.8]),
}


@pytest.mark.parametrize(("flags", "scores"), RULES.values(), ids=RULES)
def test_boxes_are_suppressed_as_the_flags_say(flags, scores, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    flags = flags if "--iou-thres" in flags else ["--iou-thres", "0.4", *flags]
    kept = found(tmp_path, chained(tmp_path), tmp_path / "a.png", *flags)
    assert [one["score"] for one in kept] == pytest.approx(scores, abs=1e-3)


def test_masks_are_runs_that_pycocotools_reads_and_outlines_of_points(tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    squares = [(2, 0), (9, 1), (22, 2)]
    cv2.imwrite(str(tmp_path / "a.png"), picture_with(squares))
    kept = found(tmp_path, write(tmp_path, colour_network("segment"), None), tmp_path / "a.png", "--conf-thres", "0.6")
    assert {one["name"] for one in kept} == set(NAMES)
    for one, (cell, number) in zip(sorted(kept, key=lambda one: one["class"]), squares, strict=True):
        left, top, right, bottom = cells((64, 96))[cell].astype(int)
        mask = coco.decode(one["mask"])
        assert (one["class"], mask.shape) == (number, (64, 96))
        inside = mask[top:bottom, left:right]
        assert inside[1:-1].all() and inside[:, 1:-1].all()  # enlarging rounds the corners off
        assert mask.sum() == inside.sum()
        [outline] = one["polygons"]
        assert np.shape(outline) == (len(outline), 2)
        assert cv2.contourArea(np.array(outline, np.float32)) == pytest.approx(16 * 16, rel=0.15)


def test_no_masks_leaves_the_boxes(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture_with([(2, 0)]))
    model = write(tmp_path, colour_network("segment"), None)
    [one] = found(tmp_path, model, tmp_path / "a.png", "--conf-thres", "0.6", "--no-masks")
    assert one["box"] == cells((64, 96))[2].tolist() and "mask" not in one and "polygons" not in one
