"""JSON of annotation tools becomes YOLO's lines: numbers worked out by hand, and COCO's own pictures against their JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from shared import SHARED

from trtzoo.data.coco import read_labels
from trtzoo.data.json2yolo import json_to_yolo
from trtzoo.engines.pictures.masks import run_lengths
from trtzoo.errors import InputError

CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]


def coco(*annotations, images=None, categories=CATEGORIES):
    images = images or [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 100}]
    return {"images": images, "annotations": list(annotations), "categories": categories}


def box(x, y, w, h, category=18, **more):
    return {"image_id": 7, "category_id": category, "bbox": [x, y, w, h], **more}


def converted(folder, document, name="labels.json", **options):
    """The lines of each label file, by its name."""
    path = folder / name
    path.write_text(json.dumps(document))
    done = json_to_yolo(path, folder / "labels", **options)
    return done, {file.name: file.read_text().splitlines() for file in sorted((folder / "labels").iterdir())}


LINES = {
    "a box": (coco(box(20, 10, 40, 30)), {}, ["0 0.2 0.25 0.2 0.3"]),
    "a box over the rim is cut": (coco(box(-20, 90, 60, 30)), {}, ["0 0.1 0.95 0.2 0.1"]),
    "a box outside is left out": (coco(box(300, 10, 40, 30), box(0, 0, 200, 100)), {}, ["0 0.5 0.5 1 1"]),
    "classes are numbered by name": (coco(box(0, 0, 2, 1, 1), box(0, 0, 2, 1)), {}, ["1 0.005 0.005 0.01 0.01", "0 0.005 0.005 0.01 0.01"]),
    "or as the user says": (coco(box(0, 0, 2, 1, 1), box(0, 0, 2, 1)), {"names": ["person"]}, ["0 0.005 0.005 0.01 0.01"]),
    "a group is left out": (coco(box(0, 0, 2, 1, iscrowd=1), box(0, 0, 200, 100)), {}, ["0 0.5 0.5 1 1"]),
    "keypoints": (
        coco(box(0, 0, 200, 100, keypoints=[50, 25, 2, 100, 75, 1, 0, 0, 0])), {},
        ["0 0.5 0.5 1 1 0.25 0.25 2 0.5 0.75 1 0 0 0"],
    ),
    "a keypoint outside is not labelled": (
        coco(box(0, 0, 200, 100, keypoints=[250, 25, 2, 100, 75, 1])), {}, ["0 0.5 0.5 1 1 0 0 0 0.5 0.75 1"],
    ),
    "an object without keypoints among others": (
        coco(box(0, 0, 200, 100, keypoints=[50, 25, 2]), box(0, 0, 200, 100)), {}, ["0 0.5 0.5 1 1 0.25 0.25 2", "0 0.5 0.5 1 1 0 0 0"],
    ),
    "boxes only, where that is asked for": (
        coco(box(0, 0, 200, 100, keypoints=[50, 25, 2])), {"task": "detect"}, ["0 0.5 0.5 1 1"],
    ),
    "the greatest part of an outline": (
        coco(box(0, 0, 100, 50, segmentation=[[0, 0, 2, 0, 2, 2], [0, 0, 100, 0, 100, 50, 0, 50]])), {"task": "segment"},
        ["0 0 0 0.5 0 0.5 0.5 0 0.5"],
    ),
    "the box of an object without outline": (coco(box(0, 0, 100, 50)), {"task": "segment"}, ["0 0 0 0.5 0 0.5 0.5 0 0.5"]),
}  # fmt: skip


@pytest.mark.parametrize(("document", "options", "lines"), LINES.values(), ids=LINES)
def test_a_coco_object_becomes_a_line(tmp_path, document, options, lines):
    assert converted(tmp_path, document, **options)[1] == {"a.txt": lines}


def test_the_classes_are_written_beside_the_folder_and_what_was_left_out_is_said(tmp_path):
    done, _ = converted(tmp_path, coco(box(0, 0, 2, 1, iscrowd=1), box(0, 0, 2, 1, 1), box(9, 9, 0, 0)), names=["dog"])
    assert (tmp_path / "classes.txt").read_text() == "dog\n"
    assert done.objects == 0
    assert sorted(done.notes) == [
        "1 x left out: class 'person' is not among the names",
        "1 x left out: groups (iscrowd)",
        "1 x left out: objects without area or outline",
    ]


def test_one_file_a_picture(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    for stem, x in (("one", 0), ("two", 100)):
        document = {
            "height": 100,
            "width": 200,
            "annotations": [{"category_id": 0, "category_name": "dog", "bbox": [x, 0, 100, 100]}],
        }
        (folder / f"{stem}.json").write_text(json.dumps(document))
    json_to_yolo(folder, tmp_path / "labels")
    assert (tmp_path / "labels" / "one.txt").read_text() == "0 0.25 0.5 0.5 1\n"
    assert (tmp_path / "labels" / "two.txt").read_text() == "0 0.75 0.5 0.5 1\n"


def shape(label, kind, *points, **more):
    return {"label": label, "shape_type": kind, "points": list(points), **more}


def test_labelme_rectangles_circles_outlines_and_grouped_points(tmp_path):
    document = {
        "imagePath": "..\\pictures\\a.png", "imageHeight": 100, "imageWidth": 200,
        "shapes": [
            shape("person", "rectangle", [100, 80], [0, 20], group_id=1),
            shape("nose", "point", [50, 50], group_id=1),
            shape("eye", "point", [60, 40], group_id=1, flags={"occluded": True}),
            shape("ball", "circle", [150, 50], [170, 50]),
            shape("sign", "polygon", [0, 0], [20, 0], [20, 10]),
            shape("road", "linestrip", [0, 0], [20, 0]),
        ],
    }  # fmt: skip
    done, files = converted(tmp_path, document)
    assert done.names == ("ball", "person", "sign")
    assert done.kpt_shape == (2, 3)
    assert files == {
        "a.txt": [
            "1 0.25 0.5 0.5 0.6 0.3 0.4 1 0.25 0.5 2",
            "0 0.75 0.5 0.2 0.4 0 0 0 0 0 0",
            "2 0.05 0.05 0.1 0.1 0 0 0 0 0 0",
        ]
    }
    assert done.notes == ("1 x left out: shapes of type linestrip",)


def test_points_are_the_same_ones_in_every_file_of_labelme(tmp_path):
    """The second picture shows no eye; its nose stays the second point."""
    (tmp_path / "json").mkdir()
    person = shape("person", "rectangle", [0, 0], [100, 100], group_id=1)
    for stem, points in (("a", ("eye", "nose")), ("b", ("nose",))):
        shapes = [person, *(shape(label, "point", [50, 50], group_id=1) for label in points)]
        document = {"imagePath": f"{stem}.png", "imageHeight": 100, "imageWidth": 100, "shapes": shapes}
        (tmp_path / "json" / f"{stem}.json").write_text(json.dumps(document))
    assert json_to_yolo(tmp_path / "json", tmp_path / "labels").kpt_shape == (2, 3)
    assert (tmp_path / "labels" / "b.txt").read_text() == "0 0.5 0.5 1 1 0 0 0 0.5 0.5 2\n"


def test_what_becomes_no_line_of_labelme_is_said(tmp_path):
    shapes = [
        shape("person", "rectangle", [0, 0], [10, 10]),
        shape("nose", "point", [5, 5]),
        shape("eye", "point", [5, 5], group_id=9),
    ]
    done, files = converted(tmp_path, {"imageHeight": 10, "imageWidth": 10, "shapes": shapes})
    assert files == {"labels.txt": ["0 0.5 0.5 1 1"]}
    assert done.notes == ("2 x left out: points whose group_id no object has",)


def test_run_lengths_become_the_outline_of_their_greatest_part(tmp_path):
    """By hand: a rectangle of columns 20 to 119 and rows 10 to 59, and a speck; through the pixels at its rim."""
    mask = np.zeros((100, 200), bool)
    mask[10:60, 20:120] = mask[80:83, 0:3] = True
    done, files = converted(tmp_path, coco(box(0, 0, 120, 83, segmentation=run_lengths(mask))), task="segment")
    (line,) = files["a.txt"]
    assert {tuple(point) for point in np.array(line.split()[1:], float).reshape(-1, 2)} == {
        (0.1, 0.1), (0.595, 0.1), (0.595, 0.59), (0.1, 0.59),
    }  # fmt: skip
    assert done.notes == ()


def test_objects_of_a_picture_that_is_not_listed_are_said(tmp_path):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 2, "height": 2} for number in (7, 8)]
    stranger = {"image_id": 9, "category_id": 18, "bbox": [0, 0, 1, 1]}
    done, files = converted(tmp_path, coco(box(0, 0, 2, 2), stranger, stranger, images=images))
    assert files == {"7.txt": ["0 0.5 0.5 1 1"], "8.txt": []}
    assert done.notes == ("2 x left out: objects of a picture that the file does not list",)


MISTAKES = {
    "a value that is no number": (
        '{"annotations": [{"bbox": [NaN, 1, 1, 1]}]}',
        "cannot be read as JSON: NaN is no number",
    ),
    "broken JSON": ("{", r"labels\.json cannot be read as JSON"),
    "a list": ("[]", "holds a list"),
    "another JSON": ('{"a": 1}', "neither 'annotations' nor 'shapes'"),
    "a box of three numbers": (
        json.dumps(coco({"image_id": 7, "category_id": 1, "bbox": [1, 2, 3]})),
        "labels of a.jpg are damaged",
    ),
    "half a point": (json.dumps(coco(box(0, 0, 9, 9, segmentation=[[1, 2, 3]]))), "an x that has no y"),
    "a flat outline": (json.dumps(coco(box(0, 0, 9, 9, segmentation=[1, 2, 3, 4]))), "labels of a.jpg are damaged"),
    "run lengths that do not fill the picture": (
        json.dumps(coco(box(0, 0, 9, 9, segmentation={"size": [9, 9], "counts": [40, 40]}))),
        r"outlines of a\.jpg are damaged \(run lengths of 80 pixels for 9x9\)",
    ),
    "no size": (json.dumps({"annotations": []}), "is damaged"),
    "no object": (json.dumps(coco()), "labels no object"),
    "two pictures of one name": (
        json.dumps(coco(images=[{"id": i, "file_name": f"{i}/a.jpg", "width": 2, "height": 2} for i in (1, 2)])),
        "2 pictures are named 'a'",
    ),
    "two numbers of keypoints": (
        json.dumps(coco(box(0, 0, 9, 9, keypoints=[1, 1, 2]), box(0, 0, 9, 9, keypoints=[1, 1, 2] * 2))),
        "1 and 2 keypoints",
    ),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_is_written(tmp_path, text, said):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(InputError, match=said):
        json_to_yolo(tmp_path / "labels.json", tmp_path / "labels", "segment" if "run lengths" in said else None)
    assert not (tmp_path / "labels").exists()


@pytest.mark.skipif(not (SHARED / "coco" / "annotations").exists(), reason="no ../shared/coco: real labels to convert")
def test_cocos_own_labels_come_back_from_their_lines(tmp_path):
    """Each line, multiplied out again, is the JSON's box to a hundredth of a pixel."""
    source = next(path for path in (SHARED / "coco" / "annotations").glob("instances*.json"))
    done = json_to_yolo(source, tmp_path / "labels", task="detect")
    assert done.objects > 500
    labels = read_labels(source)
    for picture in labels.pictures:
        height, width = picture.size
        objects = [item for item in picture.objects() if not item.crowd]
        text = (tmp_path / "labels" / picture.name).with_suffix(".txt").read_text()
        rows = np.array([line.split() for line in text.splitlines()], float).reshape(-1, 5)
        boxes = np.array([item.box for item in objects]).reshape(-1, 4).clip(0, [width, height, width, height])
        back = np.hstack([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2]) * [
            width,
            height,
            width,
            height,
        ]
        np.testing.assert_allclose(back, boxes, atol=0.01)
        assert [done.names[int(row)] for row in rows[:, 0]] == [labels.names[item.category] for item in objects]
