"""Labelled pictures: one record for every format that labels come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...graph.weights import Array

Size = tuple[int, int]
"""Height, width of a picture in pixels."""

COCO_POINTS = 17

Segmentation = Any
"""A mask as COCO writes it: a list of polygons [x, y, x, y, ...], or run lengths {"size", "counts"}."""


@dataclass(frozen=True)
class Truth:
    """The labelled objects of one picture, in its pixels.

    Attributes:
        classes: int64 [M], numbers of the dataset's names.
        boxes: float64 [M, 4] x1, y1, x2, y2, or oriented [M, 5] cx, cy, w, h, angle in radians.
        areas: float64 [M], of the objects as the labels say, in square pixels.
        crowd: bool [M]: groups of objects, which count neither as found nor as missed.
        keypoints: float64 [M, P, 3] x, y, visibility (0 is not labelled); None where there are none.
        masks: one an object; None where there are none.
    """

    classes: Array
    boxes: Array
    areas: Array
    crowd: Array
    keypoints: Array | None = None
    masks: tuple[Segmentation, ...] | None = None

    def __len__(self) -> int:
        """How many objects."""
        return len(self.classes)

    def __getitem__(self, keep: Array) -> Truth:
        """The objects that a bool [M] or numbers select."""
        numbers = np.arange(len(self))[keep]
        return Truth(
            self.classes[numbers],
            self.boxes[numbers],
            self.areas[numbers],
            self.crowd[numbers],
            None if self.keypoints is None else self.keypoints[numbers],
            None if self.masks is None else tuple(self.masks[number] for number in numbers),
        )


@dataclass(frozen=True)
class Sample:
    """One picture and its labels.

    Attributes:
        path: of the picture.
        id: its number in results files.
        truth: gives the labels for the picture's size; may read a file, and raises InputError where that is damaged.
        label: class of the whole picture, for a classifier.
    """

    path: Path
    id: int
    truth: Callable[[Size], Truth] | None = None
    label: int | None = None


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures with the names of their classes.

    Attributes:
        name: for tables and results files.
        names: of the classes.
        categories: number of each class in COCO results files.
        samples: the pictures.
        kpt_shape: points and values a point, where the labels have keypoints.
        flip_idx: the point that each becomes in a mirrored picture.
        sigmas: [P] spread of each keypoint; None takes COCO's, or 1/P for other skeletons.
        notes: what the user should know, a sentence each.
    """

    name: str
    names: tuple[str, ...]
    categories: tuple[int, ...]
    samples: tuple[Sample, ...]
    kpt_shape: tuple[int, int] | None = None
    flip_idx: tuple[int, ...] = ()
    sigmas: tuple[float, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def spread(self) -> tuple[float, ...] | None:
        """Sigma of each keypoint; None where they are COCO's 17."""
        points = self.kpt_shape[0] if self.kpt_shape else COCO_POINTS
        return self.sigmas or (None if points == COCO_POINTS else (1 / points,) * points)

    def first(self, count: int | None) -> Dataset:
        """The same with at most `count` pictures."""
        return self if count is None else replace(self, samples=self.samples[:count])

    def number_of(self, names: Sequence[str], where: str) -> Array:
        """The dataset's class int64 [C] for each of a model's classes, -1 where the dataset has none of that name.

        Raises:
            InputError: no name is in both, and the counts differ.
        """
        known = {name.strip().lower(): number for number, name in enumerate(self.names)}
        numbers = np.array([known.get(name.strip().lower(), -1) for name in names], np.int64)
        if len(names) == len(self.names) and not (numbers >= 0).any():
            return np.arange(len(names))
        if not (numbers >= 0).any():
            raise InputError(
                f"{where} knows {_some(names)}, and {self.name} labels {_some(self.names)}: no class is in both; give the "
                "model's class names in the dataset's words with --names"
            )
        return numbers


def empty_truth(columns: int = 4) -> Truth:
    """No objects, with boxes of 4 or 5 numbers."""
    return Truth(np.zeros(0, np.int64), np.zeros((0, columns)), np.zeros(0), np.zeros(0, bool))


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} classes ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
