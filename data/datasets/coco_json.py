"""COCO JSON, as one file for all pictures or as one file a picture."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...graph.weights import Array
from .truth import Dataset, Sample, Size, Truth

Record = Mapping[str, Any]


def read_coco_json(path: Path, images: Path | None) -> Dataset:
    """A COCO file: images, annotations (bbox, area, iscrowd, keypoints, segmentation), categories.

    Args:
        path: the file.
        images: folder of the pictures; None looks beside the file, and in `images` there and one folder up.

    Raises:
        InputError: the file is damaged, or the pictures are not found.
    """
    document = _read(path)
    folder = images or _picture_folder(path.parent, document["images"])
    return _dataset(document, folder, path.stem, str(path))


def read_json_folder(path: Path, images: Path | None) -> Dataset:
    """A folder with one COCO-style JSON file a picture; categories may be listed in any of them.

    The picture is the file's `images[0].file_name`, or the one of the same stem beside it or in `images`.

    Raises:
        InputError: a file is damaged, or no picture is found.
    """
    files = sorted(path.glob("*.json"))
    if not files:
        raise InputError(f"--data {path}: no .json file in the folder; give a data yaml for YOLO labels")
    merged: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
    for number, file in enumerate(files, start=1):
        document = _read(file)
        image = {**document["images"][0], "id": number}
        merged["images"].append({"file_name": f"{file.stem}.jpg", **image})
        merged["annotations"] += [{**record, "image_id": number} for record in document["annotations"]]
        merged["categories"] += document.get("categories", [])
    merged["categories"] = list({record["id"]: record for record in merged["categories"]}.values())
    folder = images or _picture_folder(path, merged["images"])
    return _dataset(merged, folder, path.name, str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}; check the file") from error
    wrong = [key for key in ("images", "annotations") if not isinstance(document, dict) or key not in document]
    if wrong or not document["images"]:
        raise InputError(f"{path} is no COCO JSON: it has no {' and no '.join(wrong) or 'images'}; check the file")
    return document


def _picture_folder(near: Path, images: Sequence[Record]) -> Path:
    """The folder around a label file that holds the first of its pictures."""
    name = images[0].get("file_name", "")
    places = [near, near / "images", near.parent / "images", near.parent]
    found = next((place for place in places if name and (place / name).is_file()), None)
    if found is None:
        raise InputError(f"{near}: the picture {name!r} is not found beside the labels; name its folder with --images")
    return found


def _dataset(document: Record, folder: Path, name: str, where: str) -> Dataset:
    categories = sorted(document.get("categories", []), key=lambda record: int(record["id"]))
    if not categories:
        numbers = sorted({int(record["category_id"]) for record in document["annotations"]})
        categories = [{"id": number, "name": str(number)} for number in numbers]
    order = {int(record["id"]): number for number, record in enumerate(categories)}
    by_image = defaultdict(list)
    for record in document["annotations"]:
        by_image[record["image_id"]].append(record)
    points = next((len(record["keypoints"]) // 3 for record in document["annotations"] if record.get("keypoints")), 0)
    samples = tuple(
        Sample(
            folder / image["file_name"],
            int(image["id"]),
            _Labels(tuple(by_image[image["id"]]), order, points, image, where),
        )
        for image in sorted(document["images"], key=lambda image: int(image["id"]))
    )
    names = tuple(str(record.get("name", record["id"])) for record in categories)
    return Dataset(name, names, tuple(order), samples, (points, 3) if points else None)


class _Labels:
    """The annotations of one picture, made into arrays when they are wanted."""

    def __init__(
        self, records: tuple[Record, ...], order: Mapping[int, int], points: int, image: Record, where: str
    ) -> None:
        self._records, self._order, self._points, self._image, self._where = records, order, points, image, where

    def __call__(self, size: Size) -> Truth:
        """The labels; the picture must be as large as the file says, else all of them lie wrong."""
        said = self._image.get("height", size[0]), self._image.get("width", size[1])
        if said != size:
            raise InputError(
                f"{self._image.get('file_name')} is {size[1]}x{size[0]} pixels, and {self._where} says {said[1]}x{said[0]}; "
                "give the pictures that were labelled"
            )
        try:
            return self._truth()
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{self._where}: the labels of {self._image.get('file_name')} are damaged ({type(error).__name__}: {error}); "
                "mend the file"
            ) from error

    def _truth(self) -> Truth:
        records = self._records
        corners = np.array([record["bbox"] for record in records], float).reshape(-1, 4)
        areas = corners[:, 2:].prod(axis=1)
        return Truth(
            np.array([self._order[int(record["category_id"])] for record in records], np.int64),
            np.hstack([corners[:, :2], corners[:, :2] + corners[:, 2:]]),
            np.array([record.get("area", area) for record, area in zip(records, areas, strict=True)], float),
            np.array([bool(record.get("iscrowd") or record.get("ignore")) for record in records], bool),
            self._keypoints(),
            tuple(record.get("segmentation") or None for record in records)
            if any(record.get("segmentation") for record in records)
            else None,
        )

    def _keypoints(self) -> Array | None:
        if not self._points:
            return None
        empty = [0.0] * 3 * self._points
        values = [record.get("keypoints") or empty for record in self._records]
        return np.array(values, float).reshape(-1, self._points, 3)
