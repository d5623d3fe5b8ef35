"""YOLO datasets: a data yaml, folders or lists of pictures, and one text file a picture with values relative to its size.

A line is `class`, then by task: detect `x y w h` (of the centre), pose the same and P points, segment a polygon, obb four corners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...engines.pictures.sources import PICTURES
from ...errors import InputError
from ...files import require_file
from ...graph.weights import Array
from ..polygons import polygon_area
from .truth import Dataset, Sample, Size, Truth, empty_truth


def read_data_yaml(path: Path, task: str, split: str) -> Dataset:
    """A data yaml as the field writes it: path, train, val, names, kpt_shape, flip_idx.

    Args:
        path: the file.
        task: of the model, which says what a line of labels means.
        split: the key whose pictures are wanted.

    Raises:
        InputError: the file is damaged, or lacks the split, the names or (for a pose model) kpt_shape.
    """
    document = _read_yaml(path)
    names = _names(document, path)
    kpt_shape = _kpt_shape(document, path, task)
    if document.get(split) is None:
        others = [name for name in ("train", "val", "test") if document.get(name) is not None]
        raise InputError(
            f"{path} has no {split!r}, only {', '.join(others) or 'names'}; name a part that it has, or add it"
        )
    root = _root(document, path)
    entries = document[split] if isinstance(document[split], list) else [document[split]]
    files = [file for entry in entries for file in _pictures(root / str(entry), root, path)]
    read = partial(_read_labels, task=task, classes=len(names), kpt_shape=kpt_shape)
    samples = tuple(
        Sample(file, number, _labels_of(file, read)) for number, file in zip(_numbers(files), files, strict=True)
    )
    sigmas = document.get("kpt_oks_sigmas")
    return Dataset(
        path.stem,
        names,
        tuple(range(len(names))),
        samples,
        kpt_shape,
        _flip_idx(document, kpt_shape, path),
        tuple(map(float, sigmas)) if sigmas else None,
    )


def parts_in(path: Path, parts: Sequence[str]) -> list[str]:
    """Which of these keys of a data yaml name pictures.

    Raises:
        InputError: the file is damaged.
    """
    document = _read_yaml(path)
    return [name for name in parts if document.get(name) is not None]


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    require_file(path, "a data yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}; check the file") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is no data yaml: it needs the keys path, val and names")
    return document


def _names(document: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    names = document.get("names")
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: names must be a list, or numbers from 0 with a name each")
    return tuple(map(str, names))


def _kpt_shape(document: Mapping[str, Any], path: Path, task: str) -> tuple[int, int] | None:
    shape = document.get("kpt_shape")
    if shape is None and task == "pose":
        raise InputError(f"{path} has no kpt_shape, such as [17, 3], so its labels' keypoints cannot be read; add it")
    if shape is None:
        return None
    if not isinstance(shape, list) or len(shape) != 2 or shape[1] not in (2, 3):
        raise InputError(f"{path}: kpt_shape is {shape}; it must be [points, 2] or [points, 3]")
    return int(shape[0]), int(shape[1])


def _flip_idx(document: Mapping[str, Any], kpt_shape: tuple[int, int] | None, path: Path) -> tuple[int, ...]:
    order = document.get("flip_idx") or ()
    if order and sorted(order) != list(range(kpt_shape[0] if kpt_shape else 0)):
        raise InputError(f"{path}: flip_idx must hold each number below {kpt_shape and kpt_shape[0]} once")
    return tuple(map(int, order))


def _root(document: Mapping[str, Any], path: Path) -> Path:
    """The folder that the yaml's paths are relative to: its `path`, itself relative to the yaml."""
    return (path.parent / str(document.get("path") or "")).resolve()


def _pictures(entry: Path, root: Path, path: Path) -> list[Path]:
    """The pictures of a folder, or those that a text file lists."""
    if entry.is_dir():
        return sorted(file for file in entry.rglob("*") if file.suffix.lower() in PICTURES)
    if entry.is_file() and entry.suffix == ".txt":
        lines = entry.read_text(encoding="utf-8").splitlines()
        return [_listed(line.strip(), entry, root) for line in lines if line.strip()]
    raise InputError(f"{path}: {entry} is neither a folder of pictures nor a .txt that lists them; check path and val")


def _listed(line: str, file: Path, root: Path) -> Path:
    return file.parent / line[2:] if line.startswith("./") else root / line


