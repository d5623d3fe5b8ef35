"""Labels in every format become the same boxes, points and masks, of the model's classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from labelled_squares import (
    PICTURES,
    SIZE,
    coco_annotation,
    coco_categories,
    corners,
    write_coco,
    write_pictures,
    write_yolo,
)
from truths import truths

from trtzoo.data.datasets.load import load_dataset
from trtzoo.errors import InputError


def expected_boxes(picture):
    return np.array([corners(cell) for _, cell in picture], float).reshape(-1, 4)


def write_per_picture(root):
    files = write_pictures(root)
    for file, picture in zip(files, PICTURES, strict=True):
        record = {
            "images": [{"file_name": file.name, "height": SIZE[0], "width": SIZE[1]}],
            "annotations": [coco_annotation(*square) for square in picture],
            "categories": coco_categories(),
        }
        file.with_suffix(".json").write_text(json.dumps(record))
    return root


FORMATS = {
    "YOLO text": lambda root: write_yolo(root, "detect"),
    "YOLO polygons": lambda root: write_yolo(root, "segment"),
    "COCO JSON": write_coco,
    "a JSON file a picture": write_per_picture,
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_boxes(tmp_path, write):
    dataset = load_dataset(write(tmp_path / "set"), "detect")
    assert dataset.names == ("red", "green", "blue")
    assert [sample.path.name for sample in dataset.samples] == [f"{number:06d}.png" for number in (1, 2, 3, 4)]
    for truth, picture in zip(truths(dataset), PICTURES, strict=True):
        np.testing.assert_allclose(truth.boxes, expected_boxes(picture), atol=1e-3)
        assert truth.classes.tolist() == [number for number, _ in picture]
        assert truth.areas.tolist() == pytest.approx([256] * len(picture), abs=0.1)


@pytest.mark.parametrize("write", [lambda root: write_yolo(root, "pose"), write_coco], ids=["YOLO", "COCO"])
def test_keypoints(tmp_path, write):
    dataset = load_dataset(write(tmp_path / "set"), "pose")
    assert dataset.kpt_shape == (2, 3)
    x1, y1, x2, y2 = corners(9)
    np.testing.assert_allclose(truths(dataset)[0].keypoints[1], [[x1, y1, 2], [x2, y2, 2]], atol=1e-3)


@pytest.mark.parametrize("write", [lambda root: write_yolo(root, "segment"), write_coco], ids=["YOLO", "COCO"])
def test_polygons(tmp_path, write):
    truth = truths(load_dataset(write(tmp_path / "set"), "segment"))[0]
    x1, y1, x2, y2 = corners(9)
    np.testing.assert_allclose(truth.masks[1][0], [x1, y1, x2, y1, x2, y2, x1, y2], atol=1e-3)


def test_folders_of_classes(tmp_path):
    for name in ("red", "blue"):
        write_pictures(tmp_path / "val" / name)
    dataset = load_dataset(tmp_path, "classify")
    assert dataset.names == ("blue", "red")
    assert [sample.label for sample in dataset.samples] == [0] * 4 + [1] * 4


class TestClasses:
    """A model's classes are found by their names, else by their order."""

    def dataset(self, tmp_path):
        return load_dataset(write_yolo(tmp_path, "detect"), "detect")

    def test_by_name(self, tmp_path):
        assert self.dataset(tmp_path).number_of(["Blue", "dog", "red"], "m").tolist() == [2, -1, 0]

    def test_by_order(self, tmp_path):
        assert self.dataset(tmp_path).number_of(["class0", "class1", "class2"], "m").tolist() == [0, 1, 2]

    def test_neither(self, tmp_path):
        with pytest.raises(InputError, match="no class is in both"):
            self.dataset(tmp_path).number_of(["dog", "cat"], "m")
