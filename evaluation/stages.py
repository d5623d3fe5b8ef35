"""A model step by step: prepare, infer, decode, with the time of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..contract.meta import ModelMeta
from ..contract.nms import Suppression
from ..contract.outputs import input_spec
from ..engines.pictures.detections import Detections
from ..engines.pictures.postprocess import Rows, decode, in_picture, surviving_rows
from ..engines.pictures.preprocess import Placement, prepare
from ..engines.runtimes.base import Runtime
from ..graph.weights import Array

Load = Callable[[Array, ModelMeta], tuple[Array, Placement]]
"""A picture [H, W, 3] becomes an image of the network's input, and where the picture lies in it."""

STAGES = ("preprocess", "inference", "postprocess")


@dataclass(frozen=True)
class Looked:
    """What a model found on some pictures.

    Attributes:
        found: a picture each.
        rows: the same in pixels of the network's input; none of a classifier.
        placements: where the pictures lie in it.
        seconds: of each of `STAGES` for all of them.
    """

    found: list[Detections]
    rows: list[Rows]
    placements: list[Placement]
    seconds: tuple[float, float, float]


def fill(runtime: Runtime, pictures: Sequence[Array], load: Load | None = None) -> tuple[Array, list[Placement]]:
    """The network's input of some pictures [H, W, 3] (blue, green, red); a fixed batch is filled up with black.

    Args:
        runtime: whose input it is.
        pictures: at most its batch.
        load: `prepare`, or another way to turn a picture into the network's input.
    """
    meta = runtime.meta
    prepared = [(load or prepare)(picture, meta) for picture in pictures]
    spec = input_spec(meta)
    images = np.zeros((meta.batch or len(pictures), *(int(axis) for axis in spec.shape[1:])), spec.dtype)
    for row, (image, _) in enumerate(prepared):
        images[row] = image
    return images, [placement for _, placement in prepared]


def look(
    runtime: Runtime,
    pictures: Sequence[Array],
    settings: Suppression,
    load: Load | None = None,
) -> Looked:
    """Detect on as many pictures as the model takes at once, or fewer; `load` as in `fill`."""
    clock = [time.perf_counter()]
    images, placements = fill(runtime, pictures, load)
    clock.append(time.perf_counter())
    outputs = runtime.infer(images, settings)
    clock.append(time.perf_counter())
    rows: list[Rows] = []
    if runtime.meta.task == "classify":
        found = [decode(outputs, row, placement, runtime.meta, settings) for row, placement in enumerate(placements)]
    else:
        rows = [surviving_rows(outputs, row, runtime.meta, settings) for row in range(len(pictures))]
        found = [in_picture(one, placement, runtime.meta) for one, placement in zip(rows, placements, strict=True)]
    clock.append(time.perf_counter())
    return Looked(found, rows, placements, (clock[1] - clock[0], clock[2] - clock[1], clock[3] - clock[2]))


def prepare_as_validators(picture: Array, meta: ModelMeta) -> tuple[Array, Placement]:
    """The network's input as the YOLO frameworks' validators make it.

    They resize before they letterbox, and round the shorter side up, where their predictors (and `prepare`) round it to the
    nearest pixel: a row more or less, which moves mAP by up to .002.
    """
    (height, width), longest = picture.shape[:2], max(meta.imgsz)
    ratio = longest / max(height, width)
    if (
        meta.preprocess.resize != "letterbox"
        or meta.family == "darknet"
        or meta.imgsz[0] != meta.imgsz[1]
        or ratio == 1
    ):
        return prepare(picture, meta)
    from ..opencv import cv2

    rows, columns = (min(math.ceil(side * ratio), longest) for side in (height, width))
    image, placement = prepare(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR), meta)
    return image, replace(placement, size=(height, width), scale=(columns / width, rows / height))
