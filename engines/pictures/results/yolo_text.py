"""YOLO's label files: `labels/STEM.txt`, a line an object, everything relative to the picture's width and height."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....files import atomic_write, make_folder
from ....graph.weights import Array
from ..detections import Detections, corners
from ..masks import mask_polygons
from .result import Ending, Result


class YoloText:
    """Label files as YOLO's training reads them; a picture without objects gets an empty one.

    Args:
        folder: of the results.
        scores: end each line with the score.
    """

    def __init__(self, folder: Path, scores: bool) -> None:
        self._folder, self._scores = make_folder(folder / "labels"), scores

    def write(self, result: Result) -> None:
        """Write the file of one picture."""
        with atomic_write(self._folder / f"{result.stem}.txt") as stream:
            stream.writelines(f"{line}\n".encode() for line in _lines(result.found, self._scores))

    def close(self, ending: Ending) -> None:
        """Nothing is left to do."""


def _lines(found: Detections, scores: bool) -> Iterator[str]:
    if found.probs is not None:
        yield from (f"{score:.4f} {found.name_of(number)}" for number, score in found.top_classes())
        return
    for row in range(len(found)):
        values = [*_values(found, row), *([found.scores[row]] if scores else [])]
        yield " ".join([str(int(found.classes[row])), *(f"{value:.6f}" for value in values)])


def _values(found: Detections, row: int) -> list[float]:
    """Box as centre and size, then keypoints; or the corners of an oriented box; or the outline of a mask's largest part."""
    size = np.array(found.size[::-1], np.float64)
    if found.oriented:
        return _flat(corners(found.boxes[row : row + 1])[0] / size)
    if found.masks is not None and (parts := mask_polygons(found.masks[row])):
        return _flat(np.array(max(parts, key=_area)) / size)
    start, end = found.boxes[row].astype(np.float64).reshape(2, 2)
    values = _flat(np.stack([(start + end) / 2, end - start]) / size)
    if found.keypoints is not None:
        points = found.keypoints[row].astype(np.float64)
        values += _flat(np.concatenate([points[:, :2] / size, points[:, 2:]], axis=1))
    return values


def _area(polygon: list[list[int]]) -> float:
    from ....opencv import cv2

    return float(cv2.contourArea(np.array(polygon, np.float32)))


def _flat(values: Array) -> list[float]:
    flat: list[float] = values.reshape(-1).tolist()
    return flat
