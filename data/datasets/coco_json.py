"""Labels in JSON as a dataset: COCO's one file, or a folder with one file a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...graph.weights import Array
from ..coco import Category, LabelledObject, LabelledPicture, read_labels
from .truth import Dataset, Sample, Size, Truth


def read_json(path: Path, images: Path | None) -> Dataset:
    """The labelled pictures of a COCO JSON file, or of a folder with one JSON file a picture (COCO-style or LabelMe).

    Args:
        path: the file or folder.
        images: folder of the pictures; None looks beside the labels, and in `images` there and one folder up.

    Raises:
        InputError: a file is damaged, or the pictures are not found.
    """
    labels = read_labels(path)
    if path.is_dir():
        pictures = tuple(enumerate(labels.pictures, start=1))
    else:
        pictures = tuple(sorted(((picture.id, picture) for picture in labels.pictures), key=lambda pair: pair[0]))
    folder = images or _picture_folder(path if path.is_dir() else path.parent, labels.pictures[0].name)
    order = {category: number for number, category in enumerate(labels.names)}
    points = _points(labels.pictures)
    samples = tuple(
        Sample(folder / picture.name, number, _Labels(picture, order, points)) for number, picture in pictures
    )
    shape = (points, 3) if points else None
    return Dataset(path.stem, tuple(labels.names.values()), _numbers(order), samples, shape)


def _points(pictures: tuple[LabelledPicture, ...]) -> int:
    """Keypoints of an object: those of the first that has some."""
    records = (record for picture in pictures for record in picture.records)
    return next((len(record["keypoints"]) // 3 for record in records if record.get("keypoints")), 0)


def _numbers(order: Mapping[Category, int]) -> tuple[int, ...]:
    """COCO's number of each class; classes that have only a name get 1, 2, 3, ..."""
    if all(isinstance(category, int) for category in order):
        return tuple(int(category) for category in order)
    return tuple(range(1, len(order) + 1))


def _picture_folder(near: Path, name: str) -> Path:
    """The folder around labels that holds the first of their pictures."""
    places = [near, near / "images", near.parent / "images", near.parent]
    found = next((place for place in places if (place / name).is_file()), None)
    if found is None:
        raise InputError(f"{near}: the picture {name!r} is not found beside the labels; name its folder with --images")
    return found


@dataclass(frozen=True)
class _Labels:
    """The annotations of one picture, made into arrays when they are wanted."""

    picture: LabelledPicture
    order: Mapping[Category, int]
    points: int

    def __call__(self, size: Size) -> Truth:
        """The labels; the picture must be as large as the file says, else all of them lie wrong."""
        said = self.picture.size
        if said not in (None, size):
            raise InputError(
                f"{self.picture.name} is {size[1]}x{size[0]} pixels, and {self.picture.where} says {said[1]}x{said[0]}; "
                "give the pictures that were labelled"
            )
        objects = self.picture.objects()
        masks = tuple(item.segmentation for item in objects)
        return Truth(
            np.array([self.order[item.category] for item in objects], np.int64),
            np.array([item.box for item in objects], float).reshape(-1, 4),
            np.array([item.area for item in objects], float),
            np.array([item.crowd for item in objects], bool),
            self._keypoints(objects),
            masks if any(masks) else None,
        )

    def _keypoints(self, objects: tuple[LabelledObject, ...]) -> Array | None:
        """Points [M, P, 3]; those of an object without any are not labelled."""
        if not self.points:
            return None
        wrong = {len(item.keypoints) for item in objects} - {0, self.points}
        if wrong:
            raise InputError(
                f"{self.picture.where}: an object on {self.picture.name} has {wrong.pop()} keypoints, others have {self.points}; "
                "mend the file"
            )
        empty = ((0.0, 0.0, 0.0),) * self.points
        return np.array([item.keypoints or empty for item in objects], float).reshape(-1, self.points, 3)
