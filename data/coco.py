"""The one reader of labels in JSON: COCO's file, one COCO-style file a picture, LabelMe's; one record a picture for all of them.

    {"images": [{"id", "file_name", "height", "width"}], "annotations": [{"image_id", "category_id", "bbox", ...}], "categories": [...]}

A file about one picture may leave `images` out (then it is of the picture of its own name, and `height` and `width` stand at its
top), and `categories` too (then `category_name`, or the number, is the name).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..files import require_file
from . import labelme

Record: TypeAlias = Mapping[str, Any]
Category: TypeAlias = int | str
"""What a file calls a class: COCO's number, LabelMe's name."""


@dataclass(frozen=True)
class LabelledObject:
    """One object, in pixels of its picture.

    Attributes:
        category: its class.
        box: x1, y1, x2, y2.
        area: in square pixels, as the file says, else of the box.
        crowd: a group of objects.
        keypoints: x, y, visibility (0 not labelled, 1 hidden, 2 seen) of each point; empty where there are none.
        segmentation: polygons [[x, y, x, y, ...], ...] or run lengths {"size", "counts"}; None where only a box was drawn.
    """

    category: Category
    box: tuple[float, float, float, float]
    area: float
    crowd: bool
    keypoints: tuple[tuple[float, float, float], ...] = ()
    segmentation: Any = None

    @property
    def polygons(self) -> tuple[tuple[float, ...], ...]:
        """The parts of its outline, x, y, x, y, ... each; none where it has only a box or run lengths."""
        parts = self.segmentation if isinstance(self.segmentation, list) else []
        return tuple(map(tuple, parts))


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and what the file says of it.

    Attributes:
        name: file name, as the file has it.
        id: its number.
        size: height, width in pixels; None where the file does not say.
        records: its annotations as they stand in the file.
        where: the file.
        left_out: what of the file is no object that a detector learns, a phrase each.
    """

    name: str
    id: int
    size: tuple[int, int] | None
    records: tuple[Record, ...]
    where: str
    left_out: tuple[str, ...] = ()

    def objects(self) -> tuple[LabelledObject, ...]:
        """The objects on it.

        Raises:
            InputError: an annotation is damaged; the message names file and picture.
        """
        with _damage(f"{self.where}: the labels of {self.name} are damaged"):
            return tuple(map(_object, self.records))


@dataclass(frozen=True)
class Labels:
    """What a file or folder labels.

    Attributes:
        pictures: in the order of the file, or of the files' names.
        names: of the classes by what the file calls them, in the order of their numbers.
    """

    pictures: tuple[LabelledPicture, ...]
    names: Mapping[Category, str]


def read_labels(path: Path) -> Labels:
    """Read a JSON file, or a folder with one JSON file a picture.

    Raises:
        InputError: nothing there, or a file is neither COCO's nor LabelMe's or damaged; the message names it.
    """
    documents = {file: _read(file) for file in _files(path)}
    points = labelme.point_names(document for document in documents.values() if "shapes" in document)
    pictures: list[LabelledPicture] = []
    names: dict[Category, str] = {}
    for file, document in documents.items():
        with _damage(f"{file} is damaged"):
            whole = labelme.as_coco(document, file.stem, points) if "shapes" in document else document
            names |= {entry["id"]: str(entry.get("name", entry["id"])) for entry in whole.get("categories", ())}
            pictures += _pictures(whole, file, len(pictures) + 1)
    for picture in pictures:
        for record in picture.records:
            with _damage(f"{picture.where} is damaged"):
                names.setdefault(record["category_id"], str(record.get("category_name") or record["category_id"]))
    order = sorted(names, key=lambda category: (isinstance(category, str), category))
    return Labels(tuple(pictures), {category: names[category] for category in order})


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [require_file(path, "a COCO JSON file or a folder of JSON files")]
    files = sorted(path.glob("*.json"))
    if not files:
        raise InputError(f"{path} holds no .json file; give the folder of the labels, or a data yaml for YOLO's")
    return files


def _read(file: Path) -> Record:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"), parse_constant=_no_number)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON: {error}; mend or remove it") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} is no COCO and no LabelMe JSON: it holds a {type(document).__name__}")
    if "annotations" not in document and "shapes" not in document:
        raise InputError(f"{file} is no COCO and no LabelMe JSON: it has neither 'annotations' nor 'shapes'")
    return document


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _pictures(document: Record, file: Path, first: int) -> Iterator[LabelledPicture]:
    """The pictures of one file; those of a file about one picture are numbered from `first` on."""
    images = document.get("images") or [document.get("image") or {}]
    single = len(images) == 1
    by_image: dict[Any, list[Record]] = {}
    for record in document["annotations"]:
        by_image.setdefault(None if single else record.get("image_id"), []).append(record)
    left_out = [*document.get("left_out", ())]
    for number in by_image.keys() - {None if single else image.get("id") for image in images}:
        left_out += ["objects of a picture that the file does not list"] * len(by_image[number])
    for place, image in enumerate(images):
        sides: list[Any] = [image.get(side) or document.get(side) for side in ("height", "width")]
        yield LabelledPicture(
            str(image.get("file_name") or f"{file.stem}.jpg"),
            int(image["id"]) if not single else int(image.get("id", first)),
            (int(sides[0]), int(sides[1])) if all(sides) else None,
            tuple(by_image.get(None if single else image.get("id"), ())),
            str(file),
            tuple(left_out if place == 0 else ()),
        )


def _object(record: Record) -> LabelledObject:
    x, y, width, height = (float(value) for value in record["bbox"])
    values = [float(value) for value in record.get("keypoints") or ()]
    return LabelledObject(
        record["category_id"],
        (x, y, x + width, y + height),
        float(record.get("area", width * height)),
        bool(record.get("iscrowd") or record.get("ignore")),
        tuple(zip(values[0::3], values[1::3], values[2::3], strict=True)),
        _segmentation(record.get("segmentation") or None),
    )


def _segmentation(value: Any) -> Any:
    """Polygons as lists of pairs of numbers; run lengths as they are."""
    if not isinstance(value, list):
        return value
    parts = [[float(number) for number in part] for part in value]
    if any(len(part) % 2 for part in parts):
        raise ValueError("a polygon with an x that has no y")
    return parts


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Within it, what Python says of unexpected values becomes one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{what} ({type(error).__name__}: {error}); mend or remove it") from error
