"""What two models are compared on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...engines.pictures.sources.find import find_all
from ...engines.pictures.sources.read import read_pictures
from ...graph.weights import Array
from ..benchmark.run import made_picture

MADE = "made (seed 0)"
MOST = 50
"""Pictures that are looked at."""


def pictures_of(sources: Sequence[Path] | None, note: Callable[[str], object] = str) -> dict[str, Array]:
    """Pictures uint8 [H, W, 3] by name, `MOST` at most; a made one where there are no sources.

    Raises:
        InputError: a picture cannot be read.
    """
    if not sources:
        return {MADE: made_picture()}
    found: dict[str, Array] = {}
    for source in find_all(sources):
        for number, picture in enumerate(read_pictures(source)):
            if len(found) == MOST:
                note(f"only the first {MOST} pictures are compared")
                return found
            found[f"{source.name} {number}" if source.video else source.name] = picture
    return found
