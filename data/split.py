"""Pictures divided into parts for training, validation and test, as lists that frameworks read."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from ..engines.pictures.sources import PICTURES
from ..errors import InputError
from ..files import atomic_write, make_folder

PARTS = ("train", "val", "test")
SEED = 0


def split_pictures(
    images: Path, output: Path, shares: Sequence[float], seed: int = SEED, prefix: str | None = None
) -> dict[str, int]:
    """Write `train.txt`, `val.txt` and, with a third share, `test.txt`: one picture a line, in random order.

    Args:
        images: folder of the pictures, read with all below it.
        output: folder for the lists.
        shares: of train, val (and test); they are scaled to sum up to 1.
        seed: the same seed and the same names give the same parts on every machine.
        prefix: written before each picture's path below `images`; None takes the way there from the lists, `./images/`.

    Returns:
        How many pictures each part has.

    Raises:
        InputError: no pictures, shares that are none, or a part that would be empty.
    """
    if not 2 <= len(shares) <= 3 or min(shares) <= 0:
        raise InputError(f"--split {' '.join(map(str, shares))}: give two or three shares above 0, such as 0.7 0.2 0.1")
    files = sorted(path.relative_to(images).as_posix() for path in images.rglob("*") if path.suffix.lower() in PICTURES)
    if not files:
        raise InputError(f"{images} holds no picture ({', '.join(sorted(PICTURES))}); give the folder of the pictures")
    random.Random(seed).shuffle(files)
    bounds = _bounds(len(files), shares)
    parts = {name: files[start:end] for name, start, end in zip(PARTS, bounds, bounds[1:], strict=False)}
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise InputError(
            f"{len(files)} pictures are too few for --split {' '.join(map(str, shares))}: {empty[0]} would be empty"
        )
    make_folder(output)
    before = _way(output, images) if prefix is None else prefix
    for name, part in parts.items():
        with atomic_write(output / f"{name}.txt") as stream:
            stream.write("".join(f"{before}{file}\n" for file in part).encode())
    return {name: len(part) for name, part in parts.items()}


def _way(start: Path, end: Path) -> str:
    """What leads from one folder into another, in the way of frameworks' lists: `./` is the folder of the list."""
    way = Path(os.path.relpath(end, start)).as_posix()
    return "./" if way == "." else f"./{way}/"


def _bounds(count: int, shares: Sequence[float]) -> list[int]:
    """Where each part begins, and the end; rounded so that the parts sum up to all."""
    total, so_far, bounds = sum(shares), 0.0, [0]
    for share in shares:
        so_far += share
        bounds.append(round(count * so_far / total))
    return bounds
