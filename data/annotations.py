"""Labels as annotation tools write them, COCO-style JSON and LabelMe's, as one record a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import require_file
from .polygons import polygon_area

Point = tuple[float, float]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Annotation:
    """One labelled object, in pixels of its picture.

    Attributes:
        label: name of its class.
        box: x1, y1, x2, y2.
        polygon: outline of its greatest part; None where only a box was drawn.
        keypoints: x, y, visibility (0 not labelled, 1 hidden, 2 seen) of each point; empty where there are none.
    """

    label: str
    box: tuple[float, float, float, float]
    polygon: tuple[Point, ...] | None = None
    keypoints: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class AnnotatedPicture:
    """The labels of one picture.

    Attributes:
        name: file name of the picture.
        size: height, width in pixels.
        objects: on it.
        left_out: what of the file was no object that a detector learns, a phrase each.
    """

    name: str
    size: tuple[int, int]
    objects: tuple[Annotation, ...]
    left_out: tuple[str, ...] = field(default=())


def read_annotations(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of a COCO JSON file, or of a folder with one JSON file a picture (COCO-style or LabelMe).

    Raises:
        InputError: nothing there, or a file is neither of these or damaged; the message names it.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise InputError(f"{path} holds no .json file; give the folder of the annotations")
    else:
        files = [require_file(path, "a COCO JSON file or a folder of JSON files")]
    for file in files:
        yield from _pictures(_read(file), file)


def class_names(pictures: Sequence[AnnotatedPicture]) -> tuple[str, ...]:
    """Every class name that occurs, in alphabetical order."""
    return tuple(sorted({item.label for picture in pictures for item in picture.objects}))


def _read(file: Path) -> Document:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON: {error}; mend or remove it") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} is no COCO and no LabelMe JSON: it holds a {type(document).__name__}")
    return document


def _pictures(document: Document, file: Path) -> Iterator[AnnotatedPicture]:
    try:
        if "shapes" in document:
            yield _of_labelme(document, file)
        elif "annotations" in document:
            yield from _of_coco(document, file)
        else:
            raise InputError(f"{file} is no COCO and no LabelMe JSON: it has neither 'annotations' nor 'shapes'")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{file} is damaged ({type(error).__name__}: {error}); mend or remove it") from error


def _of_coco(document: Document, file: Path) -> Iterator[AnnotatedPicture]:
    """Pictures of a COCO document; one without a list of pictures is about the picture of its own name."""
    images = document.get("images") or [document.get("image") or {}]
    names = {entry["id"]: str(entry["name"]) for entry in document.get("categories", [])}
    by_image: dict[Any, list[Document]] = {}
    for record in document["annotations"]:
        by_image.setdefault(record.get("image_id") if len(images) > 1 else None, []).append(record)
    for image in images:
        records = by_image.get(image.get("id") if len(images) > 1 else None, [])
        size = int(image.get("height") or document["height"]), int(image.get("width") or document["width"])
        kept = [record for record in records if not record.get("iscrowd")]
        crowds = len(records) - len(kept)
        yield AnnotatedPicture(
            str(image.get("file_name") or f"{file.stem}.jpg"), size, tuple(_coco_object(record, names) for record in kept),
            (f"{crowds} groups (iscrowd)",) if crowds else (),
        )  # fmt: skip


def _coco_object(record: Document, names: Mapping[Any, str]) -> Annotation:
    number = record["category_id"]
    label = names.get(number) or str(record.get("category_name") or number)
    x, y, width, height = (float(value) for value in record["bbox"])
    parts = record.get("segmentation")
    polygon = _greatest([_paired(part) for part in parts]) if isinstance(parts, list) and parts else None
    values = [float(value) for value in record.get("keypoints") or ()]
    points = tuple(zip(values[0::3], values[1::3], values[2::3], strict=True))
    return Annotation(label, (x, y, x + width, y + height), polygon, points)


def _of_labelme(document: Document, file: Path) -> AnnotatedPicture:
    """LabelMe: rectangles, circles and polygons are objects; points belong to the object of their `group_id`."""
    shapes = document["shapes"]
    groups: dict[Any, list[Document]] = {}
    for shape in shapes:
        if shape.get("shape_type") == "point":
            groups.setdefault(shape.get("group_id"), []).append(shape)
    order = sorted({str(shape["label"]) for points in groups.values() for shape in points})
    objects = [item for shape in shapes if (item := _labelme_object(shape, groups, order))]
    others = [shape.get("shape_type") or "polygon" for shape in shapes]
    unknown = sorted({kind for kind in others if kind not in (*_OUTLINES, "point")})
    size = int(document["imageHeight"]), int(document["imageWidth"])
    name = Path(str(document.get("imagePath") or f"{file.stem}.jpg").replace("\\", "/")).name
    return AnnotatedPicture(name, size, tuple(objects), tuple(f"shapes of type {kind}" for kind in unknown))


def _labelme_object(
    shape: Document, groups: Mapping[Any, Sequence[Document]], order: Sequence[str]
) -> Annotation | None:
    kind = shape.get("shape_type") or "polygon"
    if kind not in _OUTLINES:
        return None
    points = [(float(x), float(y)) for x, y in shape["points"]]
    box, polygon = _OUTLINES[kind](points)
    group = shape.get("group_id")
    members = {str(point["label"]): point for point in groups.get(group, ())} if group is not None else {}
    keypoints = tuple(_labelme_point(members.get(label)) for label in order) if members else ()
    return Annotation(str(shape["label"]), box, polygon, keypoints)


def _labelme_point(shape: Document | None) -> tuple[float, float, float]:
    if shape is None:
        return 0.0, 0.0, 0.0
    (x, y), *_ = shape["points"]
    hidden = bool((shape.get("flags") or {}).get("occluded"))
    return float(x), float(y), 1.0 if hidden else 2.0


def _around(points: Sequence[Point]) -> tuple[float, float, float, float]:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _circle(points: Sequence[Point]) -> tuple[tuple[float, float, float, float], None]:
    """A circle by its centre and a point on it."""
    (x, y), (u, v) = points
    radius = ((u - x) ** 2 + (v - y) ** 2) ** 0.5
    return (x - radius, y - radius, x + radius, y + radius), None


_OUTLINES: Mapping[str, Any] = {
    "rectangle": lambda points: (_around(points), None),
    "polygon": lambda points: (_around(points), tuple(points)),
    "circle": _circle,
}


def _paired(values: Sequence[float]) -> tuple[Point, ...]:
    numbers = [float(value) for value in values]
    return tuple(zip(numbers[0::2], numbers[1::2], strict=True))


def _greatest(parts: Sequence[tuple[Point, ...]]) -> tuple[Point, ...]:
    """The part of the greatest area."""
    return max(parts, key=polygon_area)
