"""Annotation tools' JSON as YOLO's text files: one a picture, one line an object, coordinates relative to the picture.

detect    class cx cy w h
pose      class cx cy w h x1 y1 v1 x2 y2 v2 ...
segment   class x1 y1 x2 y2 ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engines.pictures.masks import mask_of_runs, mask_polygons
from ..errors import InputError
from ..files import atomic_write, make_folder
from .coco import Category, LabelledObject, LabelledPicture, Labels, read_labels
from .polygons import polygon_area

TASKS = ("detect", "pose", "segment")


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        folder: of the label files.
        names: of the classes, in the order of their numbers.
        kpt_shape: points and values a point of pose labels.
        files: label files.
        objects: lines in them.
        notes: what was left out or moved, a sentence each.
    """

    folder: Path
    names: tuple[str, ...]
    kpt_shape: tuple[int, int] | None
    files: int
    objects: int
    notes: tuple[str, ...]


def json_to_yolo(source: Path, folder: Path, task: str | None = None, names: Sequence[str] | None = None) -> Converted:
    """Write a label file for each picture, and the class names as `classes.txt` beside their folder.

    Args:
        source: a COCO JSON file, or a folder with one JSON file a picture.
        folder: for the label files.
        task: one of `TASKS`; None takes pose where there are keypoints, else detect.
        names: of the classes to keep, in the order of their numbers; None takes all, in alphabetical order.

    Raises:
        InputError: a file is damaged, two pictures share a stem, or an object lacks what the task needs.
    """
    pages = _pages(read_labels(source))
    _check_stems(pages, source)
    classes = tuple(names) if names else tuple(sorted({label for page in pages for label, _ in page.objects}))
    left = Counter(phrase for page in pages for phrase in page.left_out)
    if not classes:
        why = "".join(f" ({count} x left out: {phrase})" for phrase, count in left.items())
        raise InputError(f"{source} labels no object{why}, so there is nothing to write")
    kind = task or ("pose" if any(item.keypoints for page in pages for _, item in page.objects) else "detect")
    points = _points(pages, source) if kind == "pose" else 0
    numbers = {name: number for number, name in enumerate(classes)}
    files = {Path(page.name).stem: _rows(page, numbers, _WRITERS[kind], points, left) for page in pages}
    make_folder(folder)
    for stem, rows in files.items():
        with atomic_write(folder / f"{stem}.txt") as stream:
            stream.write("".join(f"{row}\n" for row in rows).encode())
    with atomic_write(folder.parent / "classes.txt") as stream:
        stream.write("".join(f"{name}\n" for name in classes).encode())
    notes = tuple(f"{count} x left out: {phrase}" for phrase, count in left.items())
    lines = sum(map(len, files.values()))
    return Converted(folder, classes, (points, 3) if points else None, len(files), lines, notes)


@dataclass(frozen=True)
class _Page:
    """What is to be written for one picture: its objects with the names of their classes."""

    name: str
    size: tuple[int, int]
    objects: tuple[tuple[str, LabelledObject], ...]
    left_out: tuple[str, ...]


def _pages(labels: Labels) -> list[_Page]:
    return [_page(picture, labels.names) for picture in labels.pictures]


def _page(picture: LabelledPicture, names: Mapping[Category, str]) -> _Page:
    if picture.size is None:
        raise InputError(
            f"{picture.where} is damaged (it gives no height and width of {picture.name}); mend or remove it"
        )
    objects = picture.objects()
    kept = tuple((names[item.category], item) for item in objects if not item.crowd)
    groups = ("groups (iscrowd)",) * (len(objects) - len(kept))
    return _Page(picture.name, picture.size, kept, (*picture.left_out, *groups))


def _check_stems(pages: Sequence[_Page], source: Path) -> None:
    stems = Counter(Path(page.name).stem for page in pages)
    stem, count = stems.most_common(1)[0] if stems else ("", 0)
    if count > 1:
        raise InputError(
            f"{source}: {count} pictures are named {stem!r}, whose labels would share one file; rename them"
        )


def _points(pages: Sequence[_Page], source: Path) -> int:
    counts = {len(item.keypoints) for page in pages for _, item in page.objects if item.keypoints}
    if len(counts) != 1:
        found = " and ".join(map(str, sorted(counts))) or "no"
        raise InputError(f"{source}: its objects have {found} keypoints; pose labels need one number of them for all")
    return counts.pop()


def _rows(page: _Page, numbers: Mapping[str, int], write: _Write, points: int, left: Counter[str]) -> list[str]:
    rows = []
    for label, item in page.objects:
        if label not in numbers:
            left[f"class {label!r} is not among the names"] += 1
            continue
        try:
            values = write(item, page.size, points)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the outlines of {page.name} are damaged ({error}); mend them") from error
        if values is None:
            left["objects without area or outline"] += 1
            continue
        rows.append(" ".join([str(numbers[label]), *values]))
    return rows


_Write = Callable[[LabelledObject, tuple[int, int], int], "list[str] | None"]


def _detect(item: LabelledObject, size: tuple[int, int], points: int) -> list[str] | None:
    """The box, cut to the picture; None if nothing of it is left."""
    height, width = size
    x1, x2 = (min(max(x, 0.0), width) for x in (item.box[0], item.box[2]))
    y1, y2 = (min(max(y, 0.0), height) for y in (item.box[1], item.box[3]))
    if x2 <= x1 or y2 <= y1:
        return None
    return _texts((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)


def _pose(item: LabelledObject, size: tuple[int, int], points: int) -> list[str] | None:
    box = _detect(item, size, points)
    if box is None:
        return None
    height, width = size
    texts = []
    for x, y, visible in item.keypoints or ((0.0, 0.0, 0.0),) * points:
        inside = visible > 0 and 0 <= x <= width and 0 <= y <= height
        texts += [*(_texts(x / width, y / height) if inside else _texts(0.0, 0.0)), f"{visible if inside else 0:g}"]
    return box + texts


def _segment(item: LabelledObject, size: tuple[int, int], points: int) -> list[str] | None:
    """The outline; of an object that has only a box, the box."""
    height, width = size
    outline = _outline(item)
    if len(outline) < 3 or _detect(item, size, points) is None:
        return None
    return [text for x, y in outline for text in _texts(min(max(x / width, 0), 1), min(max(y / height, 0), 1))]


def _outline(item: LabelledObject) -> Sequence[tuple[float, float]]:
    """The greatest part of an object's outline; where there is none, the corners of its box."""
    x1, y1, x2, y2 = item.box
    parts = _traced(item) or [list(zip(part[0::2], part[1::2], strict=True)) for part in item.polygons]
    return max(parts, key=polygon_area) if parts else ((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def _traced(item: LabelledObject) -> list[list[tuple[float, float]]]:
    """The outlines of an object whose mask is run lengths (RLE)."""
    if not isinstance(item.segmentation, Mapping):
        return []
    return [[(float(x), float(y)) for x, y in part] for part in mask_polygons(mask_of_runs(item.segmentation))]


def _texts(*values: float) -> list[str]:
    """Six digits: a hundredth of a pixel in a picture of 8192."""
    return [f"{value:.6f}".rstrip("0").rstrip(".") or "0" for value in values]


_WRITERS: Mapping[str, _Write] = {"detect": _detect, "pose": _pose, "segment": _segment}
