"""Labels drawn onto their pictures, to see with one's own eyes that they lie where they should."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..engines.pictures.detections import Detections
from ..engines.pictures.drawing import draw
from ..engines.pictures.masks import mask_of_runs
from ..engines.pictures.sources import read_picture
from ..errors import InputError
from ..files import atomic_write, make_folder
from ..graph.weights import Array
from .datasets.truth import Dataset, Segmentation, Size, Truth


def draw_labels(dataset: Dataset, folder: Path, count: int = 5, seed: int = 0) -> list[Path]:
    """Draw the labels of some pictures, chosen at random from those that have some.

    Args:
        dataset: the labelled pictures.
        folder: for the drawings, named after the pictures.
        count: how many.
        seed: of the choice.

    Returns:
        The files that were written.

    Raises:
        InputError: a picture or its labels cannot be read.
    """
    make_folder(folder)
    shuffled = random.Random(seed).sample(list(dataset.samples), len(dataset.samples))
    written: list[Path] = []
    for sample in shuffled:
        if len(written) == count:
            break
        picture = read_picture(sample.path)
        size = picture.shape[0], picture.shape[1]
        if sample.truth is None:
            raise InputError(f"{sample.path} has a class but no objects to draw; give a dataset with boxes")
        truth = sample.truth(size)
        if not len(truth):
            continue
        path = _free(folder, sample.path.stem, written)
        _write(path, draw(picture, _drawable(truth, size, dataset.names, sample.path)))
        written.append(path)
    return written


def _free(folder: Path, stem: str, written: list[Path]) -> Path:
    """Where a drawing goes: pictures of one name in two folders get one each."""
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(written) + 2))]
    return next(path for path in (folder / f"{name}.jpg" for name in names) if path not in written)


def _drawable(truth: Truth, size: Size, names: tuple[str, ...], path: Path) -> Detections:
    try:
        return as_detections(truth, size, names)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the labels of {path} cannot be drawn ({error}); mend them") from error


def as_detections(truth: Truth, size: Size, names: tuple[str, ...]) -> Detections:
    """Labels as what a perfect model would find: every score 1, points that are not labelled without visibility."""
    keypoints = None
    if truth.keypoints is not None:
        keypoints = truth.keypoints.astype(np.float32)
        keypoints[..., 2] = keypoints[..., 2] > 0
    masks = None
    if truth.masks is not None:
        masks = np.array([_mask(part, size) for part in truth.masks], bool).reshape(-1, *size)
    return Detections(
        size,
        truth.boxes.astype(np.float32),
        np.ones(len(truth), np.float32),
        truth.classes,
        keypoints,
        masks,
        names=names,
    )


def _mask(part: Segmentation, size: Size) -> Array:
    """Bool [height, width] of polygons or run lengths; empty for an object of which only a box was drawn."""
    from ..opencv import cv2

    if isinstance(part, Mapping):
        return mask_of_runs(part)
    mask = np.zeros(size, np.uint8)
    for values in part or ():
        cv2.fillPoly(mask, [np.round(np.array(values, float).reshape(-1, 2)).astype(np.int32)], 1)
    return mask.astype(bool)


def _write(path: Path, picture: Array) -> None:
    from ..opencv import cv2

    encoded, data = cv2.imencode(".jpg", picture)
    if not encoded:
        raise InputError(f"{path} cannot be encoded as JPEG")
    with atomic_write(path) as stream:
        stream.write(data.tobytes())
