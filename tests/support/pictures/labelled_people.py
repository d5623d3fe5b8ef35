"""One labelled person a picture, as a YOLO dataset with keypoints and as COCO JSON, under the names that documentation uses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2


def write_people(root: Path, pictures: Sequence[Path], names: Sequence[str]) -> None:
    """Copies of the pictures in images/ and val2017/, labels/, coco8.yaml, coco8-pose.yaml and instances_val2017.json."""
    for folder in ("images", "labels", "val2017"):
        (root / folder).mkdir()
    document: dict[str, list[dict]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    points = " ".join(["0.5 0.5 2"] * 17)
    for number, picture in enumerate(pictures, start=1):
        shutil.copy(picture, root / "images")
        shutil.copy(picture, root / "val2017")
        (root / "labels" / f"{picture.stem}.txt").write_text(f"0 0.5 0.5 0.4 0.4 {points}\n")
        height, width = cv2.imread(str(picture)).shape[:2]
        box = [0.3 * width, 0.3 * height, 0.4 * width, 0.4 * height]
        document["images"].append({"id": number, "file_name": picture.name, "width": width, "height": height})
        document["annotations"].append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        )
    (root / "instances_val2017.json").write_text(json.dumps(document))
    (root / "coco8-pose.yaml").write_text(f"val: images\nkpt_shape: [17, 3]\nnames: {list(names)}\n")
    (root / "coco8.yaml").write_text(f"val: val2017\nnames: {list(names)}\n")
    _boxes_only(root)


def _boxes_only(root: Path) -> None:
    """Labels without keypoints: the framework looks for those of val2017/a.jpg beside the picture."""
    for file in (root / "labels").glob("*.txt"):
        box = " ".join(file.read_text().split()[:5])
        (root / "val2017" / file.name).write_text(f"{box}\n")
