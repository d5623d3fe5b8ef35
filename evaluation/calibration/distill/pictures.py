"""The pictures that the student sees: changed ones to learn from, and some kept aside as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from ....contract.meta import ModelMeta
from ....converters.vocabulary.ops import Tensor
from ....engines.pictures.preprocess import prepare
from ....errors import InputError, UnsupportedError
from ..pictures import PictureReader
from .settings import DistillSettings

KEPT = 256
"""Prepared pictures that stay in memory, 5 MB each at 640."""
BRIGHTNESS, LEAST_PART = (0.9, 1.1), 0.75
ASIDE, MOST_ASIDE = 8, 16
"""Every so many pictures one is kept aside, and at most so many."""


class Pictures:
    """Batches of changed pictures; a step's batch is always the same, so that a resumed run sees what it would have seen.

    Args:
        meta: of the network.
        files: pictures.
        settings: batch, device and seed.

    Raises:
        InputError: no picture can be read.
        UnsupportedError: a network with another input than float32 [B, C, H, W].
    """

    def __init__(self, meta: ModelMeta, files: Sequence[Path], settings: DistillSettings) -> None:
        if meta.input_dtype != "float32" or meta.input_axes != "chw":
            raise UnsupportedError("--recover distill needs a network that takes float32 [B, C, H, W]")
        self._meta, self._settings = meta, settings
        found = _readable(meta, files)
        apart = min(len(found) // ASIDE or 1, MOST_ASIDE)
        self._files = found[apart:] or found
        self.aside = [self._load(file) for file in found[:apart]]
        self._image = lru_cache(KEPT)(self._load)

    def batch(self, step: int) -> Tensor:
        """Images [B, C, H, W] on the device."""
        random = np.random.default_rng((self._settings.seed, step))
        images = [self._image(self._files[index]) for index in self._order(step)]
        return _changed(images, random, self._meta.preprocess.scale)

    def _order(self, step: int) -> Iterator[int]:
        """Numbers of the files of a step: all files in a new order each time round."""
        count, start = len(self._files), step * self._settings.batch
        for place in range(start, start + self._settings.batch):
            around = np.random.default_rng((self._settings.seed, 1, place // count)).permutation(count)
            yield int(around[place % count])

    def _load(self, file: Path) -> Tensor:
        (picture,) = PictureReader(self._meta).pictures([file])
        return torch.from_numpy(prepare(picture, self._meta)[0]).to(self._settings.device)


def _readable(meta: ModelMeta, files: Sequence[Path]) -> list[Path]:
    reader = PictureReader(meta)
    for _ in reader.pictures(files):
        pass
    found = [file for file in files if file not in reader.unreadable]
    if not found:
        raise InputError("--recover distill: no picture can be read; give others with --calib-path")
    return found


def _changed(images: Sequence[Tensor], random: np.random.Generator, white: float) -> Tensor:
    """Half of the pictures mirrored, most of them a large part enlarged, all of a slightly other brightness.

    No more than that: the ranges are those of pictures as they are, and a student that has to serve much brighter or coarser ones
    grows worse at these.
    """
    rows = []
    for image in images:
        if random.random() < 0.5:
            image = image.flip(2)
        if random.random() < 0.75:
            image = _enlarged(image, random)
        rows.append(image * random.uniform(*BRIGHTNESS))
    return torch.stack(rows).clamp(0, white)


def _enlarged(image: Tensor, random: np.random.Generator) -> Tensor:
    height, width = image.shape[1:]
    share = random.uniform(LEAST_PART, 1.0)
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    top, left = random.integers(0, height - rows + 1), random.integers(0, width - columns + 1)
    part = image[None, :, top : top + rows, left : left + columns]
    return F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]
