"""LabelMe's files give the boxes and points that were drawn."""

from __future__ import annotations

import json

import numpy as np
from labelled_squares import PICTURES, SIZE, coco_categories, corners, write_pictures

from trtzoo.data.datasets.load import load_dataset


def write_labelme(root):
    """One LabelMe file a picture, in which a square's corners are points of its group."""
    for file, picture in zip(write_pictures(root), PICTURES, strict=True):
        shapes = []
        for group, (number, cell) in enumerate(picture):
            x1, y1, x2, y2 = corners(cell)
            name = coco_categories()[number]["name"]
            ends = {"a": [x1, y1], "b": [x2, y2]}
            shapes.append({"label": name, "shape_type": "rectangle", "points": list(ends.values()), "group_id": group})
            shapes += [
                {"label": label, "shape_type": "point", "points": [point], "group_id": group}
                for label, point in ends.items()
            ]
        record = {"imagePath": file.name, "imageHeight": SIZE[0], "imageWidth": SIZE[1], "shapes": shapes}
        file.with_suffix(".json").write_text(json.dumps(record))
    return root


def test_a_folder_is_a_dataset_with_boxes_and_points(tmp_path):
    dataset = load_dataset(write_labelme(tmp_path), "pose")
    assert dataset.kpt_shape == (2, 3)
    for sample, picture in zip(dataset.samples, PICTURES, strict=True):
        truth = sample.truth(SIZE)
        boxes = np.array([corners(cell) for _, cell in picture], float).reshape(-1, 4)
        np.testing.assert_allclose(truth.boxes, boxes)
        names = [dataset.names[number] for number in truth.classes]
        assert names == [coco_categories()[number]["name"] for number, _ in picture]
        np.testing.assert_allclose(truth.keypoints[:, :, :2].reshape(-1, 4), boxes)