def _numbers(files: list[Path]) -> list[int]:
    """COCO's picture numbers: those that the files are named with, else 1, 2, 3, ..."""
    stems = [file.stem for file in files]
    if all(stem.isascii() and stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return [int(stem) for stem in stems]
    return list(range(1, len(files) + 1))


def label_file(picture: Path) -> Path:
    """Where the labels of a picture lie: its last folder `images` becomes `labels`; else beside it."""
    parts = list(picture.parts)
    places = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _labels_of(picture: Path, read: Callable[..., Truth]) -> Callable[[Size], Truth]:
    return partial(read, label_file(picture))


def _read_labels(path: Path, size: Size, task: str, classes: int, kpt_shape: tuple[int, int] | None) -> Truth:
    """The labels of one picture; a missing file means that there is nothing on it.

    Raises:
        InputError: a line is damaged; the message names it.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    rows = [parse_row(line, f"{path}:{number}", classes, task, kpt_shape) for number, line in numbered]
    rows = list({row.tobytes(): row for row in rows}.values())
    if not rows:
        return empty_truth(5 if task == "obb" else 4)
    scale = np.array([size[1], size[0]], float)
    try:
        return _READERS[task](rows, scale, kpt_shape)
    except ValueError as error:
        wanted = {"pose": "class, box and points", "segment": "class and polygon", "obb": "class and four corners"}
        raise InputError(f"{path}: its lines are not {wanted.get(task, 'class x y w h')} ({error})") from error


def parse_row(line: str, where: str, classes: int, task: str, kpt_shape: tuple[int, int] | None) -> Array:
    """A line of labels as numbers, class first.

    A box must lie on the picture. An outline may reach over its rim, as that of an object does which a tile cuts off; the box
    around it must not be larger than the picture, nor its centre outside (Ultralytics' rule).

    Raises:
        InputError: it is none; the message names `where`.
    """
    try:
        row = np.array(line.split(), float)
    except ValueError as error:
        raise InputError(f"{where}: {line[:40]!r} is no line of numbers; mend the labels") from error
    if len(row) < 5 or not np.isfinite(row).all():
        raise InputError(f"{where}: a label needs a class and at least four numbers; mend the labels")
    if row[0] < 0 or row[0] >= classes or row[0] % 1:
        raise InputError(f"{where}: class {row[0]:g} is not one of the {classes} of the data yaml; mend one of them")
    box = _around(row[1:]) if _is_outline(row, task, kpt_shape) else row[1:5]
    if (box < 0).any() or (box > 1.01).any():
        raise InputError(f"{where}: coordinates must be 0..1, relative to the picture; mend the labels")
    return row


def _is_outline(row: Array, task: str, kpt_shape: tuple[int, int] | None) -> bool:
    """Whether a line is points of an outline, x and y in turns; a plain box and one with keypoints are not."""
    keypoints = 5 + kpt_shape[0] * kpt_shape[1] if kpt_shape else 0
    return task != "pose" and len(row) > 5 and len(row) % 2 == 1 and len(row) != keypoints


def _around(values: Array) -> Array:
    """Centre and size [4] of the box around an outline x, y, x, y, ..."""
    points = values.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low])


def _boxes(rows: list[Array], scale: Array, kpt_shape: tuple[int, int] | None) -> Truth:
    """Plain boxes; of a polygon the box around it."""
    keypoints = 5 + kpt_shape[0] * kpt_shape[1] if kpt_shape else 0
    plain = [row[:5] if len(row) == keypoints else row for row in rows]
    return _truth(rows, np.array([_box(row) for row in plain]).reshape(-1, 4) * np.tile(scale, 2))


def _box(row: Array) -> Array:
    if len(row) == 5:
        return np.concatenate([row[1:3] - row[3:5] / 2, row[1:3] + row[3:5] / 2])
    points = row[1:].reshape(-1, 2)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _poses(rows: list[Array], scale: Array, kpt_shape: tuple[int, int] | None) -> Truth:
    points, values = kpt_shape or (0, 0)
    table = np.stack(rows)
    keypoints = table[:, 5:].reshape(-1, points, values)
    if values == 2:
        seen = np.where((keypoints < 0).any(axis=2, keepdims=True), 0.0, 2.0)
        keypoints = np.concatenate([keypoints, seen], axis=2)
    keypoints = keypoints * np.array([*scale, 1.0])
    truth = _boxes([row[:5] for row in rows], scale, None)
    return Truth(truth.classes, truth.boxes, truth.areas, truth.crowd, keypoints)


def _polygons(rows: list[Array], scale: Array, kpt_shape: tuple[int, int] | None) -> Truth:
    truth = _boxes(rows, scale, None)
    shapes = [(row[1:].reshape(-1, 2) * scale) for row in rows]
    if any(len(shape) < 3 for shape in shapes):
        raise ValueError("a polygon needs three points")
    areas = np.array([polygon_area(shape) for shape in shapes])
    return Truth(
        truth.classes, truth.boxes, areas, truth.crowd, masks=tuple([shape.reshape(-1).tolist()] for shape in shapes)
    )


def _oriented(rows: list[Array], scale: Array, kpt_shape: tuple[int, int] | None) -> Truth:
    """The smallest rectangle around the four corners of each line, as DOTA's users train on them."""
    from ...opencv import cv2

    corners = np.stack(rows)[:, 1:].reshape(-1, 4, 2) * scale
    fitted = [cv2.minAreaRect(shape.astype(np.float32)) for shape in corners]
    boxes = np.array([[*centre, *sides, np.deg2rad(angle)] for centre, sides, angle in fitted])
    return _truth(rows, boxes, boxes[:, 2:4].prod(axis=1))


def _truth(rows: list[Array], boxes: Array, areas: Array | None = None) -> Truth:
    classes = np.array([row[0] for row in rows], np.int64)
    if areas is None:
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return Truth(classes, boxes, areas, np.zeros(len(rows), bool))


_READERS = {"detect": _boxes, "pose": _poses, "segment": _polygons, "obb": _oriented}
