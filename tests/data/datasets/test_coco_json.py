"""COCO JSON: crowds, pictures elsewhere, pictures of another size."""

from __future__ import annotations

import json
import shutil

import pytest
from labelled_squares import (
    write_coco,
)
from truths import truths

from trtzoo.data.datasets.load import load_dataset
from trtzoo.errors import InputError


def test_coco_labels_of_a_picture_of_another_size_are_refused(tmp_path):
    dataset = load_dataset(write_coco(tmp_path), "detect")
    with pytest.raises(InputError, match=r"000001.png is 100x64 pixels, .* says 96x64"):
        dataset.samples[0].truth((64, 100))


def test_coco_pictures_may_lie_elsewhere(tmp_path):
    path = write_coco(tmp_path / "set")
    shutil.move(tmp_path / "set" / "images", tmp_path / "elsewhere")
    with pytest.raises(InputError, match="--images"):
        load_dataset(path, "detect")
    assert load_dataset(path, "detect", tmp_path / "elsewhere").samples[0].path.is_file()


def test_crowds_are_known(tmp_path):
    path = write_coco(tmp_path)
    document = json.loads(path.read_text())
    document["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(document))
    assert truths(load_dataset(path, "detect"))[0].crowd.tolist() == [True, False]


def test_objects_of_other_numbers_of_keypoints_are_named(tmp_path):
    path = write_coco(tmp_path)
    document = json.loads(path.read_text())
    document["annotations"][1]["keypoints"] = [1, 1, 2]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"an object on 000001\.png has 1 keypoints, others have 2"):
        truths(load_dataset(path, "pose"))
