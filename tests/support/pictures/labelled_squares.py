"""Pictures of coloured squares with labels in every format, for `colour_network`, whose findings on them are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from colour_network import CELL, NAMES, picture_with

SIZE = (64, 96)
Square = tuple[int, int]
"""Class and cell, as `picture_with` takes them."""

PICTURES: tuple[tuple[Square, ...], ...] = (((0, 0), (1, 9)), ((2, 5),), ((0, 14), (0, 20), (1, 3)), ())
"""What is on each of the usual pictures."""


def corners(cell: int) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of a cell in picture pixels."""
    columns = SIZE[1] // CELL
    top, left = CELL * (cell // columns), CELL * (cell % columns)
    return left, top, left + CELL, top + CELL


def write_pictures(folder: Path, pictures: Sequence[Sequence[Square]] = PICTURES) -> list[Path]:
    """One PNG a picture, numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:06d}.png" for number in range(1, len(pictures) + 1)]
    for file, squares in zip(files, pictures, strict=True):
        cv2.imwrite(str(file), picture_with([(cell, number) for number, cell in squares], SIZE))
    return files


def write_yolo(root: Path, task: str, pictures: Sequence[Sequence[Square]] = PICTURES) -> Path:
    """A YOLO dataset; returns its data yaml."""
    files = write_pictures(root / "images" / "val", pictures)
    labels = root / "labels" / "val"
    labels.mkdir(parents=True)
    for file, squares in zip(files, pictures, strict=True):
        lines = [" ".join(f"{value:g}" for value in _row(task, *square)) for square in squares]
        (labels / f"{file.stem}.txt").write_text("\n".join(lines) + "\n" if lines else "")
    points = "kpt_shape: [2, 3]\nflip_idx: [1, 0]\n" if task == "pose" else ""
    path = root / "data.yaml"
    path.write_text(f"path: .\ntrain: images/val\nval: images/val\n{points}names: {dict(enumerate(NAMES))}\n")
    return path


def _row(task: str, number: int, cell: int) -> list[float]:
    x1, y1, x2, y2 = corners(cell)
    height, width = SIZE
    box = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
    around = [x1 / width, y1 / height, x2 / width, y1 / height, x2 / width, y2 / height, x1 / width, y2 / height]
    if task == "pose":
        return [number, *box, x1 / width, y1 / height, 2, x2 / width, y2 / height, 2]
    return [number, *(around if task in ("segment", "obb") else box)]


def write_coco(root: Path, pictures: Sequence[Sequence[Square]] = PICTURES) -> Path:
    """The same as COCO JSON, pictures in `images` beside it; categories have numbers of their own."""
    files = write_pictures(root / "images", pictures)
    document = {"images": [], "annotations": [], "categories": coco_categories()}
    for number, (file, squares) in enumerate(zip(files, pictures, strict=True), start=1):
        document["images"].append({"id": number, "file_name": file.name, "height": SIZE[0], "width": SIZE[1]})
        document["annotations"] += [
            {"id": 100 * number + row, "image_id": number, **coco_annotation(*square)}
            for row, square in enumerate(squares)
        ]
    path = root / "labels.json"
    path.write_text(json.dumps(document))
    return path


def coco_categories() -> list[dict]:
    return [{"id": 10 * (number + 1), "name": name} for number, name in enumerate(NAMES)]


def coco_annotation(number: int, cell: int) -> dict:
    x1, y1, x2, y2 = corners(cell)
    return {
        "category_id": 10 * (number + 1),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
        "keypoints": [x1, y1, 2, x2, y2, 2],
        "num_keypoints": 2,
    }


def noise_boxes(rng: np.random.Generator, count: int, oriented: bool = False) -> np.ndarray:
    """Random boxes [count, 4] x1, y1, x2, y2, or [count, 5] cx, cy, w, h, angle, in a picture of 100 pixels."""
    centre, size = rng.uniform(20, 80, (count, 2)), rng.uniform(5, 40, (count, 2))
    if oriented:
        return np.hstack([centre, size, rng.uniform(-1.5, 1.5, (count, 1))])
    return np.hstack([centre - size / 2, centre + size / 2])
