"""`crops/CLASS/STEM-NUMBER.jpg`: each object cut out of its picture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ....files import make_folder
from .annotated import write_picture
from .result import Ending, Result


class Crops:
    """The upright box of each object (around an oriented one) as a picture.

    Args:
        folder: of the results.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder / "crops")

    def write(self, result: Result) -> None:
        """Cut the objects out of one picture."""
        height, width = result.found.size
        for row, box in enumerate(result.found.upright()):
            left, top = np.floor(np.clip(box[:2], 0, [width - 1, height - 1])).astype(int)
            right, bottom = np.ceil(np.clip(box[2:], [left + 1, top + 1], [width, height])).astype(int)
            name = re.sub(r"[^\w.-]+", "_", result.found.name_of(int(result.found.classes[row]))).strip(".") or "_"
            folder = make_folder(self._folder / name)
            write_picture(result.picture[top:bottom, left:right], folder / f"{result.stem}-{row}.jpg")

    def close(self, ending: Ending) -> None:
        """Nothing is left to do."""
