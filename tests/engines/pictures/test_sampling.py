"""Resizing by DarkNet's sampling points against its loops (AlexeyAB/darknet, src/image.c, resize_image)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shared import WEIGHTS, needs_weights

from trtzoo import ConvertSettings, Predictor, ReadOptions, convert, open_runtime
from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.engines.pictures.preprocess import prepare
from trtzoo.engines.pictures.sampling import REMAP_LIMIT, RESIZERS, white_of
from trtzoo.engines.pictures.sources import read_picture


def resize_image(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Two passes, across and down; the last column and row are the picture's."""

    def along(values: np.ndarray, new: int) -> np.ndarray:
        length = len(values)
        out = np.empty((new, *values.shape[1:]))
        for x in range(new):
            if x == new - 1 or length == 1:
                out[x] = values[length - 1]
            else:
                place = x * (length - 1) / (new - 1)
                left = int(place)
                out[x] = (1 - (place - left)) * values[left] + (place - left) * values[min(left + 1, length - 1)]
        return out

    across = along(picture.astype(np.float64).swapaxes(0, 1), width).swapaxes(0, 1)
    return along(across, height)


def resized(way: str, picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A resized picture in shares of white."""
    levels = RESIZERS[way](picture, height, width)
    return levels / white_of(levels)


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A picture whose neighbours differ by few levels, so that 32nds of a pixel are finer than a level."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / (9 + c) + c) * np.cos(y / (8 + c)) for c in range(channels)]
    return np.rint(np.stack(waves, axis=-1)).astype(np.uint8)


SIZES = {
    "smaller": ((90, 120), (64, 48)),
    "larger": ((40, 50), (64, 96)),
    "one row": ((1, 60), (8, 31)),
    "one column": ((60, 1), (31, 8)),
    "to one pixel": ((30, 20), (1, 1)),
    "no change": ((32, 48), (32, 48)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "new"), SIZES.values(), ids=SIZES)
def test_darknets_sampling_points(size, new, channels):
    picture = smooth(*size, channels)
    made = resized("darknet", picture, *new)
    assert made.shape == (*new, channels)
    # 1/64 of a pixel in both directions, at up to 16 levels a pixel.
    assert np.abs(made * 255 - resize_image(picture, *new)).max() < 2 * 16 / 64
    if max(size) > max(new):
        assert np.abs(made - resized("linear", picture, *new)).max() > 3 / 255 or new == (1, 1) or 1 in size


def test_corners_fall_on_corners():
    picture = smooth(97, 131)
    made = resized("darknet", picture, 60, 40)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        np.testing.assert_allclose(made[corner], picture[corner] / 255, rtol=1e-6)


def test_a_picture_longer_than_remap_takes_is_resized_all_the_same():
    picture = np.full((2, REMAP_LIMIT + 5, 3), 77, np.uint8)
    np.testing.assert_allclose(resized("darknet", picture, 16, 32), np.full((16, 32, 3), 77 / 255), rtol=1e-6)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_the_metadata_decides(resize):
    picture, settings = smooth(90, 120), Preprocess(resize, 0.5, sampling="darknet")
    meta = ModelMeta("darknet", "detect", ("a",), (32,), (64, 64), preprocess=settings)
    image, _ = prepare(picture[..., ::-1], meta)
    height, top = (48, 8) if resize == "letterbox" else (64, 0)
    inside = image[:, top : top + height].transpose(1, 2, 0) * 255
    assert np.abs(inside - resize_image(picture, height, 64)).max() < 0.5
    if resize == "letterbox":
        assert np.all(image[:, :8] == 0.5) and np.all(image[:, 56:] == 0.5)


@needs_weights
def test_scores_are_those_that_darknet_prints(tmp_path):
    """pjreddie's darknet (Debian's package), which letterboxes, on its own dog.jpg; OpenCV's sampling gives the car .64."""
    read = ReadOptions(names=WEIGHTS / "coco.names")
    runtime = open_runtime(convert(WEIGHTS / "yolov3-tiny.cfg", tmp_path / "m.onnx", ConvertSettings(read=read)).path)
    runtime.meta = replace(runtime.meta, preprocess=replace(runtime.meta.preprocess, resize="letterbox"))
    [found] = Predictor(runtime)([read_picture(WEIGHTS / "dog.jpg")])
    best: dict[str, float] = {}
    for number, score in zip(found.classes, found.scores, strict=True):
        name = runtime.meta.names[int(number)]
        best[name] = max(best.get(name, 0), float(score))
    assert best == pytest.approx({"dog": 0.56, "car": 0.61, "truck": 0.55, "bicycle": 0.59}, abs=0.006)
