"""LabelMe's JSON, one file a picture, in COCO's terms; a class is called by its name.

Rectangles, circles and polygons are objects; points belong to the object of their `group_id`, and one whose flag `occluded` is
set is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .polygons import polygon_area

Record = Mapping[str, Any]
Point = tuple[float, float]


def point_names(documents: Iterable[Record]) -> tuple[str, ...]:
    """Labels of all points in alphabetical order: that of the keypoints, the same in every file."""
    found = {
        str(shape.get("label")) for document in documents for shape in document["shapes"] if _kind(shape) == "point"
    }
    return tuple(sorted(found))


def as_coco(document: Record, stem: str, points: Sequence[str]) -> Record:
    """A COCO document of one picture.

    Args:
        document: LabelMe's.
        stem: of the file, for a document that does not name its picture.
        points: labels of the keypoints, in order.
    """
    shapes = document["shapes"]
    groups: dict[Any, dict[str, Record]] = {}
    for shape in shapes:
        if _kind(shape) == "point" and shape.get("group_id") is not None:
            groups.setdefault(shape["group_id"], {})[str(shape["label"])] = shape
    others = [kind for kind in map(_kind, shapes) if kind not in (*_OUTLINES, "point")]
    objects = [
        _object(shape, groups.get(shape.get("group_id"), {}), points) for shape in shapes if _kind(shape) in _OUTLINES
    ]
    name = Path(str(document.get("imagePath") or f"{stem}.jpg").replace("\\", "/")).name
    image = {"file_name": name, "height": document["imageHeight"], "width": document["imageWidth"]}
    return {
        "images": [image],
        "annotations": objects,
        "left_out": [f"shapes of type {kind}" for kind in others] + _alone(shapes, groups),
    }


def _alone(shapes: Sequence[Record], groups: Mapping[Any, Record]) -> list[str]:
    """What is said of points that belong to no object."""
    owners = {shape.get("group_id") for shape in shapes if _kind(shape) in _OUTLINES}
    lost = sum(_kind(shape) == "point" and shape.get("group_id") is None for shape in shapes)
    lost += sum(len(members) for group, members in groups.items() if group not in owners)
    return ["points whose group_id no object has"] * lost


def _kind(shape: Record) -> str:
    return str(shape.get("shape_type") or "polygon")


def _object(shape: Record, members: Mapping[str, Record], points: Sequence[str]) -> Record:
    (x1, y1, x2, y2), outline = _OUTLINES[_kind(shape)]([(float(x), float(y)) for x, y in shape["points"]])
    record: dict[str, Any] = {"category_id": str(shape["label"]), "bbox": [x1, y1, x2 - x1, y2 - y1]}
    if outline:
        record |= {"segmentation": [[value for point in outline for value in point]], "area": polygon_area(outline)}
    if members:
        record["keypoints"] = [value for label in points for value in _keypoint(members.get(label))]
    return record


def _keypoint(shape: Record | None) -> tuple[float, float, int]:
    if shape is None:
        return 0.0, 0.0, 0
    (x, y), *_ = shape["points"]
    return float(x), float(y), 1 if (shape.get("flags") or {}).get("occluded") else 2


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
