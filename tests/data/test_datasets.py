"""Labels in every format become the same boxes, points and masks; damaged ones are named."""

from __future__ import annotations

import json
import shutil

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

from trtzoo.data.datasets.load import load_dataset
from trtzoo.data.datasets.yolo_txt import label_file
from trtzoo.errors import InputError


def truths(dataset):
    return [sample.truth(SIZE) for sample in dataset.samples]


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


def test_oriented_boxes_are_the_rectangle_of_their_corners(tmp_path):
    path = write_yolo(tmp_path, "obb", [((0, 0),)])
    centre, along, across = np.array([48.0, 32.0]), np.array([18.0, 6.0]), np.array([-3.0, 9.0])
    points = np.array([centre + a * along + b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))])
    numbers = " ".join(f"{value:.8f}" for value in (points / [96, 64]).reshape(-1))
    (tmp_path / "labels" / "val" / "000001.txt").write_text(f"2 {numbers}\n")
    box = truths(load_dataset(path, "obb"))[0].boxes[0]
    assert box[:2] == pytest.approx(centre, abs=1e-3)
    assert sorted(box[2:4]) == pytest.approx(sorted([2 * np.hypot(*along), 2 * np.hypot(*across)]), abs=1e-3)
    long_side = box[4] if box[2] > box[3] else box[4] + np.pi / 2
    assert np.tan(long_side) == pytest.approx(6 / 18, abs=1e-4)


def test_a_flagless_yaml_finds_labels_below_its_last_images_folder(tmp_path):
    root = tmp_path / "images" / "set"
    path = write_yolo(root, "detect")
    assert label_file(root / "images" / "val" / "1.png") == root / "labels" / "val" / "1.txt"
    assert len(truths(load_dataset(path, "detect"))[0]) == 2


def test_a_list_of_pictures_and_of_parts(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "part.txt").write_text("./images/val/000002.png\nimages/val/000001.png\n")
    path.write_text(path.read_text().replace("val: images/val", "val: [part.txt]"))
    assert [sample.id for sample in load_dataset(path, "detect").samples] == [2, 1]


def test_pictures_without_numbers_get_some(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "images/val/000004.png").rename(tmp_path / "images/val/street.png")
    assert [sample.id for sample in load_dataset(path, "detect").samples] == [1, 2, 3, 4]


def test_a_missing_label_file_means_that_nothing_is_there(tmp_path):
    path = write_yolo(tmp_path, "detect")
    (tmp_path / "labels/val/000001.txt").unlink()
    assert len(truths(load_dataset(path, "detect"))[0]) == 0


def test_a_line_twice_counts_once(tmp_path):
    path = write_yolo(tmp_path, "detect")
    labels = tmp_path / "labels/val/000002.txt"
    labels.write_text(labels.read_text() * 2)
    assert len(truths(load_dataset(path, "detect"))[1]) == 1


BAD_LINES = {
    "0 .5 .5 .1": "at least four numbers",
    "0 .5 .5 .1 x": "no line of numbers",
    "3 .5 .5 .1 .1": "class 3 is not one of the 3",
    "0.5 .5 .5 .1 .1": "class 0.5",
    "0 50 .5 .1 .1": "0..1",
    "0 .5 .5 -.1 .1": "0..1",
    "0 .5 .5 nan .1": "four numbers",
}


@pytest.mark.parametrize(("line", "said"), BAD_LINES.items())
def test_damaged_lines_are_named(tmp_path, line, said):
    path = write_yolo(tmp_path, "detect")
    labels = tmp_path / "labels/val/000002.txt"
    labels.write_text(f"0 .5 .5 .1 .1\n{line}\n")
    with pytest.raises(InputError, match=f"{labels.name}:2.*{said}"):
        truths(load_dataset(path, "detect"))


BAD_YAMLS = {
    "no yaml at all": ("a: [", "YAML"),
    "a list": ("- a\n", "no data yaml"),
    "no names": ("val: images/val\n", "names"),
    "names with a gap": ("val: images/val\nnames: {0: a, 2: b}\n", "names"),
    "no split": ("names: [a]\n", "no 'val'"),
    "a folder that is not there": ("val: pictures\nnames: [a]\n", "neither a folder"),
    "flip_idx of another skeleton": ("val: images/val\nnames: [a]\nkpt_shape: [2, 3]\nflip_idx: [0, 2]\n", "flip_idx"),
    "kpt_shape of one number": ("val: images/val\nnames: [a]\nkpt_shape: [2]\n", "kpt_shape"),
}


@pytest.mark.parametrize(("text", "said"), BAD_YAMLS.values(), ids=BAD_YAMLS)
def test_damaged_yamls_say_what_is_wrong(tmp_path, text, said):
    path = write_yolo(tmp_path, "detect")
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_dataset(path, "detect")


def test_a_pose_needs_its_kpt_shape(tmp_path):
    with pytest.raises(InputError, match="kpt_shape"):
        load_dataset(write_yolo(tmp_path, "detect"), "pose")


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
