"""The pictures to calibrate with: a seeded sample of a folder, list or pattern, read one after the other.

They are prepared exactly as `detect` prepares them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...contract.meta import ModelMeta
from ...engines.pictures.preprocess import prepare
from ...engines.pictures.sources import PICTURES, read_picture
from ...errors import InputError
from ...files import sha256_of
from ...graph.weights import Array

SEED = 0
SHARE = 12
"""One in so many pictures is held out where there are too few for both."""


def how_many(pictures: int) -> str:
    """`1 picture`, `2 pictures`."""
    return "1 picture" if pictures == 1 else f"{pictures} pictures"


@dataclass(frozen=True)
class Sample:
    """Pictures that were chosen.

    Attributes:
        files: to calibrate with, in a fixed random order.
        held_out: others, to compare FP32 with INT8 on.
        found: how many there were to choose from.
    """

    files: tuple[Path, ...]
    held_out: tuple[Path, ...]
    found: int


@dataclass
class PictureReader:
    """Reads pictures in the form of a model's input and keeps account of those that cannot be read.

    Attributes:
        meta: of the model.
        unreadable: what could not be read, and why.
        read: how many could.
    """

    meta: ModelMeta
    unreadable: dict[Path, str] = field(default_factory=dict)
    read: int = 0

    def batches(self, files: Sequence[Path], size: int) -> Iterator[Array]:
        """The pictures that can be read, as inputs [`size`, C, H, W] (or HWC).

        The last batch may be smaller, or (where the model's batch is fixed) repeats its last picture.
        """
        rows: list[Array] = []
        for picture in self.pictures(files):
            rows.append(prepare(picture, self.meta)[0])
            if len(rows) == size:
                yield np.stack(rows)
                rows = []
        if rows:
            missing = size - len(rows) if self.meta.batch else 0
            yield np.stack(rows + rows[-1:] * missing)

    def pictures(self, files: Sequence[Path]) -> Iterator[Array]:
        """The pictures themselves, uint8 [H, W, 3]."""
        for file in files:
            try:
                picture = read_picture(file)
            except InputError as error:
                self.unreadable[file] = str(error)
                continue
            self.read += 1
            yield picture


def with_letterbox(meta: ModelMeta, letterbox: bool | None) -> ModelMeta:
    """The metadata with pictures letterboxed or stretched; None leaves them as `detect` has them."""
    if letterbox is None or meta.task == "classify":
        return meta
    return replace(meta, preprocess=replace(meta.preprocess, resize="letterbox" if letterbox else "stretch"))


def choose(path: Path, count: int, held_out: int, seed: int = SEED) -> Sample:
    """Choose pictures at random, the same ones every time.

    A twelfth of the pictures is held out where there are too few for both.

    Args:
        path: a folder (with its subfolders), a text file with a path a line, or one picture.
        count: how many to calibrate with, at most.
        held_out: how many to keep for the comparison, at most.
        seed: of the choice.

    Raises:
        InputError: nothing there, or no pictures.
    """
    files = _find(path)
    order = sorted(files, key=lambda file: str(file))
    random.Random(seed).shuffle(order)
    apart = min(held_out, max(len(order) - count, len(order) // SHARE))
    end = len(order) - apart
    return Sample(tuple(order[: min(count, end)]), tuple(order[end:]), len(order))


def _find(path: Path) -> list[Path]:
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.suffix.lower() in PICTURES and file.is_file()]
        if not files:
            raise InputError(
                f"--calib-path {path}: no picture in the folder or below it; give a folder of JPEG, PNG, BMP, WebP or TIFF files"
            )
        return files
    if not path.is_file():
        raise InputError(
            f"--calib-path {path}: no such folder or file; give a folder of pictures, or a text file with a path a line"
        )
    return [path] if path.suffix.lower() in PICTURES else _listed(path)


def _listed(path: Path) -> list[Path]:
    """The pictures that a text file names, relative to it."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"--calib-path {path} is neither a picture nor a list of pictures; name a folder") from error
    files = [path.parent / line for line in lines if line and not line.startswith("#")]
    missing = [file for file in files if not file.is_file()]
    if not files or missing:
        what = f"{missing[0]} and {len(missing) - 1} more are not there" if missing else "names no picture"
        raise InputError(f"--calib-path {path}: {what}; name one existing picture a line, relative to the list")
    return files


def digest(files: Sequence[Path]) -> str:
    """A hash of the pictures' contents, in their order."""
    import hashlib

    whole = hashlib.sha256()
    for file in files:
        whole.update(sha256_of(file).encode())
    return whole.hexdigest()
